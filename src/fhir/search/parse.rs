//! The parameters of a search.

use jiff::tz::TimeZone;

use super::kind::ResourceType;
use super::moment::Moment;
use super::query::{Include, Query, Sort};
use super::refused::Refused;
use super::token::{Token, split};

/// How parameters are read.
#[derive(Clone, Copy)]
pub struct Reading<'r> {
    /// The zone of times that state none (`[messages] zone`).
    pub zone: &'r TimeZone,
    /// The id of the patient with an identifier: `SYSTEM`, U+001F, `VALUE`.
    pub patient_id: &'r (dyn Fn(&str) -> String + Sync),
    /// `Prefer: handling=lenient`: unknown parameters are ignored, and the answer says so.
    pub is_lenient: bool,
}

/// Reads the parameters of a search of `kind`.
///
/// # Errors
/// When a parameter is unknown, is there twice, is empty or has a value that it cannot have; or when no index
/// finds what is searched.
pub fn parse(
    kind: ResourceType,
    parameters: &[(String, String)],
    reading: &Reading<'_>,
) -> Result<Query, Refused> {
    if parameters.len() > MAX_PARAMETERS {
        return Err(Refused::invalid(format!("a search has at most {MAX_PARAMETERS} parameters")));
    }
    let mut parser = Parser { query: empty(kind), reading, seen: Vec::new(), identified: None };
    for (name, value) in parameters {
        parser.parameter(name, value)?;
    }
    parser.link_identified()?;
    let Parser { mut query, seen, .. } = parser;
    if kind == ResourceType::Patient && seen.contains(&"identifier") {
        // The link has the id of the patient in place of the identifier, and no other one.
        query.link.retain(|(name, _)| name != "_id");
        query.link.push(("_id".to_owned(), query.ids.join(",")));
    }
    // Without a resource it is the number of them (FHIR R4 3.1.1.5.7).
    query.wants_total |= query.count == 0;
    query.selector()?;
    check_sort(&query)?;
    Ok(query)
}

struct Parser<'p> {
    query: Query,
    reading: &'p Reading<'p>,
    seen: Vec<&'p str>,
    /// `Patient/ID` of `patient.identifier`.
    identified: Option<String>,
}

const fn empty(kind: ResourceType) -> Query {
    let sort = if matches!(kind, ResourceType::Observation) { Sort::LatestFirst } else { Sort::Index };
    Query {
        kind,
        ids: Vec::new(),
        updated: Vec::new(),
        date: Vec::new(),
        subjects: Vec::new(),
        same: Vec::new(),
        device: None,
        source: None,
        parent: None,
        codes: Vec::new(),
        categories: Vec::new(),
        types: Vec::new(),
        identifiers: Vec::new(),
        security: Vec::new(),
        sort,
        count: DEFAULT_COUNT,
        include: Include { device: false, subject: false, source: false },
        wants_total: false,
        page: None,
        link: Vec::new(),
        ignored: Vec::new(),
    }
}

/// A search by `_lastUpdated` alone is in the order of changes; others have no such index.
fn check_sort(query: &Query) -> Result<(), Refused> {
    use super::query::Selector;
    let is_by_change = matches!(query.selector()?, Selector::Updated);
    let is_sorted = query.link.iter().find(|(name, _)| name == "_sort").map(|(_, value)| value.as_str());
    match is_sorted {
        Some("_lastUpdated") if !is_by_change => Err(Refused::too_costly(
            "_sort=_lastUpdated is possible where _lastUpdated selects, without patient, device and _id",
        )),
        Some("date" | "-date") if is_by_change => Err(Refused::too_costly(
            "a search by _lastUpdated is in the order of changes: leave out _sort, or name patient or device",
        )),
        _ => Ok(()),
    }
}

impl<'p> Parser<'p> {
    fn parameter(&mut self, name: &str, value: &str) -> Result<(), Refused> {
        let Some(known) = known(self.query.kind, name) else { return self.unknown(name) };
        if value.is_empty() {
            return Err(Refused::invalid(format!("{known} is empty: leave it out, or give it a value")));
        }
        if value.len() > MAX_VALUE {
            return Err(Refused::invalid(format!("{known} has more than {MAX_VALUE} bytes")));
        }
        let times = self.seen.iter().filter(|seen| **seen == known).count();
        if times >= (if REPEATED.contains(&known) { MAX_REPEATED } else { 1 }) {
            return Err(Refused::invalid(format!("{known} is there too often")));
        }
        self.seen.push(known);
        self.set(known, value)?;
        if known == "patient.identifier"
            || (known == "identifier" && self.query.kind == ResourceType::Patient)
        {
            // No identifier of a patient in an address, which proxies and browsers keep.
            return Ok(());
        }
        if !matches!(known, "_page" | "_format") {
            self.query.link.push((known.to_owned(), value.to_owned()));
        }
        Ok(())
    }

    /// The link has the id of the patient in place of the identifier: as the parameter that is free.
    fn link_identified(&mut self) -> Result<(), Refused> {
        let Some(patient) = self.identified.take() else { return Ok(()) };
        let Query { link, subjects, .. } = &mut self.query;
        if subjects.iter().filter(|subject| **subject == patient).count() > 1 {
            return Ok(());
        }
        let is_free = |name: &&str| !link.iter().any(|(known, _)| known == name);
        let name = ["subject", "patient"].into_iter().find(is_free).ok_or_else(|| {
            Refused::invalid("patient, subject and patient.identifier name more than one patient".to_owned())
        })?;
        link.push((name.to_owned(), patient));
        Ok(())
    }

    fn unknown(&mut self, name: &str) -> Result<(), Refused> {
        let shown: String = name.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
        if self.reading.is_lenient {
            self.query.ignored.push(shown);
            return Ok(());
        }
        let known: Vec<_> = names(self.query.kind).collect();
        Err(Refused::not_supported(format!(
            "the parameter {shown} is not supported here, and ignoring it could give out other patients; supported are {}",
            known.join(", ")
        )))
    }

    fn set(&mut self, name: &'static str, value: &str) -> Result<(), Refused> {
        let kind = self.query.kind;
        let query = &mut self.query;
        match name {
            "_id" => {
                let ids = list(name, value, id)?;
                self.narrow(ids);
            }
            "_lastUpdated" => query.updated.push(Moment::parse(name, value, self.reading.zone)?),
            "date" => query.date.push(Moment::parse(name, value, self.reading.zone)?),
            "patient" => query.subjects.push(reference(name, value, &["Patient"], Some("Patient"))?),
            "subject" => query.subjects.push(reference(name, value, &["Patient", "Device"], None)?),
            "patient.identifier" => {
                let patient = self.patient(name, value)?;
                self.query.subjects.push(format!("Patient/{patient}"));
                self.identified = Some(format!("Patient/{patient}"));
            }
            "identifier" if kind == ResourceType::Patient => {
                let patient = self.patient(name, value)?;
                self.narrow(vec![patient]);
            }
            "identifier" => query.identifiers = list(name, value, Token::parse_identifier)?,
            "device" => query.device = Some(reference(name, value, &["Device", "DeviceMetric"], None)?),
            "device:DeviceMetric.source" | "source" => {
                query.source = Some(reference(name, value, &["Device"], Some("Device"))?);
            }
            "parent" => query.parent = Some(reference(name, value, &["Device"], Some("Device"))?),
            "code" => query.codes = list(name, value, Token::parse)?,
            "category" => query.categories = list(name, value, Token::parse)?,
            "type" => query.types = list(name, value, Token::parse)?,
            "_security" => query.security = list(name, value, Token::parse)?,
            "_sort" => query.sort = sort(kind, value)?,
            "_count" => query.count = count(value)?,
            "_include" => include(kind, value, &mut query.include)?,
            "_total" => query.wants_total = total(value)?,
            "_page" => query.page = Some(value.to_owned()),
            // Its value was read with the request.
            _ => {}
        }
        Ok(())
    }

    /// Only these ids, and only those of a parameter before.
    fn narrow(&mut self, wanted: Vec<String>) {
        let ids = &mut self.query.ids;
        if ids.is_empty() {
            *ids = wanted;
            return;
        }
        ids.retain(|id| wanted.contains(id));
        // What has no id in common has no answer; an id that no patient has says so.
        if ids.is_empty() {
            ids.push(NO_ID.to_owned());
        }
    }

    /// The id of the patient with this identifier.
    fn patient(&self, name: &str, value: &str) -> Result<String, Refused> {
        let tokens = list(name, value, Token::parse)?;
        match tokens.as_slice() {
            [Token { system: Some(system), code }] if !system.is_empty() && !code.is_empty() => {
                Ok((self.reading.patient_id)(&[system.as_str(), code].join("\u{1f}")))
            }
            [_] => Err(Refused::too_costly(format!(
                "{name} is SYSTEM|VALUE: numbers without their system are those of several patients; [fhir] assigners \
                 gives a system to numbers that devices send without one"
            ))),
            _ => Err(Refused::invalid(format!("{name} is one SYSTEM|VALUE"))),
        }
    }
}

/// The names of the parameters of a type.
pub fn names(kind: ResourceType) -> impl Iterator<Item = &'static str> {
    let own: &[&str] = match kind {
        ResourceType::Observation => &OBSERVATION,
        ResourceType::Device => &["identifier", "type", "parent"],
        ResourceType::DeviceMetric => &["identifier", "type", "parent", "source", "category"],
        ResourceType::Patient => &["identifier"],
    };
    COMMON.iter().chain(own).copied()
}

fn known(kind: ResourceType, name: &str) -> Option<&'static str> {
    names(kind).chain(["_page"]).find(|known| *known == name)
}

/// The values of a list.
fn list<T>(
    name: &str,
    value: &str,
    parse: impl Fn(&str, &str) -> Result<T, Refused>,
) -> Result<Vec<T>, Refused> {
    let parts = split(value, ',');
    if parts.len() > MAX_LIST {
        return Err(Refused::invalid(format!("{name} has more than {MAX_LIST} values")));
    }
    parts.iter().map(|part| parse(name, part)).collect()
}

/// A logical id (FHIR R4 2.24.0.1, `id`).
fn id(name: &str, value: &str) -> Result<String, Refused> {
    let is_id = (1..=64).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    if !is_id {
        return Err(Refused::invalid(format!("{name} is an id: 1 to 64 letters, digits, hyphens and dots")));
    }
    Ok(value.to_owned())
}

/// `TYPE/ID`, or an id alone where `usual` says what it is of.
fn reference(name: &str, value: &str, types: &[&str], usual: Option<&str>) -> Result<String, Refused> {
    let wrong = || {
        let forms: Vec<_> = types.iter().map(|kind| format!("{kind}/ID")).collect();
        Refused::invalid(format!("{name} is one reference: {}", forms.join(" or ")))
    };
    let (kind, own) = match value.split_once('/') {
        Some((kind, own)) => (kind, own),
        None => (usual.ok_or_else(wrong)?, value),
    };
    if !types.contains(&kind) {
        return Err(wrong());
    }
    id(name, own).map(|id| format!("{kind}/{id}")).map_err(|_| wrong())
}

fn sort(kind: ResourceType, value: &str) -> Result<Sort, Refused> {
    match (kind, value) {
        (ResourceType::Observation, "date") => Ok(Sort::EarliestFirst),
        (ResourceType::Observation, "-date") => Ok(Sort::LatestFirst),
        (_, "_lastUpdated") => Ok(Sort::Index),
        (ResourceType::Observation, _) => {
            Err(Refused::not_supported("_sort is date, -date or, for a search by _lastUpdated, _lastUpdated"))
        }
        _ => Err(Refused::not_supported("_sort is _lastUpdated here")),
    }
}

fn count(value: &str) -> Result<usize, Refused> {
    let is_number = value.len() <= 9 && value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse::<usize>() {
        Ok(count) if is_number => Ok(count.min(MAX_COUNT)),
        _ => Err(Refused::invalid(format!("_count is a number from 0 to {MAX_COUNT}"))),
    }
}

fn include(kind: ResourceType, value: &str, include: &mut Include) -> Result<(), Refused> {
    match (kind, value) {
        (ResourceType::Observation, "Observation:device")
        | (ResourceType::Device, "Device:parent")
        | (ResourceType::DeviceMetric, "DeviceMetric:parent") => include.device = true,
        (ResourceType::Observation, "Observation:subject" | "Observation:patient") => include.subject = true,
        (ResourceType::DeviceMetric, "DeviceMetric:source") => include.source = true,
        _ => {
            return Err(Refused::not_supported(
                "_include is Observation:device, Observation:subject, Observation:patient, DeviceMetric:source, \
                 DeviceMetric:parent or Device:parent, each where its type is searched",
            ));
        }
    }
    Ok(())
}

fn total(value: &str) -> Result<bool, Refused> {
    match value {
        "none" => Ok(false),
        "accurate" => Ok(true),
        _ => Err(Refused::not_supported("_total is none or accurate")),
    }
}

const COMMON: [&str; 8] =
    ["_id", "_lastUpdated", "_security", "_sort", "_count", "_include", "_total", "_format"];

const OBSERVATION: [&str; 8] = [
    "patient",
    "subject",
    "patient.identifier",
    "device",
    "device:DeviceMetric.source",
    "code",
    "category",
    "date",
];

/// What may be there more than once: each counts.
const REPEATED: [&str; 3] = ["date", "_lastUpdated", "_include"];
const MAX_REPEATED: usize = 3;
const DEFAULT_COUNT: usize = 50;
const MAX_COUNT: usize = 1000;
const MAX_LIST: usize = 100;
const MAX_PARAMETERS: usize = 32;
const MAX_VALUE: usize = 8192;
/// An id that no patient has: theirs have hexadecimal digits.
const NO_ID: &str = "none";
