//! The console as a person meets it, in a real Chromium: what it says, with the keyboard, in the dark, and to assistive
//! technology.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod browser;

use browser::Browser;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A customer of the demo who writes often.
const ANA: (&str, &str) = ("bakery", "12025550101");

/// Whether this machine is allowed to have no browser: said so, and told at the end of `make test`.
fn is_waived() -> bool {
    let waived = std::env::var("SESSIONGATE_TEST_WITHOUT_BROWSER").is_ok_and(|value| value == "1");
    if waived {
        eprintln!("NOT tested: there is no Chromium here, and SESSIONGATE_TEST_WITHOUT_BROWSER=1 is set");
    }
    waived
}

/// A process that ends with its value.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sessiongate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessiongate"));
    command.args(arguments).env("SESSIONGATE_LOG", "info").stdin(Stdio::null());
    command
}

/// The demo, and where its console is.
fn demo() -> (Ends, String) {
    let mut child = sessiongate(&["demo", "--plain", "--no-browser"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let url = lines.find_map(|line| line.strip_prefix("the console is at ").map(str::to_owned)).unwrap();
    // Whoever writes to a pipe that nobody reads is stopped.
    std::thread::spawn(move || lines.for_each(drop));
    (Ends(child), url)
}

fn look_up(page: &mut Browser, business: &str, customer: &str) {
    page.tab_to("business");
    page.write(business);
    page.tab_to("customer");
    page.write(customer);
    page.press("Enter");
}

#[test]
fn a_person_sees_the_worker_at_work_and_a_window_run_out() {
    if is_waived() {
        return;
    }
    let (demo, url) = demo();
    let mut page = Browser::open(&url, 1280, 1150);
    page.wait_to_read("#ready", "ready");
    page.wait_for("document.querySelector('#ready').innerText === 'ready'");
    let total = "Number(document.querySelector('#verdict-total').innerText.replace(/,/g, ''))";
    page.wait_for(&format!("{total} > 3"));
    let before = page.value(total).as_f64().unwrap();
    page.wait_for(&format!("{total} > {before}"));
    page.wait_to_read("#verdicts", "no open window");
    page.wait_to_read("#dead", "missing field");
    page.wait_for("document.querySelectorAll('#inbound tr').length === 4");
    page.wait_for("document.querySelectorAll('#intents tr').length === 4");
    page.wait_to_read("#inbound", "applied");
    page.wait_for("Number(document.querySelector('#open-windows').innerText) > 0");
    page.wait_for("document.querySelector('#spark-sends').getAttribute('d').length > 20");
    assert_eq!(page.value("document.querySelectorAll('#checks li').length"), 7, "{}", page.text("#checks"));
    assert!(page.text("#checks").contains("redis: takes writes"), "{}", page.text("#checks"));

    look_up(&mut page, ANA.0, ANA.1);
    page.wait_to_read("#state", "Open: may be written to freely");
    page.wait_to_read("#proof", "Open is final");
    let left = "Number(document.querySelector('#left').innerText.match(/00:00:(\\d\\d) left/)[1])";
    let first = page.value(left).as_f64().unwrap();
    assert!((1.0..=20.0).contains(&first), "{first} s of a window of 20 s");
    page.wait_for(&format!("{left} < {first}"));
    assert_eq!(page.text("#subject"), format!("{} with {} on whatsapp", ANA.1, ANA.0));
    page.tab_to("customer");
    page.write("half of anoth");
    let asked = "performance.getEntriesByType('resource').filter(it => it.name.includes('/v1/windows/')).length";
    let before = page.value(asked).as_f64().unwrap();
    page.wait_for(&format!("{asked} > {before}"));
    assert_eq!(
        page.text("#subject"),
        format!("{} with {} on whatsapp", ANA.1, ANA.0),
        "what was asked for, not what is typed"
    );
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        page.wait_for(&format!("{total} > 60"));
        page.wait_to_read("#state", "Open: may be written to freely");
        photograph(&mut page, "docs/console.png");
    }
    look_up(&mut page, "bakery", "nobody");
    page.wait_to_read("#state", "Closed: a template is required");
    page.wait_to_read("#proof", "Proven: every inbound record in Kafka is part of this answer.");
    assert_eq!(page.text("#left"), "");
    page.value("document.querySelector('#channel').value = 'carrier-pigeon'");
    look_up(&mut page, "bakery", "nobody");
    page.wait_to_read("#look-wrong", "this channel is not configured");

    let elsewhere = page.value("performance.getEntriesByType('resource').filter(it => !it.name.startsWith(location.origin) && !it.name.startsWith('data:')).length");
    assert_eq!(elsewhere, 0, "the page takes something from elsewhere");
    drop(demo);
    page.wait_to_read("#lost", "The worker does not answer.");
    assert_eq!(page.text("#ready"), "no connection");
}

fn photograph(page: &mut Browser, path: &str) {
    let clip = json!({ "x": 0, "y": 0, "width": 1280, "height": 800, "scale": 0.75 });
    let taken = page.call("Page.captureScreenshot", json!({ "format": "png", "clip": clip }));
    let image = decode_base64(taken["data"].as_str().unwrap());
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), image).unwrap();
}

fn decode_base64(text: &str) -> Vec<u8> {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextets: Vec<u32> = text.chars().filter_map(|c| letters.find(c)).map(|place| place as u32).collect();
    let bytes = sextets.chunks(4).flat_map(|some| {
        let bits = some.iter().enumerate().fold(0, |bits, (place, sextet)| bits | sextet << (18 - 6 * place));
        bits.to_be_bytes().into_iter().skip(1).take(some.len() - 1)
    });
    bytes.collect()
}

/// The lowest contrast of any text that is shown with what lies behind it, and the text.
const LOWEST_CONTRAST: &str = "(() => {
    const part = value => { const c = value / 255; return c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; };
    const parts = color => color.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
    const behind = element => {
        for (; element; element = element.parentElement) {
            const color = parts(getComputedStyle(element).backgroundColor);
            if (color.length === 3 || color[3] > 0) return color;
        }
        return [255, 255, 255];
    };
    const shown = [...document.querySelectorAll('body *')].filter(element =>
        element.checkVisibility() && [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
    const contrasts = shown.map(element => {
        const [one, other] = [light(parts(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
        return [(one + .05) / (other + .05), element.innerText.slice(0, 40)];
    });
    return contrasts.sort((a, b) => a[0] - b[0])[0];
})()";

#[test]
fn it_is_read_in_light_and_dark_on_a_telephone_and_by_a_screen_reader() {
    if is_waived() {
        return;
    }
    let (_demo, url) = demo();
    let mut page = Browser::open(&url, 1280, 900);
    page.wait_for("document.querySelector('#ready').innerText === 'ready'");
    page.wait_to_read("#dead", "missing field");
    look_up(&mut page, ANA.0, ANA.1);
    page.wait_for("document.querySelector('#state').innerText !== ''");
    let mut pages = Vec::new();
    for scheme in ["light", "dark"] {
        page.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
        );
        let lowest = page.value(LOWEST_CONTRAST);
        // What WCAG 2.2 asks of text of the usual size.
        assert!(lowest[0].as_f64().unwrap() >= 4.5, "{scheme}: {lowest}");
        pages.push(page.value("getComputedStyle(document.body).backgroundColor"));
    }
    assert_ne!(pages[0], pages[1], "light and dark are alike");

    let told = page.accessible();
    let has = |role: &str, name: &str| told.iter().any(|(r, n)| r == role && n.contains(name));
    for (role, name) in [
        ("heading", "sessiongate"),
        ("heading", "Verdicts"),
        ("heading", "Look up a customer"),
        ("heading", "Partitions of this process"),
        ("region", "Dead letters"),
        ("textbox", "Business"),
        ("textbox", "Customer"),
        ("button", "Look up"),
        ("image", "Verdicts of the last minutes"),
        ("columnheader", "Frontier"),
        ("list", "Checks of readiness"),
    ] {
        assert!(has(role, name), "nobody is told of the {role} {name:?}: {told:?}");
    }

    let narrow = json!({ "width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": true });
    page.call("Emulation.setDeviceMetricsOverride", narrow);
    page.wait_for("document.documentElement.scrollWidth <= 360");
}

#[test]
fn a_worker_with_a_token_lets_in_whoever_knows_it() {
    if is_waived() {
        return;
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut child = sessiongate(&["run"])
        .env("SESSIONGATE_ADMIN_LISTEN", "127.0.0.1:0")
        .env("SESSIONGATE_ADMIN_TOKEN", "open-sesame-open-sesame")
        .env("SESSIONGATE_KAFKA_BROKERS", &nobody)
        .env("SESSIONGATE_REDIS_URL", format!("redis://{nobody}"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find_map(|line| {
        let told: Value = serde_json::from_str(&line).ok()?;
        told["address"].as_str().map(str::to_owned)
    });
    std::thread::spawn(move || lines.for_each(drop));
    let _worker = Ends(child);
    let mut page = Browser::open(&format!("http://{}/", address.unwrap()), 1000, 800);
    page.wait_to_read("#door", "This worker asks for its token");
    assert_eq!((page.text("#ready"), page.text("#verdicts-title")), ("locked".to_owned(), String::new()));
    page.tab_to("token");
    page.write("open");
    page.press("Enter");
    page.wait_to_read("#door-wrong", "The worker wants another token.");
    page.tab_to("token");
    page.write("open-sesame-open-sesame");
    page.press("Enter");
    page.wait_to_read("#ready", "not ready");
    page.wait_to_read("#checks", "waits for Kafka and Redis");
    assert_eq!(page.text("#door"), "");
    assert!(!page.value("location.href").as_str().unwrap().contains("sesame"), "the token stands in the address");
}
