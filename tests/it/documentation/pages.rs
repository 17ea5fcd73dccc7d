//! The files of the project as the tests of the documentation read them.

use std::path::{Path, PathBuf};

/// A page in Markdown.
pub(super) struct Page {
    /// From the top of the project: `docs/README.md`.
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// A link of a page, and where it is.
pub(super) struct Link<'a> {
    pub(super) target: &'a str,
    pub(super) line: usize,
}

pub(super) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(super) fn read(path: &str) -> String {
    std::fs::read_to_string(project().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file below a folder of the project, sorted.
pub(super) fn files(folder: &str) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![project().join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(project()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Every page: the documentation and the pages at the top of the project.
pub(super) fn pages() -> Vec<Page> {
    let top = ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(PathBuf::from);
    let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    let paths = files("docs").into_iter().filter(is_page).chain(top);
    paths.map(|path| Page { text: read(path.to_str().unwrap()), path }).collect()
}

impl Page {
    /// Lines that are not in a fenced block.
    fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut is_fenced = false;
        self.text.lines().enumerate().filter(move |(_, line)| {
            let fence = line.trim_start().starts_with("```");
            is_fenced ^= fence;
            !is_fenced && !fence
        })
    }

    pub(super) fn links(&self) -> impl Iterator<Item = Link<'_>> {
        self.prose().flat_map(|(at, line)| {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            targets.map(move |(target, _)| Link { target, line: at + 1 })
        })
    }

    pub(super) fn headings(&self) -> impl Iterator<Item = &str> {
        self.prose()
            .filter(|(_, line)| line.starts_with('#'))
            .map(|(_, line)| line.trim_start_matches('#').trim())
    }

    /// The anchors of the headings, as GitHub makes them.
    pub(super) fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for heading in self.headings() {
            let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
            let anchor = kept.collect::<String>().to_lowercase().replace(' ', "-");
            let again = (1..).map(|n| format!("{anchor}-{n}"));
            let free = std::iter::once(anchor.clone()).chain(again).find(|name| !anchors.contains(name));
            anchors.extend(free);
        }
        anchors
    }
}

#[test]
fn anchors_are_those_of_github() {
    let text = "# A `b-c`, and d\n\n```\n# no heading\n```\n## Why?\n## Why?\n".to_owned();
    let page = Page { path: PathBuf::from("docs/x.md"), text };
    assert_eq!(page.anchors(), ["a-b-c-and-d", "why", "why-1"]);
}
