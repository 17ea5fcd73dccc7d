use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::hl7::Message;

mod alerts;
mod contradictions;
mod wanted;

const MONITOR: &str = "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||00A037FFFE000001^^00A037FFFE000001^EUI-64\r\
     OBX|2||69642^MDC_DEV_ANALY_SAT_O2_VMD^MDC|1.1.0.0|||||||X\r\
     OBX|3||69643^MDC_DEV_ANALY_SAT_O2_CHAN^MDC|1.1.1.0|||||||X\r";

/// A PCD-01 message of a patient with these OBX.
fn observed(obx: &str) -> String {
    message("R01", "1.1.1", &format!("OBR|1||1^^00A037FFFE000001^EUI-64|69965^X^MDC|||20260101120000\r{obx}"))
}

fn message(event: &str, profile: &str, rest: &str) -> String {
    format!(
        "MSH|^~\\&|M|F|||20260101120001+0100||ORU^{event}^ORU_{event}|1|P|2.6|||AL|NE|||||IHE^IHE PCD^1.3.6.1.4.1.19376.1.6.{profile}^ISO\r\
         PID|||4711^^^HOSP^MR||Doe^Jane\rPV1||I|ICU^7^2\r{rest}"
    )
}

fn mapped_with(text: &str, options: &Options) -> Mapped {
    mapped_bytes(text.as_bytes(), options).unwrap()
}

fn mapped_bytes(bytes: &[u8], options: &Options) -> Option<Mapped> {
    let message = Message::parse(bytes).ok()?;
    let source = Source {
        message: "0198c6a1-7d2e-7c52-9b0e-3f6f2f0c1a55".parse().unwrap(),
        sender: "GW-1",
        received: Timestamp::UNIX_EPOCH,
        patient_id: &|_| "patient-1".to_owned(),
    };
    Some(map(&message, &source, options))
}

fn mapped(text: &str) -> Mapped {
    mapped_with(text, &Options::default())
}

fn json(resource: &Resource) -> Value {
    serde_json::to_value(resource).unwrap()
}

/// The observations, by the ordinal or the whole id.
fn observation(mapped: &Mapped, id: &str) -> Value {
    let all: Vec<_> = mapped.resources.iter().map(json).collect();
    let is_it = |value: &&Value| {
        let own = value["id"].as_str().unwrap();
        value["resourceType"] == "Observation" && (own == id || own.rsplit('.').next() == Some(id))
    };
    all.iter().find(is_it).cloned().unwrap_or_else(|| panic!("no {id} in {all:#?}"))
}

fn of_type(mapped: &Mapped, kind: &str) -> Vec<Value> {
    let all = mapped.resources.iter().map(json);
    all.filter(|value| value["resourceType"] == kind).collect()
}

fn profiles(resource: &Value) -> Vec<&str> {
    let all = resource["meta"]["profile"].as_array().into_iter().flatten();
    all.map(|url| url.as_str().unwrap().rsplit('/').next().unwrap()).collect()
}

fn reasons(mapped: &Mapped) -> Vec<(usize, &'static str)> {
    mapped.unmapped.iter().map(|unmapped| (unmapped.ordinal, unmapped.reason.label())).collect()
}

const SPO2: &str = "OBX|4|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|97.0|262688^MDC_DIM_PERCENT^MDC|90-100|||||R|||20260101120005";

// N001-9
#[test]
fn a_measurement_has_its_device_metric_and_patient() {
    let mapped = mapped(&observed(&format!("{MONITOR}{SPO2}\r")).replace("90-100|||||R", "90-100||||R"));
    assert_eq!(reasons(&mapped), []);
    let found = observation(&mapped, "4");
    assert_eq!(profiles(&found), ["NumericObservation", "oxygensat"]);
    assert_eq!(found["status"], "preliminary");
    assert_eq!(found["subject"]["reference"], "Patient/patient-1");
    assert_eq!(found["effectiveDateTime"], "2026-01-01T12:00:05+01:00");
    let codes: Vec<_> =
        found["code"]["coding"].as_array().unwrap().iter().map(|it| it["code"].clone()).collect();
    assert_eq!(codes, ["2708-6", "59408-5", "150456"]);
    let text: Vec<_> = mapped.resources.iter().map(|it| serde_json::to_string(it).unwrap()).collect();
    assert!(
        text.iter().any(|it| it.contains(r#""valueQuantity":{"value":97.0,"unit":"%","#)),
        "digits as sent"
    );
    let devices = of_type(&mapped, "Device");
    assert_eq!(
        devices.iter().map(profiles).collect::<Vec<_>>(),
        [["MdsDevice"], ["VmdDevice"], ["ChannelDevice"]]
    );
    assert_eq!(devices[0]["identifier"][0]["value"], "00-A0-37-FF-FE-00-00-01");
    assert_eq!(devices[0]["location"]["display"], "ICU 7 2");
    let metric = &of_type(&mapped, "DeviceMetric")[0];
    assert_eq!(profiles(metric), ["NumericDeviceMetric"]);
    assert_eq!(found["device"]["reference"], format!("DeviceMetric/{}", metric["id"].as_str().unwrap()));
    assert_eq!(metric["extension"][0]["extension"][1]["valueQuantity"]["value"], 100);
    assert_eq!(of_type(&mapped, "Patient")[0]["identifier"][0]["value"], "4711");
    assert!(of_type(&mapped, "Patient")[0].get("name").is_none(), "no demographics");
}

#[test]
fn values_that_are_withdrawn_or_not_valid_are_left_out() {
    for (flags, code, status, reason) in [
        ("", "W", "entered-in-error", "error"),
        ("", "D", "entered-in-error", "error"),
        ("", "X", "cancelled", "unknown"),
        ("INV", "R", "preliminary", "error"),
        ("NAV", "X", "cancelled", "not-performed"),
        ("OFF", "R", "preliminary", "not-performed"),
        ("BUSY", "F", "final", "temp-unknown"),
        ("NI", "F", "final", "unknown"),
        ("", "N", "cancelled", "not-asked"),
    ] {
        let obx = format!(
            "OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|97.5|262688^MDC_DIM_PERCENT^MDC||{flags}|||{code}\r"
        );
        let mapped = mapped(&observed(&obx));
        let found = observation(&mapped, "1");
        assert_eq!(found["status"], status, "{flags} {code}");
        assert_eq!(found["dataAbsentReason"]["coding"][0]["code"], reason, "{flags} {code}");
        assert!(!serde_json::to_string(&mapped.resources).unwrap().contains("97.5"), "{flags} {code}");
        assert!(found["note"][0]["text"].is_string());
    }
}

#[test]
fn values_that_contradict_themselves_are_left_out_with_the_reason() {
    let number = "97.5|262688^MDC_DIM_PERCENT^MDC";
    for (term, value) in [
        ("150456^MDC_ECG_HEART_RATE^MDC", number),
        ("150456^MDC_PULS_OXIM_SAT_O2^MDC^147842^MDC_ECG_HEART_RATE^MDC", number),
        ("150456^MDC_PULS_OXIM_SAT_O2^MDC", "97.5|262688^MDC_DIM_MMHG^MDC"),
        ("150456^MDC_PULS_OXIM_SAT_O2^MDC", "97.5|262688^MDC_DIM_PERCENT^MDC^mm[Hg]^^UCUM"),
    ] {
        let mapped = mapped(&observed(&format!("OBX|1|NM|{term}|1.1.1.1|{value}|||||R\r")));
        let found = observation(&mapped, "1");
        assert_eq!(found["dataAbsentReason"]["coding"][0]["code"], "error", "{term} {value}");
        assert!(!found.to_string().contains("97.5"), "{term} {value}");
        assert!(found["note"][0]["text"].as_str().unwrap().contains("left out"));
    }
    // Another unit than those of the term is what was measured: it is doubted, and no vital sign.
    let unusual =
        observed("OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|97.5|266016^MDC_DIM_MMHG^MDC|||||R\r");
    let found = observation(&mapped(&unusual), "1");
    assert_eq!(found["interpretation"][0]["coding"][0]["code"], "questionable");
    assert!(found["valueQuantity"]["value"] == 97.5 && !found.to_string().contains("2708-6"));
}

const PRESSURE: &str = "OBX|4|NM|150021^MDC_PRESS_BLD_NONINV_SYS^MDC|1.1.1.1|120|266016^MDC_DIM_MMHG^MDC|||||R\r\
     OBX|5|NM|150022^MDC_PRESS_BLD_NONINV_DIA^MDC|1.1.1.2|80|266016^MDC_DIM_MMHG^MDC|||||R\r\
     OBX|6|NM|150023^MDC_PRESS_BLD_NONINV_MEAN^MDC|1.1.1.3|93|266016^MDC_DIM_MMHG^MDC|||||R\r";

#[test]
fn the_parts_of_a_pressure_are_one_observation() {
    let mapped = mapped(&observed(&format!("{MONITOR}{PRESSURE}")));
    let found = observation(&mapped, "4");
    assert_eq!(profiles(&found), ["CompoundNumericObservation", "bp"]);
    assert_eq!(found["component"].as_array().unwrap().len(), 3);
    assert_eq!(found["component"][1]["valueQuantity"]["value"], 80);
    assert_eq!(of_type(&mapped, "Observation").len(), 1);
    let metrics = of_type(&mapped, "DeviceMetric");
    assert_eq!(metrics[0]["type"]["coding"][0]["code"], "150020");
    assert_eq!(metrics[0]["type"]["coding"][0]["display"], "MDC_PRESS_BLD_NONINV");
}

#[test]
fn a_withdrawn_part_of_a_pressure_stands_alone() {
    let withdrawn =
        PRESSURE.replacen("80|266016^MDC_DIM_MMHG^MDC|||||R", "80|266016^MDC_DIM_MMHG^MDC|||||W", 1);
    let mapped = mapped(&observed(&format!("{MONITOR}{withdrawn}")));
    assert_eq!(observation(&mapped, "5")["status"], "entered-in-error");
    let rest = observation(&mapped, "4");
    assert_eq!(
        (rest["component"].as_array().unwrap().len(), &rest["status"]),
        (2, &Value::from("preliminary"))
    );
    // Without the diastolic pressure it is no blood pressure of R4.
    assert_eq!(profiles(&rest), ["CompoundNumericObservation"]);
}

#[test]
fn a_measurement_in_place_of_a_channel_has_what_it_contains_as_parts() {
    let obx = "OBX|1||528391^MDC_DEV_SPEC_PROFILE_BP^MDC|1|||||||X|||||||0123456789ABCDEF^EUI-64\r\
         OBX|2||150020^MDC_PRESS_BLD_NONINV^MDC|1.0.1|||||||X|||20260101115959\r\
         OBX|3|NM|150021^MDC_PRESS_BLD_NONINV_SYS^MDC|1.0.1.1|120|266016^MDC_DIM_MMHG^MDC|||||R\r\
         OBX|4|NM|150022^MDC_PRESS_BLD_NONINV_DIA^MDC|1.0.1.2|80|266016^MDC_DIM_MMHG^MDC|||||R\r";
    let mapped = mapped(&observed(obx));
    let found = observation(&mapped, "2");
    assert_eq!(found["component"].as_array().unwrap().len(), 2);
    assert_eq!(found["effectiveDateTime"], "2026-01-01T11:59:59+01:00", "the time of the whole");
    assert_eq!((of_type(&mapped, "Device").len(), of_type(&mapped, "Observation").len()), (1, 1));
}

#[test]
fn facets_are_parts_of_their_metric_and_samples_need_their_rate() {
    let obx = "OBX|1|NA|150452^MDC_PULS_OXIM_PLETH^MDC|1.0.0.1|12^^24|262656^MDC_DIM_DIMLESS^MDC|||||R\r\
         OBX|2|NM|68320^MDC_ATTR_SAMPLE_RATE^MDC|1.0.0.1.1|125|264640^MDC_DIM_HZ^MDC|||||R\r\
         OBX|3|NA|150452^MDC_PULS_OXIM_PLETH^MDC|1.0.0.2|12^123|262656^MDC_DIM_DIMLESS^MDC|||||R\r";
    let mapped = mapped(&observed(obx));
    let found = observation(&mapped, "1");
    assert_eq!(found["valueSampledData"]["period"], 8);
    assert_eq!(found["valueSampledData"]["data"], "12 E 24");
    assert_eq!(found["component"][0]["valueQuantity"]["value"], 125);
    assert_eq!(reasons(&mapped), [(3, "no-sample-rate")]);
}

#[test]
fn two_pumps_of_a_rack_are_two_devices_also_when_each_is_alone_in_its_message() {
    let pump = |number: u8| {
        let obx = format!(
            "OBX|1||69985^MDC_DEV_PUMP_INFUS_MDS^MDC|1.0.0.0|||||||X|||||||R1^^1.2.3^ISO\r\
             OBX|2||69986^MDC_DEV_PUMP_INFUS_VMD^MDC|1.{number}.0.0|||||||X\r\
             OBX|3|NM|157784^MDC_FLOW_FLUID_PUMP^MDC|1.{number}.0.1|5|265266^MDC_DIM_MILLI_L_PER_HR^MDC|||||R\r"
        );
        let mapped = mapped(&observed(&obx));
        let [devices, metrics] = ["Device", "DeviceMetric"].map(|kind| of_type(&mapped, kind));
        (devices[0]["id"].clone(), devices[1]["id"].clone(), metrics[0]["id"].clone())
    };
    let (one, two) = (pump(1), pump(2));
    assert_eq!(one.0, two.0);
    assert!(one.1 != two.1 && one.2 != two.2);
    assert_eq!(pump(1), one);
}

#[test]
fn a_device_has_its_attributes_and_demographics_are_not_mapped() {
    let obx = "OBX|4|ST|531970^MDC_ID_MODEL_MANUFACTURER^MDC|1.0.0.1|ACME||||||F\r\
         OBX|5|ST|531972^MDC_ID_PROD_SPEC_SERIAL^MDC|1.0.0.2|S-1||||||F\r\
         OBX|6|ST|531975^MDC_ID_PROD_SPEC_SW^MDC|1.0.0.3|2.1||||||F\r\
         OBX|7|ST|67931^MDC_ATTR_PT_NAME^MDC|1.0.0.4|Jane Doe||||||F\r\
         OBX|8|NM|68063^MDC_ATTR_PT_WEIGHT^MDC|1.0.0.5|82.0|263875^MDC_DIM_KILO_G^MDC|||||R\r\
         OBX|9|DTM|67975^MDC_ATTR_TIME_ABS^MDC|1.0.0.6|20260101115500||||||R\r";
    let mapped = mapped(&observed(&format!("{MONITOR}{obx}")));
    let monitor = &of_type(&mapped, "Device")[0];
    assert_eq!((&monitor["manufacturer"], &monitor["serialNumber"]), (&"ACME".into(), &"S-1".into()));
    assert_eq!(monitor["version"][0]["value"], "2.1");
    assert_eq!(reasons(&mapped), [(7, "demographics")]);
    assert!(!serde_json::to_string(&mapped.resources).unwrap().contains("Jane"));
    assert_eq!(observation(&mapped, "8")["subject"]["reference"], "Patient/patient-1");
    // The clock of the device is nothing of the patient.
    let subject = observation(&mapped, "9")["subject"]["reference"].clone();
    assert_eq!(subject, format!("Device/{}", monitor["id"].as_str().unwrap()));
}

#[test]
fn what_has_no_counterpart_is_counted_with_its_reason() {
    let obx = "OBX|1|ED|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|^IM^PDF^Base64^AAAA||||||F\r\
         OBX|2|NM||1.1.1.2|5||||||F\r\
         OBX|3|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.3|many||||||F\r\
         OBX|4|NM|69642^MDC_DEV_ANALY_SAT_O2_VMD^MDC|1.1.0.0|80||||||F\r";
    let mapped = mapped(&observed(obx));
    assert_eq!(
        reasons(&mapped),
        [(1, "value-type"), (2, "no-term"), (3, "value-not-of-its-type"), (4, "container-value")]
    );
    let other = message("R01", "9.9", "OBX|1|NM|1^X^MDC|1|5\r").replace("ORU^R01^ORU_R01", "ADT^A01");
    assert_eq!(reasons(&super::tests::mapped(&other)), [(1, "transaction")]);
}

/// Each read of one of them maps them all.
#[test]
fn a_message_with_too_many_observations_is_not_mapped() {
    let observations = |count: usize| -> String {
        let obx = |n| {
            format!(
                "OBX|{n}|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.{n}|97|262688^MDC_DIM_PERCENT^MDC|||||R\r"
            )
        };
        observed(&(1..=count).map(obx).collect::<String>())
    };
    let most = mapped(&observations(4096));
    assert_eq!((of_type(&most, "Observation").len(), most.unmapped.len()), (4096, 0));
    let beyond = mapped(&observations(4097));
    assert!(beyond.resources.is_empty());
    assert_eq!(reasons(&beyond).last(), Some(&(4097, "too-many-observations")));
}

#[test]
fn tests_and_training_are_marked() {
    let obx = |flags: &str| {
        observed(&format!(
            "OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|97|262688^MDC_DIM_PERCENT^MDC||{flags}|||R\r"
        ))
    };
    let security = |text: &str| observation(&mapped(text), "1")["meta"]["security"][0]["code"].clone();
    assert_eq!(security(&obx("TEST")), "HTEST");
    assert_eq!(security(&obx("").replace("|1|P|2.6", "|1|T|2.6")), "HTEST");
    assert_eq!(security(&obx("")), Value::Null);
}

#[test]
fn a_message_without_a_patient_is_of_the_device_and_a_second_patient_is_another() {
    let text = observed(&format!("{MONITOR}{PRESSURE}"));
    let alone = mapped(&text.replace("PID|||4711^^^HOSP^MR||Doe^Jane\r", ""));
    assert!(observation(&alone, "4")["subject"]["reference"].as_str().unwrap().starts_with("Device/"));
    assert!(of_type(&alone, "Patient").is_empty());
    let twice = mapped(&text.replace("PID|||4711^^^HOSP^MR||Doe^Jane\r", "PID|||4711\rPID|||0815\r"));
    // Both stand for the same id here, so the identifiers of the two are one patient.
    assert!(observation(&twice, "4")["subject"]["reference"].as_str().unwrap().starts_with("Patient/"));
}

/// Devices number patients by themselves: values of two people must not be those of one.
#[test]
fn a_number_without_an_assigner_counts_within_its_sender() {
    let own = "PID|||4711^^^HOSP^MR||Doe^Jane\r";
    let key = |sender: &str, pid: &str, assigners: &[(&str, &str)]| {
        let text = observed(&format!("{MONITOR}{PRESSURE}")).replace(own, &format!("{pid}\r"));
        let message = Message::parse(text.as_bytes()).unwrap();
        let source = Source {
            message: "0198c6a1-7d2e-7c52-9b0e-3f6f2f0c1a55".parse().unwrap(),
            sender,
            received: Timestamp::UNIX_EPOCH,
            patient_id: &|key| key.replace('\u{1f}', "."),
        };
        let assigners = assigners.iter().map(|(name, system)| ((*name).to_owned(), (*system).to_owned()));
        let options = Options { assigners: assigners.collect(), ..Options::default() };
        of_type(&map(&message, &source, &options), "Patient")[0]["id"].as_str().unwrap().to_owned()
    };
    for pid in ["PID|||5", "PID|||5^^^^MR", "PID|||5^^^^PI"] {
        assert_ne!(key("MON-1", pid, &[]), key("MON-2", pid, &[]), "{pid}");
        assert_eq!(key("MON-1", pid, &[]), key("MON-1", "PID|||5", &[]), "{pid}");
        let assigners = [("", "urn:oid:1.2.3")];
        assert_eq!(key("MON-1", pid, &assigners), key("MON-2", pid, &assigners), "{pid}");
    }
    for pid in ["PID|||5^^^HOSP^MR", "PID|||5^^^HOSP&1.2.3&ISO^MR", "PID|||5^^^&1.2.3&ISO^MR"] {
        assert_eq!(key("MON-1", pid, &[]), key("MON-2", pid, &[]), "{pid}");
    }
}

fn alert(phase: &str, number: &str, parent: &str) -> String {
    let parent =
        if parent.is_empty() { String::new() } else { format!("{}^{parent}&M&1.2&ISO", "|".repeat(22)) };
    let rest = format!(
        "OBR|1|{number}^M^1.2^ISO|{number}^M^1.2^ISO|196616^MDC_EVT_ALARM^MDC|||20260101120000+0100{parent}\r\
         OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.149530.1|196648^MDC_EVT_HI^MDC|||H~PH~SP|||R|||20260101120000+0100||||P7^^1.2^ISO\r\
         OBX|2|NM|149530^MDC_PULS_OXIM_PULS_RATE^MDC|1.1.1.149530.2|130|264864^MDC_DIM_BEAT_PER_MIN^MDC|50-120||||R\r\
         OBX|3|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.1.1.149530.3|{phase}||||||R\r\
         OBX|4|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.1.1.149530.4|active||||||R\r\
         OBX|5|ST|68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC|1.1.1.149530.5|enabled||||||R\r"
    );
    message("R40", "1.4.1", &rest)
}

#[test]
fn an_alert_is_one_observation_in_all_of_its_reports() {
    let only = |text: &str| {
        let mapped = mapped(text);
        assert_eq!(reasons(&mapped), []);
        let observations = of_type(&mapped, "Observation");
        assert_eq!(observations.len(), 1, "{observations:#?}");
        observations[0].clone()
    };
    let start = only(&alert("start", "A1", ""));
    let end = only(&alert("end", "A9", "A1"));
    assert_eq!(start["id"], end["id"]);
    assert_ne!(start["id"], only(&alert("start", "A2", ""))["id"]);
    assert_eq!((&start["status"], &end["status"]), (&"preliminary".into(), &"final".into()));
    assert_eq!(start["effectivePeriod"]["start"], "2026-01-01T12:00:00+01:00");
    assert_eq!(end["effectivePeriod"]["end"], "2026-01-01T12:00:00+01:00");
    assert_eq!(start["code"]["coding"][0]["code"], "196648");
    let parts: Vec<_> = start["component"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| (part["code"]["coding"][0]["code"].clone(), part["valueCodeableConcept"]["text"].clone()))
        .collect();
    let expected = [
        ("68481", "start"),
        ("68482", "active"),
        ("68483", "enabled"),
        ("68484", "high"),
        ("68485", "physiological"),
    ];
    for (part, (code, word)) in parts.iter().zip(expected) {
        assert_eq!(part, &(Value::from(code), Value::from(word)));
    }
    let measured = &start["component"][5];
    assert_eq!(measured["valueQuantity"]["value"], 130);
    assert_eq!(measured["referenceRange"][0]["high"]["value"], 120);
}

#[test]
fn a_withdrawn_alert_is_entered_in_error() {
    let text = alert("start", "A1", "").replacen("H~PH~SP|||R", "H~PH~SP|||W", 1);
    let found = of_type(&mapped(&text), "Observation");
    assert_eq!(found[0]["status"], "entered-in-error");
}

#[test]
fn infusion_events_are_those_of_their_transaction() {
    let obx = "OBX|1||70049^MDC_DEV_PUMP_INFUS_LVP_MDS^MDC|1.0.0.0|||||||X|||||||E2^^0012210000000000^EUI-64\r\
         OBX|2|CWE|68487^MDC_ATTR_EVT_COND^MDC|1.0.0.2|197288^MDC_EVT_PUMP_DELIV_START^MDC||||||R\r";
    let rest = format!("OBR|1|A^B|C^D|2222^Dopamine|||20260101120000\r{obx}");
    let mapped = mapped(&message("R42", "1.10.1", &rest));
    let found = observation(&mapped, "2");
    assert_eq!(found["valueCodeableConcept"]["coding"][0]["code"], "197288");
    assert_eq!(found["category"][0]["coding"][0]["display"], "PCD-10");
    assert_eq!(found["subject"]["reference"], "Patient/patient-1");
}

/// Each OBX becomes something or is counted with a reason, each id is there once, each reference resolves.
fn check_each_obx(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Some(mapped) = mapped_bytes(bytes, &Options::default()) else { return Ok(()) };
    prop_assert!(mapped.unmapped.iter().all(|unmapped| unmapped.reason != Reason::Unknown));
    let mut ids = std::collections::HashSet::new();
    for resource in &mapped.resources {
        prop_assert!(ids.insert(resource.reference()), "{} twice", resource.reference());
        let text = serde_json::to_string(resource).unwrap();
        prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
    }
    // Each reference is to a resource of the same message.
    for resource in mapped.resources.iter().map(json) {
        for reference in ["subject", "device", "parent", "source"] {
            if let Some(target) = resource[reference]["reference"].as_str() {
                prop_assert!(ids.contains(target), "{target}");
            }
        }
    }
    Ok(())
}

fn any_field() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[ -~]{0,12}",
        prop::sample::select(vec![
            "NM",
            "SN",
            "NA",
            "CWE",
            "ST",
            "DTM",
            "TM",
            "DR",
            "1",
            "1.0.0.0",
            "1.1.0.0",
            "1.1.1.0",
            "1.1.1.1",
            "1.1.1.1.1",
            "97.50",
            "^1^-^2",
            ">^5",
            "1^2^^3",
            "150021^MDC_PRESS_BLD_NONINV_SYS^MDC",
            "150022^MDC_PRESS_BLD_NONINV_DIA^MDC",
            "150020^MDC_PRESS_BLD_NONINV^MDC",
            "69965^MDC_DEV_X_MDS^MDC",
            "68481^MDC_ATTR_EVENT_PHASE^MDC",
            "196616^MDC_EVT_ALARM^MDC",
            "68320^MDC_ATTR_SAMPLE_RATE^MDC",
            "266016^MDC_DIM_MMHG^MDC",
            "90-160",
            "TEST~INV",
            "R",
            "X",
            "W",
            "20260101",
            "\"\"",
            "A~B~C",
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #[test]
    fn no_message_panics_and_every_reference_resolves(
        event in prop::sample::select(vec!["R01", "R40", "R42"]),
        lines in prop::collection::vec(prop::collection::vec(any_field(), 19), 0..12),
    ) {
        let mut text = message(event, "1.1.1", "OBR|1||F^M^1.2^ISO|196616^MDC_EVT_ALARM^MDC|||20260101120000\r");
        for fields in &lines {
            text.push_str(&format!("OBX|{}\r", fields.join("|")));
        }
        check_each_obx(text.as_bytes())?;
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        check_each_obx(&[b"MSH|^~\\&|||||||ORU^R01|1|P|2.6\rOBR|1\rOBX|1|NM|".as_slice(), &bytes].concat())?;
    }

    #[test]
    fn the_digits_of_a_number_are_those_that_were_sent(whole in "[1-9][0-9]{0,8}", fraction in "[0-9]{0,8}") {
        let number = if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") };
        let obx = format!("OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|{number}|262688^MDC_DIM_PERCENT^MDC|||||R\r");
        let text = serde_json::to_string(&mapped(&observed(&obx)).resources).unwrap();
        prop_assert!(text.contains(&format!("\"value\":{number},")), "{}", text);
    }
}
