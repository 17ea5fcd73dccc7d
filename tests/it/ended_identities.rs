//! A certificate of the platform that has ended, while the other identity has not.

use std::fs;

use pcd_platform::model::Clock;
use pcd_platform::pki::{CertificateOrder, KeyType, Role};
use rustix::process::Signal;

use crate::harness::{Cli, Credential, Device, Site, eventually, message, wait_for};

const NAME: &str = "00A037FFFE000001";

fn order(name: &str) -> CertificateOrder {
    CertificateOrder::new(name, Role::Platform, KeyType::Ecc)
}

/// One that ended yesterday.
fn ended(site: &Site, name: &str) -> Credential {
    let start = Clock::system().now().checked_sub(jiff::SignedDuration::from_hours(48)).unwrap();
    site.issue(&CertificateOrder { not_before: Some(start), days: 1, ..order(name) })
}

fn identity(kind: &str, own: &Credential) -> String {
    format!("{kind} = {{ chain = \"{}\", key = \"{}\" }}", own.chain.display(), own.key.display())
}

#[test]
fn a4_the_platform_starts_with_the_identity_that_is_left_when_the_other_one_has_ended() {
    let site = Site::new();
    let own = ended(&site, "ended");
    let site = site.with("tls", &identity("ecc", &own));
    let (status, stdout, _) = Cli::of(&site).try_run(&["check"]);
    assert_eq!(status.code(), Some(1), "{stdout}");
    let error = stdout.lines().find(|line| line.starts_with("error")).unwrap();
    assert!(error.contains("tls.ecc is not used") && error.contains("expired at"), "{error}");

    let platform = site.start();
    platform.admit(NAME, &[]);
    let device = site.certificate(NAME, KeyType::Ecc);
    let mut device = Device::connect(&site, platform.address, &device).unwrap();
    assert_eq!(device.code(message(NAME, "1")), "CA");
    let refused = || platform.cli().json(&["audit", "list", "--event", "configuration-refused"]);
    eventually("it is recorded", || refused().len() == 1);
    let row = refused().remove(0)["details"].clone();
    assert_eq!(row, serde_json::json!({ "fault": "identities", "keys": ["tls.ecc"], "by": "start" }));
    let log = platform.log();
    assert!(log.contains("an identity of the platform is not used"), "{log}");
    let end = |key: &str| {
        platform.metric(&format!(
            "pcd_certificate_not_after_timestamp_seconds{{key=\"{key}\",role=\"platform\"}}"
        ))
    };
    let now = Clock::system().now().as_second() as f64;
    assert!(end("ecc") < now && end("rsa") > now, "it does not vanish from the metric");

    // The renewed one is used after a reload.
    let renewed = site.issue(&order("renewed"));
    fs::copy(&renewed.chain, &own.chain).unwrap();
    fs::copy(&renewed.key, &own.key).unwrap();
    platform.signal(Signal::HUP);
    eventually("it is used", || end("ecc") > now);
    assert!(Cli::of(&site).try_run(&["audit", "verify"]).0.success());
    assert_eq!(platform.stop().status.code(), Some(0));

    // Without any, there is no start.
    let last = site.without("tls", "rsa").with("tls", &identity("ecc", &ended_again()));
    assert_eq!(Cli::of(&last).try_run(&["serve"]).0.code(), Some(78));
}

fn ended_again() -> Credential {
    // The files of a site go with it: these are kept for the test.
    let site = Box::leak(Box::new(Site::new()));
    ended(site, "ended-again")
}

#[test]
fn a_reload_does_not_replace_an_identity_that_works_by_one_that_has_ended() {
    let site = Site::new();
    let (own, old) = (site.issue(&order("works")), ended(&site, "old"));
    let site = site.with("tls", &identity("ecc", &own));
    let platform = site.start();
    let ecc = "pcd_certificate_not_after_timestamp_seconds{key=\"ecc\",role=\"platform\"}";
    let before = platform.metric(ecc);
    fs::copy(&old.chain, &own.chain).unwrap();
    fs::copy(&old.key, &own.key).unwrap();
    platform.signal(Signal::HUP);
    eventually("the reload is refused", || platform.log().contains("configuration not reloaded"));
    let log = platform.log();
    assert!(log.contains("tls.ecc cannot be used, and the present one can"), "{log}");
    assert_eq!(platform.metric(ecc), before);
    // The row comes after the line.
    let rows = || platform.cli().json(&["audit", "list", "--event", "configuration-refused"]);
    let rows = wait_for("it is recorded", rows, |rows| rows.len() == 1);
    assert_eq!(rows[0]["details"]["by"], "signal");
    assert_eq!(platform.stop().status.code(), Some(0));
}
