//! The content of a message, as people and scripts see it.

use serde::Serialize;

use super::excerpt::Excerpt;
use crate::view::value::Term;

/// The content of a message.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tree {
    /// The IHE PCD transaction (`PCD-01`); null when it is none.
    pub transaction: Option<&'static str>,
    /// MSH-9.
    pub message_type: String,
    /// MSH-10.
    pub control_id: String,
    /// MSH-7, as it was received.
    pub sent: String,
    /// MSH-7 in the zone of the reader.
    #[serde(skip)]
    pub sent_shown: String,
    /// MSH-3.
    pub from: String,
    /// How much of the message is shown, where that is not all of it: it has too many parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Excerpt>,
    /// The names of the segments in order; `?` for what is no name of a segment.
    pub segments: Vec<String>,
    /// The names of those segments whose content is not shown, each once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_shown: Vec<String>,
    /// Segments that belong to no request and whose fields are shown one by one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_segments: Vec<OtherSegment>,
    /// Present only when the caller asked for the patient and the message names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<Patient>,
    /// The patients behind the first one, in the same case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further_patients: Vec<Patient>,
    /// How many patients the message has, where it has several; then each request says of which it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patients: Option<usize>,
    /// Whether the message has a patient, shown or not.
    #[serde(skip)]
    pub names_patient: bool,
    /// MSH-11: `P` is production, `P^A` from an archive.
    pub processing_id: String,
    /// `training` or `debugging`, when MSH-11 says so.
    #[serde(skip)]
    pub not_production: Option<&'static str>,
    /// `from an archive` and so on, when MSH-11 says that the message is not of now.
    #[serde(skip)]
    pub not_current: Option<&'static str>,
    /// Whether any value is a test or a demonstration (OBX-8).
    pub not_clinical: bool,
    /// The number of observations that the sender declared wrong or deleted (OBX-11 `W`, `D`).
    pub withdrawn: usize,
    /// The OBR segments.
    pub requests: Vec<Request>,
}

/// PID, PV1, and the notes about the patient.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Patient {
    /// PID-3.
    pub identifiers: String,
    /// PID-5.
    pub name: String,
    /// PID-7.
    pub born: String,
    /// PID-8.
    pub sex: String,
    /// PV1-3.
    pub location: String,
    /// The other fields of PID and PV1, and all of the other segments about the patient.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherField>,
    /// NTE-3 behind PID and other segments about the patient.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// OBX behind PID and before the first OBR (HL7 2.7).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<Node>,
}

/// One OBR or one step of an order (RXG), and the observations under it.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Request {
    /// The number of its patient, from 1, where the message has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<usize>,
    /// OBR-4.
    pub service: Term,
    /// OBR-3.
    pub filler: String,
    /// OBR-2: the order.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub placer: String,
    /// OBR-29: the first report of an alert.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub parent: String,
    /// OBR-7.
    pub time: String,
    /// OBR-7 in the zone of the reader.
    #[serde(skip)]
    pub time_shown: String,
    /// OBR-8, the end of the interval, in the zone of the reader.
    #[serde(skip)]
    pub end_shown: String,
    /// OBR-8.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub end: String,
    /// Its other fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherField>,
    /// The segments beside OBX that belong to it: ORC, RXG, RXR, TQ1, PRT and so on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<OtherSegment>,
    /// NTE-3 behind OBR.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Present in PCD-04 and PCD-05.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertFacets>,
    /// Further alerts under the same OBR, which no profile allows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further_alerts: Vec<AlertFacets>,
    /// The OBX segments: first those that are withdrawn, then those with a place in the device tree, in the
    /// order of the tree, then the others.
    pub observations: Vec<Node>,
}

/// The facets of an alert (IHE PCD TF vol. 2, 3.4).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AlertFacets {
    /// The event: the term in OBX-3 of the first facet.
    pub event: Term,
    /// The value of the first facet.
    pub text: String,
    /// `start`, `update`, `end` and so on: of several the most dangerous. What the table does not have stands
    /// as it was sent.
    pub phase: String,
    /// Whether the alert condition is present (`active`), in the same way.
    pub state: String,
    /// Which signals of the device are off or paused, in the same way.
    pub inactivation: String,
    /// The device, channel or metric that the alert is about.
    pub source: String,
    /// `high`, `medium`, `low`, `information` or `no`, from its facet or OBX-8 of the event; of several the
    /// highest, with the others; empty when none is stated.
    pub priority: String,
    /// `physiological`, `technical` or `advisory`, in the same way.
    #[serde(rename = "type")]
    pub kind: String,
    /// The codes that are stated of a facet besides the one that counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also_stated: Vec<AlsoStated>,
    /// The facets that stand only at a place of the device where the event is not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facets_elsewhere: Vec<&'static str>,
    /// `wrong` or `deleted` when the sender withdrew the event (OBX-11).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<&'static str>,
    /// Which of phase, state and inactivation the sender withdrew: they are empty here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withdrawn_facets: Vec<&'static str>,
    /// Facets whose value does not count, or not surely, and why. The value of one that does not count is
    /// empty here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub doubted_facets: Vec<DoubtedFacet>,
    /// The rows of the facets for people: label and value.
    #[serde(skip)]
    pub rows: Vec<(&'static str, String)>,
}

/// What the sender states of a facet besides the word that counts.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AlsoStated {
    /// The key of the facet.
    pub facet: &'static str,
    /// The codes of its table (IHE PCD TF vol. 2, B.8.5), the most dangerous first.
    pub codes: Vec<&'static str>,
}

/// A facet whose value does not count, or not surely (OBX-11, OBX-8).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DoubtedFacet {
    /// The key of the facet, or `value` for the measured value.
    pub facet: &'static str,
    /// `withdrawn`, `not obtained`, `invalid`, `questionable` and so on.
    pub doubt: String,
    /// Whether the value counts all the same.
    pub counts: bool,
}

/// A field that has no key of its own.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OtherField {
    /// `OBX-16`.
    pub field: String,
    /// What it is, where the platform has a word for it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub name: &'static str,
    /// Its value; a long one ends with `…`. Null where it may name the patient and the caller did not ask for
    /// the patient.
    pub value: Option<String>,
    /// Whether the field has more than `value`, which may name the patient.
    #[serde(rename = "partial", skip_serializing_if = "std::ops::Not::not")]
    pub is_partial: bool,
    /// The same for people: a time in the zone of the reader.
    #[serde(skip)]
    pub shown: String,
}

/// A segment whose fields are shown one by one: an order, an error, a participation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OtherSegment {
    /// Its name: `ORC`.
    pub segment: String,
    /// Its fields with a value.
    pub fields: Vec<OtherField>,
    /// NTE-3 behind it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One OBX.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Node {
    /// OBX-4; empty when it is no path in the device tree.
    pub path: String,
    /// OBX-4 as it was received, where it is no path, or another spelling of `path` (`1.0.1` of `1.0.1.0`).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sub_id: String,
    /// `mds`, `vmd`, `channel`, `metric`, `facet` or `subfacet`; null without a path.
    pub level: Option<&'static str>,
    /// The number of ancestors in the tree.
    #[serde(skip)]
    pub depth: usize,
    /// OBX-3. Of patient data that is hidden: what kind it is, as the platform names it.
    pub term: Term,
    /// OBX-2.
    pub value_type: String,
    /// OBX-5; null when it is about the patient and the caller did not ask for the patient. A long value ends
    /// with `…`.
    pub value: Option<String>,
    /// The length of OBX-5, when the value is cut or left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_bytes: Option<usize>,
    /// Whether an ADD segment continues the observation; only `--raw` shows it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_continued: bool,
    /// OBX-6.
    pub units: Term,
    /// OBX-6 for people: `/min`, `%`.
    pub unit: String,
    /// OBX-7.
    pub range: String,
    /// OBX-8.
    pub flags: Vec<String>,
    /// Whether OBX-8 marks the value as a test or a demonstration.
    pub not_clinical: bool,
    /// OBX-11.
    pub status: String,
    /// OBX-11 by its name in HL7 table 0085: `final`, `preliminary`; null when the table does not have it.
    pub status_name: Option<&'static str>,
    /// Whether the sender declared the observation wrong or deleted: it is no valid value.
    pub is_withdrawn: bool,
    /// OBX-14.
    pub time: String,
    /// OBX-14 in the zone of the reader.
    #[serde(skip)]
    pub time_shown: String,
    /// OBX-18, or else PRT-10 behind the OBX.
    pub equipment: String,
    /// The PRT segments behind the OBX.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<OtherSegment>,
    /// OBX-17: how the value was obtained, or that it is a setting.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// OBX-20: the site of the body.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub site: String,
    /// Its other fields, such as OBX-16, who observed it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherField>,
    /// What OBX-8 says of the validity of the value, or that OBX-5 is not of the type of OBX-2.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub doubt: String,
    /// NTE-3 behind the OBX.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Node {
    /// The name of its status for people; none of a container of the device, which has no value to obtain.
    /// Without a place (OBX-4) the term says that it is one.
    #[must_use]
    pub fn shown_status(&self) -> Option<&'static str> {
        let is_placed = matches!(self.level, Some("mds" | "vmd" | "channel"));
        let is_named = ["_MDS", "_VMD", "_CHAN"].iter().any(|end| self.term.name.ends_with(end));
        let is_valueless = self.status.eq_ignore_ascii_case("X") && self.value.as_deref() == Some("");
        self.status_name.filter(|_| !(is_valueless && (is_placed || is_named)))
    }
}

impl Tree {
    /// The fields without a place of their own, of all segments but those about the patient.
    pub fn other_fields(&self) -> impl Iterator<Item = &OtherField> {
        self.loose_fields().chain(self.requests.iter().flat_map(Request::other_fields))
    }

    /// The same of segments that belong to no request.
    pub fn loose_fields(&self) -> impl Iterator<Item = &OtherField> {
        fields_of(&self.other_segments)
    }
}

impl Request {
    /// The fields without a place of their own, of its segments and observations.
    pub fn other_fields(&self) -> impl Iterator<Item = &OtherField> {
        let nodes = self.observations.iter();
        let of_nodes = nodes.flat_map(|node| node.others.iter().chain(fields_of(&node.participants)));
        fields_of(&self.segments).chain(&self.others).chain(of_nodes)
    }
}

fn fields_of(segments: &[OtherSegment]) -> impl Iterator<Item = &OtherField> {
    segments.iter().flat_map(|segment| &segment.fields)
}
