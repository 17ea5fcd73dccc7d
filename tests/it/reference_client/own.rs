//! Our own platform: a list in TLS 1.2, one response for each certificate in TLS 1.3.

use bytes::Bytes;
use pcd_platform::config::TlsVersion::{Tls12, Tls13};
use pcd_platform::interface_b::Client;
use pcd_platform::pki::KeyType;
use pcd_platform::tls::Staples;

use super::{block_on, connector};
use crate::harness::{Own, Platform, SOON, Stage, message};

/// MSA-1, or why there is none.
fn send(
    stage: &Stage,
    platform: &Platform,
    version: pcd_platform::config::TlsVersion,
    suite: Option<&str>,
) -> Result<&'static str, String> {
    let own = stage.site.certificate(stage.device_name(), KeyType::Ecc);
    let connector = connector(&stage.site, &own, version, suite, Staples::Require);
    let to = platform.address;
    block_on(async {
        let client = Client::connect(&connector, &to.ip().to_string(), to.port(), SOON).await;
        let mut client = client.map_err(|error| error.to_string())?;
        let message = Bytes::from(message(stage.device_name(), "1").to_vec());
        let answers = client.send(message).await.map_err(|error| error.to_string())?;
        Ok(answers[0].code.as_str())
    })
}

#[test]
fn b18_our_platform_is_accepted_in_every_suite() {
    let stage = Stage::new("OWN-STAPLES");
    let platform = stage.start();
    for suite in crate::conformance::suites() {
        assert_eq!(send(&stage, &platform, Tls12, Some(suite)).as_deref(), Ok("CA"), "{suite}");
    }
    assert_eq!(send(&stage, &platform, Tls13, None).as_deref(), Ok("CA"));
}

#[test]
fn b18_our_platform_is_refused_when_a_certificate_of_its_chain_is_revoked_or_has_no_status() {
    for (revoked, why) in [(true, "is revoked since"), (false, "no status for CN=")] {
        for own in [Own::Ecc, Own::EccCa] {
            let mut stage = Stage::new("OWN-REFUSED");
            if revoked {
                stage.revoke(own);
            } else {
                stage.responder(own).stop();
            }
            let stage = stage.setting("stapling", "wait = \"1s\"");
            let platform = stage.start();
            for version in [Tls12, Tls13] {
                let refused = send(&stage, &platform, version, None).unwrap_err();
                assert!(refused.contains(why), "{own:?} {version:?}: {refused}");
            }
        }
    }
}
