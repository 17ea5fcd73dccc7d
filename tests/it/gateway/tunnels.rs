//! What stands between devices and a platform without being a gateway: a relay of TCP, and the tunnel of a
//! process that speaks no TLS. A client of another maker in front of a gateway.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};

use pcd_platform::pki::KeyType;

use super::{GATEWAY, ONE, OTHER, Scene, asking};
use crate::harness::{Device, SOON, Site, binary, finish, framed, message, s_client};

/// Forwards each connection byte by byte. Its threads end with the connections.
fn relay(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for near in listener.incoming().take(2) {
            let (near, far) = (near.unwrap(), TcpStream::connect(to).unwrap());
            for (mut from, mut into) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut into);
                    let _ = into.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    address
}

/// Architecture 5.1: a tunnel forwards the device's own TLS, and the platform sees the device's certificate.
#[test]
fn devices_behind_a_relay_of_tcp_are_known_by_their_own_certificates() {
    let site = Site::new();
    let platform = site.start();
    let relay = relay(platform.address);
    for device in [ONE, OTHER] {
        platform.admit(device, &[]);
    }
    let connect = |name| Device::connect(&site, relay, &site.certificate(name, KeyType::Ecc)).unwrap();
    let mut devices = [ONE, OTHER].map(|name| (name, connect(name)));
    for (name, device) in &mut devices {
        assert_eq!(device.code(message(name, "1")), "CA");
    }
    let listed = platform.cli().json(&["message", "list"]);
    let mut senders: Vec<_> = listed.iter().map(|message| message["device"].as_str().unwrap()).collect();
    senders.sort_unstable();
    assert_eq!(senders, [ONE, OTHER]);
}

#[test]
fn openssl_speaks_to_the_platform_through_a_gateway() {
    let scene = Scene::new();
    let own = scene.lower.certificate(ONE, KeyType::Rsa);
    for (control_id, sent, expected) in
        [("1", message(ONE, "1"), "MSA|CA|1\r"), ("2", asking(ONE, "2", "", ""), "MSA|AA|2\r")]
    {
        let peer = s_client(&scene.lower, scene.gateway().address, Some(&own), &[]);
        let output = finish(peer, &framed(&sent), Some(b"\x1C\r"));
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(answer.contains(expected), "{control_id}: {answer} {}", output.stderr);
    }
    assert_eq!(scene.all_arrived(2), ["1", "2"]);
    assert_eq!(scene.platform().cli().json(&["message", "list"])[0]["device"], GATEWAY);
}

/// A running `client tunnel`.
struct Tunnel {
    child: Child,
    address: SocketAddr,
}

impl Tunnel {
    fn start(scene: &Scene) -> Self {
        let own = scene.lower.certificate(ONE, KeyType::Ecc);
        let mut tunnel = binary();
        tunnel.args(["client", "tunnel", "--listen", "127.0.0.1:0", "--staples", "accept", "--to"]);
        tunnel.arg(scene.gateway().address.to_string());
        tunnel.arg("--chain").arg(own.chain).arg("--key").arg(own.key);
        for anchor in scene.lower.trust_anchors() {
            tunnel.arg("--trust").arg(anchor);
        }
        let mut child = tunnel.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split(": ").next().unwrap().parse().unwrap();
        Self { child, address }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_process_without_tls_sends_through_a_tunnel_of_the_client() {
    let scene = Scene::new();
    let tunnel = Tunnel::start(&scene);
    let mut plain = TcpStream::connect(tunnel.address).unwrap();
    plain.set_read_timeout(Some(SOON)).unwrap();
    plain.write_all(&framed(&message(ONE, "1"))).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x1C\r") {
        let mut byte = [0];
        plain.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    assert!(String::from_utf8_lossy(&answer).contains("MSA|CA|1"), "{answer:?}");
    assert_eq!(scene.all_arrived(1), ["1"]);
    let (status, _, why) = scene.gateway().cli().try_run(&[
        "client",
        "tunnel",
        "--listen",
        "0.0.0.0:0",
        "--to",
        "localhost",
        "--chain",
        "x",
        "--key",
        "y",
        "--trust",
        "z",
    ]);
    assert_eq!(status.code(), Some(64), "{why}");
    assert!(why.contains("not of the loopback interface"), "{why}");
}
