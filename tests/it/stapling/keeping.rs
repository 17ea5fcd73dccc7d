//! Asking, keeping and renewing.

use super::openssl::{came, status};
use crate::harness::{Cli, Own, Stage, eventually, gauge, known};

#[test]
fn a10_there_are_staples_before_the_first_device_connects_and_operators_see_them() {
    let stage = Stage::new("KEEPING");
    let platform = stage.start();
    for own in Own::ALL {
        let staple = known(&platform, own);
        assert_eq!(staple["status"], "good", "{staple}");
        assert_eq!(staple["problem"], serde_json::Value::Null, "{staple}");
        assert_eq!(staple["serial"].as_str().unwrap().to_lowercase(), stage.serial(own), "{staple}");
        assert!(staple["age-seconds"].as_i64().is_some_and(|age| (0..600).contains(&age)), "{staple}");
        let time = |key: &str| staple[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let (this, next, expires) = (time("this-update"), time("next-refresh"), time("expires"));
        assert_eq!(expires.duration_since(this).as_mins(), 30, "{staple}");
        // At half of its life, or up to a tenth sooner.
        assert!((12..=16).contains(&next.duration_since(this).as_mins()), "{staple}");
        assert_eq!(gauge(&platform, own), expires.as_second() as f64);
    }
    let findings = Cli::of(&stage.site).json(&["check"]);
    let staples = findings.iter().filter(|finding| finding["what"] == "staple");
    assert_eq!(staples.clone().count(), 4);
    assert!(staples.clone().all(|finding| finding["level"] == "ok"), "{findings:?}");
}

#[test]
fn a10_a_restart_while_no_responder_answers_serves_what_was_kept() {
    let mut stage = Stage::new("RESTART");
    let device = stage.device();
    let platform = stage.start();
    let before = status(&stage, &platform, &device, &["-tls1_2"]);
    assert!(came(&before, &stage, Own::Ecc, "Cert Status: good"), "{before}");
    stage.silence();
    assert!(platform.stop().status.success());
    let platform = stage.start();
    let update = |output: &str| output.lines().find(|line| line.contains("This Update")).map(str::to_owned);
    let after = status(&stage, &platform, &device, &["-tls1_2"]);
    assert!(came(&after, &stage, Own::Ecc, "Cert Status: good"), "{after}");
    assert_eq!(update(&after), update(&before), "the same one");
    assert_eq!(known(&platform, Own::RsaCa)["status"], "good");
}

#[test]
fn a10_a_newer_staple_takes_the_place_of_the_one_before() {
    let mut stage = Stage::new("RENEWAL").setting("revocation", "refresh-interval = \"1s\"");
    let device = stage.device();
    let platform = stage.start();
    let first = known(&platform, Own::Ecc);
    eventually("a newer staple is there", || {
        known(&platform, Own::Ecc)["this-update"] != first["this-update"]
    });
    assert!(gauge(&platform, Own::Ecc) > 0.0);

    // Revoked meanwhile: clients learn it, and so does the log.
    stage.revoke(Own::Ecc);
    eventually("the platform knows", || known(&platform, Own::Ecc)["status"] == "revoked");
    let output = status(&stage, &platform, &device, &["-tls1_2"]);
    assert!(came(&output, &stage, Own::Ecc, "Cert Status: revoked"), "{output}");
    eventually("the log says so", || platform.log().contains("has been REVOKED"));
    assert_eq!(platform.log().matches("has been REVOKED").count(), 1, "logged once: {}", platform.log());

    // No responder is left: the cached response stays.
    stage.silence();
    eventually("the platform's query has failed", || !known(&platform, Own::RsaCa)["problem"].is_null());
    assert_eq!(known(&platform, Own::RsaCa)["status"], "good");
    stage.answer();
    eventually("the platform has asked again", || known(&platform, Own::RsaCa)["problem"].is_null());
}

#[test]
fn a10_a_silent_responder_delays_the_start_no_longer_than_configured() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let stage = Stage::new("SILENT")
        .setting("revocation", &format!("responders = [{}]", one_responder_for_all(&url)))
        .setting("revocation", "fetch-timeout = \"10m\"")
        .setting("stapling", "wait = \"200ms\"");
    let platform = stage.start();
    assert!(platform.log().contains("have not answered"), "{}", platform.log());
    assert_eq!(known(&platform, Own::EccCa)["status"], serde_json::Value::Null);
    assert_eq!(gauge(&platform, Own::EccCa), 0.0);
    eventually("the others are not held up by it", || known(&platform, Own::Ecc)["status"] == "good");
    let (status, stdout, _) = Cli::of(&stage.site).try_run(&["check"]);
    assert!(status.success() && stdout.contains("warning  staple: there is none for "), "{stdout}");
    drop(silent);
}

/// `revocation.responders` with this URL for both roots.
fn one_responder_for_all(url: &str) -> String {
    use pcd_platform::pki::Authority;
    let one = |root| format!("{{ issuer = {:?}, ocsp = {url:?} }}", crate::harness::pki().certificate(root));
    [Authority::RootEcc, Authority::RootRsa].map(one).join(", ")
}
