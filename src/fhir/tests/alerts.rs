//! What the reports of alerts become.

use super::*;

/// The OBX of one alert at a place: the event, the measured value, phase and state.
fn event(place: &str, event: &str, phase: &str, state: &str) -> String {
    format!(
        "OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|{place}.1|{event}|||PH~SP|||F|||20260101120000+0100||||P7^^1.2^ISO\r\
         OBX|2|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|{place}.3|{phase}||||||F\r\
         OBX|3|ST|68482^MDC_ATTR_ALARM_STATE^MDC|{place}.4|{state}||||||F\r"
    )
}

fn report(obx: &str) -> String {
    let request = "OBR|1||A1^M^1.2^ISO|196616^MDC_EVT_ALARM^MDC|||20260101120000+0100\r";
    message("R40", "1.4.1", &format!("{request}{obx}"))
}

const LOW: &str = "196670^MDC_EVT_LO^MDC";
const HIGH: &str = "196648^MDC_EVT_HI^MDC";

/// Id, event and status of each alert.
fn alerts(text: &str) -> Vec<(String, String, String)> {
    let text_of = |value: &Value| value.as_str().unwrap().to_owned();
    of_type(&mapped(text), "Observation")
        .iter()
        .map(|it| (text_of(&it["id"]), text_of(&it["code"]["coding"][0]["code"]), text_of(&it["status"])))
        .collect()
}

#[test]
fn the_end_of_one_alert_does_not_replace_another_one_of_the_same_number() {
    let both = [event("1.1.1.1", LOW, "start", "active"), event("1.2.1.1", HIGH, "start", "active")].concat();
    let live = alerts(&report(&both));
    assert_eq!(live.len(), 2);
    let end = alerts(&report(&event("1.2.1.1", HIGH, "end", "inactive")));
    let replaced: Vec<_> = live.iter().filter(|(id, ..)| *id == end[0].0).collect();
    assert_eq!(replaced.iter().map(|(_, event, _)| event.as_str()).collect::<Vec<_>>(), ["196648"]);
    assert_eq!(end[0].2, "final");
    // Also of the same event at two places.
    let both =
        [event("1.1.1.1", HIGH, "start", "active"), event("1.2.1.1", HIGH, "start", "active")].concat();
    let live = alerts(&report(&both));
    assert!(live[0].0 != live[1].0 && live[1].0 == end[0].0, "{live:?}");
}

#[test]
fn an_alert_that_names_its_number_in_each_report_is_one() {
    let with_parent = |filler: &str, phase: &str| {
        let text = report(&event("1.1.1.1", LOW, phase, "active"));
        let request = format!("OBR|1||{filler}^M^1.2^ISO|196616^MDC_EVT_ALARM^MDC|||20260101120000+0100");
        let parent = format!("{request}{}^A1&M&1.2&ISO\r", "|".repeat(22));
        let own = "OBR|1||A1^M^1.2^ISO|196616^MDC_EVT_ALARM^MDC|||20260101120000+0100\r";
        alerts(&text.replace(own, &parent)).remove(0).0
    };
    let started = with_parent("B1", "start");
    assert_eq!(started, with_parent("B2", "continue"));
    assert_eq!(started, with_parent("B3", "end"));
    assert_eq!(started, alerts(&report(&event("1.1.1.1", LOW, "start", "active")))[0].0, "the same number");
}

#[test]
fn the_text_of_an_event_is_kept_beside_its_term() {
    let shown = |term: &str, value: &str| {
        let obx = event("1.1.1.1", value, "start", "active").replacen("196616^MDC_EVT_ALARM^MDC", term, 1);
        let mapped = mapped(&report(&obx));
        let found = of_type(&mapped, "Observation")[0].clone();
        let notes: Vec<_> = found["note"].as_array().into_iter().flatten().collect();
        let notes = notes.iter().map(|note| note["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        (found["code"]["text"].as_str().map(str::to_owned), notes.join(" "))
    };
    // As an example of the Technical Framework has it: the term of the vendor, and its text.
    let (text, _) = shown("0^MDCX_DOCUMENTATION_ERROR^MDC", "Timeout not documented");
    assert_eq!(text.as_deref(), Some("MDCX_DOCUMENTATION_ERROR: Timeout not documented"));
    let (text, _) = shown(LOW, "Low SpO2~Lead off");
    assert_eq!(text.as_deref(), Some("Low SpO2; Lead off"));
    let (text, notes) = shown("196616^MDC_EVT_ALARM^MDC", &format!("{LOW}~{HIGH}"));
    assert_eq!(text, None);
    assert!(notes.contains("a further event: 196648 MDC_EVT_HI"), "{notes}");
    let (text, notes) = shown("196616^MDC_EVT_ALARM^MDC", "196670^Tachycardia^MDC");
    assert_eq!(text.as_deref(), Some("Tachycardia"));
    assert!(notes.contains("not its name"), "{notes}");
}

#[test]
fn a_facet_of_no_alert_is_counted_and_no_observation() {
    let obx = event("1.1.1.1", LOW, "start", "active")
        + "OBX|4|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.1.1.2.3|end||||||F\r\
           OBR|2||A1^M^1.2^ISO|196616^MDC_EVT_ALARM^MDC|||20260101120000+0100\r\
           OBX|5|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.1.1.1.3|end||||||F\r";
    let mapped = mapped(&report(&obx));
    assert_eq!(of_type(&mapped, "Observation").len(), 1);
    assert_eq!(reasons(&mapped), [(4, "alert-facet"), (5, "alert-facet")]);
}

#[test]
fn a_doubt_of_a_facet_stands_at_its_part() {
    let obx = event("1.1.1.1", LOW, "start", "active").replace("active||||||F", "active|||QUES|||F");
    let found = of_type(&mapped(&report(&obx)), "Observation")[0].clone();
    let state = &found["component"][1];
    assert_eq!(state["valueCodeableConcept"]["text"], "active");
    assert_eq!(state["interpretation"][0]["coding"][0]["code"], "questionable");
}
