//! Sizes of files and functions.

use super::source::Source;

/// Lines of production code by file: the middle one, the one that nine of ten do not exceed, the largest.
#[derive(Debug, PartialEq, Eq)]
pub struct FileSizes {
    pub median: usize,
    pub ninetieth: usize,
    pub largest: usize,
}

impl FileSizes {
    pub fn new(sources: &[&Source]) -> Self {
        let mut lines: Vec<_> = sources.iter().map(|source| source.lines).collect();
        lines.sort_unstable();
        let at = |share: usize| lines[(lines.len() - 1) * share / 100];
        Self { median: at(50), ninetieth: at(90), largest: at(100) }
    }
}

/// Functions of more than `most` lines, from the line of `fn` to the closing brace: line, name, length.
pub fn long_functions(source: &Source, most: usize) -> Vec<(usize, String, usize)> {
    let mut found = Vec::new();
    // Line, name, and the depth of the braces around each function that is open.
    let mut open: Vec<(usize, String, usize)> = Vec::new();
    let (mut depth, mut pending) = (0_usize, None);
    for (line, code) in &source.code {
        if let Some(name) = function_name(code) {
            pending = Some((*line, name));
        }
        for letter in code.chars() {
            match letter {
                '{' => {
                    if let Some((line, name)) = pending.take() {
                        open.push((line, name, depth));
                    }
                    depth += 1;
                }
                '}' => {
                    depth = depth.saturating_sub(1);
                    if open.last().is_some_and(|(.., around)| *around == depth) {
                        let (begin, name, _) = open.pop().unwrap();
                        if line - begin + 1 > most {
                            found.push((begin, name, line - begin + 1));
                        }
                    }
                }
                // A function without a body, in a trait.
                ';' if pending.is_some() && !code.contains('[') => pending = None,
                _ => {}
            }
        }
    }
    found
}

fn function_name(code: &str) -> Option<String> {
    let (before, rest) = code.split_once("fn ")?;
    let words = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern"];
    let declares = before.split_whitespace().all(|word| words.contains(&word) || word.starts_with("pub("));
    let is_path = |letter: char| letter.is_alphanumeric() || letter == '_';
    declares
        .then(|| rest.chars().take_while(|letter| is_path(*letter)).collect())
        .filter(|name: &String| !name.is_empty())
}
