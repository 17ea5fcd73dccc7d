//! What the documentation claims about the project: tests, code, dependencies, sizes.

use std::collections::BTreeSet;

use super::pages::{files, pages, project, read};

#[test]
fn every_test_and_module_that_the_conformance_statement_names_exists() {
    let statement = read("docs/compliance/conformance.md");
    let rust = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let sources = ["src", "tests"].iter().flat_map(|folder| files(folder)).filter(rust);
    let sources: String =
        sources.map(|file| std::fs::read_to_string(project().join(file)).unwrap()).collect();
    let rows: Vec<_> =
        statement.lines().filter(|line| line.starts_with("| A") || line.starts_with("| B")).collect();
    let mut ids = BTreeSet::new();
    let (mut tests, mut missing) = (0, Vec::new());
    for row in rows {
        ids.extend(row.split('|').nth(1).unwrap().split(',').map(|id| id.trim().to_owned()));
        for name in row.split('`').skip(1).step_by(2) {
            // An ellipsis stands for the rest of the name.
            let is_test = name.starts_with(['a', 'b']) && name.contains('_') && !name.contains("::");
            let declaration = match name.strip_suffix('…') {
                Some(beginning) => format!("fn {beginning}"),
                None => format!("fn {name}("),
            };
            let module =
                name.strip_prefix("it::").map(|path| format!("tests/it/{}", path.replace("::", "/")));
            let code = name.starts_with("src/").then(|| name.to_owned());
            let is_there =
                |path: String| project().join(format!("{path}.rs")).exists() || project().join(path).is_dir();
            tests += usize::from(is_test);
            if is_test && !sources.contains(&declaration)
                || [module, code].into_iter().flatten().any(|of| !is_there(of))
            {
                missing.push(name);
            }
        }
    }
    assert!(missing.is_empty(), "named, but not there: {missing:?}");
    assert!(tests > 15, "{tests}");
    let expected = [
        "A0", "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A9.1", "A9.2", "A9.3", "A9.4", "A10",
        "A11", "B12", "B13", "B14", "B15", "B16", "B17", "B18", "B19",
    ];
    assert_eq!(ids, expected.map(str::to_owned).into());
}

#[test]
fn every_dependency_has_a_reason() {
    let manifest = read("Cargo.toml");
    let (_, section) = manifest.split_once("\n[dependencies]\n").unwrap();
    let (section, _) = section.split_once("\n[").unwrap();
    let declared: Vec<_> = section.lines().filter(|line| !line.starts_with('#')).collect();
    let declared: BTreeSet<_> = declared
        .into_iter()
        .filter_map(|line| {
            let (name, rest) = line.split_once(" = ")?;
            let package = rest.split_once("package = \"").and_then(|(_, rest)| rest.split_once('"'));
            Some(package.map_or(name, |(package, _)| package))
        })
        .collect();
    let page = read("docs/compliance/dependencies.md");
    let (_, table) = page.split_once("| crate | for |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let cells = table.lines().filter_map(|line| line.split('|').nth(1));
    let names = cells.flat_map(|cell| cell.split(',')).filter_map(|name| name.split_whitespace().next());
    let listed: BTreeSet<_> = names.filter(|name| !name.starts_with("---")).collect();
    let lacking: Vec<_> = declared.difference(&listed).collect();
    assert!(lacking.is_empty(), "docs/compliance/dependencies.md lacks {lacking:?}");
    assert!(declared.len() > 30, "{declared:?}");
}

#[test]
fn the_readme_is_short_and_its_picture_small() {
    assert!(read("README.md").lines().count() <= 80);
    let picture = std::fs::metadata(project().join("docs/devices.png")).unwrap();
    assert!(picture.len() <= 150 << 10, "{}", picture.len());
}

/// An operator who looks for a key that is not there loses an hour.
#[test]
fn every_configuration_key_that_the_documentation_names_exists() {
    let keys: BTreeSet<_> = pcd_platform::config::references().iter().map(|of| of.key).collect();
    let sections: BTreeSet<_> =
        keys.iter().filter_map(|key| key.split_once('.')).map(|(name, _)| name).collect();
    let is_key = |name: &str| keys.iter().any(|key| *key == name || key.starts_with(&format!("{name}.")));
    let (mut named, mut unknown) = (0, BTreeSet::new());
    for page in pages() {
        for code in page.text.split('`').skip(1).step_by(2) {
            let letters = |letter: char| letter.is_ascii_lowercase() || letter == '-' || letter == '.';
            let name = code.split(|letter| !letters(letter)).next().unwrap_or_default();
            let is_named = name.split_once('.').is_some_and(|(section, key)| {
                sections.contains(section)
                    && !key.is_empty()
                    && !["md", "rs", "db", "toml", "pem"].contains(&key)
            });
            // `audit.md`, `store.rs`, `tls::provider` and the like are no keys.
            if is_named && code.chars().all(|letter| letters(letter) || " =\"".contains(letter)) {
                named += 1;
                if !is_key(name) {
                    unknown.insert(format!("{}: {name}", page.path.display()));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(named > 80, "{named}");
}

/// A hospital opens its firewall by this page.
#[test]
fn every_listener_and_outgoing_address_is_in_the_answers_about_security() {
    let marks = ["HOST", "http://", "host names", "ocsp", "[[notify]]"];
    let is_address = |of: &pcd_platform::config::Reference| {
        of.key.ends_with("listen") || marks.iter().any(|mark| of.values.contains(mark))
    };
    let keys: Vec<_> =
        pcd_platform::config::references().into_iter().filter(is_address).map(|of| of.key).collect();
    let answers = read("docs/compliance/mds2.md");
    let missing: Vec<_> = keys.iter().filter(|key| !answers.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "docs/compliance/mds2.md lacks {missing:?}");
    assert!(keys.len() >= 14, "{keys:?}");
}
