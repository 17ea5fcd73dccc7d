//! Java's own TLS: `PKIXRevocationChecker` with `NO_FALLBACK`, and a responder at a dead port
//! (`tests/peers/JsseStrict.java`).

use crate::harness::{Own, Platform, Stage};
use crate::interop::suite::SUITES;

/// `TLSv1.2:TLS_…` of every suite.
fn every_suite() -> Vec<String> {
    let wanted = |suite: &crate::interop::suite::Suite| {
        format!("{}:TLS_{}", if suite.is_tls13() { "TLSv1.3" } else { "TLSv1.2" }, suite.name)
    };
    SUITES.iter().map(wanted).collect()
}

/// One of TLS 1.2 and one of TLS 1.3, both with the ECC chain.
pub(super) fn with_the_ecc_chain() -> [String; 2] {
    ["TLSv1.2:TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLSv1.3:TLS_AES_256_GCM_SHA384"].map(str::to_owned)
}

/// Every connection is refused by the client, for this reason.
fn all_refuse(stage: &Stage, platform: &Platform, ahead: u32, why: &str) {
    for line in stage.jsse_strict(platform, ahead, &with_the_ecc_chain()) {
        assert!(line.contains(" refused") && line.contains(why), "{why}: {line}");
    }
}

#[test]
fn a10_jsse_without_fallback_gets_two_staples_in_every_suite() {
    let stage = Stage::new("JSSE-STRICT");
    let platform = stage.start();
    let lines = stage.jsse_strict(&platform, 0, &every_suite());
    let expected: Vec<_> = every_suite().iter().map(|wanted| format!("{wanted} 2 of 2")).collect();
    assert_eq!(lines, expected, "{}", platform.log());
}

#[test]
fn a10_jsse_refuses_a_platform_whose_own_certificate_is_revoked() {
    let mut stage = Stage::new("JSSE-REVOKED");
    stage.revoke(Own::Ecc);
    let platform = stage.start();
    all_refuse(&stage, &platform, 0, "Certificate has been revoked");
}

#[test]
fn a10_jsse_refuses_a_platform_whose_issuing_ca_is_revoked() {
    let mut stage = Stage::new("JSSE-REVOKED-CA");
    stage.revoke(Own::EccCa);
    let platform = stage.start();
    all_refuse(&stage, &platform, 0, "Certificate has been revoked");
}

#[test]
fn a10_jsse_refuses_stale_staples() {
    let stage = Stage::new("JSSE-LATE");
    let platform = stage.start();
    // Good for 30 minutes, and 15 more that JSSE allows for.
    all_refuse(&stage, &platform, 1, "out-of-date");
}

#[test]
fn a10_jsse_refuses_when_the_staple_of_the_issuing_ca_is_missing() {
    let mut stage = Stage::new("JSSE-MISSING");
    stage.responder(Own::EccCa).stop();
    let platform = stage.start();
    all_refuse(&stage, &platform, 0, "Unable to determine revocation status");
}
