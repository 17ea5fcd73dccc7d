//! The cost of showing a message.

use crate::hl7::Message;
use crate::model::work::measure;
use crate::pcd::growing::growing;
use crate::view::alert::sentences;
use crate::view::{Tree, TreeOptions};

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

// A page of one message must not take longer the more parts its sender made.
#[test]
fn of_a_message_with_too_many_parts_the_beginning_is_shown_and_says_so() {
    let message = |rest: &str| {
        format!("MSH|^~\\&|A||||20260101||ORU^R01^ORU_R01|1|P|2.6\rPID|1||4711||Quackenbush\r{rest}")
    };
    for (what, part) in [
        ("repetitions of OBX-3", "~"),
        ("components", "^"),
        ("lines", "A\r"),
        ("notes", "\rNTE|1||Quackenbush"),
        ("observations", "\rOBX||ST|1||Quackenbush"),
        ("requests", "\rOBR||||1"),
        ("patients", "\rPID|1||4712||X"),
        ("fields", "|"),
    ] {
        let shown = |parts: usize| {
            let text = message(&format!("OBX|1|ST|1{}\rPID|1||4713||Whittlesey\r", part.repeat(parts)));
            let parsed = Message::parse(text.as_bytes()).unwrap();
            let options = TreeOptions { with_patient: true, ..TreeOptions::default() };
            let tree = Tree::new(&parsed, &options);
            if part.contains("Quackenbush") {
                let covered = serde_json::to_string(&Tree::new(&parsed, &TreeOptions::default())).unwrap();
                assert!(!covered.contains("uackenbush"), "{what}: {parts}");
            }
            (tree.excerpt, tree.segments.len())
        };
        assert_eq!(shown(100).0, None, "{what}");
        let (excerpt, segments) = shown(220_000);
        let excerpt = excerpt.unwrap();
        assert!(excerpt.segments == segments && segments < excerpt.of_segments, "{what}: {excerpt:?}");
        assert!(segments <= 10_000, "{what}: {segments}");
        assert!(excerpt.in_words().starts_with(&format!("{segments} of {}", excerpt.of_segments)));
    }
}

#[test]
fn of_a_header_with_too_many_parts_the_beginning_is_shown() {
    let text = format!("MSH|^~\\&|A{}||||20260101||ORU^R01^ORU_R01|1|P|2.6\r", "~".repeat(300_000));
    let message = Message::parse(text.as_bytes()).unwrap();
    let tree = Tree::new(&message, &TreeOptions::default());
    assert!(tree.excerpt.is_some() && tree.segments == ["MSH"] && tree.from.len() < 20_000);
}

// An alarm of which a part is not shown could look like another one.
#[test]
fn facets_of_alerts_are_shown_of_whole_messages_only() {
    let alert = "MSH|^~\\&|A||||20260101||ORU^R40^ORU_R40|1|P|2.6\rOBR|1||E1|196616^MDC_EVT_ALARM^MDC\r\
        OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x||||||F\r";
    let facets = |rest: &str| {
        let text = format!("{alert}{rest}");
        let message = Message::parse(text.as_bytes()).unwrap();
        let tree = Tree::new(&message, &TreeOptions::default());
        tree.requests.iter().filter(|request| request.alert.is_some()).count()
    };
    assert_eq!((facets(""), facets(&"NTE|1\r".repeat(20_000))), (1, 0));
}

/// Steps that do not depend on the message.
const SLACK: u64 = 20_000;
