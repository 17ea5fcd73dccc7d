//! Whatever the order and the places of its facets, an alert is not reported calmer than it is, and each
//! output has the same words.

use proptest::prelude::*;

use crate::hl7::Message;
use crate::pcd::AlertReport;
use crate::view::alert::sentences;
use crate::view::{Tree, TreeOptions};

/// A facet: its term, its number, and its codes with their words in the sentence, the most dangerous first
/// (IHE PCD TF vol. 2, tables B.8.5-2 to B.8.5-4).
struct Known {
    key: &'static str,
    term: &'static str,
    number: usize,
    words: &'static [(&'static str, &'static str)],
}

const FACETS: [Known; 5] = [
    Known {
        key: "phase",
        term: "68481^MDC_ATTR_EVENT_PHASE",
        number: 3,
        words: &[
            ("escalate", "escalated"),
            ("start", "start"),
            ("tpoint", "single event"),
            ("continue", "continues"),
            ("update", "update"),
            ("deescalate", "de-escalated"),
            ("stop", "stop"),
            ("end", "end"),
        ],
    },
    Known {
        key: "state",
        term: "68482^MDC_ATTR_ALARM_STATE",
        number: 4,
        words: &[("active", "active"), ("latched", "latched"), ("inactive", "condition over")],
    },
    Known {
        key: "inactivation",
        term: "68483^MDC_ATTR_ALARM_INACTIVATION_STATE",
        number: 5,
        words: &[("audio-off", "audio off"), ("audio-paused", "audio paused"), ("enabled", "audio on")],
    },
    Known {
        key: "priority",
        term: "68484^MDC_ATTR_ALARM_PRIORITY",
        number: 6,
        words: &[("PH", "high priority"), ("PM", "medium priority"), ("PL", "low priority")],
    },
    Known {
        key: "type",
        term: "68485^MDC_ATTR_ALERT_TYPE",
        number: 7,
        words: &[("SP", "physiological"), ("ST", "technical"), ("SA", "advisory")],
    },
];

/// One statement: which facet, which word, at which place, whether the sender withdrew it, and its form.
type Statement = (usize, usize, usize, bool, Form);

/// How a facet is written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Plain,
    /// Behind the calmest word, in one repetition: `end^start`.
    BehindTheCalmest,
    /// Before it.
    BeforeTheCalmest,
    /// With the number of another facet.
    OtherNumber,
    /// With the reference id of another facet.
    OtherName,
}

fn statements() -> impl Strategy<Value = Vec<Statement>> {
    let form = prop_oneof![
        6 => Just(Form::Plain),
        1 => Just(Form::BehindTheCalmest),
        1 => Just(Form::BeforeTheCalmest),
        1 => Just(Form::OtherNumber),
        1 => Just(Form::OtherName),
    ];
    let one = (0..FACETS.len(), 0..8_usize, 0..4_usize, prop::bool::weighted(0.15), form);
    prop::collection::vec(one, 1..12)
}

/// Whether a place is another one than that of the event.
const fn is_elsewhere(place: usize) -> bool {
    place == 3
}

fn line((facet, word, place, is_withdrawn, form): Statement) -> String {
    let Known { term, number, words, .. } = &FACETS[facet];
    let ((code, _), (calmest, _)) = (words[word % words.len()], words[words.len() - 1]);
    let split = |facet: usize| FACETS[facet].term.split_once('^').unwrap();
    let (own, other) = (split(facet), split((facet + 1) % FACETS.len()));
    let term = match form {
        Form::OtherNumber => format!("{}^{}", other.0, own.1),
        Form::OtherName => format!("{}^{}", own.0, other.1),
        _ => (*term).to_owned(),
    };
    let code = match form {
        Form::BehindTheCalmest => format!("{calmest}^{code}"),
        Form::BeforeTheCalmest => format!("{code}^{calmest}"),
        _ => code.to_owned(),
    };
    let path =
        [format!("1.1.1.1.{number}"), "1.1.1.1".to_owned(), String::new(), format!("1.9.9.9.{number}")];
    let status = if is_withdrawn { "W" } else { "F" };
    format!("OBX|2|ST|{term}^MDC|{}|{code}||||||{status}\r", path[place])
}

fn message(statements: &[Statement], event_at: usize) -> String {
    let event =
        "OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|196670^MDC_EVT_LO^MDC||||||F|||20260101120000+0000\r";
    let mut lines: Vec<_> = statements.iter().map(|statement| line(*statement)).collect();
    lines.insert(event_at.min(lines.len()), event.to_owned());
    format!(
        "MSH|^~\\&|A||||20260101120000+0000||ORU^R40^ORU_R40|1|P|2.6\r\
         OBR|1||E1^GW|196616^MDC_EVT_ALARM^MDC|||20260101120000+0000\r{}",
        lines.concat()
    )
}

/// The position of the most dangerous valid word of a facet at the place of the event; elsewhere only where
/// nothing at all is stated there.
fn expected(statements: &[Statement], facet: usize) -> Option<usize> {
    let own = || statements.iter().filter(move |(of, ..)| *of == facet);
    let is_here = own().any(|(_, _, place, ..)| !is_elsewhere(*place));
    let counted =
        own().filter(|(_, _, place, is_withdrawn, _)| is_elsewhere(*place) != is_here && !is_withdrawn);
    counted.map(|(_, word, ..)| word % FACETS[facet].words.len()).min()
}

/// The parts of a sentence, without what stands in brackets.
fn parts(sentence: &str) -> Vec<String> {
    let mut depth = 0_i32;
    let plain: String = sentence
        .chars()
        .filter(|letter| {
            depth += i32::from(*letter == '(');
            let is_plain = depth == 0;
            depth -= i32::from(*letter == ')');
            is_plain
        })
        .collect();
    plain.split(',').map(|part| part.trim().to_owned()).collect()
}

fn assert_agreement(statements: &[Statement], event_at: usize) {
    let text = message(statements, event_at);
    let parsed = Message::parse(text.as_bytes()).unwrap();
    let tree = Tree::new(&parsed, &TreeOptions::default());
    let alert = tree.requests[0].alert.as_ref().unwrap();
    let json = serde_json::to_value(alert).unwrap();
    let sentence = sentences(Some("PCD-04"), text.as_bytes()).remove(0);
    let in_sentence = parts(&sentence);
    let reported = AlertReport::all_of(&parsed).remove(0).key.phase;
    for (number, Known { key, words, .. }) in FACETS.iter().enumerate() {
        let Some(at) = expected(statements, number) else { continue };
        let (code, word) = words[at];
        let label = if *key == "inactivation" { "signals" } else { key };
        let (_, row) = alert.rows.iter().find(|(known, _)| *known == label).unwrap();
        let short = word.trim_end_matches(" priority");
        let in_json = if ["priority", "type"].contains(key) { short } else { code };
        let stated = json[key].as_str().unwrap();
        assert!(stated == in_json || stated.starts_with(&format!("{in_json} (")), "{key}: {json:#}\n{text}");
        assert!(row.starts_with(in_json), "{key}: {row}\n{text}");
        // An active alert is the usual one, and nothing sounds after the end.
        let is_usual = matches!(code, "active" | "enabled");
        assert!(is_usual || in_sentence.iter().any(|part| part.contains(word)), "{word}: {sentence}\n{text}");
        let calmer = words.iter().skip(at + 1).map(|(_, calmer)| *calmer);
        for calmer in calmer.filter(|_| *key != "inactivation") {
            assert!(!in_sentence.iter().any(|part| part == calmer), "{calmer}: {sentence}\n{text}");
        }
        if *key == "phase" {
            assert_eq!(reported, code.as_bytes(), "{text}");
        }
    }
}

proptest! {
    #[test]
    fn an_alert_is_never_reported_calmer_than_its_most_dangerous_word(
        statements in statements(),
        event_at in 0..12_usize,
    ) {
        assert_agreement(&statements, event_at);
    }
}

#[test]
fn a_start_at_the_place_of_the_event_counts_before_an_end_elsewhere() {
    let (start, end) = ((0, 1, 0, false, Form::Plain), (0, 7, 3, false, Form::Plain));
    for both in [[start, end], [end, start]] {
        for event_at in 0..3 {
            assert_agreement(&both, event_at);
            let text = message(&both, event_at);
            let sentence = sentences(Some("PCD-04"), text.as_bytes()).remove(0);
            assert!(sentence.contains(", start (also stated at another place: end), "), "{sentence}");
            let alert = Tree::new(&Message::parse(text.as_bytes()).unwrap(), &TreeOptions::default());
            let json = serde_json::to_value(alert.requests[0].alert.as_ref().unwrap()).unwrap();
            assert_eq!(json["also-stated"], serde_json::json!([{"facet": "phase", "codes": ["end"]}]));
        }
    }
    let text = message(&[end], 0);
    let sentence = sentences(Some("PCD-04"), text.as_bytes()).remove(0);
    assert!(sentence.contains(", end (stated at another place), "), "{sentence}");
}

#[test]
fn two_words_in_one_value_and_a_term_of_two_facets_contradict_themselves() {
    let start = |form| vec![(0, 1, 0, false, form)];
    let first = |form| {
        let text = message(&start(form), 0);
        let parsed = Message::parse(text.as_bytes()).unwrap();
        let report = crate::pcd::Alert::all_of(&parsed).remove(0).contradicts_itself;
        (sentences(Some("PCD-04"), text.as_bytes()).remove(0), report)
    };
    let (plain, contradicts) = first(Form::Plain);
    assert!(!contradicts && plain.contains(", start, "), "{plain}");
    for form in [Form::BehindTheCalmest, Form::BeforeTheCalmest] {
        let (sentence, contradicts) = first(form);
        assert!(contradicts && sentence.contains(", start (also stated: end), "), "{form:?}: {sentence}");
    }
    for form in [Form::OtherNumber, Form::OtherName] {
        let (sentence, contradicts) = first(form);
        assert!(contradicts && sentence.contains(", start, "), "{form:?}: {sentence}");
    }
}
