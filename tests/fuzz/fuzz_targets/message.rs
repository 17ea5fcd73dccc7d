//! The view on a message and everything that is made of it: no panic, no byte lost, and an acknowledgement
//! that can be framed and read.

#![no_main]

#[path = "cost.rs"]
mod cost;

use libfuzzer_sys::fuzz_target;
use pcd_platform::hl7::{Field, Message, batch};
use pcd_platform::liveness::Heartbeat;
use pcd_platform::pcd::{AlertReport, Claim, Containment, Transaction, profile};

fuzz_target!(|bytes: &[u8]| cost::bounded(bytes.len(), || read(bytes)));

fn read(bytes: &[u8]) {
    if let Some(parts) = batch::split(bytes) {
        for range in parts.messages.iter().chain(&parts.strays) {
            assert!(bytes.get(range.clone()).is_some_and(|part| !part.is_empty()));
        }
    }
    let Ok(message) = Message::parse(bytes) else { return };
    let mut end = 0;
    for range in message.ranges() {
        assert!(range.start >= end && range.end <= bytes.len());
        end = range.end;
    }
    let header = message.header();
    let characters = header.text_encoding();
    for segment in message.segments() {
        let fields: Vec<Field<'_>> = segment.fields().collect();
        for field in fields {
            for repetition in field.repetitions() {
                for component in repetition.components() {
                    let _ = characters.decode(&component.text());
                    component.subcomponents().for_each(|part| drop(part.text()));
                }
            }
        }
    }
    let _ = message.acknowledgement();
    let transaction = Transaction::of(&message);
    let _ = Claim::all_of(&message, transaction);
    if let Some(transaction) = transaction {
        let _ = profile::check(&message, transaction);
    }
    for tree in Containment::all_of(&message) {
        for node in tree.nodes() {
            let _ = tree.device(node);
        }
    }
    for report in AlertReport::all_of(&message) {
        let _ = report.key.filler.to_string();
    }
    let _ = Heartbeat::find(&message);
}
