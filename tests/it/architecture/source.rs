//! Source files, without comments, strings and tests.

use std::path::{Path, PathBuf};

/// A source file of the library.
pub struct Source {
    /// Relative to the repository: `src/store/mod.rs`.
    pub path: String,
    /// Lines of production code: everything above `#[cfg(test)] mod tests`, comments included.
    pub lines: usize,
    /// Line number and code of each line.
    pub code: Vec<(usize, String)>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let all: Vec<_> = text.lines().collect();
        let is_test_module = |at: usize| {
            let next = all.get(at + 1).map_or("", |line| line.trim_start());
            all[at].starts_with("#[cfg(test)]") && (next.contains("mod tests") || next.starts_with("#[path"))
        };
        let lines = (0..all.len()).find(|at| is_test_module(*at)).unwrap_or(all.len());
        let code = strip(&all[..lines]).into_iter().enumerate().map(|(at, line)| (at + 1, line)).collect();
        Self { path: path.to_owned(), lines, code }
    }

    /// The top-level module that the file belongs to.
    pub fn module(&self) -> &str {
        let inside = self.path.trim_start_matches("src/");
        inside.split(['/', '.']).next().unwrap_or_default()
    }

    /// Whether the file is compiled for tests only.
    pub fn is_test(&self) -> bool {
        ["/tests/", "/tests.rs", "/fixtures.rs", "/fixtures/"].iter().any(|part| self.path.contains(part))
    }

    pub fn violation(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// Every file under `src`, in the order of their paths.
pub fn tree() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut files) = (vec![root.join("src")], Vec::<PathBuf>::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap();
        Source::new(name, &std::fs::read_to_string(path).unwrap())
    };
    files.iter().map(read).collect()
}

/// The lines without comments and without the contents of string literals.
fn strip(lines: &[&str]) -> Vec<String> {
    let mut open = Open::Code;
    lines.iter().map(|line| open.strip(line)).collect()
}

/// What the end of a line leaves open for the next one.
enum Open {
    Code,
    /// A string literal that ends with a quote and so many hashes; raw ones have no escapes.
    Text {
        hashes: usize,
        raw: bool,
    },
}

impl Open {
    fn strip(&mut self, line: &str) -> String {
        let letters: Vec<char> = line.chars().collect();
        let (mut kept, mut at) = (String::new(), 0);
        while at < letters.len() {
            at = match *self {
                Self::Text { hashes, raw } => self.skip_text(&letters, at, hashes, raw, &mut kept),
                Self::Code if letters[at..].starts_with(&['/', '/']) => return kept,
                Self::Code => self.copy_code(&letters, at, &mut kept),
            };
        }
        kept
    }

    fn skip_text(
        &mut self,
        letters: &[char],
        at: usize,
        hashes: usize,
        raw: bool,
        kept: &mut String,
    ) -> usize {
        match letters[at] {
            '\\' if !raw => at + 2,
            '"' if letters[at + 1..].iter().take_while(|letter| **letter == '#').count() >= hashes => {
                *self = Self::Code;
                kept.push('"');
                at + 1 + hashes
            }
            _ => at + 1,
        }
    }

    fn copy_code(&mut self, letters: &[char], at: usize, kept: &mut String) -> usize {
        let rest = &letters[at..];
        // A quote, a brace or a slash as a character: 'x' or '\x'. Lifetimes have no second quote there.
        if rest[0] == '\'' {
            let length = if rest.get(1) == Some(&'\\') { 4 } else { 3 };
            if rest.get(length - 1) == Some(&'\'') {
                kept.push_str("' '");
                return at + length;
            }
        }
        if rest[0] == '"' {
            let hashes = kept.chars().rev().take_while(|letter| *letter == '#').count();
            let before = kept.trim_end_matches('#').chars().next_back();
            let raw = before == Some('r');
            *self = Self::Text { hashes: if raw { hashes } else { 0 }, raw };
        }
        kept.push(rest[0]);
        at + 1
    }
}
