//! The cost of deciding about a message.

use super::tests::evaluate_text;
use crate::model::work::measure;
use crate::pcd::growing::growing;

// A sender decides how many segments, repetitions, components, events and devices a message has.
#[test]
fn the_cost_of_a_message_grows_as_fast_as_the_message() {
    let steps = |parts| {
        let each = growing(parts);
        each.map(|(what, text)| (what, text.len() as u64, measure(|| evaluate_text(&text)).1))
    };
    for ((what, bytes, few), (_, more_bytes, many)) in steps(300).zip(steps(1200)) {
        assert!(few > 0, "{what}: nothing is counted");
        // As many steps for each byte, but for what is read once.
        assert!(
            many * bytes * 10 <= few * more_bytes * 13 + SLACK * bytes,
            "{what}: {few} steps for {bytes} bytes, and {many} for {more_bytes}"
        );
    }
}

/// Steps that do not depend on the message.
const SLACK: u64 = 20_000;
