//! One serving process for each node of a store, proved with the real binary.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use pcd_platform::pki::KeyType;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Platform, Site, Wire, binary, eventually, field, framed, message};
use crate::southbound::{answer, order};

const NAME: &str = "00A037FFFE000001";
/// How long a lease on a PostgreSQL store lasts without renewal.
const LEASE: Duration = Duration::from_secs(10);

/// What the log says of a start that has to wait for the lease of another process.
const WAITS: &str = "another process holds the lease on this node";

/// Starts a `serve` that is expected to end by itself; its exit code and stderr.
fn refused(site: &Site) -> (Option<i32>, String) {
    let mut child = Ended(
        binary()
            .args(["serve", "--config"])
            .arg(site.write_configuration())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    eventually("the second serve ends", || child.0.try_wait().unwrap().is_some());
    let mut text = String::new();
    std::io::Read::read_to_string(&mut child.0.stderr.take().unwrap(), &mut text).unwrap();
    (child.0.wait().unwrap().code(), text)
}

/// A process that does not outlive its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_intact(platform: &Platform) -> bool {
    platform.cli().json(&["audit", "verify"]).iter().all(|report| report["intact"] == true)
}

fn outbox(platform: &Platform) -> Vec<Value> {
    platform.cli().json(&["order", "list"])
}

/// Offline: one of two platforms of a node may be paused, and hold the socket.
fn queue(platform: &Platform, site: &Site, control_id: &str) {
    let file = site.path().join(format!("{control_id}.hl7"));
    std::fs::write(&file, order(control_id, "AL", "")).unwrap();
    platform.cli().run(&[
        "--offline",
        "order",
        "send",
        NAME,
        file.to_str().unwrap(),
        "--no-wait",
        "--within",
        "1h",
    ]);
}

/// Answers each order on `wire` until `count` have come; their control ids.
fn take_orders(wire: &mut Wire, count: usize) -> Vec<String> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let received = wire.answer().expect("an order");
        let id = field(&received, "MSH", 10).to_owned();
        wire.write(&answer("ACK^O15^ACK", &id, "CA", &format!("A-{id}")));
        taken.push(id);
    }
    taken
}

fn connect(site: &Site, platform: &Platform) -> Wire {
    Wire::connect(site, platform.address, &site.certificate(NAME, KeyType::Ecc))
}

#[test]
fn a_second_serve_is_refused_and_the_first_goes_on_unharmed() {
    for site in Site::on_each_store() {
        let site = site.with("store", "node = \"ward-7\"");
        let first = site.start();
        first.admit(NAME, &[]);
        let mut wire = connect(&site, &first);
        for n in 0..5 {
            queue(&first, &site, &format!("BEFORE-{n}"));
        }
        let (exit, text) = refused(&site);
        assert_eq!(exit, Some(69), "{text}");
        let holder = format!("pid {}", first.pid());
        assert!(
            text.contains("node ward-7 already serves this store: host ") && text.contains(&holder),
            "{text}"
        );

        for n in 5..10 {
            queue(&first, &site, &format!("BEFORE-{n}"));
        }
        assert_eq!(take_orders(&mut wire, 10), (0..10).map(|n| format!("BEFORE-{n}")).collect::<Vec<_>>());
        eventually("all are settled", || {
            outbox(&first).iter().all(|entry| entry["outcome"] == "acknowledged")
        });
        assert!(outbox(&first).iter().all(|entry| entry["attempts"] == 1), "{:?}", outbox(&first));
        assert!(wire.is_quiet(Duration::from_millis(600)), "each order is delivered once");
        wire.write(&framed(&message(NAME, "1")));
        assert_eq!(wire.verdict(), ("CA".to_owned(), "1".to_owned()));
        assert!(is_intact(&first));
        // A graceful shutdown lets the next one start at once.
        let stopped = first.stop();
        assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
        let next = site.start();
        assert!(!next.log().contains(WAITS), "{}", next.log());
        assert!(is_intact(&next));
    }
}

#[test]
fn a_second_name_of_the_database_is_no_way_around_the_lock() {
    let site = Site::new();
    let first = site.start();
    let (named, other) = (site.path().join("platform.db"), site.path().join("other.db"));
    std::fs::hard_link(&named, &other).unwrap();
    let second = site.with("store", "url = \"sqlite:other.db\"");
    let (code, text) = refused(&second);
    assert_eq!(code, Some(69), "{text}");
    assert!(text.contains("has 2 names (hard links)"), "{text}");
    std::fs::remove_file(&other).unwrap();
    eventually("the first goes on", || first.get("/readyz").0 == 200);
}

#[test]
fn serve_overwrites_no_file_through_a_link_in_the_place_of_its_lock() {
    let site = Site::new();
    let victim = site.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, site.path().join("platform.db.lock")).unwrap();
    let (code, text) = refused(&site);
    assert_eq!(code, Some(69), "{text}");
    assert!(text.contains("platform.db.lock") && text.contains("symbolic link"), "{text}");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn a_restart_after_a_kill_waits_for_the_lease_only_on_a_server() {
    for (site, is_server) in Site::on_each_store().into_iter().zip([false, true]) {
        let killed = site.start();
        killed.admit(NAME, &[]);
        killed.signal(Signal::KILL);
        drop(killed);
        let began = Instant::now();
        let next = site.start();
        let took = began.elapsed();
        // On a very busy machine the lease may have ended before the store was open.
        let waits = next.log().contains(WAITS);
        assert!(waits == is_server || (is_server && took > LEASE), "{took:?}: {}", next.log());
        assert!(took < LEASE * 6, "{took:?}");
        assert!(is_intact(&next));
    }
}

#[test]
fn a_paused_node_whose_lease_was_taken_stops_and_delivers_nothing() {
    let site = Site::on_postgres().with("store", "node = \"ward-7\"");
    let paused = site.start();
    paused.admit(NAME, &[]);
    let mut before = connect(&site, &paused);
    before.write(&framed(&message(NAME, "1")));
    assert_eq!(before.verdict().0, "CA");
    paused.signal(Signal::STOP);
    let second = site.start();
    // It reaches the paused process, whose socket is open.
    before.write(&framed(&message(NAME, "2")));
    for n in 0..10 {
        queue(&second, &site, &format!("ORDER-{n}"));
    }
    paused.signal(Signal::CONT);
    // Both have the device now, and one of them may deliver.
    let mut wire = connect(&site, &second);
    assert_eq!(take_orders(&mut wire, 10), (0..10).map(|n| format!("ORDER-{n}")).collect::<Vec<_>>());
    while let Ok(Some(received)) = before.try_answer() {
        assert_ne!(field(&received, "MSA", 1), "CA", "nothing is stored by the paused node");
        assert_eq!(
            field(&received, "MSH", 9).split('^').next(),
            Some("ACK"),
            "no order comes from the paused node"
        );
    }
    let ended = paused.wait();
    assert_eq!(ended.status.code(), Some(70), "{}", ended.log);
    assert!(ended.log.contains("another process serves"), "{}", ended.log);
    eventually("all are settled", || outbox(&second).iter().all(|entry| entry["outcome"] == "acknowledged"));
    assert!(outbox(&second).iter().all(|entry| entry["attempts"] == 1), "{:?}", outbox(&second));
    assert!(is_intact(&second));
    let stopped = second.stop();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
}
