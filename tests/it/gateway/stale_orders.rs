//! Orders that the platform has given up while their bytes were on the way to the gateway: they reach no
//! device.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;

use super::orders::{answer, find, order, send};
use super::{ONE, Scene};
use crate::harness::{Site, Wire, eventually, message};
use pcd_platform::pki::KeyType;

/// A relay of TCP that may stop in both directions with what it has read, and loses nothing.
#[derive(Clone)]
struct Relay {
    address: SocketAddr,
    is_frozen: Arc<AtomicBool>,
    /// Of each connection, whether the network has forgotten it.
    forgotten: Arc<Mutex<Vec<Arc<AtomicBool>>>>,
}

impl Relay {
    fn to(platform: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (is_frozen, forgotten) = Default::default();
        let relay = Self { address: listener.local_addr().unwrap(), is_frozen, forgotten };
        let (is_frozen, forgotten) = (Arc::clone(&relay.is_frozen), Arc::clone(&relay.forgotten));
        std::thread::spawn(move || {
            for gateway in listener.incoming() {
                let gateway = gateway.unwrap();
                let Ok(platform) = TcpStream::connect(platform) else { continue };
                let is_forgotten = Arc::<AtomicBool>::default();
                forgotten.lock().unwrap().push(Arc::clone(&is_forgotten));
                for (from, to) in [(&gateway, &platform), (&platform, &gateway)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let holds = [Arc::clone(&is_frozen), Arc::clone(&is_forgotten)];
                    std::thread::spawn(move || pass(from, to, &holds));
                }
            }
        });
        relay
    }

    /// A firewall forgets the connections that there are, and drops what comes on them.
    fn forget(&self) {
        self.forgotten.lock().unwrap().iter().for_each(|one| one.store(true, Ordering::SeqCst));
    }

    fn freeze(&self, is_frozen: bool) {
        self.is_frozen.store(is_frozen, Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, holds: &[Arc<AtomicBool>]) {
    let mut buffer = [0; 16 << 10];
    loop {
        let read = from.read(&mut buffer);
        while holds.iter().any(|hold| hold.load(Ordering::SeqCst)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        match read {
            Ok(count @ 1..) if to.write_all(&buffer[..count]).is_ok() => {}
            _ => break,
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

fn connected(scene: &Scene) {
    eventually("the gateway is connected", || scene.gateway().metric("pcd_gateway_connections") == 4.0);
}

/// The next order that reaches the device is this one.
fn only_the_next_arrives(scene: &Scene, device: &mut Wire) {
    connected(scene);
    let next = send(scene, "ORDER-2", ONE, "60s");
    assert_eq!(device.answer().unwrap(), next, "the first one was given up");
    device.write(&answer(ONE, "ACK^O15^ACK", "ORDER-2", "CA", "A-1"));
    device.write(&answer(ONE, "RRG^O16^RRG_O16", "ORDER-2", "AA", "A-2"));
    eventually("it is acknowledged", || find(scene.platform(), "ORDER-2")["outcome"] == "acknowledged");
    let ended = "pcd_connections_total{outcome=\"order-given-up\"}";
    assert!(scene.platform().metric(ended) >= 1.0, "its connection was reset");
}

#[test]
fn an_order_that_expires_while_the_gateway_is_stopped_reaches_no_device() {
    let scene = Scene::new();
    connected(&scene);
    let mut device = scene.wire(ONE);
    scene.gateway().signal(Signal::STOP);
    send(&scene, "ORDER-1", ONE, "3s");
    eventually("the platform gives it up", || find(scene.platform(), "ORDER-1")["outcome"] == "expired");
    assert_eq!(find(scene.platform(), "ORDER-1")["attempts"], 1, "it was sent");
    scene.gateway().signal(Signal::CONT);
    only_the_next_arrives(&scene, &mut device);
    assert_eq!(find(scene.platform(), "ORDER-1")["outcome"], "expired");
}

#[test]
fn an_order_that_is_given_up_while_the_line_is_held_up_reaches_no_device() {
    let mut relay = None;
    let scene = Scene::behind(|platform| {
        let own = Relay::to(platform);
        relay = Some(own.clone());
        own.address
    });
    let relay = relay.unwrap();
    connected(&scene);
    let mut device = scene.wire(ONE);
    relay.freeze(true);
    send(&scene, "ORDER-0", ONE, "60s");
    let withdrawn = find(scene.platform(), "ORDER-0");
    eventually("it is sent", || find(scene.platform(), "ORDER-0")["attempts"] == 1);
    scene.platform().cli().run(&["order", "withdraw", withdrawn["id"].as_str().unwrap()]);
    send(&scene, "ORDER-1", ONE, "3s");
    eventually("the platform gives it up", || find(scene.platform(), "ORDER-1")["outcome"] == "expired");
    relay.freeze(false);
    only_the_next_arrives(&scene, &mut device);
    assert_eq!(find(scene.platform(), "ORDER-0")["outcome"], "withdrawn");
}

/// A device that does not answer is no reason to reset its own connection: it may answer late.
#[test]
fn an_order_that_a_device_does_not_answer_ends_no_connection_of_the_device() {
    let scene = Scene::new();
    connected(&scene);
    let mut device = scene.wire(ONE);
    let first = send(&scene, "ORDER-1", ONE, "3s");
    assert_eq!(device.answer().unwrap(), first);
    eventually("the platform gives it up", || find(scene.platform(), "ORDER-1")["outcome"] == "expired");
    device.write(&answer(ONE, "RRG^O16^RRG_O16", "ORDER-1", "AA", "A-1"));
    eventually("its late answer arrives", || find(scene.platform(), "ORDER-1")["outcome"] == "acknowledged");
    assert_eq!(order("ORDER-1", ONE), first);
    assert_eq!(scene.gateway().metric("pcd_connections_total{outcome=\"order-given-up\"}"), 0.0);
}

// One dead connection after the other would take eight seconds each.
#[test]
fn an_alarm_does_not_walk_through_connections_that_a_firewall_has_forgotten() {
    let mut relay = None;
    let settings = |site: Site| site.with("gateway", "answer-timeout = \"3s\"");
    let scene = Scene::whole(Site::new(), KeyType::Ecc, settings, |platform| {
        let own = Relay::to(platform);
        relay = Some(own.clone());
        own.address
    });
    connected(&scene);
    let mut device = scene.device(ONE);
    relay.unwrap().forget();
    let began = std::time::Instant::now();
    assert_eq!(device.code(message(ONE, "1")), "CA");
    eventually("it arrives", || scene.arrived() == ["1"]);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}
