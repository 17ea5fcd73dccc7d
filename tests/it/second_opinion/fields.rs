//! Every field of every message of the corpus, as the second reader finds it.

use pcd_platform::hl7::{Field, Message};
use serde_json::Value;

use super::python::{latin1, read_by_python};
use crate::corpus::{Sample, corpus};

/// Messages that are not compared field by field with Python's `hl7`, and why.
const NOT_COMPARED: &[(&str, &str)] = &[
    ("mirth/samples-hl7.hl7", "no message for either reader: it does not begin with MSH"),
    (
        "mirth/tests-test-hl7-batch-input.hl7",
        "a batch, which is taken apart before (corpus::a_batch_is_taken_apart…)",
    ),
    ("mirth/tests-test-hl7-single-field-output.hl7", "a field alone"),
    ("mirth/tests-test-hl7-single-segment-output.hl7", "a segment alone, without MSH"),
];

/// The fields of a message that the other reader shows: without empty ones at the end of a segment.
fn ours(message: &Message<'_>) -> Vec<Vec<String>> {
    let whole = |field: Field<'_>| latin1(field.raw());
    let segments = message.segments().map(|segment| segment.fields().map(whole).collect());
    segments.map(without_end).collect()
}

fn without_end(mut fields: Vec<String>) -> Vec<String> {
    fields.truncate(fields.iter().rposition(|field| !field.is_empty()).map_or(0, |last| last + 1));
    fields
}

fn theirs(answer: &Value) -> Option<Vec<Vec<String>>> {
    // It takes an empty line at the end for a segment without a name.
    let is_segment = |segment: &&Value| segment[0].as_str().is_some_and(|name| !name.trim().is_empty());
    let segments = answer["segments"].as_array()?.iter().filter(is_segment);
    let fields = segments.map(|segment| {
        // The first is the name of the segment.
        let fields = segment.as_array()?.iter().skip(1);
        fields.map(|field| field.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>().map(without_end)
    });
    fields.collect()
}

/// Each of the 152 messages is compared with the second reader, or it is listed why it is not.
#[test]
fn all_152_messages_are_accounted_for() {
    let Some(samples) = corpus() else { return };
    let answers = read_by_python(&samples);
    assert_eq!((samples.len(), answers.len()), (152, 152), "the messages of the corpus");
    let (mut compared, mut fields, mut wrong, mut left_out) = (0, 0, Vec::new(), Vec::new());
    for (Sample { name, payload, .. }, answer) in samples.iter().zip(&answers) {
        let is_listed = NOT_COMPARED.iter().any(|(listed, _)| listed == name);
        let (Ok(message), Some(theirs)) = (Message::parse(payload), theirs(answer)) else {
            left_out.push(name.as_str());
            continue;
        };
        let ours = ours(&message);
        if ours == theirs {
            assert!(!is_listed, "{name} agrees, and is listed as one that does not");
            compared += 1;
            fields += ours.iter().map(Vec::len).sum::<usize>();
        } else if is_listed {
            left_out.push(name.as_str());
        } else {
            let first = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs);
            wrong.push(format!("{name}: {} and {} segments, {first:?}", ours.len(), theirs.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{compared} messages with {fields} fields agree; not compared: {NOT_COMPARED:?}");
    assert_eq!(left_out, NOT_COMPARED.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    assert_eq!(compared + left_out.len(), 152);
}
