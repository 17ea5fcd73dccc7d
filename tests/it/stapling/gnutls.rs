//! `gnutls-cli`: RFC 6066, and in TLS 1.3 all responses; it refuses a platform whose staple says "revoked".

use std::path::Path;

use crate::harness::{Finished, Own, Platform, Stage, command, finish, framed, message};

/// Connects in this version; what it says, and the responses that it has saved.
fn connect(stage: &Stage, platform: &Platform, version: &str) -> (Finished, Vec<String>) {
    let device = stage.device();
    let saved = stage.site.path().join("responses.pem");
    let _ = std::fs::remove_file(&saved);
    let mut gnutls = command("gnutls-cli", "gnutls-bin");
    gnutls.args(["--logfile=/dev/stderr", "--save-ocsp-multi"]).arg(&saved);
    gnutls.arg("--x509cafile").arg(stage.site.trust_bundle()).arg("--x509certfile").arg(&device.chain);
    gnutls.arg("--x509keyfile").arg(&device.key);
    gnutls.args(["--priority", &format!("NORMAL:-VERS-ALL:+VERS-TLS{version}"), "--port"]);
    gnutls.args([platform.address.port().to_string(), platform.address.ip().to_string()]);
    let output = finish(gnutls, &framed(&message(stage.device_name(), "1")), Some(b"\x1C\r"));
    (output, responses(&saved))
}

/// Each of the saved responses as OpenSSL describes it.
fn responses(saved: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(saved).unwrap_or_default();
    let described = |response: &str| {
        let der = saved.with_extension("der");
        let base64: String = response.lines().filter(|line| !line.starts_with('-')).collect();
        use base64::Engine as _;
        std::fs::write(&der, base64::engine::general_purpose::STANDARD.decode(base64).unwrap()).unwrap();
        let mut openssl = command("openssl", "openssl");
        openssl.args(["ocsp", "-noverify", "-resp_text", "-respin"]).arg(&der);
        finish(openssl, b"", None).text()
    };
    text.split_inclusive("-----END OCSP RESPONSE-----")
        .filter(|part| part.contains("BEGIN"))
        .map(described)
        .collect()
}

fn is_about(described: &str, stage: &Stage, own: Own) -> bool {
    described.contains(&format!("Serial Number: {}", stage.serial(own).to_uppercase()))
        && described.contains("Cert Status: good")
}

#[test]
fn a10_gnutls_gets_one_response_in_tls_1_2_and_two_in_tls_1_3() {
    let stage = Stage::new("GNUTLS-STATUS");
    let platform = stage.start();
    for (version, all) in [("1.2", &[Own::Ecc][..]), ("1.3", &[Own::Ecc, Own::EccCa])] {
        let (output, responses) = connect(&stage, &platform, version);
        assert!(output.text().contains("MSA|CA|1"), "{version}: {}\n{}", output.text(), platform.log());
        assert_eq!(responses.len(), all.len(), "{version}: {}", output.text());
        for (response, own) in responses.iter().zip(all) {
            assert!(is_about(response, &stage, *own), "{version} {own:?}: {response}");
        }
    }
}

#[test]
fn a10_gnutls_refuses_a_revoked_platform() {
    let mut stage = Stage::new("GNUTLS-REVOKED");
    stage.revoke(Own::Ecc);
    let platform = stage.start();
    for version in ["1.2", "1.3"] {
        let (output, _) = connect(&stage, &platform, version);
        assert!(
            !output.text().contains("MSA|CA|1") && output.text().contains("revoked"),
            "{version}: {}",
            output.text()
        );
    }
}
