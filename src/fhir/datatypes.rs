//! Data types of FHIR R4, as far as resources here have them. `None` and empty lists are left out of JSON.

use serde::Serialize;

use super::decimal::Decimal;

/// A code of a coding system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Coding {
    /// The URI of the coding system; `None` for a system that has none, such as one of a vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<&'static str>,
    /// The code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Its name in the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

/// Codes of one concept, and a text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CodeableConcept {
    /// The codes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub coding: Vec<Coding>,
    /// The concept in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// An identifier in the world outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Identifier {
    /// What kind of identifier it is.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<CodeableConcept>,
    /// The URI of the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The identifier.
    pub value: String,
    /// Who assigns it, where no URI names the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigner: Option<Reference>,
}

/// A reference to a resource, or its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reference {
    /// `Device/ID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The name of what is referred to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

/// A number with its unit.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Quantity {
    /// The number, with its digits as they were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal>,
    /// `<`, `<=`, `>` or `>=`: the value is a bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparator: Option<&'static str>,
    /// The unit for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// UCUM, where `code` is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<&'static str>,
    /// The unit in UCUM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
}

/// Two numbers in proportion.
#[derive(Debug, Clone, Serialize)]
pub struct Ratio {
    /// The first number.
    pub numerator: Quantity,
    /// The second number.
    pub denominator: Quantity,
}

/// A range of numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Range {
    /// The lower limit.
    pub low: Quantity,
    /// The upper limit.
    pub high: Quantity,
}

/// A period of time; `dateTime` on both sides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Period {
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

/// Samples at a regular interval.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SampledData {
    /// The value of the number zero in `data`, with the unit.
    pub origin: Quantity,
    /// Milliseconds between two samples.
    pub period: Decimal,
    /// Samples at one time: always 1.
    pub dimensions: u32,
    /// The samples with blanks between them; `E` for one that is missing.
    pub data: String,
}

/// A text note.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Annotation {
    /// The note.
    pub text: String,
}

/// What belongs to the resource and not to its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// The version of the resource.
    pub version_id: String,
    /// When the index got this version; only in what is read from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<String>,
    /// The message: `urn:uuid:`.
    pub source: String,
    /// The profiles that the resource satisfies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profile: Vec<&'static str>,
    /// `HTEST`: no clinical data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security: Vec<Coding>,
}

/// An extension: a value, or extensions of its own.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Extension {
    /// Its parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extension: Vec<Self>,
    /// What it is.
    pub url: &'static str,
    /// A value with a unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_quantity: Option<Quantity>,
    /// A coded value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_codeable_concept: Option<CodeableConcept>,
}

impl Coding {
    /// A code of a system.
    pub(super) fn new(system: &'static str, code: impl Into<String>, display: &str) -> Self {
        let display = (!display.is_empty()).then(|| display.to_owned());
        Self { system: Some(system), code: Some(code.into()), display }
    }
}

impl CodeableConcept {
    /// A concept of words alone.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { coding: Vec::new(), text: Some(text.into()) }
    }

    /// The code that it has in a system.
    pub(super) fn code_of(&self, system: &str) -> Option<&str> {
        let found = self.coding.iter().find(|coding| coding.system == Some(system))?;
        found.code.as_deref()
    }
}

impl From<Coding> for CodeableConcept {
    fn from(coding: Coding) -> Self {
        Self { coding: vec![coding], text: None }
    }
}

impl Reference {
    /// A reference to a resource of this type with this id.
    pub(crate) fn to(kind: &str, id: &str) -> Self {
        Self { reference: Some(format!("{kind}/{id}")), display: None }
    }

    /// The name of something that is no resource here.
    pub(super) fn named(display: String) -> Self {
        Self { reference: None, display: Some(display) }
    }
}
