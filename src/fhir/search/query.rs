//! A search that was understood.

use super::kind::ResourceType;
use super::moment::Moment;
use super::refused::Refused;
use super::token::Token;
use crate::fhir::search::key::key;

/// A search. Each list of tokens is an OR, and all parts together are an AND; an empty list asks for nothing.
#[derive(Debug, Clone)]
pub struct Query {
    /// The type that is searched.
    pub kind: ResourceType,
    /// `_id`.
    pub ids: Vec<String>,
    /// `_lastUpdated`: each of them counts.
    pub updated: Vec<Moment>,
    /// `date`: each of them counts.
    pub date: Vec<Moment>,
    /// `patient`, `subject`, `patient.identifier`: references that the subject is equal to.
    pub subjects: Vec<String>,
    /// Patients who are one: who asks for one of them asks for all.
    pub same: Vec<String>,
    /// `device`: a reference to a `Device` or a `DeviceMetric`.
    pub device: Option<String>,
    /// `device:DeviceMetric.source` and `source`: a reference to an MDS.
    pub source: Option<String>,
    /// `parent`: a reference to a `Device`.
    pub parent: Option<String>,
    /// `code`.
    pub codes: Vec<Token>,
    /// `category`.
    pub categories: Vec<Token>,
    /// `type`.
    pub types: Vec<Token>,
    /// `identifier`.
    pub identifiers: Vec<Token>,
    /// `_security`.
    pub security: Vec<Token>,
    /// `_sort`.
    pub sort: Sort,
    /// `_count`: resources of a page, besides those that are included; 0: their number alone.
    pub count: usize,
    /// `_include`.
    pub include: Include,
    /// `_total=accurate`.
    pub wants_total: bool,
    /// `_page`: where the page begins.
    pub page: Option<String>,
    /// The parameters for the links of the answer, in order: without the page, and without identifiers of
    /// patients.
    pub link: Vec<(String, String)>,
    /// Parameters that were ignored, because the reader asked for that.
    pub ignored: Vec<String>,
}

/// The order of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// The latest measurement first.
    LatestFirst,
    /// The earliest measurement first.
    EarliestFirst,
    /// In the order of changes, or of the index.
    Index,
}

/// What is added to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Include {
    /// What measured it, and what contains a device.
    pub device: bool,
    /// Whose it is.
    pub subject: bool,
    /// The MDS of a metric.
    pub source: bool,
}

/// How the index finds what is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selector<'q> {
    /// By id.
    Ids(&'q [String]),
    /// Observations of a subject.
    Subject(&'q str),
    /// Observations of an MDS.
    System(&'q str),
    /// Observations of a device or a metric, by its MDS.
    Device(&'q str),
    /// By one of the keys of devices and metrics.
    Key(i64),
    /// In the order of changes.
    Updated,
    /// All devices or metrics.
    All,
}

impl Query {
    /// How the index finds it.
    ///
    /// # Errors
    /// When no index does.
    pub fn selector(&self) -> Result<Selector<'_>, Refused> {
        if !self.ids.is_empty() {
            return Ok(Selector::Ids(&self.ids));
        }
        if self.sort == Sort::Index && self.kind == ResourceType::Observation && !self.updated.is_empty() {
            return Ok(Selector::Updated);
        }
        match self.kind {
            ResourceType::Observation => self.observations(),
            ResourceType::Device | ResourceType::DeviceMetric => Ok(self.devices()),
            ResourceType::Patient if !self.updated.is_empty() => Ok(Selector::Updated),
            ResourceType::Patient => Err(Refused::too_costly(
                "a search of patients names identifier=SYSTEM|VALUE, _id or _lastUpdated: no index finds others",
            )),
        }
    }

    fn observations(&self) -> Result<Selector<'_>, Refused> {
        if let Some(subject) = self.subjects.first() {
            return Ok(Selector::Subject(subject));
        }
        if let Some(source) = &self.source {
            return Ok(Selector::System(source));
        }
        if let Some(device) = &self.device {
            return Ok(Selector::Device(device));
        }
        if !self.updated.is_empty() {
            return Ok(Selector::Updated);
        }
        Err(Refused::too_costly(
            "a search of observations names patient, subject, device, _lastUpdated or _id: no index finds others; \
             to read everything, follow _lastUpdated=ge... and its next links",
        ))
    }

    /// By the key that fewest of them have.
    fn devices(&self) -> Selector<'_> {
        let token = |name, tokens: &[Token]| match tokens {
            [Token { code, .. }] if !code.is_empty() => Some(key(self.kind, name, code)),
            _ => None,
        };
        let reference = |name, to: &Option<String>| to.as_ref().map(|to| key(self.kind, name, to));
        token("identifier", &self.identifiers)
            .or_else(|| reference("parent", &self.parent))
            .or_else(|| reference("source", &self.source))
            .or_else(|| token("type", &self.types))
            .map_or(if self.updated.is_empty() { Selector::All } else { Selector::Updated }, Selector::Key)
    }

    /// Whether the reader asks for tests and demonstrations.
    #[must_use]
    pub fn names_security(&self) -> bool {
        !self.security.is_empty()
    }
}
