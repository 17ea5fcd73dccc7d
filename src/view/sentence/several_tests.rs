//! Facets and events that are stated several times.

use super::tests::{changed, facets, sentences};
use crate::hl7::Message;
use crate::pcd::{Alert, AlertReport, KnownPatient};

/// `changed` with further observations at its end.
fn with(more: &[&str]) -> String {
    let more: String = more.iter().map(|more| format!("{more}\r")).collect();
    changed("|enabled||||||F\r", &format!("|enabled||||||F\r{more}"))
}

/// Table B.8.5-1: facet 2 is one value.
#[test]
fn a_value_of_another_term_and_another_alternate_unit_are_announced() {
    let from = "OBX|7|ST|68481";
    let second = |term: &str| {
        changed(from, &format!("OBX|33|NM|{term}^MDC|1.1.1.1.2|85|262688^MDC_DIM_PERCENT^MDC|||||F\r{from}"))
    };
    assert!(second("150456^MDC_PULS_OXIM_SAT_O2").ends_with("and a further value: see --tree"));
    assert!(!second("147842^MDC_ECG_HEART_RATE").contains("further value"), "it is stated twice");
    let unit = "264864^MDC_DIM_BEAT_PER_MIN^MDC";
    let with = |alternate: &str| changed(unit, &format!("{unit}^{alternate}"));
    assert!(with("mm[Hg]^mm[Hg]^UCUM").starts_with("HR high, 165 /min (also the unit mmHg) (limits"));
    assert!(with("/min^/min^UCUM").starts_with("HR high, 165 /min (limits"));
}

/// Table B.8.5-2: the state of the signals is required, and may be empty.
#[test]
fn signals_that_are_not_stated_are_named_until_the_alarm_is_over() {
    let inactivation = "OBX|9|ST|68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC|1.1.1.1.5|enabled||||||F\r";
    assert!(changed(inactivation, "").ends_with("start, signals not stated"));
    assert!(changed("|enabled|", "||").ends_with("start, signals not stated"));
    let event = "OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x\r";
    let over = sentences(&format!("{event}{}", facets("end", "inactive", "")));
    assert!(over[0].ends_with("end, condition over"), "{over:?}");
}

/// A word counts in every notation.
#[test]
fn a_phase_in_escape_sequences_is_a_phase() {
    assert!(changed("|start|", r"|\X7374617274\|").contains("physiological, start, audio on"));
}

#[test]
fn of_several_statements_of_a_facet_the_most_dangerous_is_shown_and_the_others_too() {
    let facet =
        |term: &str, value: &str, status: &str| format!("OBX|20|ST|{term}|1.1.1.1.8|{value}||||||{status}");
    for (term, value, shown) in [
        ("68484^MDC_ATTR_ALARM_PRIORITY", "PL", "high priority (also stated: low)"),
        ("68481^MDC_ATTR_EVENT_PHASE", "end", "start (also stated: end)"),
        ("68481^MDC_ATTR_EVENT_PHASE", "escalate", "escalated (also stated: start)"),
        ("68481^MDC_ATTR_EVENT_PHASE", "SECRET", "start (also stated: another that is unknown)"),
        ("68482^MDC_ATTR_ALARM_STATE", "inactive", "active (also stated: condition over)"),
        ("68483^MDC_ATTR_ALARM_INACTIVATION_STATE", "audio-off", "audio off (also stated: audio on)"),
        (
            "68483^MDC_ATTR_ALARM_INACTIVATION_STATE",
            "SECRET",
            "audio on (also stated: another that is unknown)",
        ),
    ] {
        let found = with(&[&facet(term, value, "F")]);
        assert!(found.contains(&format!(", {shown},")) || found.ends_with(shown), "{value}: {found}");
        let withdrawn = with(&[&facet(term, value, "W")]);
        assert_eq!(withdrawn, with(&[]), "what is withdrawn says nothing");
    }
    let low = facet("68484^MDC_ATTR_ALARM_PRIORITY", "PL", "F");
    let high = low.replace("|PL|", "|PH|");
    for both in [[&*low, &*high], [&*high, &*low]] {
        assert!(with(&both).contains(", high priority (also stated: low), "));
    }
    assert!(changed("|start|", "|start~end|").contains(", start (also stated: end), "));
    assert!(changed("|active|", "|inactive~active|").contains(", active (also stated: condition over), "));
    let over = changed("|active|", "|SECRET|");
    assert!(over.contains("start, state unknown, audio on"), "{over}");
    for sent in ["disabled", "audio off", "audio_off"] {
        assert!(changed("|enabled|", &format!("|{sent}|")).ends_with("state of the signals unknown"));
    }
    let priority = with(&[&facet("68484^MDC_ATTR_ALARM_PRIORITY", "PL~SECRET", "F")]);
    assert!(priority.contains(", high priority (also stated: low, another that is unknown), "), "{priority}");
}

#[test]
fn what_is_sent_again_after_it_was_withdrawn_counts() {
    let phase = changed(
        "|start||||||F\r",
        "|end||||||W\rOBX|20|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.1.1.1.3|start||||||F\r",
    );
    assert!(phase.ends_with("physiological, start, audio on"), "{phase}");
    let value = |status: &str, next: &str| {
        let second = format!(
            "50-120||||{status}\rOBX|4|NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.1.2|200\
            |264864^MDC_DIM_BEAT_PER_MIN^MDC|50-120||||{next}"
        );
        changed("50-120||||F", &second)
    };
    assert!(value("W", "C").starts_with("HR high, 200 /min (corrected) (limits"), "{}", value("W", "C"));
    assert!(value("F", "W").starts_with("HR high, 165 /min (limits"));
    let corrected = value("F", "C");
    assert!(corrected.starts_with("HR high, 200 /min (corrected) (also stated: 165 /min) ("), "{corrected}");
    assert!(value("F", "F").starts_with("HR high, 165 /min (also stated: 200 /min) (limits"));
}

#[test]
fn a_live_event_wins_over_a_withdrawn_one() {
    let event = |term: &str, status: &str| {
        format!("OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|{term}^MDC|||PM|||{status}\r")
    };
    let [high, low] = ["196648^MDC_EVT_HI", "196670^MDC_EVT_LO"];
    let course = facets("start", "active", "enabled");
    for [first, second, third] in [
        [&*event(high, "W"), &*course, &*event(low, "F")],
        [&*event(high, "W"), &*event(low, "F"), &*course],
        [&*event(low, "F"), &*event(high, "D"), &*course],
        [&*event(low, "F"), &*course, &*event(high, "D")],
    ] {
        let found = sentences(&format!("{first}{second}{third}"));
        let expected = "value low, medium priority, start, audio on, and a further event: see --tree";
        assert_eq!(found, [expected]);
    }
    let again = sentences(&format!("{}{}{course}", event(low, "W"), event(low, "F")));
    assert_eq!(again, ["value low, medium priority, start, audio on"]);
    let withdrawn = sentences(&format!("{}{course}", event(low, "W")));
    assert!(withdrawn[0].starts_with("WITHDRAWN by the sender: value low"), "{withdrawn:?}");
    let both = sentences(&format!("{}{course}", event("196648^MDC_EVT_HI^MDC~196670^MDC_EVT_LO", "F")));
    assert!(both[0].ends_with("and a further event: see --tree"), "{both:?}");
}

#[test]
fn an_alternate_event_and_repeated_words_are_announced() {
    let further = ", and a further event: see --tree";
    let alternate = changed("196648^MDC_EVT_HI^MDC", "196648^MDC_EVT_HI^MDC^196674^MDC_EVT_ECG_ASYSTOLE^MDC");
    assert!(alternate.ends_with(further), "{alternate}");
    let vendor = changed("196648^MDC_EVT_HI^MDC", "196648^MDC_EVT_HI^MDC^7^HIGH^99GE");
    assert!(!vendor.contains("further event"), "{vendor}");
    for (from, to) in [("|start|", "|end~start|"), ("|active|", "|inactive~active|")] {
        let found = changed(from, to);
        assert!(found.contains("a facet is stated twice, differently"), "{found}");
    }
}

// A measured value that a reader finds first is not the one that another finds.
#[test]
fn two_measured_values_at_one_place_contradict_each_other() {
    let value =
        "OBX|21|NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.1.2|60|264864^MDC_DIM_BEAT_PER_MIN^MDC|50-120||||F";
    let found = with(&[value]);
    assert!(found.contains("a facet is stated twice, differently"), "{found}");
    let same = value.replace("|60|", "|165|");
    assert_eq!(with(&[&same]), with(&[]));
}

#[test]
fn a_value_of_an_unknown_term_is_shown() {
    let found = changed("147842^MDC_ECG_HEART_RATE^MDC", "999999^X^99");
    assert!(found.contains("165 /min") && found.contains("limits"), "{found}");
}

const HEAD: &str = "MSH|^~\\&|A||||2026||ORU^R40^ORU_R40|1|P|2.6\r";

/// An OBR with one alert of HR, at the same time and place, with the same number.
fn request(equipment: &str) -> String {
    format!(
        "OBR|1||E1|196616^MDC_EVT_ALARM^MDC\r\
        OBX|1|CWE|196648^MDC_EVT_HI^MDC|1.1.1.1.1|HR|||PL|||F|||20260101120000+0000||||{equipment}\r\
        OBX|2|NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.1.2|165|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||F\r{}",
        facets("start", "active", "enabled")
    )
}

fn parsed(text: &str) -> Message<'_> {
    Message::parse(text.as_bytes()).unwrap_or_else(|_| panic!("no message: {text}"))
}

fn in_words(requests: &str) -> (Vec<String>, usize) {
    let text = format!("{HEAD}{requests}");
    let message = parsed(&text);
    let (alerts, count) = Alert::counted(&message);
    (
        alerts
            .iter()
            .map(|alert| super::sentence(alert, &message.header(), &KnownPatient::default()))
            .collect(),
        count,
    )
}

// An alarm may vanish behind another one of the same number, event, phase, time and place.
#[test]
fn a_report_with_the_same_key_and_other_contents_is_shown_the_more_dangerous_one_first() {
    let usual = request("");
    let withdrawn = usual.replace("|||PL|||F|", "|||PL|||W|");
    let test = usual.replace("|||PL|||F|", "|||PL~TEST|||F|");
    let high = usual.replace("|165|", "|220|").replace("|||PL|", "|||PH|");
    let over = usual.replace("|active", "|inactive");
    let silenced = usual.replace("|enabled", "|audio-off");
    let other = usual.replace("147842^MDC_ECG_HEART_RATE", "150456^MDC_PULS_OXIM_SAT_O2");
    let mode = usual.replace("|HR|", "|HR, again|");
    for (name, dangerous, harmless) in [
        ("withdrawn", &usual, &withdrawn),
        ("a test", &usual, &test),
        ("low", &high, &usual),
        ("over", &usual, &over),
        ("heard", &silenced, &usual),
    ] {
        let first = in_words(dangerous).0.remove(0);
        let second = in_words(harmless).0.remove(0);
        let differently = ", also reported differently in this message: see --tree";
        let expected = (vec![format!("{first}{differently}"), format!("{second}{differently}")], 2);
        assert_eq!(in_words(&format!("{dangerous}{harmless}")), expected, "{name}");
        assert_eq!(in_words(&format!("{harmless}{dangerous}")), expected, "{name}, first");
    }
    for differing in [&other, &mode, &usual.replace("|||||F\r", "|||||F|||20260101120001\r")] {
        let both = in_words(&format!("{usual}{differing}"));
        assert_eq!(both.1, 2, "{both:?}");
    }
    let again = usual.replace("OBR|1|", "OBR|2|").replace("OBX|2|", "OBX|12|");
    assert_eq!(in_words(&format!("{usual}{again}")), in_words(&usual), "the numbers of the segments");
}

#[test]
fn what_a_further_request_says_of_the_facets_counts_as_under_one() {
    let further = "OBR|2||E1|196616^MDC_EVT_ALARM^MDC\r\
        OBX|9|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.1.1.1.4|active\r\
        OBX|9|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC|1.1.1.1.6|PH\r";
    let over = request("").replace("|active", "|inactive");
    for message in [format!("{over}{further}"), format!("{further}{over}")] {
        let (found, count) = in_words(&message);
        assert_eq!(count, 1, "{found:?}");
        assert!(found[0].contains("high priority (also stated: low)"), "{found:?}");
        assert!(found[0].contains("active (also stated: condition over)"), "{found:?}");
        assert!(found[0].contains("a facet is stated twice, differently"), "{found:?}");
    }
}

#[test]
fn alerts_of_different_equipment_are_different_alerts() {
    let [one, other] = ["BED-1", "BED-2"].map(request);
    let dangerous = other.replace("|||PL|", "|||PH|");
    let participating =
        |name: &str| request("").replace("\rOBX|2|", &format!("\rPRT|1|UC||EQUIP||||||{name}\rOBX|2|"));
    let without_number = |request: &str| request.split_inclusive('\r').skip(1).collect::<String>();
    for message in [
        format!("{one}{dangerous}"),
        format!("{one}{}", without_number(&dangerous)),
        format!("{}{}", participating("BED-1"), participating("BED-2").replace("|||PL|", "|||PH|")),
    ] {
        let (found, count) = in_words(&message);
        assert_eq!(count, 2, "{message}: {found:?}");
        assert!(found[0].contains("high priority") && found[1].contains("low priority"), "{found:?}");
        assert!(!found[0].contains("differently"), "{found:?}");
        let text = format!("{HEAD}{message}");
        assert_eq!(AlertReport::all_of(&parsed(&text)).len(), 2, "{message}");
    }
}

#[test]
fn the_most_dangerous_alerts_are_those_that_are_kept() {
    let numbered = |n: usize| request("").replace("E1", &format!("E{n}"));
    let dangerous = numbered(100).replace("|||PL|", "|||PH|");
    let many: String = (0..70).map(numbered).collect();
    let (found, count) = in_words(&format!("{many}{dangerous}"));
    assert_eq!((found.len(), count), (Alert::MAX, 71));
    assert!(found[0].contains("high priority"), "{}", found[0]);
    let text = format!("{HEAD}{many}{dangerous}");
    let reports = AlertReport::all_of(&parsed(&text));
    assert_eq!(reports[0].key.filler.number, b"E100");
}

// OBX-8 of the event is empty where a facet of its own has the priority.
#[test]
fn a_low_priority_is_before_none_however_it_is_written() {
    let stated = |n: usize, priority: &str| {
        let facet = format!("OBX|9|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC|1.1.1.1.9|{priority}||||||F\r");
        format!("{}{facet}", request("").replace("E1", &format!("E{n}")).replace("|||PL|", "||||"))
    };
    let many: String = (0..20).map(|n| stated(n, "PN")).collect();
    for (priority, word) in [("PL", "low priority"), ("PH", "high priority")] {
        let (found, count) = in_words(&format!("{many}{}", stated(100, priority)));
        assert_eq!((found.len(), count), (21, 21));
        assert!(found[0].contains(word), "{}", found[0]);
    }
    let (found, _) = in_words(&format!("{many}{}", stated(100, "")));
    assert!(!found[0].contains("no priority"), "one that is not stated may be high: {}", found[0]);
}
