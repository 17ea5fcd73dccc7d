//! The pages of `docs/reference` that follow from the code: one test compares them, and writes them on
//! request.

mod codes;
mod commands;
mod events;
mod table;

use std::path::Path;

use clap::CommandFactory as _;

use crate::cli::arguments::Arguments;
use crate::metrics::Metrics;
use table::Table;

#[test]
fn the_reference_is_what_the_code_says() {
    let is_writing = std::env::var_os("PCD_WRITE_REFERENCE").is_some();
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference"));
    let mut different = Vec::new();
    for (name, generated) in pages() {
        let file = folder.join(name);
        let present = std::fs::read_to_string(&file).unwrap();
        let (head, _) = present.split_once(MARK).unwrap_or_else(|| panic!("{name} lacks {MARK}"));
        let expected = format!("{head}{MARK}\n\n{}\n", generated.trim());
        if present == expected {
            continue;
        }
        if is_writing {
            std::fs::write(&file, expected).unwrap();
        } else {
            different.push(name);
        }
    }
    assert!(
        different.is_empty(),
        "docs/reference: {different:?} are other than the code. Write them with\n    \
         PCD_WRITE_REFERENCE=1 cargo test --all-features --lib the_reference_is"
    );
}

/// The generated part of each page.
fn pages() -> [(&'static str, String); 5] {
    [
        ("commands.md", commands::page(Arguments::command())),
        ("metrics.md", metrics()),
        ("audit-events.md", events::page()),
        ("codes.md", codes::page()),
        ("api.md", api()),
    ]
}

fn metrics() -> String {
    let mut table = Table::new(&["metric", "type", "labels", "what it is"]);
    for metric in Metrics::described().unwrap() {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        table.row(&[&format!("`{}`", metric.name), metric.kind, &labels.join(", "), &metric.help]);
    }
    table.text()
}

/// The routes of `openapi.json`, which another test compares with the routes that are served.
fn api() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/openapi.json");
    let document: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut table = Table::new(&["request", "role", "what it does"]);
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let request = format!("`{} {path}`", method.to_uppercase());
            let text = |key: &str| operation[key].as_str().unwrap_or_default().to_owned();
            table.row(&[&request, &text("x-role"), &text("summary")]);
        }
    }
    table.text()
}

/// Where the generated part of a page begins.
const MARK: &str = "<!-- Below this line the text is generated from the code. -->";
