//! The observations of real messages, value by value, as two other readers find them: Python's `hl7` package
//! and hl7apy (tests/peers/hl7_observations.py).

mod alarms;
mod fields;
mod python;
mod shown;

use std::fmt::Write as _;

use pcd_platform::hl7::{Field, Message, Segment};
use pcd_platform::pcd::{Containment, Observation};
use serde_json::{Value, json};

use self::python::{latin1, read_by_python};
use crate::corpus::{Sample, corpus};

fn whole(field: Field<'_>) -> String {
    latin1(field.raw())
}

/// The parts of a field between separators; none of an empty one.
fn parts(field: Field<'_>, separator: char) -> Vec<String> {
    let text = whole(field);
    if text.is_empty() { Vec::new() } else { text.split(separator).map(str::to_owned).collect() }
}

fn numbers(path: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> = path.split('.').map(|number| number.parse().unwrap()).collect();
    numbers.resize(6, 0);
    numbers
}

/// What the platform reads, in the form in which the other readers print it.
fn ours(message: &Message<'_>) -> Value {
    let segments: Vec<Segment<'_>> = message.segments().collect();
    let trees = Containment::all_of(message);
    let requests = trees.iter().map(|tree| {
        let obr = tree.begin().map(|begin| segments[begin]).filter(|segment| segment.is(b"OBR"));
        let mut observations: Vec<(usize, Value)> = Vec::new();
        let position = |observation: &Observation<'_>| {
            message.segments().filter_map(Observation::of).position(|known| known == *observation).unwrap()
        };
        for node in tree.nodes() {
            let container =
                tree.containers(node).next().map(|container| numbers(&container.path.to_string()));
            let path = Some(numbers(&node.path.to_string()));
            observations.push((position(&node.observation), observed(&node.observation, path, container)));
        }
        for (_, observation) in tree.unplaced() {
            observations.push((position(observation), observed(observation, None, None)));
        }
        observations.sort_by_key(|(position, _)| *position);
        let observations: Vec<_> = observations.into_iter().map(|(_, observation)| observation).collect();
        json!({
            "filler": obr.map(|obr| whole(obr.field(3))).unwrap_or_default(),
            "service": obr.map(|obr| parts(obr.field(4), '^')).unwrap_or_default(),
            "observations": observations,
        })
    });
    requests.collect()
}

fn observed(observation: &Observation<'_>, path: Option<Vec<u64>>, container: Option<Vec<u64>>) -> Value {
    let term = [observation.code(), observation.name(), observation.system()];
    json!({
        "type": whole(observation.value_type()),
        "term": term.map(|part| latin1(part.raw())),
        "path": path,
        "container": container,
        "value": whole(observation.value()),
        "units": parts(observation.units(), '^'),
        "range": whole(observation.range()),
        "flags": parts(observation.flags(), '~'),
        "status": whole(observation.status()),
        "time": whole(observation.time()),
        "equipment": whole(observation.equipment()),
    })
}

/// A reader's message in the same form: of the term the first three components, and without the differences
/// that a reader makes by itself.
fn theirs(mut message: Value) -> Value {
    for request in message.as_array_mut().unwrap() {
        for observation in request["observations"].as_array_mut().unwrap() {
            let term = observation["term"].as_array_mut().unwrap();
            term.resize(3, Value::from(""));
        }
    }
    message
}

/// hl7apy leaves out empty components at the end, and escapes a lone escape character.
fn normalised(message: &Value) -> Value {
    match message {
        Value::String(text) => text.trim_end_matches('^').replace("\\E\\", "\\").into(),
        Value::Array(list) => {
            let list: Vec<Value> = list.iter().map(normalised).collect();
            let end = list.iter().rposition(|part| part.as_str() != Some("")).map_or(0, |last| last + 1);
            list[..end].into()
        }
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), normalised(value))).collect(),
        other => other.clone(),
    }
}

/// Which requests or observations two readings differ in: no more than the first field of each.
fn difference(ours: &Value, theirs: &Value) -> String {
    let pairs = |ours: &Value, theirs: &Value| -> Vec<(Value, Value)> {
        let lists = [ours, theirs].map(|list| list.as_array().cloned().unwrap_or_default());
        assert_eq!(lists[0].len(), lists[1].len(), "another number of requests or observations");
        let [ours, theirs] = lists;
        ours.into_iter().zip(theirs).collect()
    };
    let mut found = String::new();
    for (ours, theirs) in pairs(ours, theirs) {
        for (ours, theirs) in pairs(&ours["observations"], &theirs["observations"]) {
            for (key, value) in ours.as_object().unwrap() {
                if *value != theirs[key] {
                    writeln!(found, "{key}: {value} and {}", theirs[key]).unwrap();
                }
            }
        }
        for key in ["filler", "service"] {
            if ours[key] != theirs[key] {
                writeln!(found, "{key}: {} and {}", ours[key], theirs[key]).unwrap();
            }
        }
    }
    found
}

#[test]
fn every_observation_of_the_corpus_is_understood_as_other_readers_understand_it() {
    let Some(samples) = corpus() else { return };
    let answers = read_by_python(&samples);
    assert_eq!(answers.len(), samples.len());
    let (mut readings, mut values) = (0, 0);
    let (mut wrong, mut unread) = (Vec::new(), Vec::new());
    for (Sample { name, payload, .. }, answer) in samples.iter().zip(answers) {
        assert_eq!(answer["name"], **name);
        let Ok(message) = Message::parse(payload) else { continue };
        let ours = ours(&message);
        if answer["hl7"].is_null() && answer["hl7apy"].is_null() {
            unread.push(name.clone());
        }
        for reader in ["hl7", "hl7apy"] {
            if answer[reader].is_null() {
                continue;
            }
            let theirs = theirs(answer[reader].clone());
            let (ours, theirs) = match reader {
                "hl7" => (ours.clone(), theirs),
                _ => (normalised(&ours), normalised(&theirs)),
            };
            readings += 1;
            values += ours
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["observations"].as_array().unwrap().len())
                .sum::<usize>();
            if ours != theirs {
                wrong.push(format!("{reader} {name}\n{}", difference(&ours, &theirs)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{readings} readings with {values} observations agree");
    // Each message that the platform reads, some other reader reads as well.
    assert_eq!(unread, Vec::<String>::new());
    assert!(readings > 270 && values > 750, "{readings} readings with {values} observations");
}
