//! Gateway mode: device, gateway and platform as three processes; outages, crashes, acknowledgements end to
//! end, and orders in the other direction.

mod alert_status;
mod answers;
mod durable;
mod foreign;
mod frames;
mod given_up;
mod long_run;
mod orders;
mod original_mode;
mod outages;
mod proofs;
mod refused;
mod returned_orders;
mod reused;
mod scripted;
mod stale_orders;
mod strict;
mod tunnels;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use bytes::Bytes;
use pcd_platform::pki::{CertificateOrder, KeyType, Role};
use rustix::process::Signal;
use sqlx::{Connection as _, SqliteConnection};

use crate::harness::{Device, Platform, Site, Wire, eventually, fixed_address, message, runtime};

const GATEWAY: &str = "GW-ICU";
const ONE: &str = "00A037FFFE000001";
const OTHER: &str = "00A037FFFE000002";

/// A platform at an address that stays, and a gateway that forwards to it.
struct Scene {
    upper: Site,
    address: SocketAddr,
    platform: Option<Platform>,
    lower: Site,
    gateway: Option<Platform>,
}

impl Scene {
    fn new() -> Self {
        Self::with(KeyType::Ecc, |site| site)
    }

    /// A scene whose gateway shows a certificate of this kind, and is configured so.
    fn with(key: KeyType, settings: impl FnOnce(Site) -> Site) -> Self {
        Self::under(Site::new(), key, settings)
    }

    /// The same under a platform of this site.
    fn under(upper: Site, key: KeyType, settings: impl FnOnce(Site) -> Site) -> Self {
        Self::whole(upper, key, settings, |address| address)
    }

    /// A scene whose gateway connects to the address of a relay to the platform.
    fn behind(relay: impl FnOnce(SocketAddr) -> SocketAddr) -> Self {
        Self::whole(Site::new(), KeyType::Ecc, |site| site, relay)
    }

    fn whole(
        upper: Site,
        key: KeyType,
        settings: impl FnOnce(Site) -> Site,
        relay: impl FnOnce(SocketAddr) -> SocketAddr,
    ) -> Self {
        let address = fixed_address();
        let upper = upper.with("interface-a", &format!("listen = [\"{address}\"]"));
        let lower = gateway_of(Site::new(), &relay(address).to_string(), key);
        let mut scene = Self { upper, address, platform: None, lower: settings(lower), gateway: None };
        scene.start_platform();
        scene.platform().admit(GATEWAY, &["--kind", "gateway", "--speaks-for", "00A037FFFE*"]);
        scene.start_gateway();
        for device in [ONE, OTHER] {
            scene.gateway().admit(device, &[]);
        }
        scene
    }

    fn platform(&self) -> &Platform {
        self.platform.as_ref().expect("the platform runs")
    }

    fn gateway(&self) -> &Platform {
        self.gateway.as_ref().expect("the gateway runs")
    }

    fn start_platform(&mut self) {
        self.platform = Some(self.upper.start());
        assert_eq!(self.platform().address, self.address);
    }

    fn stop_platform(&mut self) {
        assert!(self.platform.take().expect("it runs").stop().status.success());
        eventually("the gateway notices", || self.gateway().metric("pcd_gateway_connections") == 0.0);
    }

    fn start_gateway(&mut self) {
        self.gateway = Some(self.lower.start());
    }

    /// SIGKILL: nothing is written that was not written before.
    fn kill_gateway(&mut self) {
        let gateway = self.gateway.take().expect("it runs");
        gateway.signal(Signal::KILL);
        gateway.wait();
    }

    fn device(&self, name: &str) -> Device {
        let own = self.lower.certificate(name, KeyType::Ecc);
        Device::connect(&self.lower, self.gateway().address, &own).unwrap()
    }

    fn wire(&self, name: &str) -> Wire {
        let own = self.lower.certificate(name, KeyType::Ecc);
        Wire::connect(&self.lower, self.gateway().address, &own)
    }

    /// MSH-10 of what the platform has accepted, in the order of arrival.
    fn arrived(&self) -> Vec<String> {
        let mut listed = self.platform().cli().json(&["message", "list", "--limit", "1000"]);
        listed.reverse();
        let accepted = listed.iter().filter(|message| message["rejection"].is_null());
        accepted.map(|message| message["control-id"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the platform has so many messages and nothing waits; what it has.
    fn all_arrived(&self, count: usize) -> Vec<String> {
        eventually("the gateway forwards everything", || {
            self.gateway().metric("pcd_gateway_waiting_messages") == 0.0 && self.arrived().len() >= count
        });
        let arrived = self.arrived();
        assert_eq!(arrived.len(), count, "nothing is stored twice: {arrived:?}");
        let distinct: BTreeSet<_> = arrived.iter().collect();
        assert_eq!(distinct.len(), count);
        arrived
    }

    /// What `status` finds of the gateway.
    fn status(&self) -> String {
        self.gateway().cli().try_run(&["--json", "status"]).1
    }

    /// What `message show` says of a message with this MSH-10 on the gateway.
    fn shown(&self, control_id: &str) -> serde_json::Value {
        let listed = self.gateway().cli().json(&["message", "list", "--limit", "1000"]);
        let accepted = |message: &&serde_json::Value| {
            message["control-id"] == control_id && message["rejection"].is_null()
        };
        let id = listed.iter().find(accepted).unwrap()["id"].as_str().unwrap().to_owned();
        self.gateway().cli().json(&["message", "show", &id]).remove(0)
    }

    /// The bytes of the newest message with this MSH-10 at the platform.
    fn raw(&self, control_id: &str) -> Vec<u8> {
        let listed = self.platform().cli().json(&["message", "list", "--limit", "1000"]);
        let found = listed.iter().find(|message| message["control-id"] == control_id).unwrap();
        self.platform().cli().run_raw(&["message", "show", found["id"].as_str().unwrap(), "--raw"])
    }
}

/// Runs a statement in the database of the site, beside the process that has it open.
fn execute(site: &Site, sql: &'static str) {
    runtime().block_on(async {
        let mut outside = open(site).await;
        sqlx::query(sql).execute(&mut outside).await.unwrap();
        outside.close().await.unwrap();
    });
}

async fn open(site: &Site) -> SqliteConnection {
    let url = format!("sqlite://{}", site.path().join("platform.db").display());
    SqliteConnection::connect(&url).await.unwrap()
}

/// The site of a gateway to the platform at this address.
fn gateway_of(site: Site, platform: &str, key: KeyType) -> Site {
    let own = site.issue(&CertificateOrder::new(GATEWAY, Role::Gateway, key));
    let (chain, key) = (own.chain.display(), own.key.display());
    site.with("gateway", &format!("platform = \"{platform}\""))
        .with("gateway", &format!("certificate = {{ chain = \"{chain}\", key = \"{key}\" }}"))
        // No responder of the tests' PKI answers: nothing can be stapled.
        .with("gateway", "staples = \"accept\"")
}

/// A message with other MSH-15 and MSH-16.
fn asking(device: &str, control_id: &str, accept: &str, application: &str) -> Bytes {
    let text = String::from_utf8(message(device, control_id).to_vec()).unwrap();
    text.replacen("|||AL|NE|", &format!("|||{accept}|{application}|"), 1).into()
}

/// B14: a gateway that has an RSA certificate only, or an ECC certificate only.
#[test]
fn b14_a_message_travels_from_a_device_through_a_gateway_to_the_platform_byte_for_byte() {
    for key in [KeyType::Ecc, KeyType::Rsa] {
        let scene = Scene::with(key, |site| site);
        let sent = message(ONE, "1");
        let mut device = scene.device(ONE);
        assert_eq!(device.code(sent.clone()), "CA");
        assert_eq!(scene.all_arrived(1), ["1"]);
        assert_eq!(scene.raw("1"), sent, "byte for byte");
        let listed = scene.platform().cli().json(&["message", "list"]);
        assert_eq!(listed[0]["device"], GATEWAY);
    }
}

#[test]
fn the_messages_of_a_device_arrive_in_their_order_and_those_without_acknowledgement_too() {
    let scene = Scene::new();
    let mut device = scene.device(ONE);
    let mut silent = scene.wire(OTHER);
    for number in 0..20 {
        assert_eq!(device.code(message(ONE, &format!("A{number}"))), "CA");
        silent.write(&crate::harness::framed(&asking(OTHER, &format!("B{number}"), "NE", "NE")));
    }
    let arrived = scene.all_arrived(40);
    for sender in ["A", "B"] {
        let of_sender: Vec<_> = arrived.iter().filter(|id| id.starts_with(sender)).cloned().collect();
        let expected: Vec<_> = (0..20).map(|number| format!("{sender}{number}")).collect();
        assert_eq!(of_sender, expected);
    }
}

#[test]
fn a_refusal_of_the_platform_is_kept_is_a_finding_and_blocks_nothing() {
    let scene = Scene::new();
    let mut device = scene.device(ONE);
    scene.gateway().cli().run(&["device", "change", ONE, "--speaks-for", "0004A30000000001"]);
    eventually("the gateway lets it speak for the other one", || {
        device.code(message("0004A30000000001", "FOREIGN")) == "CA"
    });
    assert_eq!(device.code(message(ONE, "2")), "CA");
    assert_eq!(scene.all_arrived(1), ["2"]);
    let shown = |control_id: &str| scene.shown(control_id)["forward"].clone();
    let refused = shown("FOREIGN");
    assert_eq!((&refused["state"], &refused["reason"]), (&"refused".into(), &"identity-mismatch".into()));
    assert!(shown("2").is_null(), "the platform has it");
    eventually("it is a finding", || {
        let text = scene.status();
        text.contains("forward-refused") && text.contains("identity-mismatch")
    });
    let refused = "pcd_gateway_forwarded_total{outcome=\"refused\"}";
    assert_eq!(scene.gateway().metric(refused), 1.0);
}

#[test]
fn a_reload_with_a_certificate_of_the_gateway_that_cannot_be_used_changes_nothing() {
    let mut broken = None;
    let scene = Scene::with(KeyType::Ecc, |site| {
        let own = site.issue(&CertificateOrder::new("GW-SPARE", Role::Gateway, KeyType::Ecc));
        let (chain, key) = (own.chain.display(), own.key.display());
        let line = format!("certificate = {{ chain = \"{chain}\", key = \"{key}\" }}");
        broken = Some(own.chain.clone());
        site.with("gateway", &line)
    });
    scene.platform().admit("GW-SPARE", &["--kind", "gateway", "--speaks-for", "00A037FFFE*"]);
    std::fs::write(broken.unwrap(), "broken").unwrap();
    scene.gateway().signal(Signal::HUP);
    eventually("the log says so", || scene.gateway().log().contains("the current one stays"));
}

#[test]
fn a_gateway_may_have_more_sessions_than_a_device() {
    let site = Site::new()
        .with("interface-a", "sessions-per-device = 1")
        .with("interface-a", "sessions-per-gateway = 2");
    let platform = site.start();
    platform.admit(GATEWAY, &["--kind", "gateway", "--speaks-for", ONE]);
    let own = site.issue(&CertificateOrder::new(GATEWAY, Role::Gateway, KeyType::Ecc));
    let mut pool = [(); 2].map(|()| Device::connect(&site, platform.address, &own).unwrap());
    for (number, device) in pool.iter_mut().enumerate() {
        assert_eq!(device.code(message(ONE, &number.to_string())), "CA");
    }
    let mut third = Device::connect(&site, platform.address, &own);
    let is_refused = third.as_mut().map_or(true, |device| device.send(message(ONE, "3")).is_err());
    assert!(is_refused, "the pool has its own limit");
}
