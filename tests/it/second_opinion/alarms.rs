//! The alarms of the corpus and of NIST's examples, value by value, as the second reader finds them by the
//! tables of the Technical Framework (B.8.5).

use pcd_platform::hl7::{Field, Message};
use pcd_platform::pcd::{Alert, Facet, Observation, Transaction};
use serde_json::{Value, json};

use super::python::{latin1, read_by_python};
use crate::corpus::{Sample, corpus};

fn text(field: Option<Field<'_>>) -> String {
    field.map(|field| latin1(field.trimmed())).unwrap_or_default()
}

fn term(field: Option<Field<'_>>) -> [String; 2] {
    [1, 2].map(|n| field.map(|field| latin1(field.component(n).trimmed())).unwrap_or_default())
}

fn ours(alert: &Alert<'_>) -> Value {
    let value = |facet: Option<Observation<'_>>| text(facet.map(|facet| facet.value()));
    let stated = |facet| alert.facet(facet).observation();
    let measured = stated(Facet::Measured);
    json!({
        "event": term(alert.event_term()),
        "flags": text(alert.event.map(|event| event.flags())),
        "time": alert.report().map(|report| latin1(&report.key.time)).unwrap_or_default(),
        "measured": term(measured.map(|measured| measured.identifier())),
        "value": value(measured),
        "limits": text(measured.map(|measured| measured.range())),
        "source": value(stated(Facet::Source)),
        "phase": value(stated(Facet::Phase)),
        "state": value(stated(Facet::State)),
        "inactivation": value(stated(Facet::Inactivation)),
        "priority": value(stated(Facet::Priority)),
        "type": value(stated(Facet::Kind)),
        "text": value(stated(Facet::Text)),
    })
}

#[test]
fn every_alarm_of_the_corpus_is_understood_as_the_second_reader_understands_it() {
    let Some(samples) = corpus() else { return };
    let mut compared = Vec::new();
    for (Sample { name, payload, .. }, answer) in samples.iter().zip(read_by_python(&samples)) {
        let Ok(message) = Message::parse(payload) else { continue };
        let is_alert = Transaction::of(&message) == Some(Transaction::Pcd04);
        let theirs = answer["alerts"].as_array().filter(|alerts| !alerts.is_empty());
        assert_eq!(is_alert, theirs.is_some(), "{name}: an alert for one of the readers");
        let Some(theirs) = theirs else { continue };
        let found: Vec<_> = Alert::all_of(&message).iter().map(ours).collect();
        assert_eq!(&found, theirs, "{name}");
        compared.push(name.as_str());
    }
    println!("the alarms of {compared:?} agree");
    assert_eq!(compared.len(), 6, "four of the Technical Framework, two of NIST: {compared:?}");
}
