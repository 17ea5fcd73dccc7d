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

// A sender chooses what each byte of a large message is: separators alone, or a text as long as the message
// in a field that is shown in lists.
#[test]
fn no_byte_of_a_large_message_costs_many_steps() {
    let message = |application: &str, term: &str, equipment: &str| {
        format!(
            "MSH|^~\\&|{application}||||20260101120000+0000||ORU^R01^ORU_R01|1|P|2.6\r\
             PID|1||4711||Smith^Anna\rOBR|1||E1|69965^X^MDC\rOBX|1|ST|{term}|1.1.1.1|x||||||F|||||||{equipment}\r"
        )
    };
    let many = |part: &str| part.repeat(LARGE / part.len());
    for (what, text) in [
        ("subcomponents of OBX-18", message("A", "1^X", &many("&"))),
        ("short subcomponents of OBX-18", message("A", "1^X", &many("&a"))),
        ("an identity", message("A", "1^X", &many("a"))),
        ("repetitions of OBX-18", message("A", "1^X", &many("~a"))),
        ("components of OBX-18", message("A", "1^X", &many("^a"))),
        ("repetitions of OBX-3", message("A", &many("~"), "A")),
        ("short repetitions of OBX-3", message("A", &many("~a"), "A")),
        ("subcomponents of OBX-3", message("A", &many("&a"), "A")),
        ("an application", message(&many("a"), "1^X", "A")),
        ("components of an application", message(&many("^a"), "1^X", "A")),
    ] {
        let (decision, steps) = measure(|| evaluate_text(&text));
        let each = steps / text.len() as u64;
        assert!(each <= MAX_STEPS_OF_A_BYTE, "{what}: {each} steps for each byte");
        let charged = decision.effort;
        assert!(charged * 2048 >= text.matches(['~', '&', '^']).count(), "{what}: counts as {charged}");
    }
}

/// Bytes of a large message.
const LARGE: usize = 256 << 10;
/// Each byte is looked at by several readers.
const MAX_STEPS_OF_A_BYTE: u64 = 64;
/// Steps that do not depend on the message.
const SLACK: u64 = 20_000;
