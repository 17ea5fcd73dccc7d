//! A part of a message is what it is in the whole message.

use super::*;
use crate::fhir::search::Token;

fn mapped_part(bytes: &[u8], wanted: &Wanted) -> Mapped {
    let message = Message::parse(bytes).unwrap();
    let source = Source {
        message: "0198c6a1-7d2e-7c52-9b0e-3f6f2f0c1a55".parse().unwrap(),
        sender: "GW-1",
        received: Timestamp::UNIX_EPOCH,
        patient_id: &|_| "patient-1".to_owned(),
    };
    map_wanted(&message, &source, &Options::default(), wanted)
}

fn observations(mapped: &Mapped) -> Vec<Value> {
    of_type(mapped, "Observation")
}

/// Each observation by its number, and those with each code, are as in the whole; so are the references.
fn check_each_part(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Some(whole) = mapped_bytes(bytes, &Options::default()) else { return Ok(()) };
    let all = observations(&whole);
    for one in &all {
        let id = one["id"].as_str().unwrap();
        if let Some(ordinal) = id.split_once('.').map(|(_, ordinal)| ordinal.parse().unwrap()) {
            let part = mapped_part(bytes, &Wanted::Ordinal(ordinal));
            let found = observations(&part).into_iter().find(|found| found["id"] == id);
            prop_assert_eq!(found.as_ref(), Some(one));
            let has = |reference: &Value| part.resources.iter().any(|it| it.is(reference.as_str().unwrap()));
            prop_assert!(has(&one["device"]["reference"]) && has(&one["subject"]["reference"]));
        }
        for coding in one["code"]["coding"].as_array().into_iter().flatten() {
            let text = |key: &str| coding[key].as_str().unwrap_or_default().to_owned();
            let token = Token { system: Some(text("system")), code: text("code") };
            let fits = |resource: &&Resource| matches!(resource, Resource::Observation(it) if token.fits_concept(&it.code));
            let part = mapped_part(bytes, &Wanted::Codes(vec![token.clone()]));
            let expected: Vec<_> = whole.resources.iter().filter(fits).map(json).collect();
            let found: Vec<_> = part.resources.iter().filter(fits).map(json).collect();
            prop_assert_eq!(found, expected);
        }
    }
    Ok(())
}

#[test]
fn a_reader_of_one_value_gets_no_other() {
    let obx = format!(
        "{MONITOR}{SPO2}\rOBX|5|NM|149530^MDC_PULS_OXIM_PULS_RATE^MDC|1.1.1.2|60|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||R\r"
    );
    let text = observed(&obx);
    let ids = |wanted: &Wanted| -> Vec<String> {
        let found = observations(&mapped_part(text.as_bytes(), wanted)).into_iter();
        found.map(|it| it["id"].as_str().unwrap().rsplit('.').next().unwrap().to_owned()).collect()
    };
    let code = |code: &str| Wanted::Codes(vec![Token { system: None, code: code.to_owned() }]);
    assert_eq!(ids(&Wanted::All), ["4", "5"]);
    assert_eq!(ids(&Wanted::Ordinal(5)), ["5"]);
    assert_eq!(ids(&code("59408-5")), ["4"]);
    assert_eq!(ids(&code("8867-4")), ["5"]);
    assert!(mapped_part(text.as_bytes(), &code("1-8")).resources.is_empty(), "nothing is made");
}

#[test]
fn parts_of_a_pressure_come_together() {
    let part = |number: u32, code: u32, name: &str| {
        format!("OBX|{number}|NM|{code}^{name}^MDC|1.1.1.{code}|{number}0|266016^MDC_DIM_MMHG^MDC|||||R\r")
    };
    let obx = format!(
        "{MONITOR}{}{}{SPO2}\r",
        part(5, 150_021, "MDC_PRESS_BLD_NONINV_SYS"),
        part(6, 150_022, "MDC_PRESS_BLD_NONINV_DIA")
    );
    let text = observed(&obx);
    check_each_part(text.as_bytes()).unwrap();
    let wanted = Wanted::Codes(vec![Token { system: None, code: "85354-9".to_owned() }]);
    let found = observations(&mapped_part(text.as_bytes(), &wanted));
    assert_eq!((found.len(), found[0]["component"].as_array().unwrap().len()), (1, 2));
}

#[test]
fn a_measurement_beside_a_part_of_the_device_comes_with_its_own_parts() {
    let obx = "OBX|1||68063^MDC_X^MDC|1.1.1.2|7\rOBX|2||150021^X^MDC|1.1.0.0\rOBX|3||69642^MDC_DEV_X_VMD^MDC|1.1.0.0\r";
    check_each_part(observed(obx).as_bytes()).unwrap();
}

proptest! {
    #[test]
    fn a_part_is_what_it_is_in_the_whole(
        lines in prop::collection::vec(prop::collection::vec(any_field(), 19), 0..12),
        profile in prop::sample::select(vec!["1.1.1", "1.10.1"]),
    ) {
        let mut text = message("R01", profile, "OBR|1||F^M^1.2^ISO|196616^X^MDC|||20260101120000\r");
        for (number, fields) in lines.iter().enumerate() {
            let mut fields = fields.clone();
            // Fields that make most of what an OBX is.
            fields[1] = ["NM", "NM", "ST", "CWE"][number % 4].to_owned();
            if number % 3 > 0 {
                fields[3] = format!("1.1.1.{}", number % 5);
            }
            text.push_str(&format!("OBX|{}\r", fields.join("|")));
        }
        check_each_part(text.as_bytes())?;
    }
}
