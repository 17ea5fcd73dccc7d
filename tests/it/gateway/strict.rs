//! What a gateway refuses, and what is refused to it: staples that are missing or bad, a revoked certificate,
//! a full disk; and a device of another maker during an outage.

use pcd_platform::pki::{CertificateOrder, KeyType, Role};

use super::{GATEWAY, ONE, Scene, asking};
use crate::harness::{
    Credential, Device, Disk, OpensslOcsp, Own, Platform, Site, Stage, eventually, finish, framed, message,
    s_client, where_one_may_mount,
};

/// A gateway that demands every status, on a platform that staples what real responders answer.
struct Strict {
    platform: Platform,
    lower: Site,
    gateway: Platform,
    _stage: Stage,
}

impl Strict {
    fn new(stage: Stage) -> Self {
        let platform = stage.start();
        let speaks = ["device", "change", GATEWAY, "--kind", "gateway", "--speaks-for", "00A037FFFE*"];
        platform.cli().run(&speaks);
        let lower = Site::new();
        let own = lower.issue(&CertificateOrder::new(GATEWAY, Role::Gateway, KeyType::Ecc));
        let lower = lower.with("gateway", &format!("platform = \"{}\"", platform.address));
        let lower = lower.with("gateway", &certificate(&own));
        let gateway = lower.start();
        gateway.admit(ONE, &[]);
        Self { platform, lower, gateway, _stage: stage }
    }

    fn send(&self, control_id: &str) {
        let own = self.lower.certificate(ONE, KeyType::Ecc);
        let mut device = Device::connect(&self.lower, self.gateway.address, &own).unwrap();
        assert_eq!(device.code(message(ONE, control_id)), "CA");
    }

    fn arrived(&self) -> usize {
        self.platform.cli().json(&["message", "list"]).len()
    }
}

fn certificate(own: &Credential) -> String {
    format!("certificate = {{ chain = \"{}\", key = \"{}\" }}", own.chain.display(), own.key.display())
}

#[test]
fn b18_a_gateway_accepts_a_platform_that_staples_the_status_of_each_of_its_certificates() {
    let scene = Strict::new(Stage::new(GATEWAY));
    scene.send("1");
    eventually("it has arrived", || scene.arrived() == 1);
}

// B17, B18: refused, logged as an error, tried again.
#[test]
fn b18_a_gateway_refuses_a_platform_with_a_bad_or_missing_status_and_keeps_its_messages() {
    for (revoked, why) in [(true, "is revoked since"), (false, "no status for CN=")] {
        for own in [[Own::Ecc, Own::Rsa], [Own::EccCa, Own::RsaCa]] {
            let mut stage = Stage::new(GATEWAY).setting("stapling", "wait = \"1s\"");
            for own in own {
                if revoked {
                    stage.revoke(own);
                } else {
                    stage.responder(own).stop();
                }
            }
            let scene = Strict::new(stage);
            scene.send("1");
            eventually("status says why", || {
                scene.gateway.cli().try_run(&["--json", "status"]).1.contains(why)
            });
            eventually("it is tried again", || {
                scene.gateway.metric("pcd_gateway_connection_failures_total") >= 5.0
            });
            assert_eq!(scene.gateway.metric("pcd_gateway_connections"), 0.0);
            eventually("it waits", || scene.gateway.metric("pcd_gateway_waiting_messages") == 1.0);
            assert!(scene.gateway.log().contains("no connection to the platform; connecting again"));
            assert_eq!(scene.arrived(), 0);
        }
    }
}

// A9: what a platform does with any device.
#[test]
fn a9_a_gateway_whose_certificate_is_revoked_is_refused_and_keeps_its_messages() {
    let upper = Site::new().with("revocation", "allowed-hosts = [\"127.0.0.1\"]");
    let mut responder = OpensslOcsp::new(upper.path(), None);
    let order = CertificateOrder::new(GATEWAY, Role::Gateway, KeyType::Ecc);
    let own = upper.issue(&CertificateOrder { ocsp_urls: Some(vec![responder.url()]), ..order });
    responder.revoke(&own);
    let platform = upper.start();
    platform.admit(GATEWAY, &["--kind", "gateway", "--speaks-for", "00A037FFFE*"]);
    let lower = Site::new()
        .with("gateway", &format!("platform = \"{}\"", platform.address))
        .with("gateway", &certificate(&own))
        .with("gateway", "staples = \"accept\"");
    let gateway = lower.start();
    gateway.admit(ONE, &[]);
    let mut device = Device::connect(&lower, gateway.address, &lower.certificate(ONE, KeyType::Ecc)).unwrap();
    assert_eq!(device.code(message(ONE, "1")), "CA");
    eventually("status names the refusal", || {
        gateway.cli().try_run(&["--json", "status"]).1.to_lowercase().contains("revoked")
    });
    assert_eq!(crate::revocation::refused(&platform, "revoked")["refusal"], "revoked");
    eventually("it waits", || gateway.metric("pcd_gateway_waiting_messages") == 1.0);
}

#[test]
fn during_an_outage_openssl_in_original_mode_gets_ae_where_that_is_configured() {
    let refuse = |site: Site| site.with("gateway", "during-outage = \"refuse\"");
    let mut scene = Scene::with(KeyType::Ecc, refuse);
    let own = scene.lower.certificate(ONE, KeyType::Rsa);
    let send = |scene: &Scene, control_id: &str, accept: &str| {
        let peer = s_client(&scene.lower, scene.gateway().address, Some(&own), &[]);
        let sent = framed(&asking(ONE, control_id, accept, if accept.is_empty() { "" } else { "NE" }));
        String::from_utf8_lossy(&finish(peer, &sent, Some(b"\x1C\r")).stdout).into_owned()
    };
    scene.stop_platform();
    let answer = send(&scene, "1", "");
    assert!(answer.contains("MSA|AE|1\r") && answer.contains("platform-unreachable"), "{answer}");
    let answer = send(&scene, "2", "AL");
    assert!(answer.contains("MSA|CA|2\r"), "{answer}");
    scene.start_platform();
    eventually("the platform is reached", || scene.gateway().metric("pcd_gateway_connections") > 0.0);
    let answer = send(&scene, "1", "");
    assert!(answer.contains("MSA|AA|1\r"), "{answer}");
    let mut arrived = scene.all_arrived(2);
    arrived.sort();
    assert_eq!(arrived, ["1", "2"]);
}

#[test]
fn on_a_full_disk_devices_keep_their_messages_and_what_was_acknowledged_is_forwarded() {
    let name =
        "gateway::strict::on_a_full_disk_devices_keep_their_messages_and_what_was_acknowledged_is_forwarded";
    where_one_may_mount(name, || {
        let mut disk = None;
        let mut scene = Scene::with(KeyType::Ecc, |site| {
            let site = site.with("store", "url = \"sqlite:disk/platform.db\"");
            disk = Some(Disk::mount(&site.path().join("disk"), "12m"));
            site
        });
        let disk = disk.unwrap();
        scene.stop_platform();
        let mut device = scene.device(ONE);
        disk.fill();
        // The write-ahead log may have room for some.
        let large = |id: &str| {
            let text = String::from_utf8(message(ONE, id).to_vec()).unwrap();
            bytes::Bytes::from(format!("{text}NTE|1||{}\r", "x".repeat(20_000)))
        };
        let mut acknowledged = Vec::new();
        let refused = (0..500).map(|number| number.to_string()).find(|id| {
            let answers = device.send(large(id)).unwrap();
            if answers[0].code.as_str() == "CA" {
                acknowledged.push(id.clone());
                return false;
            }
            assert_eq!(answers[0].reason.as_deref(), Some("store-unavailable"));
            true
        });
        let refused = refused.expect("the disk is full");
        // What the platform answers cannot be recorded either.
        scene.start_platform();
        eventually("all is forwarded", || scene.arrived().len() == acknowledged.len());
        assert_eq!(scene.arrived(), acknowledged);
        disk.free();
        eventually("there is room again", || device.code(large(&refused)) == "CA");
        acknowledged.push(refused);
        assert_eq!(scene.all_arrived(acknowledged.len()), acknowledged);
    });
}
