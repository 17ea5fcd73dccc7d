//! The cost of showing a message.

use super::alert::sentences;
use super::{Tree, TreeOptions};
use crate::hl7::Message;
use crate::model::work::measure;
use crate::pcd::growing::growing;

fn show(text: &str) {
    let Ok(message) = Message::parse(text.as_bytes()) else { return };
    for with_patient in [false, true] {
        drop(Tree::new(&message, &TreeOptions { with_patient, ..TreeOptions::default() }));
    }
    drop(sentences(Some("PCD-04"), text.as_bytes()));
}

#[test]
fn the_cost_of_showing_a_message_grows_as_fast_as_the_message() {
    let steps = |parts| {
        let each = growing(parts);
        each.map(|(what, text)| (what, text.len() as u64, measure(|| show(&text)).1))
    };
    for ((what, bytes, few), (_, more_bytes, many)) in steps(300).zip(steps(1200)) {
        assert!(
            many * bytes * 10 <= few * more_bytes * 13 + SLACK * bytes,
            "{what}: {few} steps for {bytes} bytes, and {many} for {more_bytes}"
        );
    }
}

/// Steps that do not depend on the message.
const SLACK: u64 = 20_000;
