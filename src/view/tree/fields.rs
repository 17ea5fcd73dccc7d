//! What the fields without a place of their own hold, and which of it is shown without the patient.

use crate::hl7::{Component, Field, MessageTime, Repetition};
use crate::pcd::nomenclature::{Coded, Unit, find_unit, unit_contradicts_itself};

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Time,
    Number,
    /// A number with its unit (CQ).
    Quantity,
    /// A short code of a table.
    Code,
    Unit,
    /// Where an error is in the refused message: names of segments and numbers (ERL).
    Location,
    /// What becomes of an alert, or how equipment takes part (PRT-4).
    Participation,
    /// The control id of another message.
    ControlId,
    /// The name of a device, or words of its maker about an error: shown like OBX-18, without the texts that
    /// the message gives for its patient.
    Device,
    /// Anything: it may name the patient.
    Text,
}

/// What can be no text of a field.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) text: String,
    /// Whether it is a number, a time or a unit of the table; not a short code, which may be a name.
    pub(super) is_parsed: bool,
    /// Whether the field has nothing else.
    pub(super) is_whole: bool,
}

impl Kind {
    /// What a field holds, and the word for it.
    pub(super) fn of(segment: &str, n: usize) -> (Self, &'static str) {
        let known = NAMES.iter().find(|(of, number, ..)| *of == segment && *number == n);
        known.map_or((Self::Text, ""), |(.., kind, name)| (*kind, *name))
    }

    /// The part of the field that is of the kind and can be no text; `None` without such a part.
    pub(super) fn closed(self, field: Field<'_>) -> Option<Closed> {
        let first = field.repetitions().next()?;
        let (text, covered) = match self {
            // One of several numbers would read as the only one.
            Self::Unit => repeated(field, unit)?,
            Self::Quantity => repeated(field, quantity)?,
            Self::Number => repeated(field, number)?,
            Self::Location => return location(field),
            Self::Code | Self::Participation => code(self, first)?,
            Self::Time => (text_of(first.component(1)).filter(|text| is_time(text))?.to_owned(), 1),
            Self::ControlId | Self::Device | Self::Text => return None,
        };
        let is_parsed = matches!(self, Self::Unit | Self::Quantity | Self::Time | Self::Number);
        Some(Closed { text, is_parsed, is_whole: covered == leaves(field).count() })
    }
}

/// What contradicts itself in a unit or in the unit of a quantity: neither its code nor its name is believed.
pub(super) fn unit_contradiction(kind: Kind, field: Field<'_>) -> Option<String> {
    let of = |one: Repetition<'_>| {
        let unit = match kind {
            Kind::Unit => [1, 2, 3].map(|n| text_of(one.component(n)).unwrap_or_default()),
            Kind::Quantity => unit_of_quantity(one),
            _ => return None,
        };
        contradiction(unit)
    };
    field.repetitions().find_map(of)
}

/// All repetitions of a field, and how many parts of it they stand for; `None` where one of them is no value
/// of its kind.
fn repeated<'m>(
    field: Field<'m>,
    one: impl Fn(Repetition<'m>) -> Option<(String, usize)>,
) -> Option<(String, usize)> {
    let all: Option<Vec<_>> = field.repetitions().filter(|value| !value.is_empty()).map(one).collect();
    let (texts, covered): (Vec<_>, Vec<_>) = all?.into_iter().unzip();
    (!texts.is_empty()).then(|| (texts.join("; "), covered.iter().sum()))
}

fn number(field: Repetition<'_>) -> Option<(String, usize)> {
    Some((text_of(field.component(1)).filter(|text| is_number(text))?.to_owned(), 1))
}

/// Whether anything of a field is more than separators.
pub(super) fn has_value(field: Field<'_>) -> bool {
    let parts = |component: Component<'_>| component.subcomponents().any(|part| !part.is_empty());
    field.repetitions().any(|one| one.components().any(parts))
}

/// The parts of a coded field that have a value. Versions of coding systems are not among them.
fn leaves(field: Field<'_>) -> impl Iterator<Item = Component<'_>> {
    let parts = field.repetitions().flat_map(unversioned).flat_map(|component| component.subcomponents());
    parts.filter(|part| !part.is_empty())
}

fn unversioned(one: Repetition<'_>) -> impl Iterator<Item = Component<'_>> {
    one.components().zip(1..).filter(|(_, n)| !VERSIONS.contains(n)).map(|(component, _)| component)
}

/// A unit of the table, and how many parts of the field it stands for: its alternate means the same, or is
/// shown beside it.
fn unit(field: Repetition<'_>) -> Option<(String, usize)> {
    let own = [1, 2, 3].map(|n| text_of(field.component(n)).unwrap_or_default());
    if let Some(found) = contradicting_unit(own) {
        return Some(found);
    }
    let triplets = [1, 4].map(|first| {
        let parts = [0, 1, 2].map(|n| text_of(field.component(first + n)).unwrap_or_default());
        let [code, name, system] = parts;
        (find_unit(Coded { code, name, system }), parts.iter().filter(|part| !part.is_empty()).count())
    });
    let known: Vec<(&Unit, usize)> =
        triplets.into_iter().filter_map(|(unit, count)| Some((unit?, count))).collect();
    let mut words: Vec<&str> = known.iter().map(|(unit, _)| unit.shown()).collect();
    words.dedup();
    (!words.is_empty()).then(|| (words.join(", also "), known.iter().map(|(_, count)| count).sum()))
}

/// A number, and its unit where the table has it.
fn quantity(field: Repetition<'_>) -> Option<(String, usize)> {
    let number = text_of(field.component(1)).filter(|text| is_number(text))?;
    let [code, name, system] = unit_of_quantity(field);
    if let Some((unit, covered)) = contradicting_unit([code, name, system]) {
        return Some((format!("{number} {unit}"), 1 + covered));
    }
    let Some(unit) = find_unit(Coded { code, name, system }) else { return Some((number.to_owned(), 1)) };
    let covered = [code, name, system].iter().filter(|part| !part.is_empty()).count();
    Some((format!("{number} {}", unit.shown()), 1 + covered))
}

fn unit_of_quantity<'m>(field: Repetition<'m>) -> [&'m str; 3] {
    let mut parts = field.component(2).subcomponents().map(|part| text_of(part).unwrap_or_default());
    [(); 3].map(|()| parts.next().unwrap_or_default())
}

/// A unit whose code and name do not belong together, and how many parts it stands for. A name that is no
/// unit of the table may be any text.
fn contradicting_unit(unit: [&str; 3]) -> Option<(String, usize)> {
    let [code, name, system] = unit;
    let contradiction = contradiction(unit)?;
    let parts = unit.iter().filter(|part| !part.is_empty()).count();
    let known = find_unit(Coded { code: "", name, system }).map(|unit| (unit.shown(), parts));
    let shown_code = find_unit(Coded { code, name: "", system }).map_or("", |unit| unit.shown());
    let code = if shown_code.is_empty() { String::new() } else { format!(", {shown_code}") };
    let (name, covered) = known.unwrap_or(("a name", parts.saturating_sub(1)));
    Some((format!("{name} ({contradiction}{code})"), covered))
}

fn contradiction([code, name, system]: [&str; 3]) -> Option<String> {
    if !unit_contradicts_itself(Coded { code, name, system }) {
        return None;
    }
    let is_number = !code.is_empty() && code.len() <= 10 && code.bytes().all(|byte| byte.is_ascii_digit());
    let code = if is_number { format!("its number {code}") } else { "its code".to_owned() };
    Some(format!("contradicts {code}"))
}

/// The first short code: senders leave the code out and write it as its name (`^IV^HL70162`). The table
/// of HL7 stands behind it.
fn code(kind: Kind, field: Repetition<'_>) -> Option<(String, usize)> {
    let texts: Vec<&str> = field.components().map(|part| text_of(part).unwrap_or_default()).take(3).collect();
    let found = *texts.iter().take(2).find(|text| !text.is_empty())?;
    let is_outcome =
        kind == Kind::Participation && OUTCOMES.iter().any(|outcome| outcome.eq_ignore_ascii_case(found));
    if !is_outcome && !is_code(found) {
        return None;
    }
    let covered = texts.iter().take(2).filter(|text| **text == found).count();
    Some(match texts.get(2).filter(|table| table.starts_with("HL7") && is_word(table)) {
        Some(table) => (format!("{found} ({table})"), covered + 1),
        None => (found.to_owned(), covered),
    })
}

/// The places of errors as they came: `PID^1^5`.
fn location(field: Field<'_>) -> Option<Closed> {
    let is_place = |part: Component<'_>| text_of(part).is_some_and(is_code);
    leaves(field).all(is_place).then_some(())?;
    let text = String::from_utf8_lossy(field.trimmed()).into_owned();
    Some(Closed { text, is_parsed: false, is_whole: true })
}

fn text_of(component: Component<'_>) -> Option<&str> {
    std::str::from_utf8(component.trimmed()).ok().filter(|_| !component.is_empty())
}

fn is_time(text: &str) -> bool {
    MessageTime::parse(text.as_bytes()).is_ok()
}

fn is_number(text: &str) -> bool {
    text.len() <= 12 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+'))
}

fn is_code(text: &str) -> bool {
    let is_number = text.bytes().all(|digit| digit.is_ascii_digit());
    text.len() <= if is_number { 6 } else { 4 } && is_word(text)
}

fn is_word(text: &str) -> bool {
    text.len() <= 8 && text.bytes().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit())
}

/// The components of a CWE that are versions of coding systems.
const VERSIONS: [usize; 3] = [7, 8, 14];

/// Words for fields (HL7 2.6 chapters 2, 4 and 7; PRT: 2.7; RXG-32 and 33: 2.8).
const NAMES: [(&str, usize, Kind, &str); 81] = [
    ("MSA", 1, Kind::Code, "answer"),
    ("MSA", 2, Kind::ControlId, "control id"),
    ("MSA", 3, Kind::Text, "text"),
    ("ERR", 2, Kind::Location, "location"),
    ("ERR", 3, Kind::Device, "code"),
    ("ERR", 4, Kind::Code, "severity"),
    ("ERR", 5, Kind::Device, "code of the application"),
    ("ERR", 7, Kind::Text, "diagnosis"),
    ("ERR", 8, Kind::Text, "message"),
    ("NTE", 2, Kind::Code, "source of the note"),
    ("NTE", 4, Kind::Code, "type of the note"),
    ("NTE", 5, Kind::Text, "note by"),
    ("NTE", 6, Kind::Time, "note entered"),
    ("NTE", 7, Kind::Time, "note from"),
    ("NTE", 8, Kind::Time, "note until"),
    ("OBR", 6, Kind::Time, "requested for"),
    ("OBR", 13, Kind::Text, "clinical information"),
    ("OBR", 14, Kind::Time, "specimen received"),
    ("OBR", 16, Kind::Text, "ordered by"),
    ("OBR", 17, Kind::Text, "callback number"),
    ("OBR", 22, Kind::Time, "status changed"),
    ("OBR", 25, Kind::Code, "status"),
    ("OBX", 9, Kind::Number, "probability"),
    ("OBX", 10, Kind::Code, "nature of the range"),
    ("OBX", 12, Kind::Time, "date of the range"),
    ("OBX", 13, Kind::Text, "access checks"),
    ("OBX", 15, Kind::Text, "producer"),
    ("OBX", 16, Kind::Text, "observed by"),
    ("OBX", 19, Kind::Time, "analysed"),
    ("OBX", 21, Kind::Text, "instance"),
    ("OBX", 23, Kind::Text, "performed by"),
    ("ORC", 1, Kind::Code, "control"),
    ("ORC", 2, Kind::Text, "placer"),
    ("ORC", 3, Kind::Text, "filler"),
    ("ORC", 5, Kind::Code, "status"),
    ("ORC", 9, Kind::Time, "time"),
    ("ORC", 10, Kind::Text, "entered by"),
    ("ORC", 12, Kind::Text, "ordered by"),
    ("ORC", 15, Kind::Time, "effective"),
    ("ORC", 19, Kind::Text, "action by"),
    ("RXG", 1, Kind::Number, "number"),
    ("RXG", 2, Kind::Number, "dispense number"),
    ("RXG", 4, Kind::Text, "drug"),
    ("RXG", 5, Kind::Number, "least amount"),
    ("RXG", 6, Kind::Number, "greatest amount"),
    ("RXG", 7, Kind::Unit, "unit of the amount"),
    ("RXG", 15, Kind::Number, "rate"),
    ("RXG", 16, Kind::Unit, "unit of the rate"),
    ("RXG", 17, Kind::Number, "strength"),
    ("RXG", 18, Kind::Unit, "unit of the strength"),
    ("RXG", 23, Kind::Number, "volume of the strength"),
    ("RXG", 24, Kind::Unit, "unit of the volume"),
    ("RXG", 32, Kind::Number, "dispensed amount"),
    ("RXG", 33, Kind::Unit, "unit of the dispensed amount"),
    ("RXR", 1, Kind::Code, "route"),
    ("RXR", 2, Kind::Code, "site"),
    ("RXR", 3, Kind::Code, "device"),
    ("RXR", 4, Kind::Code, "method"),
    ("RXC", 1, Kind::Code, "type"),
    ("RXC", 3, Kind::Number, "amount"),
    ("RXC", 4, Kind::Unit, "unit of the amount"),
    ("RXC", 5, Kind::Number, "strength"),
    ("RXC", 6, Kind::Unit, "unit of the strength"),
    ("TQ1", 1, Kind::Number, "number"),
    ("TQ1", 2, Kind::Quantity, "quantity"),
    ("TQ1", 6, Kind::Quantity, "duration"),
    ("TQ1", 7, Kind::Time, "start"),
    ("TQ1", 8, Kind::Time, "end"),
    ("TQ1", 9, Kind::Code, "priority"),
    ("TQ1", 13, Kind::Quantity, "duration of each"),
    ("TQ1", 14, Kind::Number, "occurrences"),
    ("PRT", 1, Kind::Number, "instance"),
    ("PRT", 2, Kind::Code, "action"),
    ("PRT", 4, Kind::Participation, "participation"),
    ("PRT", 5, Kind::Text, "person"),
    ("PRT", 10, Kind::Device, "device"),
    ("PRT", 11, Kind::Time, "begin"),
    ("PRT", 12, Kind::Time, "end"),
    ("PRT", 15, Kind::Text, "contact"),
    ("SPM", 17, Kind::Time, "collected"),
    ("SPM", 18, Kind::Time, "received"),
];

/// Words of IHE PCD for what became of an alert (TF vol. 2, B.10), and equipment (HL7 table 0912).
const OUTCOMES: [&str; 19] = [
    "EQUIP",
    "Received",
    "Undeliverable",
    "Queued",
    "Sent",
    "Delivered",
    "Read",
    "Replied",
    "Accepted",
    "AcceptedPositive",
    "AcceptedNotRelevant",
    "AcceptedFalse",
    "Rejected",
    "Cancelled",
    "Completed",
    "Acknowledged",
    "Unacknowledged",
    "Canceled",
    "Forwarded",
];
