//! Reads the source tree as the house rules see it: files by room, and code without comments and literals.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One file of the tree.
pub struct Source {
    /// Its path from the top of the repository, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its text with comments and the insides of literals blanked, line by line the same.
    pub code: String,
}

impl Source {
    /// The folder under `src/`, or the file's name without ending (`lib`, `main`, `codec`).
    pub fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or("");
        inside.split(['/', '.']).next().unwrap_or("")
    }

    /// The line, from 1, of a place in the text.
    pub fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }
}

/// The top of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file under a folder whose name ends so, in order; packages of their own and hidden folders are left out.
pub fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    walk(&root().join(folder), &mut found);
    found.retain(|path| path.to_string_lossy().ends_with(ending));
    found.sort();
    found
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.') || entry.file_name() == "target";
        if path.is_dir() && !hidden && !path.join("Cargo.toml").exists() {
            walk(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

/// The Rust files under a folder.
pub fn rust(folder: &str) -> Vec<Source> {
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("source files are readable text");
        let code = bare(&text);
        let path = path.strip_prefix(root()).expect("under the root").to_string_lossy().replace('\\', "/");
        Source { path, text, code }
    };
    files(folder, ".rs").into_iter().map(read).collect()
}

/// A text of Rust with comments and the insides of literals replaced by spaces; every byte keeps its place.
pub fn bare(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match literal_end(bytes, at) {
            Some(end) => end,
            None => {
                at += 1;
                continue;
            }
        };
        code[at..end].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        at = end;
    }
    String::from_utf8(code).expect("whole characters were blanked")
}

/// Where a comment or literal that starts here ends.
fn literal_end(b: &[u8], at: usize) -> Option<usize> {
    let rest = &b[at..];
    let find = |from: usize, wanted: &[u8]| {
        let found = b[from.min(b.len())..].windows(wanted.len()).position(|window| window == wanted);
        found.map_or(b.len(), |place| from + place + wanted.len())
    };
    let after_word = at > 0 && (b[at - 1].is_ascii_alphanumeric() || b[at - 1] == b'_');
    match rest {
        [b'/', b'/', ..] => Some(find(at, b"\n") - 1),
        [b'/', b'*', ..] => Some(find(at + 2, b"*/")),
        [b'"', ..] => Some(string_end(b, at + 1)),
        [b'r', b'"', ..] if !after_word => Some(find(at + 2, b"\"")),
        [b'r', b'#', ..] if !after_word => {
            let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
            let closing = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            (rest.get(1 + hashes) == Some(&b'"')).then(|| find(at + hashes + 2, &closing))
        }
        [b'\'', b'\\', ..] => Some(find(at + 3, b"'")),
        [b'\'', first, ..] if *first != b'\'' => {
            // A character is closed within four bytes; a lifetime is not.
            let close = rest.iter().skip(2).take(4).position(|b| *b == b'\'')?;
            let inside = std::str::from_utf8(&rest[1..2 + close]).ok()?;
            (inside.chars().count() == 1).then_some(at + close + 3)
        }
        _ => None,
    }
}

fn string_end(b: &[u8], mut at: usize) -> usize {
    while at < b.len() {
        match b[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    b.len()
}

/// Every place where a word stands by itself.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let alone = move |at: &usize| {
        !part(at.checked_sub(1).and_then(|before| code.as_bytes().get(before)))
            && !part(code.as_bytes().get(at + word.len()))
    };
    code.match_indices(word).map(|(at, _)| at).filter(alone)
}

/// The functions of a file: the place of each `fn`, and its number of lines that hold code.
pub fn functions(code: &str) -> Vec<(usize, usize)> {
    let mut found = vec![];
    for at in words(code, "fn") {
        let Some(open) = code[at..].find(['{', ';']).map(|offset| at + offset) else { continue };
        if code.as_bytes()[open] == b';' {
            continue;
        }
        let mut depth = 0;
        let close = code[open..].char_indices().find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth == 0
        });
        let body = &code[open..close.map_or(code.len(), |(offset, _)| open + offset)];
        let lines = body.lines().skip(1).filter(|line| !line.trim().is_empty()).count();
        found.push((at, lines));
    }
    found
}

#[test]
fn comments_and_literals_are_blanked_and_nothing_else() {
    let text =
        "let a = \"fn { \\\" }\"; // fn x {\nlet b: &'static str = r#\"}\"#; let c = '{'; let d = 'é'; /* { */ fn";
    let code = bare(text);
    assert_eq!(code.len(), text.len());
    assert!(!code.contains(['{', '}', '"']), "{code}");
    assert_eq!(code.matches("fn").count(), 1);
    assert!(code.contains("&'static str"));
    assert_eq!(functions("fn a() {\n    b();\n\n    c();\n}\nfn d();"), [(0, 2)]);
}
