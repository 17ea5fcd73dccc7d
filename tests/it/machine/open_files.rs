//! File descriptors run out.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::{admitted, ask, load, shortage};
use crate::harness::{Device, Platform, SOON, Site, Wire, eventually, message, tool, wait_for};

/// A connection of an operator that stays open.
struct Operator(TcpStream);

impl Operator {
    fn connect(platform: &Platform) -> Self {
        let stream = TcpStream::connect(platform.admin).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        Self(stream)
    }

    /// The body of `/readyz`.
    fn ready(&mut self) -> String {
        let to = self.0.peer_addr().unwrap();
        write!(self.0, "GET /readyz HTTP/1.1\r\nHost: {to}\r\n\r\n").unwrap();
        let mut answer = String::new();
        loop {
            let mut chunk = [0; 4096];
            let read = self.0.read(&mut chunk).unwrap();
            assert_ne!(read, 0, "the connection of the operator stays open");
            answer += std::str::from_utf8(&chunk[..read]).unwrap();
            if let Some((head, body)) = answer.split_once("\r\n\r\n") {
                let length = head
                    .to_lowercase()
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
                if body.len() == length.unwrap() {
                    return body.to_owned();
                }
            }
        }
    }
}

/// Every descriptor is below this number from now on. Those that are open stay so.
fn limit_open_files(platform: &Platform, files: usize) {
    let (pid, soft) = (platform.pid().to_string(), format!("--nofile={files}:"));
    let output = tool("prlimit", "util-linux").args(["--pid", &pid, &soft]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn while_no_descriptor_is_free_open_sessions_go_on_and_new_ones_wait() {
    let platform_site = Site::new();
    let platform = platform_site.start();
    let own = admitted(&platform_site, &platform, "DEVICE");
    let mut open = Wire::connect(&platform_site, platform.address, &own);
    assert_eq!(ask(&mut open, &message("DEVICE", "1")), "CA");
    let mut operator = Operator::connect(&platform);
    assert_eq!(shortage(&operator.ready()), None);
    let before = limits(&platform);
    limit_open_files(&platform, 3);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut device = Device::connect(&platform_site, platform.address, &own).unwrap();
            device.code(message("DEVICE", "2"))
        });
        let reason = || shortage(&operator.ready());
        let reason = wait_for("/readyz says so", reason, Option::is_some).unwrap();
        assert!(reason.contains("no file descriptor is free"), "{reason}");
        assert_eq!(ask(&mut open, &message("DEVICE", "3")), "CA");
        let load = load(&platform);
        assert!(load < 0.5, "waiting for a descriptor takes {load} of a processor");
        limit_open_files(&platform, before);
        assert_eq!(waiting.join().unwrap(), "CA", "it waited in the queue of the kernel");
    });
    eventually("connections are taken", || shortage(&operator.ready()).is_none());
    assert!(platform.metric(r#"pcd_accept_pauses_total{reason="open-files"}"#) > 1.0);
    let log = platform.log();
    assert_eq!(log.matches("cannot accept connections").count(), 1, "one line, however often it is tried");
}

/// The soft limit of open files.
fn limits(platform: &Platform) -> usize {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", platform.pid())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn connections_leave_descriptors_for_the_store_and_the_operator() {
    let site = Site::new()
        .launched_by("ulimit -Sn 100; ulimit -Hn 200; exec \"$@\"")
        .with("interface-a", "sessions-per-device = 1000");
    let platform = site.start();
    let own = admitted(&site, &platform, "DEVICE");
    // Of so low a limit connections have half.
    let mut sessions: Vec<_> =
        (0..100).map(|_| Device::connect(&site, platform.address, &own).unwrap()).collect();
    eventually("all connections are taken", || {
        let (status, body) = platform.get("/readyz");
        status == 503 && shortage(&body).is_some_and(|reason| reason.contains("all connections are taken"))
    });
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut device = Device::connect(&site, platform.address, &own).unwrap();
            device.code(message("DEVICE", "1"))
        });
        assert_eq!(sessions[0].code(message("DEVICE", "2")), "CA");
        assert_eq!(platform.cli().json(&["message", "list"]).len(), 1);
        assert!(!waiting.is_finished());
        sessions.pop().unwrap().close().unwrap();
        assert_eq!(waiting.join().unwrap(), "CA");
    });
    drop(sessions);
    eventually("connections are taken", || platform.get("/readyz").0 == 200);
    assert!(platform.log().contains("fewer open files are allowed"));
}
