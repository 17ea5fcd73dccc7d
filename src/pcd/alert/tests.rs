use super::*;
use crate::hl7::Message;
use crate::pcd::Observation;

const ALERT: &str = "MSH|^~\\&|A||||2026||ORU^R40^ORU_R40|ID|P|2.6\r\
    OBR|1|1^GW|E1^GW^00A037EB2175780F^EUI-64|196616^MDC_EVT_ALARM^MDC\r\
    OBX|1|CWE|196670^MDC_EVT_LO^MDC|1.3.1.150456.1|Low SpO2||||||F|||20120111150457-0600\r\
    OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.150456.2|88\r\
    OBX|3|ST|684810^MDC_ATTR_EVENT_PHASE^MDC |1.3.1.150456.3|Start\r\
    OBX|4|ST|68482^other name|1.3.1.150456.4|active\r\
    OBX|5|ST|MDC_ATTR_ALARM_INACTIVATION_STATE^68167|1.3.1.150456.5|enabled\r\
    OBX|6|CWE|68480^MDC_ATTR_ALERT_SOURCE^MDC|1.3.1.150456.6|69985^MDC_DEV_PUMP_INFUS_MDS^MDC\r";

#[test]
fn facets_are_identified_by_number_or_name() {
    let message = Message::parse(ALERT.as_bytes()).unwrap();
    let alerts = Alert::all_of(&message);
    let [alert] = alerts.as_slice() else { panic!() };
    let value =
        |facet: Option<Observation<'_>>| String::from_utf8_lossy(facet.unwrap().value().raw()).into_owned();
    let facets = [Facet::Phase, Facet::State, Facet::Inactivation, Facet::Source];
    let facets = facets.map(|facet| alert.facet(facet).observation());
    let found: Vec<_> = std::iter::once(alert.event).chain(facets).map(value).collect();
    assert_eq!(found, ["Low SpO2", "Start", "active", "enabled", "69985^MDC_DEV_PUMP_INFUS_MDS^MDC"]);
}

fn report(text: &str) -> AlertReport {
    AlertReport::all_of(&Message::parse(text.as_bytes()).unwrap()).remove(0)
}

#[test]
fn a_report_sent_again_has_the_same_key() {
    let first = report(ALERT).key;
    assert_eq!(
        (first.phase.as_slice(), first.filler.to_string().as_str()),
        (&b"start"[..], "E1 of 00A037EB2175780F")
    );
    let again = ALERT.replace("|ID|", "|ID2|").replace("|2026|", "|2027|").replace("^EUI-64|", "^EUI64|");
    assert_eq!(first, report(&again).key);
    assert_ne!(first, report(&ALERT.replace("|Start", "|end")).key);
    assert_ne!(first, report(&ALERT.replace("|E1^", "|E2^")).key);
    assert_ne!(
        first,
        report(&ALERT.replace("^00A037EB2175780F^EUI-64|196", "^00A037EB21757810^EUI-64|196")).key
    );
    assert_ne!(first, report(&ALERT.replace("20120111150457", "20120111150458")).key);
    assert_ne!(first, report(&ALERT.replace("196670^MDC_EVT_LO", "196648^MDC_EVT_HI")).key);
    let observed = |time: &str| {
        ALERT.replace("|196616^MDC_EVT_ALARM^MDC\r", &format!("|196616^MDC_EVT_ALARM^MDC|||{time}\r"))
    };
    assert_eq!(report(&observed("20120111150500")).key, report(&observed("20120111160500")).key, "OBR-7");
}

#[test]
fn a_later_phase_continues_the_alert_of_its_parent_or_own_number() {
    assert_eq!(report(ALERT).continues, None);
    for onset in ["tpoint", "start_only", "present", "START"] {
        assert_eq!(report(&ALERT.replace("|Start", &format!("|{onset}"))).continues, None, "{onset}");
    }
    for later in
        ["continue", "update", "escalate", "deescalate", "stop", "reset", "inactivate", "acknowledged"]
    {
        assert!(report(&ALERT.replace("|Start", &format!("|{later}"))).continues.is_some(), "{later}");
    }
    let both =
        ["deescalate", "De-Escalate"].map(|word| report(&ALERT.replace("|Start", &format!("|{word}"))));
    assert_eq!(both[0], both[1], "one phase in two spellings");
    let end = ALERT.replace("|Start", "|end");
    assert_eq!(report(&end).continues.as_ref(), Some(&report(ALERT).key.filler), "the number stayed");
    let service = "|196616^MDC_EVT_ALARM^MDC";
    let parent = format!("{service}{}^E1&GW&00a037eb2175780f&EUI64", "|".repeat(25));
    let other = end.replace("|E1^", "|E9^").replace(service, &parent);
    assert_eq!(report(&other).continues.as_ref(), Some(&report(ALERT).key.filler));
    assert_eq!(report(&other).key.filler.number, b"E9");
    // With which an alert begins, that names no other one.
    assert_eq!(report(&other.replace("|end", "|start")).continues, None);
}

#[test]
fn a_report_without_a_key_is_ignored() {
    let none = |text: &str| AlertReport::all_of(&Message::parse(text.as_bytes()).unwrap()).is_empty();
    assert!(!none(ALERT));
    assert!(none(&ALERT.replace("E1^GW^00A037EB2175780F^EUI-64", "^GW^00A037EB2175780F^EUI-64")));
    let timeless = ALERT.replace("20120111150457-0600", "");
    assert!(none(&timeless));
    let observed = timeless.replace("^MDC_EVT_ALARM^MDC", "^MDC_EVT_ALARM^MDC|||20120111150500-0600");
    assert_eq!(report(&observed).key.time, b"20120111150500-0600");
    let many: String =
        (0..40).map(|n| format!("OBR|1||{n}|196616|||20120111\rOBX|1|ST|68481||start\r")).collect();
    let many = format!("MSH|^~\\&|A||||2026||ORU^R40^ORU_R40|ID|P|2.6\r{many}");
    assert_eq!(
        AlertReport::all_of(&Message::parse(many.as_bytes()).unwrap()).len(),
        AlertReport::MAX_PER_MESSAGE
    );
}

/// The number, or the name, of the event of each alert.
fn events(text: &str) -> Vec<String> {
    let message = Message::parse(text.as_bytes()).unwrap();
    let shown = |alert: &Alert<'_>| {
        let event = alert.report().map(|report| report.key.event).unwrap_or_default();
        String::from_utf8_lossy(&event).into_owned()
    };
    Alert::all_of(&message).iter().map(shown).collect()
}

fn alert(observations: &str) -> String {
    format!(
        "MSH|^~\\&|A||||2026||ORU^R40^ORU_R40|ID|P|2.6\r\
        OBR|1||E1^GW|196616^MDC_EVT_ALARM^MDC|||20260101120000\r{observations}\
        OBX|8|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.5.0.1.3|start\r\
        OBX|9|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.5.0.1.4|active\r"
    )
}

/// Table B.8.5-1: facet 1 is the event; the device and its parts may precede it.
#[test]
fn the_event_is_the_first_facet_and_not_what_precedes_it() {
    const EVENT: &str = "OBX|3|CWE|196616^MDC_EVT_ALARM^MDC|1.5.0.1.1|199728^MDC_EVT_ECG_TACHY^MDC\r";
    for before in [
        "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X\r\
         OBX|2||69798^MDC_DEV_ECG_VMD^MDC|1.5.0.0|||||||X\r",
        "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0\rOBX|2||1^X|1.5.1.0|text\r",
        "OBX|1||0^VENDOR_PUMP_MDS|\r",
        "OBX|1|ST|67972^MDC_ATTR_SYS_ID^MDC|1.1.0.9|PUMP\r",
        "OBX|1|NM|147842^MDC_ECG_CARD_BEAT_RATE^MDC|1.5.0.1.2|180\r",
        "OBX|1|ST|0^MDCX_PUMP_POWER_STATUS^MDC|21766848.1.0.3|AC\r",
    ] {
        assert_eq!(events(&alert(&format!("{before}{EVENT}"))), ["199728"], "{before}");
        assert_eq!(events(&alert(before)), [""], "{before}");
    }
}

#[test]
fn events_are_known_in_every_form_that_devices_write() {
    for (observation, event) in [
        ("OBX|1|ST|196670^MDC_EVT_LO^MDC|1.3.1.150456.1|Low SpO2\r", "196670"),
        ("OBX|1|ST|MDC_EVT_LO^196670|1.3.1.150456|Low\r", "MDC_EVT_LO"),
        ("OBX|1|CWE|0^MDCX_DOCUMENTATION_ERROR^MDC|2.1.2.1.1|Timeout\r", "MDCX_DOCUMENTATION_ERROR"),
        ("OBX|1|ST|196616^MDC_EVT_ALARM^MDC|21766848.1.0.0.1|56^A_LARM^MDC^^^^^^text\r", "56"),
        ("OBX|1|CWE|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.150456.1|196670^MDC_EVT_LO^MDC\r", "196670"),
        ("OBX|1|CWE|196616|1.0.0.0|196940\r", "196940"),
    ] {
        assert_eq!(events(&alert(observation)), [event], "{observation}");
    }
}

/// Earlier numbers of facets belong to other terms now.
#[test]
fn a_former_number_counts_only_with_the_name_of_the_facet() {
    let phase = |term: &str| {
        let text = alert("OBX|1|ST|196670^MDC_EVT_LO^MDC|1.3.1.150456.1|Low\r");
        let text = text.replace("68481^MDC_ATTR_EVENT_PHASE^MDC", term);
        !Alert::all_of(&Message::parse(text.as_bytes()).unwrap())[0].facet(Facet::Phase).is_none()
    };
    assert!(phase("68165^MDC_ATTR_EVT_PHASE^MDC") && phase("68165") && phase("68481"));
    assert!(!phase("68165^MDC_ATTR_MDS_TIME_INFO^MDC"));
}

/// 3.4.4.1.2: further OBR carry containment and evidence.
#[test]
fn several_requests_are_one_alert() {
    let event = "OBX|3|CWE|196616^MDC_EVT_ALARM^MDC|1.5.0.1.1|199728^MDC_EVT_ECG_TACHY^MDC\r";
    let first = alert(event);
    let request = first.split_inclusive('\r').skip(1).collect::<String>();
    let evidence = "OBR|2||E1^GW|196616^MDC_EVT_ALARM^MDC\rOBX|1||1^X_MDS|1.0.0.0\r\
        OBR|3||E7^GW|131328^MDC_ECG^MDC\rOBX|1|NA|131328^MDC_ECG^MDC|1.1.1.1|1^2^3\r";
    assert_eq!(events(&format!("{first}{request}{evidence}")), ["199728"]);
    let other = request.replace("|E1^", "|E2^");
    assert_eq!(events(&format!("{first}{evidence}{other}")), ["199728", "199728"]);
    let end = request.replace("|start", "|end");
    assert_eq!(events(&format!("{first}{end}")), ["199728", "199728"], "two reports of one alert");
}

/// Gateways of SDC count the reports in EI-1 and name the alert in EI-2.
#[test]
fn the_namespace_of_a_number_distinguishes_alerts() {
    let of = |filler: &str| report(&ALERT.replace("|E1^GW^", &format!("|{filler}^"))).key.filler;
    assert_ne!(of("0^a4d6"), of("0^77b2"));
    assert_eq!(of("0^a4d6 "), of("0^a4d6"));
}

const HEAD: &str =
    "MSH|^~\\&|A||||2026||ORU^R40^ORU_R40|ID|P|2.6\rOBR|1||E1|196616^MDC_EVT_ALARM^MDC|||2026\r";
const PHASE: &str = "OBX|9|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.0.0.0.3|start\r";

// Table B.8.5-1: facet 1 is the event, and nothing else that stands there.
#[test]
fn a_device_a_number_and_what_is_absent_are_no_event_in_the_first_facet_either() {
    for first in [
        "69985^MDC_DEV_PUMP_INFUS_MDS^MDC|1.0.0.0.1|x",
        "1^VENDOR_TERM^99V|1.0.0.0.1|x||||||X",
        "150456^MDC_PULS_OXIM_SAT_O2^MDC|1.0.0.0.1|97",
    ] {
        let kind = if first.starts_with("150456") { "NM" } else { "ST" };
        let text = format!("{HEAD}OBX|1|{kind}|{first}\r{PHASE}");
        let message = Message::parse(text.as_bytes()).unwrap();
        let alerts = Alert::all_of(&message);
        assert!(alerts[0].event.is_none(), "{first}");
    }
    let text = format!("{HEAD}OBX|1|ST|1^VENDOR_TERM^99V|1.0.0.0.1|x||||||F\r{PHASE}");
    let message = Message::parse(text.as_bytes()).unwrap();
    assert!(Alert::all_of(&message)[0].event.is_some(), "a term of the vendor is one");
}

// TF 3.4.4.1.2: several OBR, of which further ones carry evidence.
#[test]
fn a_further_request_with_evidence_or_with_facets_alone_is_no_alert_of_its_own() {
    let event = "OBX|1|ST|196670^MDC_EVT_LO^MDC|1.0.0.0.1|Low||||||F\r";
    let count = |rest: &str| {
        Alert::all_of(&Message::parse(format!("{HEAD}{event}{PHASE}{rest}").as_bytes()).unwrap()).len()
    };
    let waveform = "OBX|1|NA|131329^MDC_ECG_ELEC_POTL_II^MDC|1.3.1.131329|1^2||||||F\r";
    assert_eq!(count(&format!("OBR|2||E2|196616^MDC_EVT_ALARM^MDC|||2026\r{waveform}")), 1);
    assert_eq!(count(&format!("OBR|2||E1|196616^MDC_EVT_ALARM^MDC|||2027\r{PHASE}")), 1);
    assert_eq!(count(&format!("OBR|2||E2|196616^MDC_EVT_ALARM^MDC|||2026\r{event}{PHASE}")), 2);
}

/// Equipment, event, phase and priority of each alert, and whether it has the warning of a further event.
fn shown(observations: &str) -> Vec<String> {
    let text = format!("{HEAD}{observations}");
    let message = Message::parse(text.as_bytes()).unwrap();
    let word = |field: Option<crate::hl7::Field<'_>>| {
        String::from_utf8_lossy(field.map(|field| field.component(1).trimmed()).unwrap_or(b"-")).into_owned()
    };
    let show = |alert: &Alert<'_>| {
        let facets = [Facet::Phase, Facet::Priority].map(|facet| alert.facet(facet).observation());
        let facets = facets.map(|facet| word(facet.map(|facet| facet.value())));
        let further = if alert.has_further_events { " further" } else { "" };
        format!("{} {} {}{further}", word(alert.device()), word(alert.event_term()), facets.join(" "))
    };
    Alert::all_of(&message).iter().map(show).collect()
}

/// An event with phase and priority at the places `prefix`.1, .3 and .6.
fn event_at(prefix: &str, event: &str, phase: &str, priority: &str) -> [String; 3] {
    [
        format!("OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|{prefix}.1|{event}||||||F\r"),
        format!("OBX|1|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|{prefix}.3|{phase}||||||F\r"),
        format!("OBX|1|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC|{prefix}.6|{priority}||||||F\r"),
    ]
}

const DEVICES: &str = "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1|||||||X|||||||A\r\
    OBX|2||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|2|||||||X|||||||B\r";

// B.8.3: OBX-4 ties the facets to their event; many senders write fewer than five numbers.
#[test]
fn alarms_of_two_devices_are_two_alerts_whatever_the_depth_of_their_places() {
    for depth in ["", ".1", ".1.1", ".1.1.1", ".0.0.0", ".1.1.1.1"] {
        let of_a = event_at(&format!("1{depth}"), "196648^MDC_EVT_HI^MDC", "end", "PL");
        let of_b = event_at(&format!("2{depth}"), "196670^MDC_EVT_LO^MDC", "start", "PH");
        let expected = ["B 196670 start PH", "A 196648 end PL"];
        let (a, b) = (of_a.concat(), of_b.concat());
        assert_eq!(shown(&format!("{DEVICES}{a}{b}")), expected, "{depth}");
        assert_eq!(shown(&format!("{b}{a}{DEVICES}")), expected, "{depth}");
        let mixed: String = of_a.iter().zip(&of_b).rev().flat_map(|(a, b)| [b.as_str(), a]).collect();
        assert_eq!(shown(&format!("{DEVICES}{mixed}")), expected, "{depth}: facets before their events");
    }
}

#[test]
fn a_place_with_two_names_names_no_device_and_a_withdrawn_name_does_not_count() {
    let event = event_at("1.1.1.1", "196670^MDC_EVT_LO^MDC", "start", "PH").concat();
    let other = "OBX|3||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||C\r";
    assert_eq!(shown(&format!("{DEVICES}{event}{other}")), ["- 196670 start PH"]);
    assert_eq!(shown(&format!("{other}{DEVICES}{event}")), ["- 196670 start PH"]);
    let same = other.replace("|C\r", "|A\r");
    assert_eq!(shown(&format!("{DEVICES}{same}{event}")), ["A 196670 start PH"]);
    for status in ["D", "W"] {
        let withdrawn = other.replace("|X|", &format!("|{status}|"));
        assert_eq!(shown(&format!("{withdrawn}{DEVICES}{event}")), ["A 196670 start PH"], "{status}");
    }
}

#[test]
fn what_may_be_of_either_event_is_a_value_of_none() {
    let [first, phase, priority] = event_at("1.1", "196648^MDC_EVT_HI^MDC", "end", "PL");
    let second = first.replace("1.1.1", "1.1.8").replace("196648^MDC_EVT_HI", "196670^MDC_EVT_LO");
    let mut found = shown(&format!("{first}{second}{phase}{priority}"));
    found.sort();
    assert_eq!(found, ["- 196648 - -", "- 196670 - - further"]);
    let unplaced = second.replace("1.1.8", "");
    let mut found = shown(&format!("{unplaced}{first}{phase}{priority}"));
    found.sort();
    assert_eq!(found, ["- 196648 end PL", "- 196670 - -"], "an event without a place is listed too");
    let pathless = phase.replace("1.1.3", "");
    let mut found = shown(&format!("{first}{second}{pathless}"));
    found.sort();
    assert_eq!(found, ["- 196648 - -", "- 196670 - - further"]);
}

// B.8.3: senders do not keep the order of the facets.
#[test]
fn an_event_behind_its_facets_has_them_beside_another_event() {
    let other = event_at("1.2.1.7", "196670^MDC_EVT_LO^MDC", "end", "PL").concat();
    let [event, phase, priority] = event_at("1.2.1.1", "196648^MDC_EVT_HI^MDC", "start", "PH");
    let expected = ["- 196648 start PH", "- 196670 end PL"];
    assert_eq!(shown(&format!("{other}{phase}{priority}{event}")), expected);
    assert_eq!(shown(&format!("{phase}{priority}{event}{other}")), expected);
    assert_eq!(shown(&format!("{phase}{other}{event}{priority}")), expected);
}

#[test]
fn a_report_without_a_phase_begins_an_alert() {
    let text = format!("{HEAD}OBX|1|ST|196670^MDC_EVT_LO^MDC|1.0.0.0.1|Low||||||F\r");
    assert_eq!(report(&text).continues, None);
}
