//! Other processes and browsers of the machine at the admin listener.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use pcd_platform::pki::KeyType;

use crate::harness::{Platform, SOON, Site, Wire, eventually, framed, message, wait_for};

/// Sends a request as it is; the status.
fn ask(platform: &Platform, head: &str) -> u16 {
    let mut stream = TcpStream::connect(platform.admin).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(head.replace('\n', "\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

fn get(platform: &Platform, path: &str, host: &str) -> u16 {
    ask(platform, &format!("GET {path} HTTP/1.1\nHost: {host}\nConnection: close\n\n"))
}

/// The same over the socket, as a browser sends it through a forwarded port (ssh -L).
fn ask_socket(platform: &Platform, head: &str) -> u16 {
    let answer = platform.ask(&head.replace('\n', "\r\n"));
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn the_api_is_not_answered_under_the_name_of_another_host() {
    let site = Site::new().with("admin", "allowed-hosts = [\"ops.hospital.example\"]");
    let platform = site.start();
    let api =
        ["/api/devices", "/api/sessions", "/api/messages", "/api/outbox", "/api/audit", "/api/certificates"];
    for path in api {
        let socket = |host: &str| {
            ask_socket(&platform, &format!("GET {path} HTTP/1.1\nHost: {host}\nConnection: close\n\n"))
        };
        for host in ["evil.example", "evil.example:9575", "localhost.evil.example", "0x7f.1", "10.0.0.1"] {
            assert_eq!((get(&platform, path, host), socket(host)), (421, 421), "{path} {host}");
        }
        for host in ["localhost", "LOCALHOST:9575", "127.0.0.1", "[::1]:9575", "ops.hospital.example:80"] {
            assert_eq!((get(&platform, path, host), socket(host)), (401, 200), "{path} {host}");
        }
    }
    let reload = |host: &str| {
        ask_socket(
            &platform,
            &format!("POST /reload HTTP/1.1\nHost: {host}\nContent-Length: 0\nConnection: close\n\n"),
        )
    };
    assert_eq!(reload("evil.example"), 421);
    assert_eq!(reload("localhost"), 200);
    assert_eq!(
        ask(
            &platform,
            "GET http://evil.example/api/devices HTTP/1.1\nHost: localhost\nConnection: close\n\n"
        ),
        421
    );
    assert_eq!(ask(&platform, "GET /api/devices HTTP/1.0\n\n"), 421);
    assert!(platform.metric("pcd_admin_refusals_total{reason=\"host\"}") > 30.0);
    platform.stop();
}

#[test]
fn probes_are_answered_under_every_name_and_without_one() {
    let site = Site::new();
    let platform = site.start();
    for path in ["/livez", "/readyz", "/metrics"] {
        for host in ["10.1.2.3:9575", "platform.ward-7.svc.cluster.local", "[fd00::7]:9575"] {
            assert_eq!(get(&platform, path, host), 200, "{path} {host}");
        }
        assert_eq!(ask(&platform, &format!("GET {path} HTTP/1.0\n\n")), 200, "{path}");
    }
    platform.stop();
}

#[test]
fn a_connection_without_a_request_is_closed() {
    let site = Site::new();
    let platform = site.start();
    let closed_after = |sent: &[u8]| {
        let mut stream = TcpStream::connect(platform.admin).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let started = Instant::now();
        stream.write_all(sent).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        started.elapsed()
    };
    std::thread::scope(|scope| {
        let half = scope.spawn(|| closed_after(b"GET /api/devices HTTP/1.1\r\nHost: local"));
        // A request, and then nothing more.
        let idle = scope.spawn(|| closed_after(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let silent = closed_after(b"");
        for time in [silent, half.join().unwrap(), idle.join().unwrap()] {
            assert!((Duration::from_secs(5)..SOON).contains(&time), "{time:?}");
        }
    });
    platform.stop();
}

#[test]
fn many_idle_connections_do_not_lock_out_a_probe() {
    let site = Site::new().with("admin", "max-connections = 8");
    let platform = site.start();
    let idle: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(platform.admin).unwrap()).collect();
    let started = Instant::now();
    assert_eq!(get(&platform, "/livez", "10.0.0.1"), 200);
    // They lose their connections after ten seconds: it has not waited for that.
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
    let folder = format!("/proc/{}/fd", platform.pid());
    eventually("the others are closed", || std::fs::read_dir(&folder).unwrap().count() < 100);
    drop(idle);
    platform.stop();
}

/// Clients that ask for much, again and again, and read nothing of it.
#[test]
fn clients_that_do_not_read_lock_out_no_probe() {
    let site = Site::new().with("admin", "max-connections = 8");
    let platform = site.start();
    platform.admit(DEVICE, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(DEVICE, KeyType::Ecc));
    for id in 0..300 {
        wire.write(&framed(&message(DEVICE, &format!("M-{id}"))));
        wire.answer().expect("an acknowledgement");
    }
    let folder = format!("/proc/{}/fd", platform.pid());
    let sockets = || {
        let links = std::fs::read_dir(&folder).unwrap().flatten();
        links
            .filter_map(|link| std::fs::read_link(link.path()).ok())
            .filter(|target| is_socket(target))
            .count()
    };
    let before = sockets();
    let asking = "GET /help HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(400);
    let connect = || {
        let mut stream = TcpStream::connect(platform.admin).unwrap();
        stream.write_all(asking.as_bytes()).unwrap();
        stream
    };
    let greedy: Vec<TcpStream> = (0..12).map(|_| connect()).collect();
    for _ in 0..20 {
        assert_eq!(get(&platform, "/livez", "localhost"), 200);
        std::thread::sleep(Duration::from_millis(50));
    }
    // One that takes no byte for two seconds loses its connection. All of them stay open at this end.
    let idle = connect();
    wait_for("they are closed", sockets, |open| *open <= before);
    drop((greedy, idle));
    platform.stop();
}

fn is_socket(target: &std::path::Path) -> bool {
    target.to_string_lossy().starts_with("socket:")
}

const DEVICE: &str = "00A037FFFE000001";
