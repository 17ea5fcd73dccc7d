//! A JSON Schema of the file, for editors (2020-12).

use serde_json::{Map, Value, json};

use super::reference::{Reference, references};
use super::schema::Config;
use super::values::Values;

/// The schema: each section with its keys, their types, defaults and descriptions.
#[must_use]
pub fn json_schema() -> Value {
    let defaults = Values::new(&toml::from_str::<Config>("").ok());
    let mut root = Map::new();
    for of in references() {
        insert(&mut root, of.key, property(&of, defaults.get(of.key)));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The configuration of pcd-platform",
        "type": "object",
        "additionalProperties": false,
        "properties": root,
    })
}

/// Adds the property of a key below the tables that its name has.
fn insert(properties: &mut Map<String, Value>, key: &str, property: Value) {
    match key.split_once('.') {
        None => drop(properties.insert(key.to_owned(), property)),
        Some((section, rest)) => {
            let below = properties.entry(section.to_owned()).or_insert_with(|| table(Map::new()));
            if let Some(below) = below.get_mut("properties").and_then(Value::as_object_mut) {
                insert(below, rest, property);
            }
        }
    }
}

fn table(properties: Map<String, Value>) -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn property(of: &Reference, default: Option<&Value>) -> Value {
    let description =
        format!("{}. Values: {}. Default: {}. Reload: {}.", of.what, of.values, of.default, of.reload);
    let kind = type_of(of.key, default);
    // Whatever the machine and the folder say is no default of the schema.
    match default.filter(|_| !["store.url", "store.node"].contains(&of.key)) {
        Some(default) => json!({ "type": kind, "description": description, "default": default }),
        None => json!({ "type": kind, "description": description }),
    }
}

/// The JSON type: that of the default; without one, a text, but for a few.
fn type_of(key: &str, default: Option<&Value>) -> &'static str {
    match default {
        // Parsed into more than a text.
        _ if key == "store.url" => "string",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "integer",
        Some(Value::Array(_)) => "array",
        Some(Value::Object(_)) => "object",
        Some(Value::String(_) | Value::Null) => "string",
        None if ARRAYS.contains(&key) => "array",
        None if BOOLEANS.contains(&key) => "boolean",
        None if INTEGERS.contains(&key) => "integer",
        None => "string",
    }
}

const ARRAYS: [&str; 2] = ["audit.repository.trust-anchors", "gateway.trust-anchors"];
const INTEGERS: [&str; 3] = ["gateway.awaited-per-connection", "gateway.connections", "gateway.max-waiting"];
const BOOLEANS: [&str; 1] = ["audit.repository.messages"];
