//! Facets and events that are stated several times.

use super::tests::{changed, facets, sentences};

/// `changed` with further observations at its end.
fn with(more: &[&str]) -> String {
    let more: String = more.iter().map(|more| format!("{more}\r")).collect();
    changed("|enabled||||||F\r", &format!("|enabled||||||F\r{more}"))
}

#[test]
fn of_several_statements_of_a_facet_the_most_dangerous_is_shown_and_the_others_too() {
    let facet =
        |term: &str, value: &str, status: &str| format!("OBX|20|ST|{term}|1.1.1.1.8|{value}||||||{status}");
    for (term, value, shown) in [
        ("68484^MDC_ATTR_ALARM_PRIORITY", "PL", "high priority (also stated: low)"),
        ("68481^MDC_ATTR_EVENT_PHASE", "end", "start (also stated: end)"),
        ("68481^MDC_ATTR_EVENT_PHASE", "escalate", "escalated (also stated: start)"),
        ("68481^MDC_ATTR_EVENT_PHASE", "SECRET", "start and another that is unknown"),
        ("68482^MDC_ATTR_ALARM_STATE", "inactive", "active (also stated: condition over)"),
        ("68483^MDC_ATTR_ALARM_INACTIVATION_STATE", "audio-off", "audio off (also stated: audio on)"),
        ("68483^MDC_ATTR_ALARM_INACTIVATION_STATE", "SECRET", "audio on and another that is unknown"),
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
