//! The events of the audit trail as a page.

use std::collections::{BTreeMap, BTreeSet};

use super::Table;
use crate::audit::Event;
use crate::audit::fixtures::every_event;

/// Each event with its meaning, which is the comment of its variant, and the keys of its details.
pub(super) fn page() -> String {
    let meanings = meanings();
    let mut keys: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for event in every_event() {
        let details: serde_json::Value = serde_json::from_str(&event.details()).unwrap();
        let names = details.as_object().unwrap().keys().map(|key| format!("`{key}`"));
        keys.entry(event.name()).or_default().extend(names);
    }
    let mut table = Table::new(&["event", "when", "keys of its details"]);
    for name in Event::NAMES {
        let meaning = meanings.get(name).unwrap_or_else(|| panic!("no comment of a variant is about {name}"));
        let keys: Vec<_> = keys[name].iter().map(String::as_str).collect();
        table.row(&[&format!("`{name}`"), meaning, &keys.join(", ")]);
    }
    table.text()
}

/// The first sentence of the comment of each variant, by the name of its event.
fn meanings() -> BTreeMap<String, String> {
    let mut found = variants(include_str!("../../../audit/event/mod.rs"), "pub enum Event {");
    let of_enrolment =
        variants(include_str!("../../../audit/event/enrolment.rs"), "pub enum EnrolmentEvent {");
    found.extend(of_enrolment.into_iter().map(|(name, comment)| (format!("enrolment-{name}"), comment)));
    found
}

fn variants(source: &str, declaration: &str) -> BTreeMap<String, String> {
    let (_, variants) = source.split_once(declaration).unwrap();
    let (variants, _) = variants.split_once("\n}\n").unwrap();
    let (mut comment, mut found) = (String::new(), BTreeMap::new());
    for line in variants.lines() {
        if let Some(text) = line.strip_prefix("    /// ") {
            comment.push_str(text);
            comment.push(' ');
        } else if line.strip_prefix("    ").is_some_and(|rest| rest.starts_with(char::is_uppercase)) {
            let end = |letter: char| !letter.is_alphanumeric();
            let variant = line.trim().split(end).next().unwrap();
            found.insert(in_kebab_case(variant), std::mem::take(&mut comment).trim().to_owned());
        }
    }
    found
}

fn in_kebab_case(name: &str) -> String {
    let mut kebab = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
    }
    kebab
}
