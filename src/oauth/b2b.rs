//! The extension `hl7-b2b` of an assertion: for whom, and for what, a client asks (HL7 FAST security guide,
//! "B2B Authorization Extension Object").

use serde::Deserialize;
use serde_json::Value;

/// For whom and for what a client says that it asks. It decides nothing: the audit trail has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose(String);

#[derive(Deserialize)]
struct Extension {
    version: String,
    organization_id: String,
    purpose_of_use: Vec<String>,
}

impl Purpose {
    /// The extension; `None` when it lacks what the guide requires, or is too long.
    pub(super) fn read(extension: &Value) -> Option<Self> {
        let Extension { version, organization_id, purpose_of_use } =
            Extension::deserialize(extension).ok()?;
        let is_known = version == "1";
        let has_purposes = (1..=MAX_PURPOSES).contains(&purpose_of_use.len());
        let are_codes = purpose_of_use.iter().all(|code| is_plain(code));
        (is_known && has_purposes && are_codes && is_plain(&organization_id))
            .then(|| Self(format!("{organization_id}: {}", purpose_of_use.join(" "))))
    }

    /// The organisation and the purposes: `urn:oid:1.2.3: TREAT`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_plain(text: &str) -> bool {
    (1..=MAX_CHARS).contains(&text.len()) && text.chars().all(|letter| letter.is_ascii_graphic())
}

/// Purposes of one assertion.
const MAX_PURPOSES: usize = 8;
/// Characters of a code or an identifier.
const MAX_CHARS: usize = 200;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn n001_5_an_extension_names_an_organisation_and_purposes() {
        let extension = json!({
            "version": "1", "organization_id": "urn:oid:1.2.3", "organization_name": "Hospital",
            "purpose_of_use": ["TREAT", "HOPERAT"],
        });
        assert_eq!(Purpose::read(&extension).unwrap().as_str(), "urn:oid:1.2.3: TREAT HOPERAT");
        for wrong in [
            json!("1"),
            json!({ "version": "2", "organization_id": "a", "purpose_of_use": ["TREAT"] }),
            json!({ "version": "1", "purpose_of_use": ["TREAT"] }),
            json!({ "version": "1", "organization_id": "a", "purpose_of_use": [] }),
            json!({ "version": "1", "organization_id": "a b", "purpose_of_use": ["TREAT"] }),
            json!({ "version": "1", "organization_id": "a", "purpose_of_use": "TREAT" }),
        ] {
            assert_eq!(Purpose::read(&wrong), None, "{wrong}");
        }
    }
}
