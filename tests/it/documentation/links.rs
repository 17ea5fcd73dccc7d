//! Links of the pages, and the places of the documentation that the program and its files name.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::pages::{Page, files, pages, project};

#[test]
fn every_link_of_a_page_leads_to_a_file_and_every_anchor_to_a_heading() {
    let pages = pages();
    let anchors: BTreeMap<_, _> = pages.iter().map(|page| (page.path.clone(), page.anchors())).collect();
    let (mut checked, mut broken) = (0, Vec::new());
    for page in &pages {
        for link in page.links().filter(|link| !link.target.contains("://")) {
            checked += 1;
            let (path, anchor) = link.target.split_once('#').unwrap_or((link.target, ""));
            let path = if path.is_empty() { page.path.clone() } else { beside(&page.path, path) };
            let has_anchor = || anchors.get(&path).is_some_and(|known| known.iter().any(|one| one == anchor));
            if !project().join(&path).exists() || !(anchor.is_empty() || has_anchor()) {
                broken.push(format!("{}:{}: {}", page.path.display(), link.line, link.target));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
    assert!(checked > 200, "{checked}");
}

#[test]
fn the_map_of_the_documentation_lists_every_page() {
    let pages = pages();
    let map = pages.iter().find(|page| page.path == Path::new("docs/README.md")).unwrap();
    let listed: Vec<_> = map.links().map(|link| beside(&map.path, link.target)).collect();
    let missing: Vec<_> = files("docs").into_iter().filter(|file| is_listed_by_itself(file)).collect();
    let missing: Vec<_> = missing.iter().filter(|file| !listed.contains(file)).collect();
    assert!(missing.is_empty(), "docs/README.md lacks {missing:?}");
}

/// Whether the map has to name a file: the pages of codes and alerts are named by their folders.
fn is_listed_by_itself(file: &Path) -> bool {
    let is_page = file.extension().is_some_and(|extension| extension == "md");
    is_page
        && !file.starts_with("docs/help")
        && !file.starts_with("docs/alerts")
        && !file.ends_with("README.md")
}

/// An error text that sends the operator to a page or a section that is not there costs hours.
#[test]
fn every_page_and_section_that_the_program_names_exists() {
    let pages: BTreeMap<_, _> = pages().into_iter().map(|page| (page.path.clone(), page)).collect();
    let folders = ["src", "tests", "deploy", "config", "templates", "benches", "scripts"];
    let (mut named, mut missing) = (0, Vec::new());
    let all = folders.iter().flat_map(|folder| files(folder));
    for file in all.filter(|file| !file.starts_with("tests/it/documentation")) {
        let Ok(text) = std::fs::read_to_string(project().join(&file)) else { continue };
        // A text that goes on in the next line.
        let text = text.replace("\\\n", " ").replace("\\\"", "\"");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for mention in mentions(&text) {
            named += 1;
            if !mention.exists(&pages) {
                missing.push(format!("{}: {mention:?}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "named, but not there:\n{}", missing.join("\n"));
    assert!(named > 80, "{named}");
}

/// A page that a text names, with the section if it names one.
#[derive(Debug)]
struct Mention<'a> {
    path: &'a str,
    section: Option<&'a str>,
}

impl Mention<'_> {
    fn exists(&self, pages: &BTreeMap<PathBuf, Page>) -> bool {
        let Some(page) = pages.get(Path::new(self.path)) else { return false };
        self.section.is_none_or(|section| {
            page.headings().any(|heading| heading == section) || page.anchors().iter().any(|it| it == section)
        })
    }
}

/// `docs/PAGE.md`, `docs/PAGE.md#anchor` and `docs/PAGE.md, "Section"`.
fn mentions(text: &str) -> impl Iterator<Item = Mention<'_>> {
    text.match_indices("docs/").filter_map(|(at, _)| {
        let is_path =
            text[..at].ends_with("../") || !text[..at].ends_with('/') || text[..at].ends_with("\"/");
        let rest = &text[at..];
        let end = rest.find(".md").filter(|_| is_path)? + ".md".len();
        let path = &rest[..end];
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "/-.".contains(letter);
        let behind = &rest[end..];
        let section = behind.strip_prefix(", \"").and_then(|rest| rest.split_once('"'));
        let anchor =
            behind.strip_prefix('#').map(|rest| rest.split(|letter| !is_name(letter)).next().unwrap());
        path.chars()
            .all(is_name)
            .then_some(Mention { path, section: section.map(|(name, _)| name).or(anchor) })
    })
}

/// The file that a relative link of a page means.
fn beside(page: &Path, target: &str) -> PathBuf {
    let mut path = page.parent().unwrap().to_owned();
    for component in Path::new(target).components() {
        match component {
            Component::ParentDir => _ = path.pop(),
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path
}
