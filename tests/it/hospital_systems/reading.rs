//! What a device has sent is read.

use super::*;

#[test]
fn n001_9_what_a_device_has_just_sent_is_read_by_those_who_may() {
    const DEVICE: &str = "00A037FFFE000001";
    let hospital = Hospital::new("registered");
    let (site, platform) = (&hospital.site, hospital.site.start());
    platform.cli().run(&["organisation", "add", "Hospital", "--oid", "1.2.3.4"]);
    let add = |id: &str, days: u32, more: &[&str]| {
        let own = hospital.issue(&CertificateOrder { days, ..order(id) });
        let chain = own.chain.display().to_string();
        let words = ["reader", "add", id, "--organisation", "1.2.3.4", "--certificate", &chain];
        platform.cli().run(&[&words[..], more].concat());
        own
    };
    let ehr = add("ehr", 365, &[]);
    let other = add("other", 365, &["--device", "00A037FFFE000002"]);
    let devices = add("devices", 10, &["--scopes", "system/Device.rs"]);
    platform.admit(DEVICE, &[]);
    let own = site.certificate(DEVICE, KeyType::Ecc);
    let mut device = Device::connect(site, platform.address, &own).unwrap();
    assert_eq!(device.code(message(DEVICE, "1")), "CA");
    let search = "/fhir/Observation?code=150456&_lastUpdated=ge2020-01-01";
    let values = |client: &Issued| {
        let answer = ask(site, &platform, Some(client), search, &[]);
        assert_eq!(answer.status, 200, "{answer:?}");
        let bundle: Value = serde_json::from_str(&answer.body).unwrap();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["resource"]["valueQuantity"]["value"].clone()).collect::<Vec<_>>()
    };
    // A command counts within a second.
    for (client, search) in [(&ehr, search), (&other, search), (&devices, "/fhir/Device?_id=nothing")] {
        eventually("the client is known", || ask(site, &platform, Some(client), search, &[]).status == 200);
    }
    eventually("the SpO2 is read", || values(&ehr) == [Value::from(97)]);
    assert_eq!(values(&other), [Value::Null; 0], "it may read another device alone");
    assert_eq!(ask(site, &platform, Some(&devices), search, &[]).status, 403);
    let read = ["--include"];
    let answer = ask(site, &platform, Some(&devices), "/fhir/Device?_id=nothing", &read).body.to_lowercase();
    assert!(answer.contains("x-environment: production"), "N000-8: {answer}");
    assert!(answer.contains("x-certificate-expires: "), "N000-9: it ends within 30 days: {answer}");
    let rows = platform.cli().json(&["audit", "list", "--event", "resources-read"]);
    assert!(rows.iter().any(|row| row["details"]["client"] == "ehr"), "{rows:?}");
    let (status, page) = platform.get("/system");
    assert_eq!(status, 200);
    for shown in ["Hospital systems", ">ehr<", ">devices<", "renew", "Certificate ends"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let index = platform.cli().json(&["fhir", "status"]).remove(0);
    assert_eq!(index["clients"], 3, "{index}");
    assert!(!platform.stop().log.contains("panicked"));
}
