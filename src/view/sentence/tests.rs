use super::*;
use crate::hl7::Message;

pub(super) fn sentences(observations: &str) -> Vec<String> {
    let text = format!(
        "MSH|^~\\&|A||||2026||ORU^R40^ORU_R40|1|P|2.6\rPID|||SECRET||SECRET^SECRET\r\
        OBR|1||E1|196616^MDC_EVT_ALARM^MDC\r{observations}"
    );
    let message = Message::parse(text.as_bytes()).unwrap();
    Alert::all_of(&message)
        .iter()
        .map(|alert| sentence(alert, &message.header(), &KnownPatient::default()))
        .collect()
}

pub(super) fn facets(phase: &str, state: &str, inactivation: &str) -> String {
    format!(
        "OBX|7|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.1.1.1.3|{phase}\r\
        OBX|8|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.1.1.1.4|{state}\r\
        OBX|9|ST|68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC|1.1.1.1.5|{inactivation}\r"
    )
}

#[test]
fn a_numeric_alarm_is_one_sentence() {
    let alarm = format!(
        "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X\r\
        OBX|2|CWE|196648^MDC_EVT_HI^MDC|1.1.1.1.1|HR SECRET|||H~PH~SP|||F\r\
        OBX|3|NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.1.2|165|264864^MDC_DIM_BEAT_PER_MIN^MDC|50-120\r{}",
        facets("start", "active", "enabled")
    );
    let expected = "HR high, 165 /min (limits 50–120), high priority, physiological, start, audio on";
    assert_eq!(sentences(&alarm), [expected]);
    let facet = alarm.replace("H~PH~SP", "H") + "OBX|10|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC||PL\r";
    assert!(sentences(&facet)[0].contains(", low priority, start"), "{:?}", sentences(&facet));
}

#[test]
fn an_alarm_with_an_event_of_its_own_has_its_value_or_its_source() {
    let tachycardia = format!(
        "OBX|3|CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|199728^MDC_EVT_ECG_TACHY^MDC|||H~PH~SP\r\
        OBX|4|NM|147842^MDC_ECG_CARD_BEAT_RATE^MDC|1.1.1.1.2|180|/min^/min^UCUM|>140\r{}",
        facets("continue", "latched", "audio-paused~acknowledged")
    );
    let expected = "Tachycardia, HR 180 /min (limits >140), high priority, physiological, continues, \
        latched, audio paused and acknowledged";
    assert_eq!(sentences(&tachycardia), [expected]);
    let occlusion = format!(
        "OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|196940^MDC_EVT_FLUID_LINE_OCCL^MDC^^^^^^SECRET|||ST\r\
        OBX|2|CWE|68480^MDC_ATTR_ALERT_SOURCE^MDC|1.1.1.1.2|69985^MDC_DEV_PUMP_INFUS_MDS^MDC\r{}",
        facets("end", "inactive", "")
    );
    let found = sentences(&occlusion).remove(0);
    assert!(
        found.starts_with("Occlusion, source ") && found.ends_with(", technical, end, condition over"),
        "{found}"
    );
}

/// Free text may name the patient.
#[test]
fn a_sentence_has_no_free_text() {
    for (observation, expected) in [
        (
            "OBX|1|ST|0^SECRET^L|1.1.1.1.1|SECRET|SECRET|SECRET|SECRET",
            "alarm, priority not stated, start, audio on",
        ),
        (
            "OBX|1|ST|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|56^SECRET^L",
            "event 56, priority not stated, start, audio on",
        ),
        (
            "OBX|1|CWE|0^MDCX_DOCUMENTATION_ERROR^MDC|1.1.1.1.1|SECRET",
            "alarm, priority not stated, start, audio on",
        ),
        (
            "OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x\rOBX|2|NM|68063^MDC_ATTR_PT_WEIGHT^MDC|1.1.1.1.2|81",
            "Weight low, priority not stated, start, audio on",
        ),
        (
            "OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x\r\
            OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1.2|SECRET|SECRET^SECRET|SECRET",
            "SpO2 low, value not shown: no number (limits not shown: no numbers), priority not stated, start, audio on",
        ),
        (
            "OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x\r\
            OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1.2|88|SECRET^SECRET|-5--2",
            "SpO2 low, 88 in an unknown unit (limits -5–-2), priority not stated, start, audio on",
        ),
    ] {
        let found = sentences(&format!("{observation}\r{}", facets("start", "active", "enabled")));
        assert_eq!(found, [expected], "{observation}");
    }
}

#[test]
fn what_is_not_clinical_or_not_valid_begins_with_it() {
    let of = |flags: &str, status: &str| {
        let event = format!("OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x|||{flags}|||{status}\r");
        sentences(&format!("{event}{}", facets("start", "active", "enabled"))).remove(0)
    };
    assert!(of("TEST~L", "F").starts_with("NOT CLINICAL"));
    assert!(of("L", "D").starts_with("WITHDRAWN") && of("L", "W").starts_with("WITHDRAWN"));
    assert!(of("L", "F").starts_with("value low"));
}

/// HR high with value, limits and flags in their places; `from` is replaced by `to`.
pub(super) fn changed(from: &str, to: &str) -> String {
    let alarm = format!(
        "OBX|2|CWE|196648^MDC_EVT_HI^MDC|1.1.1.1.1|HR|||H~PH~SP|||F\r\
        OBX|3|NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.1.2|165|264864^MDC_DIM_BEAT_PER_MIN^MDC|50-120||||F\r{}",
        facets("start", "active", "enabled").replace("\r", "||||||F\r")
    );
    assert!(alarm.contains(from), "{from}");
    sentences(&alarm.replacen(from, to, 1)).remove(0)
}

/// HL7 table 0085: what the sender withdrew is not valid, whichever facet it is.
#[test]
fn what_the_sender_withdrew_counts_for_nothing() {
    for status in ["W", "D", "d"] {
        assert_eq!(
            changed("50-120||||F", &format!("50-120||||{status}")),
            "HR high, value withdrawn, high priority, physiological, start, audio on"
        );
        let over = |facet: &str| {
            let from = format!("{facet}||||||F");
            changed(&from, &from.replace("|F", &format!("|{status}")))
        };
        assert!(over("|start").ends_with("physiological, phase withdrawn, audio on"), "{}", over("|start"));
        assert!(over("|active").ends_with("start, state withdrawn, audio on"));
        assert!(over("|enabled").ends_with("start, state of the signals withdrawn"));
        let priority = format!("OBX|9|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC||PL||||||{status}\rOBX|2|");
        assert!(changed("OBX|2|", &priority).contains(", high priority, "), "OBX-8 of the event counts");
    }
    let withdrawn = changed("|active||||||F", "|inactive||||||W");
    assert!(!withdrawn.contains("condition over") && withdrawn.contains("state withdrawn"), "{withdrawn}");
}

/// TF B.8, OBX-8 and OBX-11 of the measured value.
#[test]
fn a_value_that_is_not_sure_or_not_there_is_named_so() {
    for (from, to, value) in [
        ("50-120||||F", "50-120|INV|||F", "165 /min (invalid) (limits 50–120)"),
        ("50-120||||F", "50-120|H~QUES|||F", "165 /min (questionable) (limits 50–120)"),
        ("50-120||||F", "50-120||||X", "value not obtained (limits 50–120)"),
        ("|165|", "||", "value not stated (limits 50–120)"),
        ("|165|", "|\"\"|", "value not stated (limits 50–120)"),
        ("|165|", "|5,5|", "value not shown: no number (limits 50–120)"),
        ("|165|", "|72~75|", "72 and 75 /min (limits 50–120)"),
        ("50-120", "50-120~40-140", "165 /min (limits 50–120 and 40–140)"),
        ("50-120", "60-100 mmHg", "165 /min (limits not shown: no numbers)"),
        ("50-120", "-120", "165 /min (limits as sent: \"-120\")"),
        ("264864^MDC_DIM_BEAT_PER_MIN", "266016^MDC_DIM_MMHG", "165 mmHg (unusual unit) (limits 50–120)"),
    ] {
        let expected = format!("HR high, {value}, high priority, physiological, start, audio on");
        assert_eq!(changed(from, to), expected, "{from} {to}");
    }
}

/// The device sent no such number as joined components make.
#[test]
fn what_is_not_one_plain_number_of_its_type_becomes_no_number() {
    for (kind, sent, value) in [
        ("NA", "180^110", "180^110 /min"),
        ("NA", "98^^97^96", "98^^97^96 /min"),
        ("NA", "98&99^97", "value not shown: no number"),
        ("NM", "165^60", "value not shown: no number"),
        ("NM", "165&60", "value not shown: no number"),
        ("NM", "16 5", "value not shown: no number"),
        ("NM", "1 6 5", "value not shown: no number"),
        ("NM", "1-65", "value not shown: no number"),
        ("NM", "1.6.5", "value not shown: no number"),
        ("NM", "165^", "165 /min"),
        ("NM", ">300", ">300 /min"),
        ("SN", "^165", "165 /min"),
        ("SN", ">^165", ">165 /min"),
        ("SN", "^1^:^2", "1:2 /min"),
        ("SN", "^100^^165", "^100^^165 /min"),
        ("SN", "=^165^^7", "=^165^^7 /min"),
        ("SN", "^1^.^65", "^1^.^65 /min"),
        ("SN", "1^65", "1^65 /min"),
        ("SN", ">^many", "value not shown: no number"),
        ("ST", "165", "165 /min"),
        ("ST", "16 5", "value not shown: no number"),
        ("DTM", "20260101", "value not shown: no number"),
        ("CWE", "165^60", "value not shown: no number"),
    ] {
        let from = "NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.1.2|165|";
        let found =
            changed(from, &from.replace("NM|", &format!("{kind}|")).replace("|165|", &format!("|{sent}|")));
        assert!(found.starts_with(&format!("HR high, {value} (limits")), "{kind} {sent}: {found}");
    }
    for (sent, limits) in [
        ("50-120^200", "not shown: no numbers"),
        ("5^0-120", "not shown: no numbers"),
        ("50-1&20", "not shown: no numbers"),
        ("50 120", "not shown: no numbers"),
        ("5 0-120", "not shown: no numbers"),
        ("1-2-3", "not shown: no numbers"),
        ("50--120", "not shown: no numbers"),
        ("50-120-", "not shown: no numbers"),
        ("--120", "not shown: no numbers"),
        ("-5--2", "-5–-2"),
        ("50 - 120", "50–120"),
        ("<=120", "<=120"),
        ("120", "120"),
    ] {
        assert!(changed("50-120", sent).contains(&format!("165 /min (limits {limits}), ")), "{sent}");
    }
}

/// Table B.8.5-2: priority and type may stand in OBX-8 of the event.
#[test]
fn a_priority_that_contradicts_itself_is_the_higher_one_and_one_that_is_missing_is_named() {
    let facet = |value: &str| {
        changed("OBX|2|", &format!("OBX|9|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC||{value}||||||F\rOBX|2|"))
    };
    assert!(facet("PL").contains(", high priority (also stated: low), "), "{}", facet("PL"));
    assert!(facet("PH").contains(", high priority, physiological"));
    let kind = "OBX|9|ST|68485^MDC_ATTR_ALERT_TYPE^MDC||ST||||||F\rOBX|2|";
    assert!(changed("OBX|2|", kind).contains(", physiological (also stated: technical), "));
    let unknown = |value: &str| {
        let facet = format!("OBX|9|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC||{value}||||||F\rOBX|2|");
        sentences(&format!(
            "{facet}CWE|196648^MDC_EVT_HI^MDC|1.1.1.1.1|HR|||H|||F\r{}",
            facets("start", "active", "enabled")
        ))
        .remove(0)
    };
    assert_eq!(unknown("20"), "value high, priority 20 (unknown), start, audio on");
    assert_eq!(unknown("SECRET"), "value high, priority unknown, start, audio on");
    assert_eq!(unknown(""), "value high, priority not stated, start, audio on");
}

#[test]
fn after_the_end_nothing_sounds_unless_the_condition_goes_on() {
    let course = |phase: &str, state: &str, signals: &str| {
        let alarm = format!("OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x\r{}", facets(phase, state, signals));
        sentences(&alarm).remove(0).replace("value low, priority not stated, ", "")
    };
    assert_eq!(course("end", "inactive", "enabled"), "end, condition over");
    assert_eq!(course("end", "active", "enabled"), "end, condition still active, audio on");
    assert_eq!(course("continue", "off", "alarm-off"), "continues, alarm not enabled, alarm off");
}

#[test]
fn a_number_with_another_reference_id_is_a_contradiction_and_no_text_of_the_sender() {
    let event =
        |term: &str| sentences(&format!("OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|{term}")).remove(0);
    for (term, known) in [
        ("199696^MDC_EVT_ECG_TACHY^MDC", " MDC_EVT_ECG_TACHY"),
        ("196648^MDC_EVT_LOW_PRIORITY_ENDED_CONDITION_OVER^MDC", ""),
        ("196648^MDC_EVT_TEST_NOT_CLINICAL_NO_ACTION^MDC", ""),
        ("196648^MDC_EVT_MRN_4711_MUSTER_MAX_19900101^MDC", ""),
        ("196648^MDCX_SECRET^MDC", ""),
    ] {
        let number = term.split('^').next().unwrap();
        let expected = format!("event {number} (contradicts its reference id{known}), ");
        assert!(event(term).starts_with(&expected), "{term}: {}", event(term));
    }
    let measured = changed("147842^MDC_ECG_HEART_RATE", "147842^MDC_SPO2");
    assert!(measured.starts_with("term 147842 (contradicts its reference id) high, 165 /min"), "{measured}");
    assert!(event("0^MDC_EVT_BATT_LO^MDC").starts_with("Battery low,"), "{}", event("0^MDC_EVT_BATT_LO^MDC"));
}

/// HL7 table 0103.
#[test]
fn a_message_for_training_or_debugging_is_marked() {
    let of = |mode: &str| {
        let text = format!(
            "MSH|^~\\&|A||||2026||ORU^R40^ORU_R40|1|{mode}|2.6\rOBR|1||E1|196616^MDC_EVT_ALARM^MDC\r\
            OBX|1|ST|196670^MDC_EVT_LO^MDC|1.1.1.1.1|x\r"
        );
        let message = Message::parse(text.as_bytes()).unwrap();
        sentence(&Alert::all_of(&message)[0], &message.header(), &KnownPatient::default())
    };
    assert!(of("P").starts_with("value low"));
    assert!(of("T").starts_with("NOT CLINICAL (training, MSH-11): value low"));
    assert!(of("D^T").starts_with("NOT CLINICAL (debugging, MSH-11): value low"));
    // HL7 table 0207
    assert!(of("P^A").starts_with("NOT CURRENT (from an archive, MSH-11): value low"));
    assert!(of("P^T").starts_with("value low"));
}

/// 3.4: an OBR has one alert. The second one of a sender that sends two must not vanish.
#[test]
fn two_events_under_one_obr_are_two_alerts() {
    let one = |place: &str, event: &str, value: &str| {
        format!(
            "OBX|1|CWE|{event}^MDC|{place}.1|x|||PM\rOBX|2|NM|{value}|262688^MDC_DIM_PERCENT^MDC\r\
            OBX|3|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|{place}.3|start\r"
        )
        .replace("VALUE", &format!("{place}.2"))
    };
    let both = one("1.1.1.7", "196648^MDC_EVT_HI", "150456^MDC_PULS_OXIM_SAT_O2^MDC|VALUE|99")
        + &one("1.1.1.8", "196670^MDC_EVT_LO", "150456^MDC_PULS_OXIM_SAT_O2^MDC|VALUE|84");
    let end = ", medium priority, start, state not stated, signals not stated";
    assert_eq!(sentences(&both), [format!("SpO2 high, 99 %{end}"), format!("SpO2 low, 84 %{end}")]);
}

/// HL7 table 0085 and OBX-8: a facet without a valid value counts for nothing, whatever the reason.
#[test]
fn no_facet_counts_that_has_no_valid_value() {
    let priority = "OBX|9|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC||PL||||||F\rOBX|2|";
    for (status, flag, reason) in [
        ("W", "", "withdrawn"),
        ("d", "", "withdrawn"),
        ("X", "", "not obtained"),
        ("I", "", "pending"),
        ("N", "", "not asked for"),
        ("O", "", "order detail without a result"),
        ("F", "INV", "invalid"),
        ("R", "NAV", "not available"),
    ] {
        let void = |facet: &str| format!("{facet}|||{flag}|||{status}");
        let of = |facet: &str| changed(&format!("{facet}||||||F"), &void(facet));
        let ended = changed("|start||||||F", &void("|end"));
        assert!(ended.contains(&format!("physiological, phase {reason}, audio on")), "{ended}");
        assert!(of("|active").contains(&format!("start, state {reason}, audio on")), "{}", of("|active"));
        let over = changed("|active||||||F", &void("|inactive"));
        assert!(!over.contains("condition over") && over.contains(&format!("state {reason}")), "{over}");
        let signals = of("|enabled");
        assert!(signals.ends_with(&format!("start, state of the signals {reason}")), "{signals}");
        let low = changed("OBX|2|", &priority.replace("|PL||||||F", &void("|PL")));
        assert!(low.contains(", high priority, "), "{low}");
        let alone = changed("H~PH~SP", "H");
        assert!(alone.contains("priority not stated"), "{alone}");
        let value = changed("50-120||||F", &format!("50-120|{flag}|||{status}"));
        let expected =
            if reason == "invalid" { "165 /min (invalid)".to_owned() } else { format!("value {reason}") };
        assert!(value.starts_with(&format!("HR high, {expected}")), "{value}");
    }
    let source = changed(
        "OBX|3|NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.1.2|165|264864^MDC_DIM_BEAT_PER_MIN^MDC|50-120||||F",
        "OBX|3|CWE|68480^MDC_ATTR_ALERT_SOURCE^MDC|1.1.1.1.2|69985^MDC_DEV_PUMP_INFUS_MDS^MDC||||||D",
    );
    assert!(source.starts_with("value high, source withdrawn, "), "{source}");
}

#[test]
fn a_doubt_about_a_facet_stands_beside_it() {
    for (status, flag, doubt) in [
        ("P", "", "preliminary"),
        ("S", "", "partial"),
        ("U", "", "final, value not sent again"),
        ("C", "", "corrected"),
        ("Z", "", "status unknown"),
        ("F", "QUES", "questionable"),
    ] {
        let with = |facet: &str| format!("{facet}|||{flag}|||{status}");
        let of = |facet: &str| changed(&format!("{facet}||||||F"), &with(facet));
        assert!(of("|start").contains(&format!("start ({doubt}), audio on")), "{}", of("|start"));
        assert!(of("|active").contains(&format!("active ({doubt}), audio on")), "{}", of("|active"));
        assert!(of("|enabled").ends_with(&format!("audio on ({doubt})")), "{}", of("|enabled"));
        let value = changed("50-120||||F", &format!("50-120|{flag}|||{status}"));
        assert!(value.starts_with(&format!("HR high, 165 /min ({doubt}) (limits")), "{value}");
        let event = changed("H~PH~SP|||F", &format!("H~PH~SP~{flag}|||{status}"));
        assert!(event.starts_with(&format!("HR high ({doubt}), 165")), "{event}");
    }
    let event = changed("H~PH~SP|||F", "H~PH~SP~INV|||F");
    assert!(event.starts_with("HR high (invalid), "), "{event}");
}

#[test]
fn what_the_message_does_not_state_or_states_in_other_words_is_named() {
    let phase = changed("|start|", "|SECRET|");
    assert!(phase.contains("physiological, phase unknown, audio on"), "{phase}");
    assert!(changed("|active|", "||").contains("start, state not stated, audio on"));
    assert!(changed("|enabled|", "|SECRET|").ends_with("state of the signals unknown"));
    assert!(
        changed("|enabled|", "|audio-off~SECRET|")
            .ends_with("audio off (also stated: another that is unknown)")
    );
    let unnamed = changed("147842^MDC_ECG_HEART_RATE^MDC", "7^SECRET^L");
    assert!(unnamed.starts_with("value high, value 165 /min (limits"), "{unnamed}");
    let twice = changed("OBX|8|", "OBX|7|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.1.1.1.3|end||||||F\rOBX|8|");
    assert!(
        twice.ends_with(
            "start (also stated: end), audio on, a facet is stated twice, differently: see --tree"
        ),
        "{twice}"
    );
}

/// 3.4 and B.8.4: none of several events vanishes, whatever their places are.
#[test]
fn a_further_event_is_shown_or_announced() {
    let event = |place: &str, term: &str| format!("OBX|1|CWE|{term}^MDC|{place}|x|||PM|||F\r");
    let course = facets("start", "active", "enabled");
    let at = |first: &str, second: &str| {
        let both = event(first, "196648^MDC_EVT_HI") + &event(second, "196802^MDC_EVT_BATT_LO");
        sentences(&format!("{both}{course}"))
    };
    let same = at("1.1.1.1.1", "1.1.1.1.1");
    assert_eq!(same.len(), 2, "{same:?}");
    assert!(same[0].starts_with("value high") && same[1].starts_with("Battery low"), "{same:?}");
    let found = at("", "");
    assert!(found[0].ends_with("and a further event: see --tree"), "{found:?}");
    for (first, second) in [("1.1.1.1.1", ""), ("1.1.1.1.1", "1.1.1.2.3"), ("1.1.1.1.1", "2.1")] {
        let found = at(first, second);
        assert!(found.iter().any(|it| it.starts_with("value high") && it.contains("start")), "{found:?}");
        assert!(found.iter().any(|it| it.starts_with("Battery low") && !it.contains("start")), "{found:?}");
    }
    let vendor = "OBX|9|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.1.2.1.3|end\r";
    let found = sentences(&format!("{}{course}{vendor}", event("1.1.1.1.1", "196648^MDC_EVT_HI")));
    assert!(found[0].contains("start (also stated at another place: end), audio on, a facet"), "{found:?}");
    let again = sentences(&format!("{0}{0}{course}", event("1.1.1.1.1", "196648^MDC_EVT_HI")));
    assert_eq!(again.len(), 1);
    assert!(again[0].ends_with("start, audio on"), "{again:?}");
}

/// B.8.4: the facets of an alert share the place in the device.
#[test]
fn a_value_of_another_place_is_not_that_of_the_alarm() {
    let other = changed("|1.1.1.1.2|165", "|1.1.2.9.2|165");
    assert!(other.starts_with("value high, high priority"), "{other}");
}

#[test]
fn a_value_in_the_place_of_the_source_is_named() {
    let alarm = format!(
        "OBX|1|ST|196650|1.0.0.0.1|PVC/min > #||||||F\r\
        OBX|2|NM|68480^MDC_ATTR_ALERT_SOURCE^MDC|1.0.0.0.2|12|/min|||||F\r{}",
        facets("start", "active", "enabled").replace("1.1.1.1", "1.0.0.0")
    );
    let found = sentences(&alarm).remove(0);
    assert!(
        found.starts_with("event 196650 (in MDC: high), value 12 /min, priority not stated, start"),
        "{found}"
    );
}

#[test]
fn only_a_term_that_the_nomenclature_has_gets_a_plain_name() {
    let event =
        |term: &str| sentences(&format!("OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.1.1|{term}")).remove(0);
    for (term, name) in [
        ("999999^MDC_EVT_ECG_TACHY^MDC", "MDC_EVT_ECG_TACHY (999999)"),
        ("999999^MDC_EVT_NO_SUCH_EVENT^MDC", "event 999999"),
        ("0^MDC_EVT_PATIENT_MUSTER^MDC", "alarm"),
        ("0^MDCX_SECRET^MDC", "alarm"),
    ] {
        assert!(event(term).starts_with(&format!("{name},")), "{term}: {}", event(term));
    }
}
