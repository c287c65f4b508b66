//! Rust source as the tidy rules see it: without comments, literals and test items, with `use` groups spelled out.

use std::ops::Range;

/// The text with comments and the insides of literals blanked; every line keeps its number.
pub fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = end_of_blank(&chars, at);
        if end > at {
            code.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            code.push(chars[at]);
            at += 1;
        }
    }
    code
}

/// Where the comment or literal that starts at `at` ends; `at` itself when none starts here.
fn end_of_blank(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => find(chars, at, |c| c == '\n'),
        '/' if next == Some('*') => end_of_block_comment(chars, at),
        '"' => end_of_quoted(chars, at, '"'),
        '\'' if next == Some('\\') || chars.get(at + 2) == Some(&'\'') => end_of_quoted(chars, at, '\''),
        'r' if at == 0 || !is_identifier(chars[at - 1]) || matches!(chars[at - 1], 'b' | 'c') => {
            end_of_raw_string(chars, at)
        }
        _ => at,
    }
}

fn end_of_block_comment(chars: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

fn end_of_quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn end_of_raw_string(chars: &[char], start: usize) -> usize {
    let open = find(chars, start + 1, |c| c != '#');
    if chars.get(open) != Some(&'"') {
        return start;
    }
    let hashes = open - start - 1;
    let closes = |&at: &usize| chars[at] == '"' && chars[at + 1..].iter().take_while(|&&c| c == '#').count() >= hashes;
    (open + 1..chars.len()).find(closes).map_or(chars.len(), |at| at + 1 + hashes)
}

fn find(chars: &[char], from: usize, wanted: impl Fn(char) -> bool) -> usize {
    (from..chars.len()).find(|&at| wanted(chars[at])).unwrap_or(chars.len())
}

fn is_identifier(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The code with every item under `#[cfg(test)]` blanked.
pub fn without_tests(code: &str) -> String {
    blanked(code, test_items(code))
}

/// The code with every `use` blanked; `imports_of` says what stood there.
pub fn without_imports(code: &str) -> String {
    blanked(code, import_items(code))
}

/// Every line keeps its number.
fn blanked(code: &str, items: Vec<Range<usize>>) -> String {
    let mut kept = code.to_owned();
    for item in items.into_iter().rev() {
        let lines = "\n".repeat(code[item.clone()].matches('\n').count());
        kept.replace_range(item, &lines);
    }
    kept
}

/// How many lines the items under `#[cfg(test)]` take.
pub fn lines_of_tests(code: &str) -> usize {
    test_items(code).into_iter().map(|item| code[item].lines().count()).sum()
}

fn test_items(code: &str) -> Vec<Range<usize>> {
    let marker = "#[cfg(test)]";
    let mut items = Vec::new();
    let mut from = 0;
    while let Some(found) = code[from..].find(marker) {
        let start = from + found;
        from = start + marker.len() + end_of_item(&code[start + marker.len()..]);
        items.push(start..from);
    }
    items
}

/// The length of the item at the start of `code`: up to its `;`, or to the brace that closes its body.
fn end_of_item(code: &str) -> usize {
    let (mut braces, mut others) = (0, 0);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => others += 1,
            ')' | ']' => others -= 1,
            '{' => braces += 1,
            '}' => braces -= 1,
            ';' => {}
            _ => continue,
        }
        if braces < 0 {
            return at;
        }
        if matches!(c, ';' | '}') && braces == 0 && others == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// A function with a body: where it starts, and over how many lines it goes.
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

/// Every function of the code, nested ones too.
pub fn functions_of(code: &str) -> Vec<Function> {
    let starts = code.match_indices("fn ").filter(|(at, _)| !code[..*at].ends_with(is_identifier));
    let of = |(at, keyword): (usize, &str)| {
        let name: String = code[at + keyword.len()..].chars().take_while(|&c| is_identifier(c)).collect();
        let body = &code[at..at + end_of_item(&code[at..])];
        (!name.is_empty()).then(|| Function { name, line: line_of(code, at), lines: body.lines().count() })
    };
    starts.filter_map(of).collect()
}

/// The path of every `use`, with groups spelled out: `use a::{b, c::{d, e}}` is `a::b`, `a::c::d`, `a::c::e`.
pub fn imports_of(code: &str) -> Vec<(usize, String)> {
    let mut imports = Vec::new();
    for item in import_items(code) {
        let line = line_of(code, item.start);
        let tree = code[item].trim_start_matches("use ").trim_end_matches(';');
        let mut paths = Vec::new();
        spell_out("", &tree.split_whitespace().collect::<Vec<_>>().join(" "), &mut paths);
        imports.extend(paths.into_iter().map(|path| (line, path)));
    }
    imports
}

fn import_items(code: &str) -> Vec<Range<usize>> {
    let starts = code.match_indices("use ").filter(|(at, _)| !code[..*at].ends_with(is_identifier));
    starts.map(|(at, _)| at..code[at..].find(';').map_or(code.len(), |length| at + length + 1)).collect()
}

fn spell_out(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let Some((head, group)) = tree.split_once('{') else {
        let path = tree.trim().split(" as ").next().unwrap_or_default();
        if !path.is_empty() {
            paths.push(format!("{prefix}{path}"));
        }
        return;
    };
    let group = group.rsplit_once('}').map_or(group, |(inside, _)| inside);
    let prefix = format!("{prefix}{}", head.trim());
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                spell_out(&prefix, &group[start..at], paths);
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// Whether `needle` stands in `line` by itself: not inside a longer word, and, unless it is a type, not inside a longer
/// path (`log::` is a crate, `crate::core::log::` is a room of ours; `Instant::now` is the clock under any path).
pub fn mentions(line: &str, needle: &str) -> bool {
    line.match_indices(needle).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + needle.len()..]);
        let path = if needle.starts_with(char::is_uppercase) { before } else { before.trim_end_matches("::") };
        let continues = needle.starts_with(is_identifier) && path.ends_with(is_identifier);
        let is_continued = needle.ends_with(is_identifier) && after.starts_with(is_identifier);
        !continues && !is_continued
    })
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}
