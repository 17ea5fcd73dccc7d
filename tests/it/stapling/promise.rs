//! Certificates that promise a staple (RFC 7633).

use super::openssl::{came, status};
use crate::harness::{
    Cli, Finished, Own, Platform, Stage, alert, eventually, finish, framed, known, message, s_client,
};

const ECC: [&str; 3] = ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"];
const BOTH: [&str; 3] = ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384:DHE-RSA-AES256-GCM-SHA384"];

/// A connection that asks for no staple.
fn speak(stage: &Stage, platform: &Platform, more: &[&str]) -> Finished {
    let device = stage.device();
    let client = s_client(&stage.site, platform.address, Some(&device), &[&["-brief"], more].concat());
    finish(client, &framed(&message(stage.device_name(), "1")), Some(b"\x1C\r"))
}

#[test]
fn a10_a_chain_that_promises_a_staple_and_has_none_is_not_served_and_the_other_is() {
    let mut stage = Stage::with("PROMISE", true);
    stage.responder(Own::Ecc).stop();
    let platform = stage.start();
    assert!(platform.log().contains("its chain is not served"), "{}", platform.log());
    assert_eq!(known(&platform, Own::Ecc)["served"], false);
    assert_eq!(known(&platform, Own::Rsa)["served"], true);
    let device = stage.device();
    let output = status(&stage, &platform, &device, &BOTH);
    assert!(came(&output, &stage, Own::Rsa, "Cert Status: good"), "{output}");
    let output = status(&stage, &platform, &device, &["-tls1_3"]);
    assert!(came(&output, &stage, Own::Rsa, "Cert Status: good"), "TLS 1.3 with the RSA chain: {output}");
    // Nothing in common is left: handshake_failure.
    let output = speak(&stage, &platform, &ECC);
    assert_eq!(alert(&output), Some(40), "{}", output.text());
    let findings = Cli::of(&stage.site).run(&["check"]);
    assert!(findings.contains("the chain is not served"), "{findings}");

    stage.responder(Own::Ecc).restart();
    eventually("the chain is served again", || known(&platform, Own::Ecc)["served"] == true);
    let output = status(&stage, &platform, &device, &BOTH);
    assert!(came(&output, &stage, Own::Ecc, "Cert Status: good"), "{output}");
}

#[test]
fn a10_by_policy_it_is_served_all_the_same() {
    let mut stage = Stage::with("BY-POLICY", true).setting("stapling", "must-staple = \"serve\"");
    stage.responder(Own::Ecc).stop();
    let platform = stage.start();
    let output = speak(&stage, &platform, &ECC);
    assert!(output.text().contains("MSA|CA|1"), "{}\n{}", output.text(), platform.log());
    assert_eq!(known(&platform, Own::Ecc)["served"], true);
}
