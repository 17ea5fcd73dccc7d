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
