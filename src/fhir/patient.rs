//! PID: the patient.

use super::datatypes::{CodeableConcept, Coding, Identifier, Meta, Reference};
use super::identity::oid_uri;
use super::resource::{HumanName, Patient};
use super::source::{Options, PatientDetail, Source};
use super::term::Term;
use super::text;
use super::time::Times;
use crate::hl7::{CharacterSet, Component, Message, Repetition, Segment};

/// The patients of a message, by the segments that they are stated before.
pub(super) struct Patients {
    /// The position of each PID, and the patient that it names; none where it names none that can be known.
    stated: Vec<(usize, Option<Patient>)>,
}

impl Patients {
    pub(super) fn of(
        message: &Message<'_>,
        characters: CharacterSet,
        source: &Source<'_>,
        options: &Options,
        meta: &Meta,
    ) -> Self {
        let mut stated: Vec<(usize, Option<Patient>)> = Vec::new();
        // Two PID without results between them: it is not known whose the results are.
        let mut has_results = true;
        for (position, segment) in message.segments().enumerate() {
            if segment.is(b"PID") {
                let found = patient(segment, characters, source, options, meta);
                match stated.last_mut().filter(|_| !has_results) {
                    Some((_, known)) => {
                        let is_same = found.as_ref().map(|it| &it.id) == known.as_ref().map(|it| &it.id);
                        *known = known.take().filter(|_| is_same);
                    }
                    None => stated.push((position, found)),
                }
                has_results = false;
            }
            has_results |= segment.is(b"OBR") || segment.is(b"OBX") || segment.is(b"ORC");
        }
        Self { stated }
    }

    /// The patient of the segment at this position: that of the last PID before it.
    pub(super) fn at(&self, position: usize) -> Option<&Patient> {
        let before = self.stated.iter().rev().find(|(begin, _)| *begin < position);
        before.and_then(|(_, patient)| patient.as_ref())
    }
}

fn patient(
    pid: Segment<'_>,
    characters: CharacterSet,
    source: &Source<'_>,
    options: &Options,
    meta: &Meta,
) -> Option<Patient> {
    let (identifier, key) = chosen(pid, characters, source.sender, options)?;
    let (mut name, mut gender, mut birth_date) = (Vec::new(), None, None);
    if options.patients == PatientDetail::Demographics {
        name.extend(human_name(pid, characters));
        gender = text::first(pid.field(8), characters).and_then(|code| administrative_gender(&code));
        birth_date = Times::date(pid.field(7).component(1).trimmed());
    }
    Some(Patient {
        resource_type: "Patient",
        id: (source.patient_id)(&key),
        meta: meta.clone(),
        identifier: vec![identifier],
        active: None,
        name,
        gender,
        birth_date,
        link: Vec::new(),
    })
}

/// The identifier of type MR, else PI, else the first, and the text that stands for it.
///
/// A number that states no assigner counts within its sender: devices number patients by themselves, and the
/// values of two people must not be those of one.
fn chosen(
    pid: Segment<'_>,
    characters: CharacterSet,
    sender: &str,
    options: &Options,
) -> Option<(Identifier, String)> {
    let all: Vec<_> = pid
        .field(3)
        .repetitions()
        .filter(|one| text::component(one.component(1), characters).is_some())
        .collect();
    let is_of = |one: &Repetition<'_>, kind: &str| {
        text::component(one.component(5), characters).is_some_and(|found| found.eq_ignore_ascii_case(kind))
    };
    let of_type = |kind: &str| all.iter().find(|one| is_of(one, kind));
    let one = of_type("MR").or_else(|| of_type("PI")).or_else(|| all.first())?;
    let value = text::component(one.component(1), characters)?;
    let authority = one.component(4);
    let mut parts = authority.subcomponents();
    let mut part = || parts.next().and_then(|part: Component<'_>| text::component(part, characters));
    let [namespace, universal, kind] = [part(), part(), part()];
    let system =
        universal.as_deref().and_then(|id| oid_uri(id, kind.as_deref().unwrap_or_default())).or_else(|| {
            let is_other = universal.is_some() && namespace.is_none();
            let name = namespace.as_deref().unwrap_or_default();
            options.assigners.get(name).filter(|_| !is_other).cloned()
        });
    let key = match system.as_deref().or(universal.as_deref()).or(namespace.as_deref()) {
        Some(assigner) => [assigner, &value].join("\u{1f}"),
        // No assigner begins so.
        None => ["", sender, &value].join("\u{1f}"),
    };
    let named = namespace.or(universal).filter(|_| system.is_none());
    let identifier = Identifier {
        kind: text::component(one.component(5), characters).and_then(|kind| identifier_type(&kind)),
        system,
        value,
        assigner: named.map(Reference::named),
    };
    Some((identifier, key))
}

/// HL7 table 0203, as far as it is about patients.
fn identifier_type(written: &str) -> Option<CodeableConcept> {
    let (code, display) = TYPES.iter().find(|(code, _)| code.eq_ignore_ascii_case(written))?;
    Some(Coding::new(IDENTIFIER_TYPES, *code, display).into())
}

/// Whether an OBX is about who the patient is: hospital systems know that from elsewhere. Weight, height and
/// the like are values.
pub(super) fn demographics(term: &Term) -> bool {
    term.patient.is_some_and(|term| !MEASURES.contains(&term))
}

/// The legal name, else the first.
fn human_name(pid: Segment<'_>, characters: CharacterSet) -> Option<HumanName> {
    let part = |one: &Repetition<'_>, n| {
        let first = one.component(n).subcomponents().next()?;
        text::component(first, characters)
    };
    let all: Vec<_> = pid.field(5).repetitions().collect();
    let one = all.iter().find(|one| part(one, 7).as_deref() == Some("L")).or_else(|| all.first())?;
    let given: Vec<_> = [part(one, 2), part(one, 3)].into_iter().flatten().collect();
    let name = HumanName { family: part(one, 1), given };
    (name.family.is_some() || !name.given.is_empty()).then_some(name)
}

/// HL7 table 0001, as v2-to-FHIR maps it.
fn administrative_gender(code: &str) -> Option<&'static str> {
    Some(match code.to_ascii_uppercase().as_str() {
        "M" => "male",
        "F" => "female",
        "O" | "A" => "other",
        "U" | "N" => "unknown",
        _ => return None,
    })
}

/// Terms about the body of a patient that identify no one.
const MEASURES: [&str; 12] = [
    "MDC_ATTR_PT_BSA",
    "MDC_ATTR_PT_BIRTH_LENGTH",
    "MDC_ATTR_PT_BIRTH_WEIGHT",
    "MDC_ATTR_PT_HEIGHT",
    "MDC_ATTR_PT_WEIGHT",
    "MDC_ATTR_PT_PACED_MODE",
    "MDC_ATTR_PT_BODY_POSN",
    "MDC_ATTR_PT_LBM",
    "MDC_ATTR_PT_WEIGHT_LAST",
    "MDC_ATTR_PT_WEIGHT_LAST_MAX",
    "MDC_ATTR_PT_WEIGHT_LAST_MIN",
    "MDC_ATTR_PT_WEIGHT_LAST_MEAN",
];

const IDENTIFIER_TYPES: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
const TYPES: [(&str, &str); 5] = [
    ("MR", "Medical record number"),
    ("PI", "Patient internal identifier"),
    ("PT", "Patient external identifier"),
    ("VN", "Visit number"),
    ("AN", "Account number"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MessageId;

    fn shown(lines: &str, position: usize, detail: PatientDetail) -> String {
        let text = format!("MSH|^~\\&|\r{lines}");
        let message = Message::parse(text.as_bytes()).unwrap();
        let assigners = [("HOSP".to_owned(), "urn:oid:1.2.3".to_owned())].into();
        let options = Options { patients: detail, assigners, ..Options::default() };
        let source = Source {
            message: MessageId::at(jiff::Timestamp::UNIX_EPOCH),
            sender: "GW-1",
            received: jiff::Timestamp::UNIX_EPOCH,
            patient_id: &|key| key.replace('\u{1f}', "/"),
        };
        let characters = message.text_encoding();
        let patients = Patients::of(&message, characters, &source, &options, &Meta::default());
        let Some(patient) = patients.at(position) else { return "none".to_owned() };
        let name = patient
            .name
            .first()
            .map(|name| format!(" {} {}", name.given.join(" "), name.family.as_deref().unwrap()));
        let rest = [patient.gender.map(str::to_owned), patient.birth_date.clone()].into_iter().flatten();
        let rest: String = rest.map(|part| format!(" {part}")).collect();
        format!("{}{}{rest}", patient.id, name.unwrap_or_default())
    }

    #[test]
    fn the_medical_record_number_identifies_the_patient() {
        let of = |pid: &str| shown(&format!("PID|||{pid}\rOBR|1\rOBX|1\r"), 3, PatientDetail::Identifier);
        assert_eq!(of("1^^^A^VN~2^^^A^PI~3^^^A^MR"), "A/3");
        assert_eq!(of("1^^^A^VN~2^^^A^PI"), "A/2");
        assert_eq!(of("1"), "/GW-1/1", "within its sender");
        assert_eq!(of("3^^^HOSP^MR"), "urn:oid:1.2.3/3");
        assert_eq!(of("3^^^X&1.2.3&ISO^MR"), "urn:oid:1.2.3/3");
        assert_eq!(of("\"\"^^^A^MR"), "none");
        assert_eq!(of(""), "none");
    }

    #[test]
    fn an_identifier_without_an_assigner_may_have_a_system() {
        let text = "MSH|^~\\&|\rPID|||7\rOBR|1\rOBX|1\r";
        let message = Message::parse(text.as_bytes()).unwrap();
        let assigners = [(String::new(), "urn:oid:1.2.9".to_owned())].into();
        let options = Options { assigners, ..Options::default() };
        let pid = message.segments().nth(1).unwrap();
        let (identifier, key) = chosen(pid, message.text_encoding(), "MON-1", &options).unwrap();
        assert_eq!((identifier.system.as_deref(), &*key), (Some("urn:oid:1.2.9"), "urn:oid:1.2.9\u{1f}7"));
    }

    #[test]
    fn demographics_are_there_only_where_the_operator_wants_them() {
        let lines = "PID|||1^^^A^MR||Doe^John^J^^^^L||19640730|M\rOBR|1\rOBX|1\r";
        assert_eq!(shown(lines, 3, PatientDetail::Identifier), "A/1");
        assert_eq!(shown(lines, 3, PatientDetail::Demographics), "A/1 John J Doe male 1964-07-30");
    }

    #[test]
    fn results_are_those_of_the_patient_before_them() {
        let of = |lines, position| shown(lines, position, PatientDetail::Identifier);
        let two = "PID|||1^^^A\rOBR|1\rOBX|1\rPID|||2^^^A\rOBR|1\rOBX|1\r";
        assert_eq!((of(two, 3), of(two, 6)), ("A/1".to_owned(), "A/2".to_owned()));
        // Which of the two it is, is not known.
        assert_eq!(of("PID|||1^^^A\rPID|||2^^^A\rOBR|1\rOBX|1\r", 4), "none");
        assert_eq!(of("PID|||1^^^A\rPID|||1^^^A\rOBR|1\rOBX|1\r", 4), "A/1");
        assert_eq!(of("PID|||1^^^A\rOBR|1\rOBX|1\rPID|||\rOBR|1\rOBX|1\r", 6), "none");
    }
}
