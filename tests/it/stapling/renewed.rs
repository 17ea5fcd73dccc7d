//! A new certificate of the platform: which chain is served while its responder does not know it yet.

use pcd_platform::pki::{CertificateOrder, KeyType, Role};
use rustix::process::Signal;

use super::jsse::with_the_ecc_chain;
use super::openssl::{came, status};
use crate::harness::{Credential, Own, Platform, Stage, eventually, known, serial};

/// A platform whose ECC certificate is about to be replaced.
struct Renewal {
    stage: Stage,
    platform: Platform,
    new: Credential,
}

impl Renewal {
    /// `wait` is the value of `stapling.wait`.
    fn new(device: &'static str, wait: &str) -> Self {
        let mut stage = Stage::new(device).setting("stapling", &format!("wait = {wait:?}"));
        let platform = stage.start();
        let url = stage.responder(Own::Ecc).url();
        let order = CertificateOrder::new(format!("{device}-again"), Role::Platform, KeyType::Ecc);
        let new = stage.site.issue(&CertificateOrder { ocsp_urls: Some(vec![url]), ..order });
        Self { stage, platform, new }
    }

    /// Configures the new certificate, and reloads.
    fn reload(mut self) -> Self {
        let own = format!("ecc = {{ chain = {:?}, key = {:?} }}", self.new.chain, self.new.key);
        self.stage = self.stage.setting("tls", &own);
        self.stage.site.write_configuration();
        let changed = "pcd_audit_events_total{event=\"configuration-changed\"}";
        let before = self.platform.metric(changed);
        self.platform.signal(Signal::HUP);
        eventually("the configuration is applied", || self.platform.metric(changed) == before + 1.0);
        self
    }

    /// What OpenSSL receives.
    fn status(&self) -> String {
        status(&self.stage, &self.platform, &self.stage.device(), &["-tls1_2"])
    }

    fn serves_the_new_one_with_its_staple(&self) -> bool {
        let output = self.status();
        output.contains(&format!("Serial Number: {}", serial(&self.new))) && output.contains("Status: good")
    }

    /// Whether Java without fallback accepts the platform, in TLS 1.2 and 1.3.
    fn strict_clients_connect(&self) {
        for line in self.stage.jsse_strict(&self.platform, 0, &with_the_ecc_chain()) {
            assert!(line.ends_with(" 2 of 2"), "{line}\n{}", self.platform.log());
        }
    }
}

#[test]
fn a10_a_new_certificate_is_served_with_its_staple_from_the_first_connection_on() {
    let mut renewal = Renewal::new("RENEWED", "20s");
    let old = renewal.stage.serial(Own::Ecc);
    let new = renewal.new.clone();
    renewal.stage.responder(Own::Ecc).know(&new);
    let renewal = renewal.reload();
    assert!(renewal.serves_the_new_one_with_its_staple());
    assert!(!renewal.status().contains(&old.to_uppercase()));
    let staple = known(&renewal.platform, Own::Ecc);
    assert_eq!(staple["serial"].as_str().unwrap().to_uppercase(), serial(&new));
    // The other three were not asked for again.
    assert_eq!(known(&renewal.platform, Own::Rsa)["status"], "good");
}

// The responder of a CA learns of a new certificate some time after its issue.
#[test]
fn a10_the_old_chain_is_served_until_the_responder_knows_the_new_certificate() {
    let mut renewal = Renewal::new("RENEWED-EARLY", "10m").reload();
    let output = renewal.status();
    assert!(came(&output, &renewal.stage, Own::Ecc, "Cert Status: good"), "the old one: {output}");
    renewal.strict_clients_connect();
    let staple = known(&renewal.platform, Own::Ecc);
    assert_eq!(staple["serial"].as_str().unwrap().to_uppercase(), serial(&renewal.new));
    assert_eq!((&staple["served"], &staple["status"]), (&false.into(), &serde_json::Value::Null));

    let new = renewal.new.clone();
    renewal.stage.responder(Own::Ecc).know(&new);
    eventually("the new chain is served", || known(&renewal.platform, Own::Ecc)["served"] == true);
    assert!(renewal.serves_the_new_one_with_its_staple());
    renewal.strict_clients_connect();
}

#[test]
fn a10_a_new_certificate_waits_for_its_staple_no_longer_than_configured() {
    let renewal = Renewal::new("RENEWED-BOUNDED", "8s").reload();
    assert_eq!(known(&renewal.platform, Own::Ecc)["served"], false);
    eventually("the new chain is served", || known(&renewal.platform, Own::Ecc)["served"] == true);
    let output = renewal.status();
    assert!(!came(&output, &renewal.stage, Own::Ecc, "Cert Status"), "{output}");
    let line = "has no OCSP responses within stapling.wait";
    eventually("the log says so", || renewal.platform.log().contains(line));
}

#[test]
fn a10_a_revoked_certificate_is_not_served_while_its_successor_has_no_staple() {
    let mut renewal = Renewal::new("RENEWED-REVOKED", "10m");
    renewal.stage.revoke(Own::Ecc);
    let renewal = renewal.reload();
    eventually("the new chain is served", || known(&renewal.platform, Own::Ecc)["served"] == true);
    let output = renewal.status();
    assert!(!came(&output, &renewal.stage, Own::Ecc, "Cert Status"), "{output}");
}
