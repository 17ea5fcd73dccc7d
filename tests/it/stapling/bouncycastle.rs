//! Bouncy Castle's TLS, which shows which response came with which certificate
//! (`tests/peers/BouncyCastleDevice.java`).

use crate::harness::{Credential, Own, Platform, Stage, finish, java, known};

const JARS: [(&str, &str); 3] =
    [("bctls.jar", "libbctls-java"), ("bcprov.jar", "libbctls-java"), ("bcutil.jar", "libbctls-java")];

/// Connects with each of these, asking for what `asks` says; one line for each.
fn connect(stage: &Stage, platform: &Platform, asks: &str, wanted: &[&str]) -> Vec<String> {
    let device = stage.device();
    let mut java = java("BouncyCastleDevice", &JARS, &[]);
    java.arg(device.pkcs12(stage.device_name())).arg(Credential::PASSWORD).arg(stage.site.trust_bundle());
    java.arg(stage.message()).arg(platform.address.ip().to_string()).arg(platform.address.port().to_string());
    java.arg(asks).args(wanted);
    let output = finish(java, b"", None);
    let lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), wanted.len(), "{}\n{}", output.text(), platform.log());
    lines
}

/// What it says of a connection in which each of these certificates came with this.
fn line(stage: &Stage, wanted: &str, kind: &str, with: [(Own, Option<&str>); 2]) -> String {
    let entry = |(own, status): (Own, Option<&str>)| {
        let serial = stage.serial(own);
        let response = status.map_or("none".to_owned(), |status| format!("{serial}={status}"));
        format!("{serial}:{response}")
    };
    format!("{wanted} {kind} {} acknowledged", with.map(entry).join(" "))
}

const ECC: &str = "1.2:c02c";
const RSA: &str = "1.2:009f";
const TLS13: &str = "1.3:1302";

#[test]
fn a10_bouncy_castle_gets_the_response_of_each_certificate_with_that_certificate() {
    let stage = Stage::new("BOUNCY-CASTLE");
    let platform = stage.start();
    let good = Some("good");
    let ecc = |ca| [(Own::Ecc, good), (Own::EccCa, ca)];
    let rsa = |ca| [(Own::Rsa, good), (Own::RsaCa, ca)];
    // RFC 6961, alone and beside RFC 6066.
    for asks in ["2", "12"] {
        let expected =
            [line(&stage, ECC, "ocsp_multi", ecc(good)), line(&stage, RSA, "ocsp_multi", rsa(good))];
        assert_eq!(connect(&stage, &platform, asks, &[ECC, RSA]), expected, "{asks}");
    }
    // RFC 6066 is about the platform's own certificate; TLS 1.3 about each.
    let expected = [
        line(&stage, ECC, "ocsp", ecc(None)),
        line(&stage, RSA, "ocsp", rsa(None)),
        line(&stage, TLS13, "entries", ecc(good)),
    ];
    assert_eq!(connect(&stage, &platform, "1", &[ECC, RSA, TLS13]), expected);
    let nothing = [(Own::Ecc, None), (Own::EccCa, None)];
    let expected = [line(&stage, ECC, "nothing", nothing), line(&stage, TLS13, "entries", nothing)];
    assert_eq!(connect(&stage, &platform, "0", &[ECC, TLS13]), expected);
}

#[test]
fn a10_bouncy_castle_gets_an_empty_place_where_there_is_no_response() {
    let mut stage = Stage::new("BOUNCY-EMPTY");
    stage.responder(Own::EccCa).stop();
    stage.responder(Own::Rsa).stop();
    let platform = stage.start();
    let expected = [
        line(&stage, ECC, "ocsp_multi", [(Own::Ecc, Some("good")), (Own::EccCa, None)]),
        line(&stage, RSA, "ocsp_multi", [(Own::Rsa, None), (Own::RsaCa, Some("good"))]),
    ];
    assert_eq!(connect(&stage, &platform, "2", &[ECC, RSA]), expected);
}

#[test]
fn a10_bouncy_castle_learns_that_the_platform_is_revoked() {
    let mut stage = Stage::new("BOUNCY-REVOKED");
    stage.revoke(Own::Ecc);
    let platform = stage.start();
    let statuses = [(Own::Ecc, Some("revoked")), (Own::EccCa, Some("good"))];
    let expected = [line(&stage, ECC, "ocsp_multi", statuses), line(&stage, TLS13, "entries", statuses)];
    assert_eq!(connect(&stage, &platform, "12", &[ECC, TLS13]), expected);
    assert!(platform.log().contains("has been REVOKED"), "{}", platform.log());
    assert_eq!(known(&platform, Own::Ecc)["status"], "revoked");
}
