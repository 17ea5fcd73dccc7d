//! The values that count, and where each comes from.

use serde_json::Value;

use super::keys;
use super::overrides::Overrides;
use super::schema::Config;
use super::values::Values;
use crate::model::shown_url;

/// Where the value of a key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The file.
    File,
    /// The environment: this variable.
    Environment(&'static str),
    /// It is the default.
    Default,
}

/// The value of one key. Secrets are masked: passwords and queries of URLs, and the addresses of webhooks.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// The full name: `interface-a.max-frame`.
    pub key: &'static str,
    /// The value; null where there is none.
    pub value: Value,
    /// The default; null where there is none.
    pub default: Value,
    /// Where it comes from.
    pub origin: Origin,
}

impl Config {
    /// The value of every key. `text` is the content of the file from which this configuration was read.
    #[must_use]
    pub fn effective(&self, text: &str, overrides: &Overrides) -> Vec<Effective> {
        let written = Values::new(&text.parse::<toml::Table>().unwrap_or_default());
        let defaults = Values::new(&toml::from_str::<Self>("").ok());
        let value = |values: &Values, key: &str| values.get(key).cloned().unwrap_or_default();
        let of = |key: &'static super::key::Key| {
            let origin = match overrides.variable(key.name) {
                Some(variable) => Origin::Environment(variable),
                None if written.has(key.name) => Origin::File,
                None => Origin::Default,
            };
            let (mut shown, mut default) = (value(&self.values, key.name), value(&defaults, key.name));
            match key.name {
                "store.url" => {
                    shown = self.store.url.to_string().into();
                    default = DEFAULT_STORE.into();
                }
                // Its default is the name of the machine.
                "store.node" => default = Value::Null,
                "notify" => shown = self.receivers(),
                _ => mask(&mut shown),
            }
            Effective { key: key.name, value: shown, default, origin }
        };
        keys::all().map(of).collect()
    }

    /// The receivers of notifications, without the addresses of their webhooks: who knows one can write
    /// there.
    fn receivers(&self) -> Value {
        let receiver = |of: &super::Notify| {
            let mut fields = serde_json::to_value(of).unwrap_or_default();
            if let Some(webhook) = fields.get_mut("webhook") {
                *webhook = of.webhook.to_string().into();
            }
            fields
        };
        self.notify.iter().map(receiver).collect()
    }
}

/// Hides what may be a secret in a text: the user and the query of a URL, and the PIN of a token.
fn mask(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(masked) = masked(text) {
                *text = masked;
            }
        }
        Value::Array(all) => all.iter_mut().for_each(mask),
        Value::Object(fields) => fields.values_mut().for_each(mask),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn masked(text: &str) -> Option<String> {
    if text.contains("://") {
        return Some(shown_url(text));
    }
    let at = text.find("pin-value=")?;
    Some(format!("{}pin-value=***", text.get(..at)?))
}

/// As `docs/reference/configuration.md` has it.
const DEFAULT_STORE: &str = "sqlite:data/platform.db";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::StoreUrl;

    const TEXT: &str = "[tls]\nclient-trust-anchors = [\"r\"]\necc = { chain = \"c\", key = \"k\" }\n\
        [interface-a]\nmax-connections = 7\nidle-timeout = \"15m\"\n\
        [revocation]\nfallback-responder = \"http://u:s3cret@ocsp.example/x?token=s3cret\"\n\
        [[notify]]\nname = \"biomed\"\nwebhook = \"https://chat.example/hooks/s3cret\"\n";

    #[test]
    fn each_key_has_its_value_and_its_origin_and_no_secret() {
        let overrides = Overrides {
            store_url: Some(StoreUrl::new("postgres://pcd:s3cret@db.example/pcd".to_owned())),
            ..Overrides::default()
        };
        let config = Config::parse(TEXT, Path::new("platform.toml"), &overrides).unwrap();
        let all = config.effective(TEXT, &overrides);
        assert_eq!(all.len(), keys::all().count());
        let of = |key: &str| all.iter().find(|of| of.key == key).unwrap();
        let limit = of("interface-a.max-connections");
        assert_eq!((&limit.value, &limit.default, limit.origin), (&7.into(), &20_000.into(), Origin::File));
        assert_eq!(of("interface-a.idle-timeout").origin, Origin::File, "also where it is the default");
        assert_eq!(of("interface-a.max-frame").origin, Origin::Default);
        assert_eq!(of("tls.ecc.chain").value, "c");
        assert_eq!(of("store.url").origin, Origin::Environment("PCD_STORE_URL"));
        let shown = format!("{all:?}");
        assert!(shown.contains("ocsp.example/x") && shown.contains("db.example"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn what_may_be_a_secret_is_masked() {
        for (text, expected) in [
            ("http://ocsp.example/a", Some("http://ocsp.example/a")),
            ("http://u:p@h:1/a?b", Some("http://***@h:1/a?***")),
            (
                "pkcs11:token=T?module-path=L&pin-value=1234",
                Some("pkcs11:token=T?module-path=L&pin-value=***"),
            ),
            ("../pki/root.pem", None),
        ] {
            assert_eq!(masked(text).as_deref(), expected, "{text}");
        }
    }
}
