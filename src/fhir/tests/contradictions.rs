//! Fields with two terms, units or values that differ.

use super::*;

fn value_of(term: &str, value: &str) -> Value {
    observation(&mapped(&observed(&format!("OBX|1|NM|{term}|1.1.1.1|{value}|||||R\r"))), "1")
}

#[test]
fn a_second_term_or_unit_leaves_the_value_out() {
    let (spo2, percent) = ("150456^MDC_PULS_OXIM_SAT_O2^MDC", "262688^MDC_DIM_PERCENT^MDC");
    for (term, unit) in [
        ("59408-5^SpO2^LN^147842^MDC_ECG_CARD_BEAT_RATE^MDC", "264864^MDC_DIM_BEAT_PER_MIN^MDC"),
        ("150456^MDC_PULS_OXIM_SAT_O2^MDC^8867-4^Heart rate^LN", percent),
        ("150456^MDC_PULS_OXIM_SAT_O2^MDC~147842^MDC_ECG_CARD_BEAT_RATE^MDC", percent),
        ("9999999^MDC_PULS_OXIM_SAT_O2^MDC", percent),
        (spo2, "262688^MDC_DIM_PERCENT^MDC~264864^MDC_DIM_BEAT_PER_MIN^MDC"),
        (spo2, "262688^MDC_DIM_PERCENT^MDC^^^^^^/min"),
    ] {
        let found = value_of(term, &format!("81|{unit}"));
        assert_eq!(found["dataAbsentReason"]["coding"][0]["code"], "error", "{term} {unit}");
        assert!(found.get("valueQuantity").is_none(), "{found}");
        let is_of_term = term != spo2;
        assert_eq!(found["code"].get("coding").is_none(), is_of_term, "{found}");
        assert!(found["note"][0]["text"].as_str().unwrap().contains("left out"), "{found}");
    }
}

/// Ranges, ratios and samples are numbers as well.
#[test]
fn two_units_leave_out_whatever_has_numbers() {
    let two = "266016^MDC_DIM_MMHG^MDC^%^%^UCUM";
    for (kind, value) in [("SN", "^1^:^4"), ("SN", "^1^/^4"), ("SN", "^1^-^4"), ("NA", "1^2^3"), ("NM", "1")]
    {
        let obx = format!(
            "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X\r\
             OBX|2|{kind}|150020^MDC_PRESS_BLD_NONINV^MDC|1.1.1.1|{value}|{two}|||||R\r\
             OBX|3|NM|67981^MDC_ATTR_TIME_PD_SAMP^MDC|1.1.1.1.1|4|264338^MDC_DIM_MILLI_SEC^MDC|||||R\r"
        );
        let found = observation(&mapped(&observed(&obx)), "2");
        assert_eq!(found["dataAbsentReason"]["coding"][0]["code"], "error", "{kind} {value}: {found}");
        let has_value = found.as_object().unwrap().keys().any(|key| key.starts_with("value"));
        assert!(!has_value && found["note"][0]["text"].as_str().unwrap().contains("two units"), "{found}");
    }
    let percent = "262688^MDC_DIM_PERCENT^MDC";
    let obx = format!(
        "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X\r\
         OBX|2|NA|150020^MDC_PRESS_BLD_NONINV^MDC|1.1.1.1|1^2|{percent}|||||R\r\
         OBX|3|NM|67981^MDC_ATTR_TIME_PD_SAMP^MDC|1.1.1.1.1|4|264338^MDC_DIM_MILLI_SEC^MDC|||||R\r"
    );
    let found = observation(&mapped(&observed(&obx)), "2");
    assert_eq!(found["interpretation"][0]["coding"][0]["code"], "questionable", "{found}");
    assert!(found["valueSampledData"].is_object());
}

#[test]
fn a_time_or_a_period_that_is_not_what_was_sent_is_left_out() {
    for (kind, value, key, written) in [
        ("TM", "120000.25", "valueTime", "\"12:00:00.25\""),
        ("TM", "1200", "valueTime", "\"12:00:00\""),
        ("TM", "120000.25+0500", "", ""),
        ("DR", "20260101^20260102", "valuePeriod", "{\"end\":\"2026-01-02\",\"start\":\"2026-01-01\"}"),
        ("DR", "20260101^", "valuePeriod", "{\"start\":\"2026-01-01\"}"),
        ("DR", "20260101^then", "", ""),
        ("DR", "20260102^20260101", "", ""),
    ] {
        let mapped = mapped(&observed(&format!(
            "OBX|1|{kind}|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|{value}|||||F\r"
        )));
        if key.is_empty() {
            assert_eq!(of_type(&mapped, "Observation").len(), 0, "{value}");
            assert_eq!(mapped.unmapped.len(), 1, "{value}");
        } else {
            assert_eq!(observation(&mapped, "1")[key].to_string(), written, "{value}");
        }
    }
}

#[test]
fn a_number_with_the_text_of_something_else_is_doubted() {
    let found = value_of("150456^Heart rate^MDC", "80|262688^MDC_DIM_PERCENT^MDC");
    assert_eq!(found["interpretation"][0]["coding"][0]["code"], "questionable");
    assert_eq!(found["code"]["text"], "Heart rate");
    assert_eq!(found["code"]["coding"].as_array().unwrap().len(), 1, "no LOINC: {found}");
    assert!(found["note"][0]["text"].as_str().unwrap().contains("not its name"));
    let own = value_of("150456^SpO2^MDC", "80|262688^MDC_DIM_PERCENT^MDC");
    assert_eq!(own["code"]["coding"][0]["code"], "2708-6");
    assert!(own.get("note").is_none() && own.get("interpretation").is_none());
}

#[test]
fn two_times_are_none_and_further_limits_and_methods_are_kept() {
    let obx = "OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|97|262688^MDC_DIM_PERCENT^MDC|90-100~80-100||||R|||20260101120000~20260101130000|||AMEAS^MDC~MMEAS^MDC\r";
    let found = observation(&mapped(&observed(obx)), "1");
    assert!(found.get("effectiveDateTime").is_none() && found["note"][0]["text"].is_string());
    assert_eq!(found["referenceRange"][0]["text"], "90-100~80-100");
    assert!(found["referenceRange"][0].get("low").is_none());
    assert_eq!(found["method"]["text"], "AMEAS MDC; MMEAS MDC");
}

#[test]
fn a_module_that_a_value_names_is_the_identifier_of_its_metric() {
    let metric = |number: u8| {
        let obx = format!(
            "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X\r\
             OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|88|262688^MDC_DIM_PERCENT^MDC|||||F|||||||00A037EB217578{number}^^00A037EB217578{number}^EUI-64\r\
             OBX|3|NM|147842^MDC_ECG_CARD_BEAT_RATE^MDC|1.2.1.1|70|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||F|||||||00A037EB21757833^^00A037EB21757833^EUI-64\r"
        );
        of_type(&mapped(&observed(&obx)), "DeviceMetric")
    };
    let metrics = metric(22);
    let own: Vec<_> = metrics.iter().map(|it| it["identifier"][0]["value"].clone()).collect();
    assert_eq!(own, ["00-A0-37-EB-21-75-78-22", "00-A0-37-EB-21-75-78-33"]);
    // The same place with another module is another metric.
    let other = metric(44);
    assert!(metrics[0]["id"] != other[0]["id"] && metrics[1]["id"] == other[1]["id"]);
}

#[test]
fn a_second_value_of_an_attribute_does_not_replace_the_first() {
    let obx = "OBX|4|ST|531969^MDC_ID_MODEL_NUMBER^MDC|1.0.0.1|M-1||||||F\r\
         OBX|5|ST|67880^MDC_ATTR_ID_MODEL^MDC|1.0.0.2|ACME^M-9||||||F\r";
    let mapped = mapped(&observed(&format!("{MONITOR}{obx}")));
    assert_eq!(of_type(&mapped, "Device")[0]["modelNumber"], "M-1");
    assert_eq!(observation(&mapped, "5")["valueString"], "ACME^M-9");
}
