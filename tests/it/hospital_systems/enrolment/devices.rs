//! Certificates of devices, which connect to Interface A.

use super::*;
use crate::harness::{Credential, Device, message};

#[test]
fn n000_5_an_enrolled_device_is_in_the_directory_and_connects() {
    const PUMP: &str = "00A037FFFE000007";
    for site in Site::on_each_store() {
        let hospital = enrolling(site, "registered");
        let (site, platform) = (&hospital.site, hospital.site.start());
        let entry =
            ["--name", "Pump 7", "--ward", "ICU", "--serial", "4711", "--speaks-for", "00A037FFFE0000AA"];
        let user = invite(&platform, PUMP, "device", &entry);
        let wanted = Wanted::new(site, "pump", &format!("/CN={PUMP}"));
        assert_eq!(send(site, &platform, Some(&user), &wanted.request, &[]).status, 202);
        let (status, ..) = platform.cli().try_run(&["device", "show", PUMP]);
        assert!(!status.success(), "before the approval there is no entry");
        platform.cli().run(&["enrol", "approve", id(&user)]);
        let shown = platform.cli().json(&["device", "show", PUMP]).remove(0);
        assert!(shown["ward"] == "ICU" && shown["name"] == "Pump 7" && shown["serial"] == "4711", "{shown}");
        let Issued { chain, key } = fetched(site, &platform, &user, &wanted);
        // The command has read the directory again: nothing is waited for.
        let own = Credential { chain, key };
        let mut device = Device::connect(site, platform.address, &own).unwrap();
        assert_eq!(device.code(message(PUMP, "1")), "CA");
        assert_eq!(device.code(message("00A037FFFE0000AA", "2")), "CA");
        let rows = platform.cli().json(&["audit", "list", "--event", "device-added"]);
        assert!(rows.iter().any(|row| row["details"]["device"] == PUMP), "{rows:?}");

        // The next certificate of a device that is there changes nothing of its entry.
        let user = invite(&platform, PUMP, "device", &["--ward", "elsewhere"]);
        let again = Wanted::new(site, "pump-again", &format!("/CN={PUMP}"));
        enrolled(site, &platform, &user, &again);
        assert_eq!(platform.cli().json(&["device", "show", PUMP])[0]["ward"], "ICU");
        assert!(!platform.stop().log.contains("panicked"));
    }
}

// Nothing is reloaded: the platforms do not read the CRLs that the command writes.
#[test]
fn n000_5_a_revocation_ends_the_sessions_of_a_device_at_once_on_every_node() {
    const PUMP: &str = "00A037FFFE000027";
    let hospital = enrolling(Site::on_postgres(), "registered");
    let (site, platform) = (&hospital.site, hospital.site.start());
    let second = Site::of_database(&site.database().unwrap()).with("store", "node = \"second\"");
    let other = second.start();
    let user = invite(&platform, PUMP, "device", &["--ward", "ICU"]);
    let Issued { chain, key } =
        enrolled(site, &platform, &user, &Wanted::new(site, "pump", &format!("/CN={PUMP}")));
    let own = Credential { chain, key };
    let mut here = Device::connect(site, platform.address, &own).unwrap();
    assert_eq!(here.code(message(PUMP, "1")), "CA");
    let connect = |control_id: &str| {
        let mut device = Device::connect(&second, other.address, &own).ok()?;
        device.send(message(PUMP, control_id)).ok().map(|_| device)
    };
    let mut there = None;
    eventually("the second node knows the device", || {
        there = connect("2");
        there.is_some()
    });
    let mut there = there.unwrap();

    let ended = platform.cli().json(&["enrol", "revoke", id(&user)]);
    assert_eq!(ended[0]["state"], "revoked", "{ended:?}");
    let started = std::time::Instant::now();
    let mut number = 2;
    let mut ends = |device: &mut Device| {
        eventually("the session ends", || {
            number += 1;
            device.send(message(PUMP, &number.to_string())).is_err()
        });
    };
    ends(&mut here);
    ends(&mut there);
    // Documented: within a second; the machine may be busy.
    assert!(started.elapsed() < std::time::Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(connect("100").is_none(), "a new connection of the other node");
    let new =
        Device::connect(site, platform.address, &own).map(|mut device| device.send(message(PUMP, "101")));
    assert!(!matches!(new, Ok(Ok(_))), "a new connection");
    let row = crate::revocation::refused(&platform, "revoked");
    assert_eq!(row["revocation"][0]["source"], "operator", "{row}");
    let why = platform.cli().try_run(&["device", "why", "--chain", own.chain.to_str().unwrap()]);
    assert!(!why.0.success() && why.1.contains("revoked"), "{why:?}");
    assert!(!platform.stop().log.contains("panicked") && !other.stop().log.contains("panicked"));

    // What is revoked stays so after a start.
    let platform = site.start();
    let new =
        Device::connect(site, platform.address, &own).map(|mut device| device.send(message(PUMP, "102")));
    assert!(!matches!(new, Ok(Ok(_))), "after a start");
}

// The device would get its certificate, and be refused with it.
#[test]
fn n000_5_a_certificate_that_interface_a_would_refuse_is_not_issued() {
    const PUMP: &str = "00A037FFFE000028";
    let hospital = enrolling(Site::new(), "registered");
    let anchors = hospital.community.trust_anchors();
    let folder = anchors[0].parent().unwrap();
    let site = hospital.site.without("enrol", "device-authority");
    let site = site.with("enrol", &format!("device-authority = {folder:?}"));
    let platform = site.start();
    let user = invite(&platform, PUMP, "device", &[]);
    let wanted = Wanted::new(&site, "pump", &format!("/CN={PUMP}"));
    assert_eq!(send(&site, &platform, Some(&user), &wanted.request, &[]).status, 202);
    let (status, _, error) = platform.cli().try_run(&["enrol", "approve", id(&user)]);
    assert!(!status.success() && error.contains("the certificate would be refused"), "{error}");
    assert_eq!(shown(&platform, &user)["state"], "pending");
    assert!(!platform.cli().try_run(&["device", "show", PUMP]).0.success(), "and has no entry");
    assert!(!platform.stop().log.contains("panicked"));
}
