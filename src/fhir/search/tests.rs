use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::fhir::{Mapped, Options, Resource, Source, map};
use crate::hl7::Message;
use crate::model::{Fingerprint, MessageId};

const DEVICES: [&str; 2] = ["00A037FFFE000001", "00A037FFFE000002"];

/// The id of a patient, from the text that stands for it.
fn patient_id(text: &str) -> String {
    Fingerprint::sha256(text.as_bytes()).to_string()[..32].to_owned()
}

/// What a device measures of a patient at a minute; some of it for a test, some an alert.
fn message(number: usize, patient: &str, device: &str, minute: usize) -> Mapped {
    let mode = if number % 5 == 4 { "T" } else { "P" };
    let text = format!(
        "MSH|^~\\&|M|F|||20260101120001+0000||ORU^R01^ORU_R01|{number}|{mode}|2.6|||AL|NE|||||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO\r\
         PID|||{patient}^^^HOSP&1.2.3&ISO^MR\r\
         OBR|1||{number}^^{device}^EUI-64|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||2026010112{minute:02}00+0000\r\
         OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||{device}^^{device}^EUI-64\r\
         OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|97|262688^MDC_DIM_PERCENT^MDC|||||R\r\
         OBX|3|NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.2|71|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||R|||2026010111{minute:02}30+0000\r"
    );
    let parsed = Message::parse(text.as_bytes()).unwrap();
    let source = Source {
        message: MessageId::at(
            Timestamp::from_second(1_767_268_800 + i64::try_from(number).unwrap()).unwrap(),
        ),
        sender: "GW-1",
        received: Timestamp::from_second(1_767_268_800).unwrap(),
        patient_id: &patient_id,
    };
    map(&parsed, &source, &Options::default())
}

/// A link has the id of the patient in place of the identifier; it is a search that is understood.
#[test]
fn the_link_of_a_search_that_names_two_patients_is_one() {
    let identifier = ("patient.identifier", "urn:oid:1.2.3|4711");
    let own = format!("Patient/{}", patient_id("urn:oid:1.2.3\u{1f}4711"));
    for (others, parameters) in [
        (vec![], 1),
        (vec![("subject", "Patient/1")], 2),
        (vec![("patient", "1")], 2),
        (vec![("subject", own.as_str())], 1),
        (vec![("patient", own.as_str())], 1),
    ] {
        for all in [[others.clone(), vec![identifier]].concat(), [vec![identifier], others.clone()].concat()]
        {
            let query = read(ResourceType::Observation, &all, false).unwrap();
            assert_eq!(query.link.len(), parameters, "{all:?}: {:?}", query.link);
            let again: Vec<_> = query.link.iter().map(|(name, value)| (&**name, &**value)).collect();
            let followed = read(ResourceType::Observation, &again, false).unwrap();
            assert_eq!(followed.link, query.link);
            let mut subjects = [query.subjects, followed.subjects];
            for subjects in &mut subjects {
                subjects.sort();
                subjects.dedup();
            }
            assert_eq!(subjects[0], subjects[1], "{all:?}");
        }
    }
    let three = [identifier, ("patient", "1"), ("subject", "Patient/2")];
    assert!(read(ResourceType::Observation, &three, false).is_err());
}

/// Three patients at two devices.
fn world() -> Vec<Resource> {
    let mut all: Vec<Resource> = Vec::new();
    for number in 0..24 {
        let patient = ["4711", "0815", "1234"][number % 3];
        all.extend(message(number, patient, DEVICES[number % 2], number * 2).resources);
    }
    for resource in &mut all {
        resource.meta_mut().last_updated = Some("2026-01-01T13:00:00Z".to_owned());
    }
    all
}

fn read(kind: ResourceType, parameters: &[(&str, &str)], is_lenient: bool) -> Result<Query, Refused> {
    let owned: Vec<_> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let zone = TimeZone::UTC;
    parse(kind, &owned, &Reading { zone: &zone, patient_id: &patient_id, is_lenient })
}

fn refused(parameters: &[(&str, &str)]) -> &'static str {
    read(ResourceType::Observation, parameters, false).map_or_else(|refused| refused.issue.code(), |_| "none")
}

fn of_4711() -> String {
    patient_id("urn:oid:1.2.3\u{1f}4711")
}

#[test]
fn a_search_that_is_not_understood_whole_is_refused() {
    for (parameters, issue) in [
        (vec![("patient", "1")], "none"),
        (vec![("patient", "Patient/1"), ("date", "ge2026"), ("date", "lt2027-02")], "none"),
        (vec![("code", "150456")], "too-costly"),
        (vec![], "too-costly"),
        (vec![("patinet", "1")], "not-supported"),
        (vec![("patient", "1"), ("colour", "red")], "not-supported"),
        (vec![("patient", "1"), ("code:not", "1")], "not-supported"),
        (vec![("Patient", "1")], "not-supported"),
        (vec![("patient", "1"), ("patient", "1")], "invalid"),
        (vec![("patient", "1"), ("code", "1"), ("code", "2")], "invalid"),
        (vec![("patient", "")], "invalid"),
        (vec![("patient", "1,2")], "invalid"),
        (vec![("patient", "Device/1")], "invalid"),
        (vec![("subject", "1")], "invalid"),
        (vec![("device", "1")], "invalid"),
        (vec![("patient", "https://other.example/fhir/Patient/1")], "invalid"),
        (vec![("patient", "1"), ("_count", "x")], "invalid"),
        (vec![("patient", "1"), ("_count", "-5")], "invalid"),
        (vec![("patient", "1"), ("date", "ap2026")], "invalid"),
        (vec![("patient", "1"), ("date", "2026-13-01")], "invalid"),
        (vec![("patient", "1"), ("date", "2026-01-01T25:00")], "invalid"),
        (vec![("patient", "1"), ("code", "a|b|c")], "invalid"),
        (vec![("patient", "1"), ("code", "150456,")], "invalid"),
        (vec![("patient", "1"), ("_sort", "status")], "not-supported"),
        (vec![("patient", "1"), ("_sort", "_lastUpdated")], "too-costly"),
        (vec![("patient", "1"), ("_include", "*")], "not-supported"),
        (vec![("patient", "1"), ("_total", "estimate")], "not-supported"),
        (vec![("patient.identifier", "4711")], "too-costly"),
        (vec![("patient.identifier", "|4711")], "too-costly"),
        (vec![("patient.identifier", "urn:oid:1.2.3|4711")], "none"),
        (vec![("_lastUpdated", "gt2026-01-01")], "none"),
    ] {
        assert_eq!(refused(&parameters), issue, "{parameters:?}");
    }
    assert_eq!(
        read(ResourceType::Patient, &[("_count", "5")], false).unwrap_err().issue,
        IssueType::TooCostly
    );
    assert!(read(ResourceType::Device, &[], false).is_ok());
}

#[test]
fn an_unknown_parameter_is_ignored_only_for_who_asks_for_it_and_never_selects() {
    let query = read(ResourceType::Observation, &[("patient", "1"), ("colour", "red")], true).unwrap();
    assert_eq!(query.ignored, ["colour"]);
    assert!(read(ResourceType::Observation, &[("patinet", "1")], true).is_err());
}

#[test]
fn a_patient_is_found_by_identifier_and_the_link_has_none() {
    let found =
        read(ResourceType::Observation, &[("patient.identifier", "urn:oid:1.2.3|4711")], false).unwrap();
    assert_eq!(found.subjects, [format!("Patient/{}", of_4711())]);
    let patient = read(ResourceType::Patient, &[("identifier", "urn:oid:1.2.3|4711")], false).unwrap();
    assert_eq!(patient.selector(), Ok(Selector::Ids(&[of_4711()])));
    for query in [found, patient] {
        assert!(!format!("{:?}", query.link).contains("4711"), "{:?}", query.link);
    }
    let (of_number, own) = (("identifier", "urn:oid:1.2.3|4711"), of_4711());
    for (other, expected) in [("1", "none"), (&*own, &*own), (&*format!("1,{own}"), &*own)] {
        for parameters in [[of_number, ("_id", other)], [("_id", other), of_number]] {
            let query = read(ResourceType::Patient, &parameters, false).unwrap();
            assert_eq!(query.ids, [expected], "both count, in any order: {parameters:?}");
            assert_eq!(query.link, [("_id".to_owned(), expected.to_owned())]);
        }
    }
}

#[test]
fn dates_are_compared_by_their_precision_and_zone() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let measured = at("2026-03-01T10:30:00Z");
    let zone = TimeZone::get("America/New_York").unwrap();
    for (value, fits) in [
        ("2026-03-01", true),
        ("2026-03", true),
        ("2026", true),
        ("eq2026-03-01T10:30Z", true),
        ("2026-03-01T10:30:00Z", true),
        ("2026-03-01T10:30:00.000Z", true),
        ("2026-03-01T10:30:01Z", false),
        ("2026-03-01T11:30:00+01:00", true),
        ("2026-03-01T11:30:00 01:00", true),
        ("2026-03-01T05:30:00", true),
        ("ne2026-03-01", false),
        ("gt2026-03-01", false),
        ("ge2026-03-01", true),
        ("lt2026-03-01", false),
        ("le2026-03-01", true),
        ("sa2026-02", true),
        ("eb2026-04", true),
        ("gt2026-03-01T10:29Z", true),
        ("lt2026-03-01T10:31Z", true),
    ] {
        let moment = Moment::parse("date", value, &zone).unwrap();
        assert_eq!(moment.fits(measured, measured), fits, "{value}");
        // What the index leaves out is no answer.
        let is_in_index = moment.earliest_end().is_none_or(|from| measured >= from)
            && moment.latest_start().is_none_or(|until| measured < until);
        assert!(is_in_index || !fits, "{value}");
    }
    // A day of a zone: in New York the 1st of March begins five hours later.
    let day = Moment::parse("date", "2026-03-01", &zone).unwrap();
    assert_eq!((day.from, day.until), (at("2026-03-01T05:00:00Z"), at("2026-03-02T05:00:00Z")));
}

#[test]
fn every_key_of_a_device_is_found_by_the_parameter_that_made_it() {
    for resource in world() {
        let json = serde_json::to_value(&resource).unwrap();
        let (kind, parameters): (_, Vec<(&str, &Value)>) = match &resource {
            Resource::Device(_) => (
                ResourceType::Device,
                vec![
                    ("identifier", &json["identifier"][0]["value"]),
                    ("type", &json["type"]["coding"][0]["code"]),
                ],
            ),
            Resource::DeviceMetric(_) => (
                ResourceType::DeviceMetric,
                vec![
                    ("type", &json["type"]["coding"][0]["code"]),
                    ("source", &json["source"]["reference"]),
                    ("parent", &json["parent"]["reference"]),
                ],
            ),
            _ => continue,
        };
        let keys = keys(&resource);
        assert!(!keys.is_empty(), "{json}");
        for (name, value) in parameters {
            let Some(value) = value.as_str() else { continue };
            let query = read(kind, &[(name, value)], false).unwrap();
            let Ok(Selector::Key(key)) = query.selector() else { panic!("{name}={value}") };
            assert!(keys.contains(&key) && query.fits(&resource, None), "{name}={value}: {json}");
        }
    }
}

/// Whether a resource is what one parameter means, by the words of FHIR alone.
fn means(name: &str, value: &str, json: &Value) -> bool {
    let strings = |path: &[&str]| -> Vec<String> {
        let mut found = vec![json.clone()];
        for part in path {
            found = found
                .iter()
                .flat_map(|value| match &value[*part] {
                    Value::Array(all) => all.clone(),
                    Value::Null => Vec::new(),
                    other => vec![other.clone()],
                })
                .collect();
        }
        found.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
    };
    let is_coded = |path: &[&str]| {
        let codes = strings(path);
        value.split(',').any(|one| codes.iter().any(|code| one.rsplit('|').next() == Some(code)))
    };
    match name {
        "patient" => {
            let own = value.strip_prefix("Patient/").unwrap_or(value);
            strings(&["subject", "reference"]) == [format!("Patient/{own}")]
        }
        "subject" => strings(&["subject", "reference"]) == [value],
        "patient.identifier" => {
            let own = patient_id(&value.replace('|', "\u{1f}"));
            strings(&["subject", "reference"]) == [format!("Patient/{own}")]
        }
        "device" => strings(&["device", "reference"]) == [value],
        "_id" => value.split(',').any(|id| strings(&["id"]) == [id]),
        "code" => is_coded(&["code", "coding", "code"]),
        "category" => is_coded(&["category", "coding", "code"]),
        "_security" => is_coded(&["meta", "security", "code"]),
        "date" => is_at(value, &strings(&["effectiveDateTime"])),
        "_lastUpdated" => is_at(value, &strings(&["meta", "lastUpdated"])),
        "_count" | "_sort" | "_include" | "_total" | "_format" | "device:DeviceMetric.source" => true,
        _ => false,
    }
}

/// Compares texts of times with a day, or with a second, of UTC.
fn is_at(value: &str, times: &[String]) -> bool {
    let [time] = times else { return false };
    let at: Timestamp = time.parse().unwrap();
    let (prefix, rest) = match value.get(..2) {
        Some(two) if two.bytes().all(|byte| byte.is_ascii_lowercase()) => (two, &value[2..]),
        _ => ("eq", value),
    };
    let (from, until) = if let Ok(second) = rest.parse::<Timestamp>() {
        (second, second + std::time::Duration::from_secs(1))
    } else if let Ok(day) = rest.parse::<Date>() {
        let midnight = |day: Date| TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).unwrap();
        (midnight(day), midnight(day.tomorrow().unwrap()))
    } else {
        return true;
    };
    match prefix {
        "eq" => from <= at && at < until,
        "ne" => at < from || at >= until,
        "lt" | "eb" => at < from,
        "gt" | "sa" => at >= until,
        "le" => at < until,
        "ge" => at >= from,
        _ => false,
    }
}

type Parameters = Vec<(String, String)>;

/// Searches that are right.
fn searches() -> impl Strategy<Value = Parameters> {
    let value =
        |values: &'static [&'static str]| prop::sample::select(values).prop_map(str::to_owned).boxed();
    let subject = prop_oneof![
        Just(("patient".to_owned(), of_4711())),
        Just(("subject".to_owned(), format!("Patient/{}", of_4711()))),
        Just(("patient.identifier".to_owned(), "urn:oid:1.2.3|4711".to_owned())),
        Just(("_lastUpdated".to_owned(), "ge2026-01-01".to_owned())),
    ];
    let date = [
        "ge2026-01-01T12:00:00Z",
        "lt2026-01-01T12:20:00Z",
        "2026-01-01",
        "ne2026-01-02",
        "gt2026-01-01T11:10:30Z",
    ];
    let other = prop_oneof![
        value(&["150456", "urn:iso:std:iso:11073:10101|150456", "147842,8867-4"]).prop_map(|it| ("code", it)),
        prop::sample::select(date.to_vec()).prop_map(|it| ("date", it.to_owned())),
        value(&["vital-signs"]).prop_map(|it| ("category", it)),
        value(&["HTEST"]).prop_map(|it| ("_security", it)),
        value(&["1", "50", "5000"]).prop_map(|it| ("_count", it)),
        value(&["Observation:device"]).prop_map(|it| ("_include", it)),
    ];
    let others = prop::collection::vec(other.prop_map(|(name, value)| (name.to_owned(), value)), 0..4);
    (subject, others).prop_map(|(subject, others)| {
        let mut seen = BTreeSet::new();
        [vec![subject], others].concat().into_iter().filter(|(name, _)| seen.insert(name.clone())).collect()
    })
}

/// What may happen to a parameter on its way.
fn mutated(search: Parameters, which: usize, how: usize, text: &str) -> Parameters {
    let mut search = search;
    let at = which % search.len();
    let other = search[(at + 1) % search.len()].clone();
    match how {
        0 => drop(search.remove(at)),
        1 => search[at].0.push_str(text),
        2 => search[at].0 = search[at].0.to_uppercase(),
        3 => drop(search[at].0.pop()),
        4 => search.push(search[at].clone()),
        5 => search.push((search[at].0.clone(), other.1)),
        6 => search[at].1.clear(),
        7 => search[at].1 = text.to_owned(),
        8 => search[at].1 = other.1,
        9 => search[at].1.push_str(text),
        10 => search[at].0 = other.0,
        11 => search[at].1.insert_str(0, text),
        _ => {}
    }
    search
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Dropping, misspelling, repeating, emptying or re-typing any parameter gives a subset of what is then
    /// asked, or a refusal: each parameter that is there counts, as FHIR says, and no other patient is given
    /// out.
    #[test]
    fn no_parameter_is_ignored(
        search in searches(),
        which in 0_usize..8,
        how in 0_usize..13,
        text in prop_oneof!["[a-z:._|,/-]{1,3}", "[0-9]{1,4}", "\\PC{0,4}", "2026-01-0[1-3]"],
    ) {
        thread_local! { static WORLD: Vec<(Resource, Value)> = world().into_iter().map(|it| {
            let json = serde_json::to_value(&it).unwrap();
            (it, json)
        }).collect(); }
        let search = mutated(search, which, how, &text);
        let borrowed: Vec<(&str, &str)> =
            search.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if let Ok(query) = read(ResourceType::Observation, &borrowed, false) {
            WORLD.with(|world| for (resource, json) in world {
                if !query.fits(resource, None) { continue; }
                for (name, value) in &borrowed {
                    assert!(!value.is_empty() && means(name, value, json), "{borrowed:?} gave {json} by {name}");
                }
                if !borrowed.iter().any(|(name, _)| *name == "_security") {
                    assert!(json["meta"]["security"].is_null(), "{borrowed:?} gave a test");
                }
            });
        }
    }
}
