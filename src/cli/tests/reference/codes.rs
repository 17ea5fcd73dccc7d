//! The codes that operators meet, as a page.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Table;
use crate::finding::{Code, SetupCode, help, help_pages};
use crate::hl7::{Rejection, Warning};
use crate::http::Problem;
use crate::mllp::Deviation;
use crate::model::{Refusal, StoreRisk};

/// Each code once, in the group that it belongs to first.
pub(super) fn page() -> String {
    let mut text = "## Findings of the running platform\n\n".to_owned();
    let mut findings = Table::new(&["code", "severity", "meaning", "what to do"]);
    for code in Code::ALL {
        findings.row(&[&link(code.code()), code.severity().code(), &meaning(code.code()), code.what_to_do()]);
    }
    text.push_str(&findings.text());
    text.push_str("\n### Facts of findings\n\n");
    text.push_str(&facts());
    let mut listed: BTreeSet<_> = Code::ALL.iter().map(|code| code.code()).collect();
    let groups: [(&str, Vec<&'static str>); 7] = [
        ("Findings of `check` and of a start", SetupCode::ALL.iter().map(|code| code.code()).collect()),
        ("Refused connections", Refusal::ALL.iter().map(|refusal| refusal.code()).collect()),
        ("Risks of the store", StoreRisk::ALL.iter().map(|risk| risk.code()).collect()),
        ("Deviations of frames", Deviation::ALL.iter().map(|deviation| deviation.code()).collect()),
        ("Reasons of rejected messages", Rejection::codes().collect()),
        ("Problems of the API", Problem::CODES.to_vec()),
        ("Warnings and other codes about messages", warnings()),
    ];
    for (title, codes) in groups {
        let mut table = Table::new(&["code", "meaning"]);
        for code in codes.into_iter().filter(|code| listed.insert(code)) {
            table.row(&[&link(code), &meaning(code)]);
        }
        text.push_str(&format!("\n## {title}\n\n{}", table.text()));
    }
    text
}

/// The facts of each code, as `openapi.json` has them; another test compares it with what is served.
fn facts() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/openapi.json");
    let document: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let schemas = &document["components"]["schemas"];
    let described = schemas["Facts"]["oneOf"].as_array().unwrap();
    let mut table = Table::new(&["code", "fact", "type", "what it is"]);
    for code in Code::ALL {
        let is_code = |one: &&Value| one["properties"]["code"]["enum"][0] == code.code();
        let one = described.iter().find(is_code).unwrap_or_else(|| panic!("no facts of {code}"));
        rows(&mut table, code.code(), "", resolved(schemas, &one["properties"]["facts"]), schemas);
    }
    table.text()
}

/// A row for each member of an object, and for the members of its members.
fn rows(table: &mut Table, code: &str, within: &str, object: &Value, schemas: &Value) {
    let is_required = |name: &str| {
        object["required"].as_array().is_some_and(|all| all.iter().any(|required| required == name))
    };
    for (name, member) in object["properties"].as_object().into_iter().flatten() {
        let whole = format!("{within}{name}");
        let of = resolved(schemas, member);
        let (kind, inner) = kind(schemas, of);
        let kind = if is_required(name) { kind } else { format!("{kind}, optional") };
        let alternatives = member["oneOf"].as_array().into_iter().flatten();
        let mut described = [member].into_iter().chain(alternatives).chain([of]);
        let about = described.find_map(|of| of["description"].as_str()).unwrap_or_default();
        table.row(&[&format!("`{code}`"), &format!("`{whole}`"), &kind, about]);
        if let Some(inner) = inner.filter(|inner| inner["properties"].is_object()) {
            let within = if inner == of { format!("{whole}.") } else { format!("{whole}[].") };
            rows(table, code, &within, inner, schemas);
        }
    }
}

/// The type in words, and the object in it.
fn kind<'s>(schemas: &'s Value, of: &'s Value) -> (String, Option<&'s Value>) {
    if let Some(values) = of["enum"].as_array() {
        let values: Vec<_> = values.iter().filter_map(Value::as_str).map(|one| format!("`{one}`")).collect();
        return (values.join(", "), None);
    }
    let name = of["type"].as_str().or_else(|| of["type"][0].as_str()).unwrap_or_default();
    match (name, of["format"].as_str()) {
        (_, Some("date-time")) => ("time".to_owned(), None),
        ("array", _) => {
            let item = resolved(schemas, &of["items"]);
            (format!("list of {}s", kind(schemas, item).0), Some(item))
        }
        ("object", _) => ("object".to_owned(), Some(of)),
        ("string", _) => ("text".to_owned(), None),
        ("boolean", _) => ("true or false".to_owned(), None),
        (name, _) => (name.to_owned(), None),
    }
}

/// What a reference leads to; of two alternatives the one that is not null.
fn resolved<'s>(schemas: &'s Value, schema: &'s Value) -> &'s Value {
    let one = |schema: &'s Value| match schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        Some(name) => &schemas[name],
        None => schema,
    };
    match schema["oneOf"].as_array() {
        Some(all) if all.iter().any(|one| one["type"] == "null") => {
            all.iter().find(|one| one["type"] != "null").map_or(schema, one)
        }
        _ => one(schema),
    }
}

/// The warnings of frames and separators, and what is left: those of the profiles.
fn warnings() -> Vec<&'static str> {
    let profiles = help_pages().iter().map(|page| page.code);
    Warning::ALL.iter().map(|warning| warning.code()).chain(profiles).collect()
}

fn link(code: &str) -> String {
    format!("[`{code}`](../help/{code}.md)")
}

/// The first sentences of its help page; links lead from this page.
fn meaning(code: &str) -> String {
    let summary = help(code).unwrap_or_else(|| panic!("no help page of {code}")).summary();
    let mut parts = summary.split("](");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str("](");
        text.push_str(if part.starts_with("../") { "" } else { "../help/" });
        text.push_str(part);
    }
    text
}
