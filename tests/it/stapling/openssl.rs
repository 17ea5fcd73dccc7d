//! `openssl s_client -status`: RFC 6066, and in TLS 1.3 the response of the first certificate.

use crate::harness::{Credential, Own, Platform, Stage, command, finish, framed, message};

/// What it says of its connection; its message has been acknowledged.
pub fn status(stage: &Stage, platform: &Platform, own: &Credential, more: &[&str]) -> String {
    // Not by `s_client` of the harness: its `-quiet` would leave the response out.
    let mut client = command("openssl", "openssl");
    client.args([
        "s_client",
        "-status",
        "-connect",
        &platform.address.to_string(),
        "-nocommands",
        "-no_ign_eof",
    ]);
    client.args(["-verify_return_error", "-CAfile"]).arg(stage.site.trust_bundle()).args(more);
    client.arg("-cert").arg(&own.chain).arg("-cert_chain").arg(&own.chain).arg("-key").arg(&own.key);
    let output = finish(client, &framed(&message(stage.device_name(), "1")), Some(b"\x1C\r")).text();
    assert!(output.contains("MSA|CA|1"), "{output}\n{}", platform.log());
    output
}

/// Whether a response about this certificate came, with this status.
pub fn came(output: &str, stage: &Stage, own: Own, status: &str) -> bool {
    let serial = format!("Serial Number: {}", stage.serial(own).to_uppercase());
    output.contains("OCSP Response Status: successful") && output.contains(&serial) && output.contains(status)
}

#[test]
fn a10_openssl_gets_the_response_of_the_platforms_own_certificate() {
    let stage = Stage::new("OPENSSL-STATUS");
    let platform = stage.start();
    let device = stage.device();
    for (own, other, version) in [
        (Own::Ecc, Own::Rsa, &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"][..]),
        (Own::Rsa, Own::Ecc, &["-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384"]),
        (Own::Rsa, Own::Ecc, &["-tls1_2", "-cipher", "DHE-RSA-AES256-SHA256"]),
        (Own::Ecc, Own::Rsa, &["-tls1_3"]),
    ] {
        let output = status(&stage, &platform, &device, version);
        assert!(came(&output, &stage, own, "Cert Status: good"), "{version:?}: {output}");
        assert!(!came(&output, &stage, other, "Cert Status"), "{version:?}: {output}");
        assert_eq!(output.matches("OCSP Response Status").count(), 1, "{output}");
    }
}
