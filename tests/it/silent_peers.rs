//! Peers that connect and send nothing, or stop in the middle of their handshake: they leave a count, and
//! delay no device. A device that had to wait for one of them would wait for as long as that has time: a
//! minute.
//!
//! `PCD_SILENT=5000` is the size of the requirement (the limit on open files must allow it). On a quiet
//! machine it also asserts how much longer a device takes:
//!
//!     ulimit -n 20000; PCD_SILENT=5000 cargo test --all-features --test it silent_peers:: -- --nocapture

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pcd_platform::pki::KeyType;

use crate::harness::{self, Credential, Device, Platform, SOON, Site, eventually, message};
use crate::interop::hello::Hello;

const SILENT: &str = r#"pcd_unrecorded_connections_total{reason="silent"}"#;
const HEALTH_CHECK: &str = r#"pcd_unrecorded_connections_total{reason="health-check"}"#;
const DISPLACED: &str = "pcd_displaced_connections_total";
const OVER_SHARE: &str = r#"pcd_connections_total{outcome="too-many-connections"}"#;

/// How many silent connections are open, if that is requested.
fn requested_size() -> Option<usize> {
    std::env::var("PCD_SILENT").ok().and_then(|text| text.parse().ok())
}

/// No device waited for a peer that has a minute. How much longer devices took is asserted on request only:
/// other programs on the machine change it.
fn assert_undelayed(undisturbed: Duration, median: Duration, slowest: Duration) {
    assert!(slowest < SHORT, "{slowest:?}, not far less than the time that silent peers have");
    if requested_size().is_some() {
        assert!(median <= undisturbed * 3, "{median:?} instead of {undisturbed:?}");
    }
}

/// Far less than the minute that silent peers have, and far more than a device takes on a busy machine.
const SHORT: Duration = Duration::from_secs(25);

fn connect_from(host: u8, to: SocketAddr) -> std::io::Result<TcpStream> {
    harness::connect_from(Ipv4Addr::new(127, 0, 1, host), to)
}

/// Reads until the platform closes the connection.
fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(SOON)).unwrap();
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

fn rows(platform: &Platform) -> usize {
    platform.cli().json(&["audit", "list", "--event", "connection-refused"]).len()
}

/// The duration of new connections with one message each: the median, and the longest.
fn durations(site: &Site, platform: &Platform, own: &Credential, count: usize) -> (Duration, Duration) {
    let mut durations: Vec<Duration> = (0..count)
        .map(|number| {
            let began = Instant::now();
            let mut device = Device::connect(site, platform.address, own).unwrap();
            assert_eq!(device.code(message("GENUINE", &format!("{began:?}{number}"))), "CA");
            began.elapsed()
        })
        .collect();
    durations.sort_unstable();
    (durations[count / 2], durations[count - 1])
}

/// A silent connection from one of 20 addresses.
fn silent(number: usize, to: SocketAddr) -> TcpStream {
    connect_from(1 + u8::try_from(number % 20).unwrap(), to).unwrap()
}

/// Closes the silent connections, the oldest first, and opens others, at 200 a second.
fn renew(mut open: VecDeque<TcpStream>, to: SocketAddr, is_over: &AtomicBool) {
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        open.push_back(silent(number, to));
        open.pop_front();
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn silent_connections_delay_no_device() {
    let size = requested_size().unwrap_or(600);
    let site = Site::new()
        .with("interface-a", "hello-timeout = \"1m\"")
        .with("interface-a", "max-incomplete-connections = 20000");
    let platform = site.start();
    platform.admit("GENUINE", &[]);
    let own = site.certificate("GENUINE", KeyType::Ecc);
    durations(&site, &platform, &own, 5);
    let (undisturbed, slowest_undisturbed) = durations(&site, &platform, &own, 40);
    let to = platform.address;
    let open: VecDeque<_> = (0..size).map(|number| silent(number, to)).collect();
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", platform.pid())).unwrap().count();
    eventually("the silent connections are open", || descriptors() >= size);
    // Each of these stays: a device that waited for one would wait for a minute.
    let (_, slowest) = durations(&site, &platform, &own, 3);
    assert!(slowest < SHORT, "{slowest:?}");
    let is_over = AtomicBool::new(false);
    let (median, slowest) = std::thread::scope(|scope| {
        scope.spawn(|| renew(open, to, &is_over));
        let measured = durations(&site, &platform, &own, 40);
        is_over.store(true, Ordering::Relaxed);
        measured
    });
    println!(
        "{size} silent connections: median {undisturbed:?} -> {median:?}, slowest {slowest_undisturbed:?} -> {slowest:?}"
    );
    assert_undelayed(undisturbed, median, slowest);
    assert_eq!(rows(&platform), 0, "a silent connection is no event");
}

#[test]
fn an_address_has_its_share_of_connections_and_health_checks_are_only_counted() {
    let site = Site::new()
        .with("interface-a", "connections-per-address = 8")
        .with("interface-a", "shared-addresses = [\"127.0.1.3\"]")
        .with("interface-a", "health-checks = [\"127.0.1.2/32\"]")
        .with("interface-a", "hello-timeout = \"4s\"");
    let platform = site.start();
    // A health check that closes at once, and one that sends a line that is not TLS.
    drop(connect_from(2, platform.address).unwrap());
    let mut probe = connect_from(2, platform.address).unwrap();
    probe.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert!(is_closed(&probe));
    eventually("both are counted", || platform.metric(HEALTH_CHECK) == 2.0);
    drop(connect_from(1, platform.address).unwrap());
    eventually("a stranger that sends nothing is counted", || platform.metric(SILENT) == 1.0);
    assert_eq!(rows(&platform), 0);

    // One of nine is refused, or another one gives way to it if it comes late. Their order on the platform's
    // threads is not that of their arrival.
    let open: Vec<_> = (0..9).map(|_| connect_from(1, platform.address).unwrap()).collect();
    let displaced = || platform.metric(DISPLACED);
    eventually("one is closed", || platform.metric(OVER_SHARE) + displaced() == 1.0);
    let refused = platform.metric(OVER_SHARE);
    eventually("a refusal is on record", || rows(&platform) as f64 == refused);
    // Another address, and a shared one, have their own.
    let other = connect_from(4, platform.address).unwrap();
    let shared: Vec<_> = (0..20).map(|_| connect_from(3, platform.address).unwrap()).collect();
    eventually("all of them time out", || platform.metric(SILENT) == 31.0 - refused);
    assert_eq!(platform.metric(OVER_SHARE), refused);
    assert_eq!(IpAddr::from([127, 0, 1, 3]), shared[0].local_addr().unwrap().ip());
    drop((open, other, shared));
}

// Behind NAT a device has the address of an attacker there.
#[test]
fn stalled_connections_of_an_address_give_way_to_a_device_at_the_same_address() {
    let site = Site::new()
        .with_limited_refusals()
        .with("interface-a", "connections-per-address = 32")
        .with("interface-a", "handshake-timeout = \"1m\"")
        .with("interface-a", "hello-timeout = \"1m\"");
    let platform = site.start();
    platform.admit("GENUINE", &[]);
    let own = site.certificate("GENUINE", KeyType::Ecc);
    let (from, to) = (Ipv4Addr::LOCALHOST, platform.address);
    let silent: Vec<_> = (0..16).map(|_| harness::connect_from(from, to).unwrap()).collect();
    // They have waited longest, and are displaced first: one that has sent something is refused then.
    let incomplete = || platform.metric("pcd_incomplete_connections");
    eventually("the silent ones are open", || incomplete() == 16.0);
    let stalled: Vec<_> = (0..16).map(|_| stop_after_hello(from, to).unwrap()).collect();
    eventually("all are open", || incomplete() == 32.0);
    std::thread::sleep(Duration::from_millis(300));
    for number in 0..10 {
        let mut device = Device::connect(&site, to, &own).unwrap();
        assert_eq!(device.code(message("GENUINE", &number.to_string())), "CA");
    }
    assert_eq!(platform.metric(OVER_SHARE), 0.0);
    assert!(platform.metric(DISPLACED) >= 1.0);
    drop((silent, stalled));
}

/// A connection that sends its ClientHello, and then nothing.
fn stop_after_hello(from: Ipv4Addr, to: SocketAddr) -> Option<TcpStream> {
    let hello = Hello {
        version: 0x0303,
        suites: vec![0xc02c, 0xc030],
        groups: vec![0x0017],
        compression: &[0],
        padding: 0,
    };
    let mut stream = harness::connect_from(from, to).ok()?;
    stream.write_all(&hello.records()).ok()?;
    Some(stream)
}

/// With `addresses` × 16 peers that have stopped in the middle of their handshake, more than the 256
/// handshakes that may compute at once.
fn stalled_handshakes_delay_no_device(addresses: u8) {
    let site = Site::new()
        .with_limited_refusals()
        // Far longer than it takes to begin hundreds of handshakes, and to measure beside them.
        .with("interface-a", "handshake-timeout = \"5m\"")
        .with("log", "level = \"info\"");
    let platform = site.start();
    platform.admit("GENUINE", &[]);
    let own = site.certificate("GENUINE", KeyType::Ecc);
    durations(&site, &platform, &own, 5);
    let (undisturbed, _) = durations(&site, &platform, &own, 20);
    let to = platform.address;
    let connections = usize::from(addresses) * 16;
    let peers = (0..16).flat_map(|_| 1..=addresses);
    let stalled: Vec<_> =
        peers.map(|host| stop_after_hello(Ipv4Addr::new(127, 0, 6, host), to).unwrap()).collect();
    let incomplete = || platform.metric("pcd_incomplete_connections");
    eventually("all of them have begun", || incomplete() == connections as f64);
    let mut answered = stalled.last().unwrap();
    answered.set_read_timeout(Some(SOON)).unwrap();
    answered.read_exact(&mut [0; 5]).unwrap();
    let (median, slowest) = durations(&site, &platform, &own, 20);
    println!("{connections} stalled handshakes: median {undisturbed:?} -> {median:?}, slowest {slowest:?}");
    assert_undelayed(undisturbed, median, slowest);
    assert_eq!(incomplete(), connections as f64, "they are all still there");
}

#[test]
fn stalled_handshakes_from_20_addresses_delay_no_device() {
    stalled_handshakes_delay_no_device(20);
}

#[test]
fn stalled_handshakes_from_60_addresses_delay_no_device() {
    stalled_handshakes_delay_no_device(60);
}

/// Connections of `addresses` × 32 silent peers, more than `limit` allows in all.
fn many_addresses_leave_room_for_a_device(addresses: u8, limit: &str) {
    let site = Site::new()
        .with_limited_refusals()
        .with("interface-a", "connections-per-address = 32")
        .with("interface-a", "hello-timeout = \"1m\"")
        .with("interface-a", limit);
    let platform = site.start();
    platform.admit("GENUINE", &[]);
    let own = site.certificate("GENUINE", KeyType::Ecc);
    let mut open = Device::connect(&site, platform.address, &own).unwrap();
    let (undisturbed, _) = durations(&site, &platform, &own, 10);
    let to = platform.address;
    let silent: Vec<_> = (0..32)
        .flat_map(|_| 1..=addresses)
        .filter_map(|host| harness::connect_from(Ipv4Addr::new(127, 0, 7, host), to).ok())
        .collect();
    let displaced = || platform.metric(DISPLACED);
    let expected = f64::from(addresses) * 32.0 - 220.0;
    eventually("most of them are displaced", || displaced() >= expected);
    let (median, slowest) = durations(&site, &platform, &own, 10);
    println!("{} silent, {limit}: {undisturbed:?} -> {median:?}, slowest {slowest:?}", silent.len());
    assert_undelayed(undisturbed, median, slowest);
    assert_eq!(open.code(message("GENUINE", "open")), "CA", "an open session is never displaced");
    assert_eq!(platform.metric(OVER_SHARE), 0.0);
}

#[test]
fn the_last_permits_are_not_for_silent_peers_of_20_addresses() {
    many_addresses_leave_room_for_a_device(20, "max-connections = 200");
}

#[test]
fn incomplete_connections_of_60_addresses_are_limited() {
    many_addresses_leave_room_for_a_device(60, "max-incomplete-connections = 100");
}

/// The costliest hellos there are, of a few addresses that have begun hundreds of handshakes: a device at an
/// address that is known is answered after a few of them, and not after all.
#[test]
fn costly_hellos_of_strangers_go_behind_a_known_address() {
    let site = Site::new().with_limited_refusals().with("interface-a", "handshake-timeout = \"5m\"");
    let platform = site.start();
    platform.admit("GENUINE", &[]);
    let own = site.certificate("GENUINE", KeyType::Ecc);
    durations(&site, &platform, &own, 3);
    let costly = Hello {
        version: 0x0303,
        suites: vec![0x009f, 0x009e],
        groups: vec![0x0102],
        compression: &[0],
        padding: 0,
    };
    let ask = |host: u8| {
        let mut stream = connect_from(host, platform.address).unwrap();
        stream.write_all(&costly.records()).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    };
    let strangers: Vec<_> = (0..100).flat_map(|_| 66..=69).map(ask).collect();
    let answered = || strangers.iter().filter(|stream| stream.peek(&mut [0]).is_ok()).count();
    let (before, mut own_turns) = (answered(), Vec::new());
    for _ in 0..9 {
        let others = answered();
        let known = TcpStream::connect(platform.address).unwrap();
        (&known)
            .write_all(&Hello { suites: vec![0xc02c], groups: vec![0x0017], ..costly.clone() }.records())
            .unwrap();
        known.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        (&known).read_exact(&mut [0; 5]).unwrap();
        own_turns.push(answered() - others);
        if answered() >= 350 {
            own_turns.pop();
            break;
        }
    }
    println!("answered before: {before} of 400, then while a known address waited: {own_turns:?}");
    let processors = std::thread::available_parallelism().unwrap().get();
    // A test that has to wait for its own turn of a processor sees more of them answered, now and then.
    own_turns.sort_unstable();
    let median = own_turns.get(own_turns.len() / 2).expect("strangers still wait");
    assert!(*median <= 12 * processors, "{own_turns:?}");
}
