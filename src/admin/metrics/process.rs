//! What the system knows of this process. Where there is no `/proc`, nothing is told.

use super::catalogue as family;
use super::text::Page;
use std::fs;

/// Linux tells processor time in hundredths of a second, whatever the kernel's own clock does.
const TICKS_A_SECOND: f64 = 100.0;

pub(super) fn append(page: &mut Page) {
    if let Some(seconds) = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_seconds(&stat)) {
        page.family(&family::PROCESS_CPU).sample(&[], seconds);
    }
    if let Some(bytes) = fs::read_to_string("/proc/self/status").ok().and_then(|status| resident_bytes(&status)) {
        page.family(&family::PROCESS_MEMORY).sample(&[], bytes);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        page.family(&family::PROCESS_FILES).sample(&[], files.count());
    }
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    // The name of the program, in parentheses, may hold spaces: count from behind it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map_while(|field| field.parse::<u64>().ok());
    Some((times.next()? + times.next()?) as f64 / TICKS_A_SECOND)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_understood() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 2 3 0 0 150 50 0 0 20 0 9 0 1 1 1";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 (x) S"), None);
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t  2048 kB\n"), Some(2_097_152));
    }
}
