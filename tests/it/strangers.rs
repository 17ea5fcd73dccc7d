//! Strangers that are refused again and again: the audit trail counts them, and does not grow with them.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use pcd_platform::pki::{CertificateOrder, KeyType, Role};
use pcd_platform::x509::KeyPurpose;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use serde_json::Value;

use crate::harness::{
    Cli, Credential, Device, Platform, Site, connect_from, eventually, finish, message, s_client,
};

/// A self-signed certificate with a name of `size` bytes, twice: as subject and as issuer.
fn self_signed(folder: &Path, size: usize) -> Credential {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "PUMP");
    params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 11, 7]), "n".repeat(size));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let file = |end: &str| folder.join(format!("self-{size}.{end}"));
    let own = Credential { chain: file("pem"), key: file("key") };
    std::fs::write(&own.chain, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&own.key, key.serialize_pem()).unwrap();
    own
}

/// `count` connections that send `bytes` and are closed, in turn from 20 addresses of 127.0.`net`.0/24.
fn flood(to: SocketAddr, net: u8, count: u32, bytes: &[u8]) {
    for number in 0..count {
        let host = u8::try_from(1 + number % 20).unwrap();
        let mut stream = connect_from(Ipv4Addr::new(127, 0, net, host), to).unwrap();
        stream.write_all(bytes).unwrap();
    }
}

/// Refused connections, by the metrics.
fn refused(platform: &Platform) -> f64 {
    let (_, text) = platform.get("/metrics");
    let lines = text
        .lines()
        .filter(|line| line.starts_with("pcd_handshakes_total{") && line.contains(r#"result="refused""#));
    lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

/// The rows about refused peers.
fn rows(cli: &Cli) -> Vec<Value> {
    let list = |event| cli.json(&["audit", "list", "--limit", "1000", "--event", event]);
    [list("connection-refused"), list("refusals-counted")].concat()
}

/// For how many connections the rows stand.
fn counted(rows: &[Value]) -> u64 {
    rows.iter().map(|row| row["details"]["count"].as_u64().unwrap_or(1)).sum()
}

/// Bytes of the database and its log.
fn size_of_store(site: &Site) -> u64 {
    let size = |name: &str| std::fs::metadata(site.path().join(name)).map_or(0, |file| file.len());
    size("platform.db") + size("platform.db-wal")
}

// A8
#[test]
fn a_flood_of_strangers_leaves_few_rows_with_exact_counts() {
    let site = Site::new().with_limited_refusals();
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let platform = site.start();
    platform.admit("GENUINE", &[]);
    let own = site.certificate("GENUINE", KeyType::Ecc);
    let mut device = Device::connect(&site, platform.address, &own).unwrap();
    let before = size_of_store(&site);
    let (to, mut sent) = (platform.address, 0);
    thread::scope(|scope| {
        let attacks = [
            scope.spawn(move || flood(to, 2, 2_000, b"\x16")),
            scope.spawn(move || flood(to, 3, 1_000, b"GET / HTTP/1.1\r\nHost: pcd\r\n\r\n")),
        ];
        for size in [25_000, 6_000] {
            let own = self_signed(folder.path(), size);
            for _ in 0..5 {
                finish(s_client(&site, to, Some(&own), &[]), b"", Some(b"never"));
            }
        }
        while attacks.iter().any(|attack| !attack.is_finished()) || sent < 20 {
            assert_eq!(device.code(message("GENUINE", &format!("M{sent}"))), "CA");
            sent += 1;
            // The store must not grow with the time that the flood takes.
            thread::sleep(Duration::from_millis(if sent < 200 { 20 } else { 1000 }));
        }
    });
    eventually("all are refused", || refused(&platform) == 3_010.0);
    let is_named = |row: &Value| row["details"]["refusal"] == "untrusted-issuer";
    eventually("its row is written", || rows(platform.cli()).iter().any(is_named));
    let while_running = rows(platform.cli());
    // Sixty a minute.
    let minutes = 1 + usize::try_from(began.elapsed().as_secs() / 60).unwrap();
    assert!(while_running.len() <= 60 * minutes, "{}", while_running.len());
    let certificate = &while_running.iter().find(|row| is_named(row)).unwrap()["details"]["certificate"];
    assert_eq!(certificate["issuer"].as_str().unwrap().chars().count(), 256, "{certificate}");
    assert_eq!(certificate["issuer-sha256"].as_str().unwrap().len(), 64, "{certificate}");

    assert!(platform.stop().status.success());
    let cli = Cli::without_store(&site);
    let all = rows(&cli);
    assert_eq!(counted(&all), 3_010);
    assert!(all.len() <= 70 + 60 * minutes, "{}", all.len());
    let bytes: usize = all.iter().map(|row| row["details"].to_string().len()).sum();
    assert!(bytes < (minutes * 64) << 10, "{bytes}");
    let alerts = cli.run(&["audit", "export", "--format", "atna"]);
    let alerts: Vec<_> = alerts.lines().filter(|line| line.contains(r#"csd-code="110126""#)).collect();
    assert_eq!(alerts.len(), all.len(), "an alert for each row");
    let growth = size_of_store(&site).saturating_sub(before);
    println!("{} rows, {bytes} bytes; the store grew by {growth}, with {sent} messages", all.len());
    assert!(growth < 1 << 20, "{growth}");
    assert!(cli.run(&["audit", "verify"]).contains("intact"));
}

// A8
#[test]
fn repeated_refusals_share_a_row_in_each_interval_and_other_reasons_have_their_own() {
    let site = Site::new().with_limited_refusals().with("audit", "refusal-interval = \"15s\"");
    let platform = site.start();
    let from = Ipv4Addr::new(127, 0, 4, 1);
    let attack = |bytes: &[u8]| {
        let before = refused(&platform);
        connect_from(from, platform.address).unwrap().write_all(bytes).unwrap();
        eventually("it is refused", || refused(&platform) > before);
    };
    (0..5).for_each(|_| attack(b"not TLS at all"));
    eventually("the number is on record", || counted(&rows(platform.cli())) == 5);
    let [own, shared] = &rows(platform.cli())[..] else { panic!("{:?}", rows(platform.cli())) };
    assert_eq!(own["event"], "connection-refused");
    assert!(own["details"]["peer"].as_str().unwrap().starts_with("127.0.4.1:"), "{own}");
    assert_eq!(shared["event"], "refusals-counted");
    let details = &shared["details"];
    assert_eq!((&details["address"], &details["count"]), (&"127.0.4.1".into(), &4.into()));
    assert_eq!(details["refusal"], own["details"]["refusal"]);
    assert!(details["first"].as_str().unwrap() < details["last"].as_str().unwrap(), "{details}");
    let recorded = |row: &str| platform.metric(&format!("pcd_recorded_refusals_total{{row=\"{row}\"}}"));
    eventually("both are counted", || (recorded("own"), recorded("counted")) == (1.0, 4.0));
}

// A8: no stranger can make a certificate that an installed CA has issued, so none hides its refusal.
#[test]
fn a_flood_of_strangers_hides_no_refusal_of_an_issued_certificate_whatever_its_fault() {
    let site = Site::new().with_limited_refusals().with("audit", "refusal-rate = 10");
    let cli = Cli::of(&site);
    for name in ["OLD", "EARLY", "SERVER", "SUSPENDED"] {
        cli.run(&["device", "add", name]);
    }
    cli.run(&["device", "suspend", "SUSPENDED"]);
    let (platform, began) = (site.start(), Instant::now());
    let hours = |hours: i64| Some(jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours));
    let order = |name: &str| CertificateOrder::new(name, Role::Device, KeyType::Ecc);
    let locked_out = [
        ("expired", CertificateOrder { not_before: hours(-48), days: 1, ..order("OLD") }),
        ("not-yet-valid", CertificateOrder { not_before: hours(24), ..order("EARLY") }),
        (
            "wrong-purpose",
            CertificateOrder { purposes: Some(vec![KeyPurpose::ServerAuth]), ..order("SERVER") },
        ),
        ("suspended-device", order("SUSPENDED")),
        ("unknown-device", order("UNLISTED")),
    ]
    .map(|(reason, order)| (reason, order.common_names[0].clone(), site.issue(&order)));
    flood(platform.address, 5, 300, b"\x16");
    for (reason, name, own) in &locked_out {
        flood(platform.address, 5, 20, b"\x16");
        let connected = Device::connect(&site, platform.address, own);
        assert!(connected.is_err() || connected.unwrap().send(message(name, "1")).is_err());
        let is_own = |row: &Value| {
            row["event"] == "connection-refused"
                && row["details"]["refusal"] == *reason
                && row["details"]["certificate"]["common-name"] == **name
        };
        eventually("it has a row of its own", || rows(platform.cli()).iter().any(is_own));
        let line = |line: &str| line.contains(name.as_str()) && line.contains(reason);
        eventually("and a line", || platform.log().lines().any(line));
    }
    let minutes = 1 + usize::try_from(began.elapsed().as_secs() / 60).unwrap();
    let strangers = rows(platform.cli()).len() - locked_out.len();
    assert!((10..=10 * minutes).contains(&strangers), "{strangers}: the strangers have used up their rows");
}

// A9.4: an operator sees each refusal of a device, up to a bound.
#[test]
fn a_refused_device_has_rows_of_its_own_beside_a_flood_of_strangers() {
    let site = Site::new().with_limited_refusals().with("audit", "refusal-rate = 10");
    let cli = Cli::of(&site);
    cli.run(&["device", "add", "PUMP"]);
    cli.run(&["device", "suspend", "PUMP"]);
    let platform = site.start();
    let own = site.certificate("PUMP", KeyType::Ecc);
    flood(platform.address, 5, 500, b"\x16");
    for _ in 0..12 {
        let connected = Device::connect(&site, platform.address, &own);
        assert!(connected.is_err() || connected.unwrap().send(message("PUMP", "1")).is_err());
    }
    eventually("all are refused", || refused(&platform) == 512.0);
    let is_of_device = |row: &&Value| row["details"]["certificate"]["common-name"] == "PUMP";
    eventually("their rows are written", || rows(platform.cli()).len() == 20);
    assert_eq!(rows(platform.cli()).iter().filter(is_of_device).count(), 10);
    assert!(platform.stop().status.success());
    let all = rows(&Cli::without_store(&site));
    let of_device: Vec<_> = all.iter().filter(is_of_device).cloned().collect();
    assert_eq!((of_device.len(), counted(&of_device), counted(&all)), (11, 12, 512), "{all:?}");
}
