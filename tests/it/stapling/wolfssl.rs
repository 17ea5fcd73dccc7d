//! wolfSSL, which asks by `status_request_v2` and by nothing else (`tests/peers/wolfssl_strict.c`).

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::harness::{Own, Platform, Stage, command_at, finish, tool};

/// The program, compiled once.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let package = "libwolfssl-dev is not installed: apt-get install libwolfssl-dev (tests/run does it)";
    assert!(Path::new("/usr/include/wolfssl/ssl.h").exists(), "{package}");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wolfssl_strict");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/wolfssl_strict.c");
    let mut cc = tool("cc", "build-essential");
    let compiled = cc
        .args(["-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&program)
        .arg(source)
        .arg("-lwolfssl")
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    program
});

/// What it says of a connection with this suite.
fn connect(stage: &Stage, platform: &Platform, suite: &str) -> String {
    let device = stage.device();
    let mut wolfssl = command_at(&PROGRAM);
    wolfssl.arg(stage.site.trust_bundle()).arg(&device.chain).arg(&device.key).arg(stage.message());
    wolfssl.args([platform.address.ip().to_string(), platform.address.port().to_string(), suite.to_owned()]);
    finish(wolfssl, b"", None).text()
}

#[test]
fn a10_wolfssl_insists_on_the_list_and_gets_it() {
    let stage = Stage::new("WOLFSSL-STRICT");
    let platform = stage.start();
    for suite in [
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "DHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-SHA256",
        "DHE-RSA-AES128-SHA256",
        "ECDHE-ECDSA-AES256-SHA",
        "DHE-RSA-AES256-SHA256",
    ] {
        let transcript = connect(&stage, &platform, suite);
        assert!(
            transcript.contains("TLSv1.2") && transcript.contains("asked 0 acknowledged"),
            "{suite}: {transcript}\n{}",
            platform.log()
        );
    }
}

/// What it says when this has happened before the platform started.
fn after(device: &'static str, happens: impl FnOnce(&mut Stage)) -> String {
    let mut stage = Stage::new(device);
    happens(&mut stage);
    let platform = stage.start();
    connect(&stage, &platform, "ECDHE-ECDSA-AES256-GCM-SHA384")
}

#[test]
fn a10_wolfssl_refuses_what_is_revoked_and_a_list_without_the_platforms_own_response() {
    let transcript = after("WOLFSSL-REVOKED", |stage| stage.revoke(Own::Ecc));
    assert!(transcript.contains("refused -406 Bad Certificate Status"), "{transcript}");
    let transcript = after("WOLFSSL-REVOKED-CA", |stage| stage.revoke(Own::EccCa));
    assert!(transcript.contains("refused -406 Bad Certificate Status"), "{transcript}");
    let transcript = after("WOLFSSL-MISSING", |stage| stage.responder(Own::Ecc).stop());
    assert!(transcript.contains("refused -406 Bad Certificate Status"), "{transcript}");
}

// RFC 6961 section 2.2 allows an empty place; wolfSSL takes one for a CA.
#[test]
fn a10_wolfssl_takes_an_empty_place_for_the_issuing_ca() {
    let transcript = after("WOLFSSL-EMPTY", |stage| stage.responder(Own::EccCa).stop());
    assert!(transcript.contains("asked 0 acknowledged"), "{transcript}");
}
