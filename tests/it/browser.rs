//! The pages in a real browser: Chromium opens each of them in light, dark and at the width of a phone, with
//! and without JavaScript, and axe-core looks for what keeps people from reading them.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pcd_platform::pki::KeyType;

use crate::harness::{Device, Platform, Site, Wire, eventually, framed, message};

const NAME: &str = "00A037FFFE000001";

/// A port of loopback that leads to the socket of a platform.
struct Forwarded {
    node: Child,
    port: u16,
}

impl Forwarded {
    fn to(socket: &Path) -> Self {
        let mut node = Command::new("node")
            .arg(scripts().join("forward.mjs"))
            .arg(socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(node.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { node, port: line.trim().parse().unwrap() }
    }
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        let _ = self.node.kill();
        let _ = self.node.wait();
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/pages")
}

/// The folder with the packages that `tests/run` installs.
fn modules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/pages")
}

/// The id of the newest message, rejected or of all.
fn newest(platform: &Platform, rejected: bool) -> String {
    let (_, body) = platform.get(&format!("/api/messages?limit=1&rejected={rejected}"));
    let all: Vec<serde_json::Value> = serde_json::from_str(&body).unwrap();
    all[0]["id"].as_str().unwrap().to_owned()
}

/// A platform at which something has happened: devices, a rejected message, an alarm, a silent device, a
/// refused one, an order.
fn eventful(site: &Site) -> Platform {
    let platform = site.start();
    platform.admit(NAME, &["--note", "Monitor of bed 3"]);
    platform.admit("GW-1", &["--kind", "gateway", "--speaks-for", "00A037FFFE0000*"]);
    platform.admit("PUMP-9", &["--expected"]);
    let mut monitor = Device::connect(site, platform.address, &site.certificate(NAME, KeyType::Ecc)).unwrap();
    for number in 0..3 {
        assert_eq!(monitor.code(message(NAME, &number.to_string())), "CA");
    }
    let mut gateway = Wire::connect(site, platform.address, &site.certificate("GW-1", KeyType::Rsa));
    gateway.write(&framed(&message("00A037FFFE000011", "g1")));
    assert_eq!(gateway.verdict().0, "CA");
    gateway.write(&framed(&message("00A03700000000FF", "g2")));
    assert_eq!(gateway.verdict().0, "CR");
    // Nothing admits this one.
    let _ = Device::connect(site, platform.address, &site.certificate("STRANGER", KeyType::Ecc));
    eventually("the silent device is a finding", || {
        platform.get("/api/findings").1.contains("device-silent")
    });
    platform
}

#[test]
fn every_page_opens_in_chromium_without_an_error_a_violation_or_a_barrier() {
    let site = Site::new().with("devices", "silent-after = \"2s\"");
    let platform = eventful(&site);
    let forwarded = Forwarded::to(platform.socket.as_ref().unwrap());
    let entry = format!("http://127.0.0.1:{}/", forwarded.port);
    let paths = [
        "/".to_owned(),
        "/devices".to_owned(),
        "/devices?state=silent".to_owned(),
        format!("/devices/{NAME}"),
        "/devices/GW-1".to_owned(),
        "/devices/00A037FFFE000011".to_owned(),
        format!("/devices/{NAME}/suspend"),
        "/refusals".to_owned(),
        "/messages".to_owned(),
        "/messages/search".to_owned(),
        "/messages?verdict=rejected&since=24h".to_owned(),
        format!("/messages/{}", newest(&platform, false)),
        format!("/messages/{}", newest(&platform, true)),
        "/orders".to_owned(),
        "/trust".to_owned(),
        "/audit".to_owned(),
        "/audit?event=message-rejected".to_owned(),
        "/system".to_owned(),
        "/system/reload".to_owned(),
        "/help".to_owned(),
        "/help/unknown-device".to_owned(),
    ];
    let shots = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages");
    let output = Command::new("node")
        .arg(scripts().join("visit.mjs"))
        .arg(entry)
        .arg(shots)
        .args(&paths)
        .env("PCD_PAGES_MODULES", modules())
        .output()
        .unwrap();
    let (printed, problems) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{printed}{problems}");
    let visits = paths.len() * 4;
    assert!(printed.contains(&format!("{visits} visits, 0 problems")), "{printed}{problems}");
}
