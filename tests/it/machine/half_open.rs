//! The network between device and platform breaks without a word to either of them.

use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};

use super::admitted;
use crate::harness::{
    Credential, Device, Platform, Site, eventually, framed, ip, message, on_a_network_of_its_own, s_client,
    tool,
};
use crate::southbound;

const NAME: &str = "00A037FFFE000001";

/// A device behind a link, and the platform on the other side of it.
struct Scene {
    site: Site,
    platform: Platform,
    own: Credential,
}

/// OpenSSL's client in the device's network; killed when it is dropped.
struct Remote(Child);

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Scene {
    fn new() -> Self {
        ip("netns add device");
        ip("link add uplink type veth peer name ward netns device");
        ip("address add 10.77.0.1/24 dev uplink");
        ip("link set uplink up");
        ip("-n device address add 10.77.0.2/24 dev ward");
        ip("-n device link set ward up");
        let site = Site::new()
            .with("interface-a", "listen = [\"10.77.0.1:0\"]")
            .with("interface-a", "dead-peer-timeout = \"4s\"");
        let platform = site.start();
        let own = admitted(&site, &platform, NAME);
        Self { site, platform, own }
    }

    /// Connects and has a message acknowledged.
    fn connect(&self, id: &str) -> Remote {
        let client = s_client(&self.site, self.platform.address, Some(&self.own), &[]);
        let mut remote = tool("ip", "iproute2");
        remote.args(["netns", "exec", "device"]).arg(client.get_program()).args(client.get_args());
        let remote = remote.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut remote = Remote(remote.spawn().unwrap());
        remote.0.stdin.as_mut().unwrap().write_all(&framed(&message(NAME, id))).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\x1C\r") {
            let mut byte = [0];
            remote.0.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert!(String::from_utf8_lossy(&answer).contains("MSA|CA|"));
        assert_eq!(self.sessions(), 1.0);
        remote
    }

    fn sessions(&self) -> f64 {
        self.platform.metric("pcd_connections_active")
    }

    fn ended(&self, outcome: &str) -> f64 {
        self.platform.metric(&format!("pcd_connections_total{{outcome=\"{outcome}\"}}"))
    }
}

#[test]
fn a_session_whose_device_is_cut_off_ends() {
    on_a_network_of_its_own("machine::half_open::a_session_whose_device_is_cut_off_ends", || {
        let scene = Scene::new();
        // Nothing is under way: the kernel's probes find out.
        let quiet = scene.connect("1");
        ip("link set uplink down");
        eventually("the session ends", || scene.sessions() == 0.0);
        eventually("it is counted", || scene.ended("connection-lost") == 1.0);
        drop(quiet);
        ip("link set uplink up");
        // An order is under way: the kernel repeats it, and probes nothing meanwhile.
        let busy = scene.connect("2");
        ip("link set uplink down");
        let order = scene.site.path().join("order.hl7");
        std::fs::write(&order, southbound::order("ORDER-1", "", "")).unwrap();
        let words = ["order", "send", NAME, order.to_str().unwrap(), "--no-wait"];
        let (status, _, stderr) = scene.platform.cli().try_run(&words);
        assert!(status.success(), "{stderr}");
        eventually("the session ends", || scene.sessions() == 0.0);
        eventually("it is counted", || scene.ended("connection-lost") == 2.0);
        drop(busy);
        // The device comes back, and everything is as before.
        ip("link set uplink up");
        let _again = scene.connect("3");
    });
}

#[test]
fn a_session_that_says_nothing_ends_whatever_the_kernel_knows() {
    let site = Site::new()
        .with("interface-a", "dead-peer-timeout = \"1h\"")
        .with("interface-a", "idle-timeout = \"4s\"");
    let platform = site.start();
    let own = admitted(&site, &platform, NAME);
    let mut device = Device::connect(&site, platform.address, &own).unwrap();
    assert_eq!(device.code(message(NAME, "1")), "CA");
    let outcome = r#"pcd_connections_total{outcome="idle-timeout"}"#;
    eventually("the session ends", || platform.metric(outcome) == 1.0);
}
