//! Each key stands in its struct, in the list of its section, in `config/platform.toml` and in
//! `docs/reference/configuration.md`. These tests compare the four.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::config::keys;
use crate::config::reference::{TEXT, rows};
use crate::config::{Config, Overrides, Values, json_schema};

const EXAMPLE: &str = include_str!("../../../config/platform.toml");

/// The example with every key that it shows as a comment.
fn every_key() -> String {
    let is_key = |line: &str| {
        let name = line.split([' ', '=']).next().unwrap_or_default();
        let named = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        (named && line[name.len()..].starts_with(" = ")) || (line.starts_with('[') && line.ends_with(']'))
    };
    let shown = |line: &'static str| line.strip_prefix("# ").filter(|key| is_key(key)).unwrap_or(line);
    let text = EXAMPLE.lines().map(shown).collect::<Vec<_>>().join("\n");
    // The only key that is shown in prose: it belongs to three tables.
    text.replace(" }", ", passphrase = \"FILE\" }")
}

/// The keys of the structs: serialisation names those without a value too, once their tables are there.
fn keys_of_structs() -> Values {
    Values::new(&toml::from_str::<Config>(&every_key()).unwrap())
}

fn defaults() -> Values {
    Values::new(&toml::from_str::<Config>("").unwrap())
}

/// The tables of the reference: the cells of each row by its key.
fn documented_rows() -> BTreeMap<String, Vec<String>> {
    let mut known = BTreeMap::new();
    for (key, cells) in rows(TEXT) {
        let cells = cells.into_iter().map(str::to_owned).collect();
        assert!(known.insert(key.clone(), cells).is_none(), "{key} stands there twice");
    }
    known
}

fn display(value: &Value) -> String {
    format!("`{}`", serde_json::to_string(value).unwrap().replace(',', ", "))
}

#[test]
fn structs_lists_example_and_reference_have_the_same_keys() {
    let structs = keys_of_structs();
    let structs: BTreeSet<&str> = structs.keys().collect();
    let listed: Vec<&str> = keys::all().map(|key| key.name).collect();
    assert_eq!(listed.len(), listed.iter().collect::<BTreeSet<_>>().len(), "no key is listed twice");
    let documented = documented_rows();
    for (place, keys) in [
        ("in the list of its section, with its class", listed.into_iter().collect()),
        (
            "in docs/reference/configuration.md",
            documented.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        ),
    ] {
        let missing: Vec<_> = structs.difference(&keys).collect();
        assert!(missing.is_empty(), "{missing:?} is not {place}");
        let unknown: Vec<_> = keys.difference(&structs).collect();
        assert!(unknown.is_empty(), "{unknown:?} is {place}, and in no struct");
    }
}

#[test]
fn the_example_shows_every_key() {
    let shown = keys_of_structs();
    let missing: Vec<_> = shown.keys().filter(|key| shown.get(key).is_none()).collect();
    assert!(missing.is_empty(), "config/platform.toml does not show {missing:?}");
    // A key with a default that is left out would be there all the same.
    let text: toml::Table = every_key().parse().unwrap();
    let written = Values::new(&text);
    let missing: Vec<_> = shown.keys().filter(|key| written.get(key).is_none()).collect();
    assert!(missing.is_empty(), "config/platform.toml does not show {missing:?}");
    let responders = shown.get("revocation.responders").unwrap();
    let fields = responders[0].as_object().unwrap();
    assert!(fields.values().all(|value| !value.is_null()) && fields.len() == 4, "{responders}");
}

#[test]
fn the_example_shows_the_defaults() {
    let (example, defaults) = (Values::new(&toml::from_str::<Config>(EXAMPLE).unwrap()), defaults());
    let others: Vec<_> = defaults.changed(&example);
    // A comment beside each says what the default is.
    let expected = [
        "audit.state-directory",
        "revocation.directory",
        "revocation.installed-crls",
        "store.url",
        "tls.client-trust-anchors",
        "tls.ecc",
        "tls.ecc.chain",
        "tls.ecc.key",
        "tls.rsa",
        "tls.rsa.chain",
        "tls.rsa.key",
    ];
    let others: Vec<_> =
        others.iter().filter(|key| !["tls.ecc", "tls.rsa"].contains(&key.as_str())).collect();
    let expected: Vec<_> = expected.iter().filter(|key| !["tls.ecc", "tls.rsa"].contains(*key)).collect();
    assert_eq!(others, expected);
}

#[test]
fn the_reference_says_default_range_and_reload_class_of_each_key() {
    let (rows, defaults) = (documented_rows(), defaults());
    let mut wrong = Vec::new();
    for key in keys::all() {
        let Some([default, values, reload, what]) = rows.get(key.name).map(Vec::as_slice) else {
            wrong.push(format!("{}: a row has five cells", key.name));
            continue;
        };
        let expected = match (key.name, defaults.get(key.name)) {
            // A digest, because a URL may hold a password.
            ("store.url", _) => Some("`\"sqlite:data/platform.db\"`".to_owned()),
            ("store.node", _) => Some("the name of the machine".to_owned()),
            (_, Some(value)) => Some(display(value)),
            _ => None,
        };
        if expected.as_ref().is_some_and(|expected| expected != default) || default.is_empty() {
            wrong.push(format!("{}: the default is {expected:?}, not {default}", key.name));
        }
        if key.range().is_some_and(|range| !values.contains(&range)) || values.is_empty() {
            wrong.push(format!("{}: values are between {:?}, not {values}", key.name, key.range()));
        }
        if reload != key.class.code() {
            wrong.push(format!("{}: the class is {}, not {reload}", key.name, key.class.code()));
        }
        if what.is_empty() {
            wrong.push(format!("{}: the reference does not say what it is", key.name));
        }
    }
    assert!(wrong.is_empty(), "docs/reference/configuration.md:\n{}", wrong.join("\n"));
}

#[test]
fn the_example_is_a_valid_configuration() {
    Config::parse(EXAMPLE, Path::new("config/platform.toml"), &Overrides::default()).unwrap();
}

#[test]
fn the_schema_has_every_key_with_the_type_of_its_value() {
    let (schema, written) = (json_schema(), keys_of_structs());
    for key in keys::all() {
        let path = format!("/properties/{}", key.name.replace('.', "/properties/"));
        let property = schema.pointer(&path).unwrap_or_else(|| panic!("{}: {schema:#}", key.name));
        let value = written.get(key.name).unwrap_or_else(|| panic!("{}", key.name));
        let expected = match value {
            _ if key.name == "store.url" => "string",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::Array(_) => "array",
            _ => "string",
        };
        assert_eq!(property["type"], expected, "{}", key.name);
        assert!(property["description"].as_str().is_some_and(|text| text.len() > 20), "{}", key.name);
    }
}
