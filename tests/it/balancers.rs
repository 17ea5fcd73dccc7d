//! Load balancers in front of the platform: HAProxy and nginx with their shipped configurations, and headers
//! of the PROXY protocol that no balancer sends.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use pcd_platform::pki::KeyType;
use serde_json::Value;

use crate::harness::{
    Balancer, BalancerKind, Credential, Device, Platform, Site, Wire, complaints, connect_from, eventually,
    finish, fixed_address, framed, ip, message, on_a_network_of_its_own, s_client,
};

const NAME: &str = "00A037FFFE000001";
const HEALTH_CHECK: &str = r#"pcd_unrecorded_connections_total{reason="health-check"}"#;
const LOCAL: &str = r#"pcd_proxy_headers_total{command="local"}"#;
const RELAYED: &str = r#"pcd_proxy_headers_total{command="relayed"}"#;

/// A site whose balancers are at these addresses.
fn site(balancers: &str) -> Site {
    Site::new().with("interface-a", &format!("proxy-protocol = [{balancers}]"))
}

/// A header of version 2.
fn header(source: Ipv4Addr) -> Vec<u8> {
    let head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c";
    [&head[..], &source.octets(), &[192, 0, 2, 1], &40_001_u16.to_be_bytes(), &2575_u16.to_be_bytes()]
        .concat()
}

/// A connection that begins with these bytes.
fn begin(platform: &Platform, bytes: &[u8]) -> TcpStream {
    begin_from(Ipv4Addr::LOCALHOST, platform.address, bytes)
}

fn begin_from(from: impl Into<IpAddr>, to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = connect_from(from, to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// Whether the balancer gives no place to a connection from there. Its reset may come before the connection
/// is looked at for the first time.
fn is_turned_away(from: impl Into<IpAddr>, to: SocketAddr) -> bool {
    match connect_from(from, to) {
        Ok(stream) => {
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            is_closed_without_a_byte(stream)
        }
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// Waits until the platform has closed the connection; whether it has sent a byte.
fn is_closed_without_a_byte(mut stream: TcpStream) -> bool {
    let mut received = Vec::new();
    // A connection with unread bytes is reset.
    let _ = stream.read_to_end(&mut received);
    received.is_empty()
}

fn refusals(platform: &Platform) -> Vec<Value> {
    platform.cli().json(&["audit", "list", "--event", "connection-refused"])
}

/// Waits for the row of the newest refusal: its reason, and the address of its peer.
fn next_refusal(platform: &Platform, known: usize) -> (String, String) {
    eventually("the refusal is on record", || refusals(platform).len() > known);
    let details = &refusals(platform)[0]["details"];
    let text = |key: &str| details[key].as_str().unwrap().to_owned();
    (text("refusal"), text("peer"))
}

fn accepted(platform: &Platform) -> Vec<String> {
    let rows = platform.cli().json(&["audit", "list", "--event", "connection-accepted"]);
    rows.iter().map(|row| row["details"]["peer"].as_str().unwrap().to_owned()).collect()
}

/// Sends a message through a balancer with OpenSSL.
fn speak(site: &Site, to: SocketAddr, from: &str, own: &Credential, version: &str) {
    let command = s_client(site, to, Some(own), &["-bind", &format!("{from}:0"), version]);
    let output = finish(command, &framed(&message(NAME, version)), Some(b"MSA|CA"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("MSA|CA"), "{version}: {}", output.text());
}

// A1, A2
#[test]
fn devices_reach_the_platform_through_haproxy_and_nginx_under_their_own_addresses() {
    for (kind, address) in [(BalancerKind::Haproxy, "127.0.3.7"), (BalancerKind::Nginx, "127.0.3.8")] {
        let site = site("\"127.0.0.1\"");
        let platform = site.start();
        let own = site.certificate(NAME, KeyType::Ecc);
        platform.admit(NAME, &[]);
        let balancer = Balancer::start(kind, platform.address);
        for version in ["-tls1_2", "-tls1_3"] {
            speak(&site, balancer.address, address, &own, version);
        }
        eventually("both sessions are on record", || accepted(&platform).len() == 2);
        for peer in accepted(&platform) {
            assert!(peer.starts_with(&format!("{address}:")), "{kind:?}: {peer}");
        }
        let row = platform.cli().json(&["audit", "list", "--event", "connection-accepted"]).remove(0);
        assert_eq!(row["details"]["balancer"], "127.0.0.1", "{kind:?}: {row}");
        eventually("the device is shown with its address", || {
            platform.cli().run(&["device", "show", NAME]).contains(address)
        });
        assert!(platform.metric(RELAYED) >= 2.0);

        // A refused device too, with the help that its address leads to.
        let stranger = site.certificate("STRANGER", KeyType::Ecc);
        let from = address.replace(".3.", ".4.");
        let known = refusals(&platform).len();
        let bind = format!("{from}:0");
        finish(s_client(&site, balancer.address, Some(&stranger), &["-bind", &bind]), b"", Some(b"never"));
        let (reason, peer) = next_refusal(&platform, known);
        assert!(reason == "unknown-device" && peer.starts_with(&format!("{from}:")), "{reason} {peer}");
        let row = refusals(&platform).remove(0);
        assert_eq!(row["details"]["balancer"], "127.0.0.1", "{kind:?}: {row}");
        let mut why = Value::Null;
        eventually("the address leads to the refusal", || {
            let (_, stdout, _) = platform.cli().try_run(&["--json", "device", "why", "STRANGER"]);
            why = serde_json::from_str(&stdout).unwrap_or_default();
            why["refusal"]["peer"].as_str().is_some_and(|peer| peer.starts_with(&from))
                || why.to_string().contains(&from)
        });
        assert!(
            platform.log().lines().any(|line| line.contains("connection refused") && line.contains(&from))
        );
        // The platform's end comes back: a gateway takes it for the proof of what has arrived.
        let mut device = Device::connect(&site, balancer.address, &own).unwrap();
        assert_eq!(device.code(message(NAME, "1")), "CA");
        device.finish().unwrap_or_else(|error| panic!("{kind:?}: {error}"));
    }
}

#[test]
fn health_checks_of_haproxy_are_counted_and_have_no_rows() {
    let site = site("\"127.0.0.1\"").with("admin", "health-listen = \"127.0.0.1:0\"");
    let platform = site.start();
    let shipped = Balancer::start(BalancerKind::Haproxy, platform.address);
    eventually("the checks are counted", || platform.metric(LOCAL) >= 3.0);
    eventually("they are health checks", || platform.metric(HEALTH_CHECK) >= 3.0);
    assert!(!shipped.log().contains("DOWN"), "{}", shipped.log());
    drop(shipped);

    // The check that docs/howto/load-balancers.md offers, which asks whether the platform is ready.
    let port = platform.health.unwrap().port();
    let page = include_str!("../../docs/howto/load-balancers.md");
    let offered: Vec<&str> = page
        .lines()
        .map(str::trim)
        .filter(|line| line.contains("httpchk") || line.ends_with("9576"))
        .collect();
    let [question, server] = offered[..] else { panic!("{offered:?}") };
    let server = server.replace("9576", &port.to_string());
    let former = "default-server inter 2s fall 3 rise 2 on-marked-down shutdown-sessions send-proxy-v2 check";
    let lines = [("option tcp-check", question), (former, server.as_str())];
    let ready = Balancer::start_with(BalancerKind::Haproxy, platform.address, &lines);
    let own = site.certificate(NAME, KeyType::Ecc);
    platform.admit(NAME, &[]);
    speak(&site, ready.address, "127.0.3.9", &own, "-tls1_3");
    // What HAProxy sends, which names no host.
    let mut asking =
        begin_from(Ipv4Addr::LOCALHOST, platform.health.unwrap(), b"GET /readyz HTTP/1.0\r\n\r\n");
    let mut answer = String::new();
    asking.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");

    // A check without the header, as of a balancer that looks only whether the port is open.
    let counted = platform.metric(HEALTH_CHECK);
    drop(begin(&platform, b""));
    eventually("it is counted", || platform.metric(HEALTH_CHECK) > counted);
    // A check that speaks TLS behind its header, without a certificate.
    let counted = platform.metric(HEALTH_CHECK);
    let mut probe = begin(&platform, b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00\x16\x03\x01\x00\x01\x00");
    let _ = probe.read_to_end(&mut Vec::new());
    eventually("it is counted", || platform.metric(HEALTH_CHECK) > counted);
    assert_eq!(refusals(&platform), Vec::<Value>::new());
    assert!(!complaints(&platform.log()).iter().any(|line| line.contains("refused")), "{}", platform.log());
}

#[test]
fn a_header_is_refused_from_an_address_that_is_not_a_balancer() {
    // No balancer at all, and another one.
    for site in [Site::new(), site("\"127.0.5.1\"")] {
        let platform = site.start();
        let v1 = b"PROXY TCP4 127.0.6.6 127.0.0.1 40001 2575\r\n".to_vec();
        for (last, bytes) in [(1, header(Ipv4Addr::new(127, 0, 6, 6))), (2, v1)] {
            let known = refusals(&platform).len();
            let from = Ipv4Addr::new(127, 0, 7, last);
            let mut stream = begin_from(from, platform.address, &bytes);
            let _ = stream.read_to_end(&mut Vec::new());
            let (reason, peer) = next_refusal(&platform, known);
            assert_eq!(reason, "proxy-not-allowed");
            assert!(peer.starts_with(&format!("{from}:")), "the header states nothing: {peer}");
            eventually("why says what to do", || {
                let (_, why, _) = platform.cli().try_run(&["device", "why", &from.to_string()]);
                why.contains("proxy-not-allowed") && why.contains("interface-a.proxy-protocol")
            });
        }
        // The same for a health check, which closes behind its header.
        let known = refusals(&platform).len();
        drop(begin(&platform, b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"));
        assert_eq!(next_refusal(&platform, known).0, "proxy-not-allowed");
        let counted = r#"pcd_connections_total{outcome="proxy-not-allowed"}"#;
        assert_eq!(platform.metric(counted), 3.0);
    }
}

#[test]
fn a_connection_of_a_balancer_needs_a_header_that_can_be_used() {
    let site = site("\"127.0.0.1\"");
    let platform = site.start();
    let own = site.certificate(NAME, KeyType::Ecc);
    platform.admit(NAME, &[]);
    let with = |from: &[u8], to: &[u8]| {
        let text = header(Ipv4Addr::new(192, 0, 2, 7));
        let at = text.windows(from.len()).position(|window| window == from).unwrap();
        [&text[..at], to, &text[at + from.len()..]].concat()
    };
    for (bytes, reason, cause) in [
        (b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), "proxy-header-missing", "sends no header"),
        (framed(&message(NAME, "1")), "proxy-header-missing", "sends no header"),
        (with(b"\x21\x11", b"\x31\x11"), "proxy-header-malformed", "has an unknown version"),
        (with(b"\x21\x11", b"\x21\x12"), "proxy-header-malformed", "names no TCP connection"),
        (with(b"\x00\x0c", b"\xff\xff"), "proxy-header-malformed", "is too long"),
        (
            with(b"\xc0\x00\x02\x07", b"\0\0\0\0"),
            "proxy-header-malformed",
            "has an address that no machine has",
        ),
        (b"PROXY TCP4 here there\r\n".to_vec(), "proxy-header-malformed", "is not a line of version 1"),
    ] {
        let known = refusals(&platform).len();
        assert!(is_closed_without_a_byte(begin(&platform, &bytes)), "{cause}");
        let (refused, peer) = next_refusal(&platform, known);
        assert_eq!(refused, reason, "{cause}");
        assert!(peer.starts_with("127.0.0.1:"), "of the balancer: {peer}");
        eventually("the cause is shown", || platform.get("/api/refusals").1.contains(cause));
    }
    // Both versions of a good one.
    let v1 = b"PROXY TCP4 192.0.2.8 192.0.2.1 40001 2575\r\n".to_vec();
    for (bytes, address) in [(header(Ipv4Addr::new(192, 0, 2, 7)), "192.0.2.7"), (v1, "192.0.2.8")] {
        let mut wire = Wire::over(&site, begin(&platform, &bytes), &own);
        wire.write(&framed(&message(NAME, address)));
        assert_eq!(wire.verdict().0, "CA");
        let sessions = platform.get("/api/sessions").1;
        assert!(sessions.contains(&format!("{address}:40001")), "{sessions}");
        wire.close();
    }
}

#[test]
fn limits_of_an_address_are_about_the_address_that_the_header_states() {
    let site = site("\"127.0.0.1\"").with("interface-a", "connections-per-address = 4");
    let platform = site.start();
    let own = site.certificate(NAME, KeyType::Ecc);
    platform.admit(NAME, &[]);
    let begun = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let flood = Ipv4Addr::new(192, 0, 2, 66);
    let hello = [&header(flood)[..], begun].concat();
    let mut held: Vec<TcpStream> = (0..16).map(|_| begin(&platform, &hello)).collect();
    let over = r#"pcd_connections_total{outcome="too-many-connections"}"#;
    eventually("the address has its share", || platform.metric(over) >= 1.0);
    let (_, peer) = next_refusal(&platform, 0);
    assert!(peer.starts_with("192.0.2.66:"), "{peer}");
    // Far more of the balancer, each of another device.
    let refused = platform.metric(over);
    held.extend(
        (1..=40).map(|last| begin(&platform, &[&header([192, 0, 3, last].into())[..], begun].concat())),
    );
    let mut wire = Wire::over(&site, begin(&platform, &header(Ipv4Addr::new(192, 0, 2, 7))), &own);
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict().0, "CA");
    let refused_now = platform.metric(over);
    let others = refusals(&platform).into_iter().filter(|row| {
        let peer = row["details"]["peer"].as_str().unwrap();
        row["details"]["refusal"] == "too-many-connections" && !peer.starts_with("192.0.2.66:")
    });
    assert_eq!(others.count(), 0, "{refused} {refused_now}");
}

#[test]
fn slow_and_incomplete_headers_end_with_the_hello_timeout() {
    let site = site("\"127.0.0.1\"").with("interface-a", "hello-timeout = \"2s\"");
    let platform = site.start();
    let whole = header(Ipv4Addr::new(192, 0, 2, 7));
    let cut = begin(&platform, &whole[..20]);
    assert!(is_closed_without_a_byte(cut));
    assert_eq!(next_refusal(&platform, 0).0, "proxy-header-malformed");
    eventually("the cause is shown", || platform.get("/api/refusals").1.contains("is incomplete"));
    // Header and ClientHello share the time.
    let silent = r#"pcd_unrecorded_connections_total{reason="silent"}"#;
    assert!(is_closed_without_a_byte(begin(&platform, &whole)));
    eventually("no byte of the device came", || platform.metric(silent) == 1.0);
    assert_eq!(refusals(&platform).len(), 1);
    eventually("nothing stays", || platform.metric("pcd_incomplete_connections") == 0.0);
}

#[test]
fn a_reload_names_other_balancers() {
    let site = Site::new();
    let platform = site.start();
    let own = site.certificate(NAME, KeyType::Ecc);
    platform.admit(NAME, &[]);
    let site = site.with("interface-a", "proxy-protocol = [\"127.0.0.0/8\"]");
    site.write_configuration();
    platform.signal(rustix::process::Signal::HUP);
    eventually("the reload is over", || platform.log().contains("configuration reloaded"));
    let mut wire = Wire::over(&site, begin(&platform, &header(Ipv4Addr::new(192, 0, 2, 7))), &own);
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict().0, "CA");
    for everyone in ["\"0.0.0.0/0\"", "\"0.0.0.0/1\", \"128.0.0.0/1\"", "\"::/1\", \"8000::/1\""] {
        let everyone = Site::new().with("interface-a", &format!("proxy-protocol = [{everyone}]"));
        let (status, _, stderr) = crate::harness::Cli::without_store(&everyone).try_run(&["check"]);
        assert!(!status.success() && stderr.contains("lets every peer in it choose"), "{stderr}");
    }
}

// The platform ends them; a peer that keeps its half open must not keep a place at the balancer with it.
#[test]
fn connections_that_the_platform_has_ended_leave_the_balancer() {
    for kind in [BalancerKind::Haproxy, BalancerKind::Nginx] {
        let site = site("\"127.0.0.1\"").with("interface-a", "hello-timeout = \"1s\"");
        let platform = site.start();
        // So few places that these peers take all of them.
        let places = [("maxconn 8000", "maxconn 16"), ("client-fin 10s", "client-fin 1s")];
        let lines: &[_] = if matches!(kind, BalancerKind::Haproxy) { &places } else { &[] };
        let balancer = Balancer::start_with(kind, platform.address, lines);
        let mut held: Vec<TcpStream> =
            (0..16).map(|_| begin_from(Ipv4Addr::LOCALHOST, balancer.address, b"")).collect();
        let own = site.certificate(NAME, KeyType::Ecc);
        platform.admit(NAME, &[]);
        speak(&site, balancer.address, "127.0.3.10", &own, "-tls1_3");
        for stream in &mut held {
            assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap_or_default(), 0, "{kind:?}");
        }
    }
}

// The limits of the platform count after the balancer has given a place of its own away.
#[test]
fn an_address_has_no_more_places_at_the_balancer_than_at_the_platform() {
    let limits = [
        (BalancerKind::Haproxy, "sc0_conn_cur gt 512", "sc0_conn_cur gt 4"),
        (BalancerKind::Nginx, "limit_conn devices 512", "limit_conn devices 4"),
    ];
    for (kind, shipped, small) in limits {
        let site = site("\"127.0.0.1\"").with("interface-a", "hello-timeout = \"2m\"");
        let platform = site.start();
        let own = site.certificate(NAME, KeyType::Ecc);
        platform.admit(NAME, &[]);
        let balancer = Balancer::start_with(kind, platform.address, &[(shipped, small)]);
        let flood = Ipv4Addr::new(127, 0, 3, 12);
        let held: Vec<_> = (0..4).map(|_| begin_from(flood, balancer.address, b"")).collect();
        eventually("they are at the platform", || platform.metric("pcd_incomplete_connections") >= 4.0);
        assert!(is_turned_away(flood, balancer.address), "{kind:?}: the next one of the address is refused");
        speak(&site, balancer.address, "127.0.3.11", &own, "-tls1_3");
        drop(held);
    }
}

// A host of IPv6 can take each address of a network of 64 bits; the platform counts the network.
#[test]
fn a_network_of_ipv6_has_no_more_places_at_the_balancer_than_an_address() {
    on_a_network_of_its_own(
        "balancers::a_network_of_ipv6_has_no_more_places_at_the_balancer_than_an_address",
        || {
            let address = |network: u16, host: u16| Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, host);
            let flood: Vec<_> = (1..6).map(|host| address(1, host)).collect();
            let (balancer, other) = (address(0, 1), address(2, 1));
            for own in flood.iter().chain([&balancer, &other]) {
                ip(&format!("-6 address add {own}/128 dev lo nodad"));
            }
            let limits = [
                (BalancerKind::Haproxy, "sc0_conn_cur gt 512", "sc0_conn_cur gt 4"),
                (BalancerKind::Nginx, "limit_conn devices 512", "limit_conn devices 4"),
            ];
            for (kind, shipped, small) in limits {
                let platform = site("\"127.0.0.1\"").with("interface-a", "hello-timeout = \"2m\"").start();
                let at = SocketAddr::new(balancer.into(), fixed_address().port());
                let balancer = Balancer::start_at(kind, at, platform.address, &[(shipped, small)]);
                let open = |from: &Ipv6Addr| begin_from(*from, balancer.address, b"");
                let held: Vec<_> = flood.iter().take(4).map(open).collect();
                let waiting = |count: f64| {
                    eventually("they are at the platform", || {
                        platform.metric("pcd_incomplete_connections") >= count
                    });
                };
                waiting(4.0);
                assert!(is_turned_away(flood[4], balancer.address), "{kind:?}: the fifth is refused");
                let other = open(&other);
                waiting(5.0);
                drop((held, other));
            }
        },
    );
}
