//! What differs between two states of an entry of the directory.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::authz::Device;
use crate::view::DeviceView;

/// A field of an entry that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct FieldChange {
    /// Its name in JSON.
    field: String,
    old: Value,
    new: Value,
}

/// The fields that differ, by name.
pub(super) fn differences(old: &Device, new: &Device) -> Vec<FieldChange> {
    let (old, new) = (fields(old), fields(new));
    let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let value = |fields: &Map<String, Value>, name: &String| fields.get(name).cloned().unwrap_or_default();
    let change = |name: &String| {
        let (old, new) = (value(&old, name), value(&new, name));
        (old != new).then(|| FieldChange { field: name.clone(), old, new })
    };
    names.into_iter().filter_map(change).collect()
}

fn fields(device: &Device) -> Map<String, Value> {
    match serde_json::to_value(DeviceView::from(device)) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, old, new } = self;
        write!(f, "{field}: {} -> {}", in_words(old), in_words(new))
    }
}

fn in_words(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(all) if all.is_empty() => "-".to_owned(),
        Value::Array(all) => all.iter().map(in_words).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::About;
    use crate::store::fixtures::gateway;

    #[test]
    fn each_field_that_changes_is_named_with_both_values() {
        let old = gateway("GW-1");
        let about = About { ward: "ICU".to_owned(), ..About::default() };
        let new = Device { about, expected: true, speaks_for: Vec::new(), ..old.clone() };
        let shown: Vec<_> = differences(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            ["expected: no -> yes", "speaks-for: 00A037* 0004A30000000001 -> -", "ward: - -> ICU"]
        );
        assert_eq!(differences(&old, &old), []);
    }
}
