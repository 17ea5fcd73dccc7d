//! `device learn`: for some days a device may name what no other entry has.

use pcd_platform::pki::KeyType;

use super::{NAME, OTHER, Scene, codes, text};
use crate::harness::{Site, Wire, eventually, field, framed, message};

#[test]
fn a_gateway_learns_its_devices_and_is_enforced_afterwards() {
    Site::on_each_store().into_iter().for_each(a_gateway_learns_its_devices_on);
}

fn a_gateway_learns_its_devices_on(site: Site) {
    let mut scene =
        Scene::new(site.with("devices", "identity = \"learn\"").with("devices", "max-violations = 1000"));
    assert_eq!(codes(&[scene.ask(&text(OTHER, "BEFORE"))]), ["CR"], "nothing is learnt unasked");
    scene.platform.cli().run(&["device", "learn", NAME, "--days", "7"]);
    eventually("the change of the directory is applied", || {
        codes(&[scene.ask(&text(OTHER, "LEARNT"))]) == ["CA"]
    });
    let row = &scene.listed(&["--control-id", "LEARNT"])[0];
    assert!(row["warnings"].as_array().unwrap().contains(&"identity-learned".into()), "{row}");
    let (_, checked, _) = scene.platform.cli().try_run(&["check"]);
    let until =
        scene.platform.cli().json(&["device", "show", NAME])[0]["learns-until"].as_str().unwrap().to_owned();
    let warning = format!("device {NAME} learns identities until {}", &until[..10]);
    assert!(checked.contains(&warning), "{checked}");

    // Another certificate cannot learn what this one is about to have: the operator decides.
    scene.platform.admit("GW-2", &[]);
    let mut wire =
        Wire::connect(&scene.site, scene.platform.address, &scene.site.certificate("GW-2", KeyType::Ecc));
    wire.write(&framed(&message(OTHER, "RIVAL")));
    assert_eq!(wire.verdict(), ("CR".to_owned(), "RIVAL".to_owned()));
    scene.platform.cli().run(&["device", "learn", "GW-2"]);
    eventually("the change of the directory is applied", || {
        wire.write(&framed(&message(NAME, "OWN-NAME")));
        let refused = wire.verdict().0;
        wire.write(&framed(&message(OTHER, "RIVAL")));
        (refused, wire.verdict().0) == ("CR".to_owned(), "CA".to_owned())
    });
    let (_, proposed, _) = scene.platform.cli().try_run(&["device", "propose", NAME, "--apply"]);
    assert!(proposed.contains("GW-2 named it too"), "{proposed}");

    scene.platform.cli().run(&["device", "change", NAME, "--speaks-for", OTHER]);
    eventually("what one entry has the other learns no longer", || {
        wire.write(&framed(&message(OTHER, "TAKEN")));
        wire.verdict().0 == "CR"
    });
    assert_eq!(codes(&[scene.ask(&text(OTHER, "LISTED"))]), ["CA"]);
    let answer = scene.ask(&text("00A037FFFE000003", "NEW"));
    assert_eq!(field(&answer, "ERR", 5).split('^').next(), Some("identity-mismatch"), "it is enforced");
    assert!(!scene.platform.cli().try_run(&["device", "learn", NAME]).0.success(), "and learns no more");
    assert_eq!(scene.audited("device-learning-started").len(), 2);
}
