//! Platforms that share a PostgreSQL server: any of them can die, and the server can go away.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pcd_platform::pki::KeyType;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::cluster::{self, Cluster};
use crate::harness::{Platform, Site, Wire, eventually, field, framed, message};

const NAME: &str = "00A037FFFE000001";
/// Longer than any answer may take while the store fails.
const BOUND: Duration = Duration::from_secs(20);

fn connect(site: &Site, platform: &Platform, name: &str) -> Wire {
    Wire::connect(site, platform.address, &site.certificate(name, KeyType::Ecc))
}

/// The store's part of `/readyz`, when everything else is well.
fn store_check(platform: &Platform) -> (u16, Value) {
    let (status, body) = platform.get("/readyz");
    let body: Value = serde_json::from_str(&body).unwrap();
    (status, body["checks"]["store"].clone())
}

fn control_ids(platform: &Platform) -> Vec<String> {
    let listed = platform.cli().json(&["message", "list", "--limit", "1000000"]);
    let mut ids: Vec<_> = listed.iter().map(|row| row["control-id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

#[test]
fn a_device_goes_on_at_another_node_when_its_own_dies() {
    let database = cluster::shared().database();
    let node = |name: &str| Site::of_database(&database).with("store", &format!("node = \"{name}\""));
    let (here, there) = (node("here"), node("there"));
    let (dying, other) = (here.start(), there.start());

    dying.admit(NAME, &[]);
    eventually("the other node knows the device", || other.metric("pcd_directory_devices") == 1.0);
    let mut wire = connect(&here, &dying, NAME);
    let first = framed(&message(NAME, "1"));
    wire.write(&first);
    let acknowledged = wire.answer().unwrap();
    assert_eq!(field(&acknowledged, "MSA", 1), "CA");
    // This one may have been stored or not when the node dies; the device got no answer.
    let unanswered = framed(&message(NAME, "2"));
    wire.write(&unanswered);
    dying.signal(Signal::KILL);
    while let Ok(Some(_)) = wire.try_answer() {}

    let mut wire = connect(&there, &other, NAME);
    for (frame, id) in [(&unanswered, "2"), (&framed(&message(NAME, "3")), "3")] {
        wire.write(frame);
        assert_eq!(wire.verdict(), ("CA".to_owned(), id.to_owned()));
    }
    // A resend of what the dead node has acknowledged: answered with its words.
    wire.write(&first);
    assert_eq!(wire.answer().unwrap(), acknowledged);
    assert_eq!(control_ids(&other), ["1", "2", "3"]);

    // An operator at one node changes the directory for all of them; the session at the other ends.
    let again = here.start();
    again.cli().run(&["device", "suspend", NAME]);
    assert_eq!(wire.answer(), None, "a suspended device is let go");

    // Page by page, in both lists.
    for (list, key) in [(["message", "list"], "id"), (["audit", "list"], "sequence")] {
        let page = |more: &[&str]| {
            let rows = again.cli().json(&[&list[..], more].concat());
            rows.iter().map(|row| row[key].to_string().replace('"', "")).collect::<Vec<_>>()
        };
        let all = page(&[]);
        assert_eq!(page(&["--before", &all[0], "--limit", "2"]), all[1..3], "{list:?}");
    }
    let named = ["message", "list", "--identity", NAME];
    assert_eq!(again.cli().json(&named).len(), 3);

    let reports = again.cli().json(&["audit", "verify"]);
    let intact: BTreeSet<_> = reports
        .iter()
        .map(|report| (report["node"].as_str().unwrap(), report["intact"].as_bool().unwrap()))
        .collect();
    assert_eq!(intact, BTreeSet::from([("here", true), ("there", true)]), "{reports:?}");
    for platform in [other, again] {
        let stopped = platform.stop();
        assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
    }
}

#[test]
fn while_the_server_is_away_senders_keep_their_messages_and_then_it_goes_on() {
    let server = Cluster::start();
    let site = Site::of_database(&server.database());
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = connect(&site, &platform, NAME);
    for crash in [false, true] {
        assert_eq!(store_check(&platform).0, 200);
        if crash {
            server.crash()
        } else {
            server.stop()
        }
        for attempt in 0..3 {
            let began = Instant::now();
            let original = String::from_utf8(message(NAME, "2").to_vec()).unwrap().replace("|AL|NE|", "|||");
            wire.write(&[framed(&message(NAME, "1")), framed(original.as_bytes())].concat());
            for (code, id) in [("CE", "1"), ("AE", "2")] {
                let answer = wire.answer().unwrap();
                assert_eq!((field(&answer, "MSA", 1), field(&answer, "MSA", 2)), (code, id), "{attempt}");
                assert_eq!(field(&answer, "ERR", 3).split('^').next(), Some("207"), "{answer:?}");
                assert_eq!(
                    field(&answer, "ERR", 5).split('^').next(),
                    Some("store-unavailable"),
                    "{answer:?}"
                );
            }
            assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
        }
        // While a check waits for the server, the last one counts for a moment.
        eventually("it is not ready", || store_check(&platform).0 == 503);
        let check = store_check(&platform).1;
        assert_eq!(check["ok"], false, "{check}");
        assert!(check["reason"].as_str().unwrap().contains("server"), "{check}");
        eventually("status names it", || {
            let (status, stdout, _) = platform.cli().try_run(&["status"]);
            status.code() == Some(2) && stdout.contains("store-unavailable")
        });
        server.restart();
        eventually("it is ready again", || store_check(&platform).0 == 200);
        eventually("status names it no longer", || {
            !platform.cli().try_run(&["status"]).1.contains("store-unavailable")
        });
        let id = format!("after {crash}");
        wire.write(&framed(&message(NAME, &id)));
        assert_eq!(wire.verdict(), ("CA".to_owned(), id), "the same connection goes on");
        let recovered = platform.log().matches("store is available again").count();
        assert_eq!(recovered, if crash { 2 } else { 1 });
    }
    assert_eq!(control_ids(&platform), ["after false", "after true"]);
    assert_eq!(platform.cli().json(&["audit", "verify"])[0]["intact"], true);
    // The directory is followed again as well.
    platform.admit("ANOTHER", &[]);
}

/// What the devices and the test know of each other.
#[derive(Default)]
struct Load {
    /// Messages that were acknowledged, of all devices.
    acknowledged: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    /// Waits until so many more messages are acknowledged.
    fn go_on(&self, more: usize) {
        let before = self.acknowledged.load(Ordering::SeqCst);
        let all = || self.acknowledged.load(Ordering::SeqCst);
        eventually("messages are acknowledged", || all() >= before + more);
    }
}

/// Sends one message after the other, each until it is acknowledged, and never a new one before; which.
fn insist(mut wire: Wire, device: &str, load: &Load) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !load.is_over.load(Ordering::SeqCst) {
        let id = format!("{device}-{}", acknowledged.len());
        let frame = framed(&message(device, &id));
        loop {
            let began = Instant::now();
            wire.write(&frame);
            let answer = wire.answer().unwrap();
            assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
            match field(&answer, "MSA", 1) {
                "CA" => break,
                "CE" => assert_eq!(field(&answer, "ERR", 3).split('^').next(), Some("207"), "{answer:?}"),
                _ => panic!("{answer:?}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        acknowledged.push(id);
        load.acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    acknowledged
}

#[test]
fn a_server_that_is_killed_again_and_again_under_load_loses_nothing() {
    let server = Cluster::start();
    let site = Site::of_database(&server.database());
    let platform = site.start();
    let devices = ["CRASH-1", "CRASH-2", "CRASH-3"];
    devices.iter().for_each(|device| platform.admit(device, &[]));
    let load = Arc::new(Load::default());
    let streams = devices.map(|device| {
        let (wire, load) = (connect(&site, &platform, device), Arc::clone(&load));
        std::thread::spawn(move || insist(wire, device, &load))
    });
    for more in [5, 17] {
        load.go_on(more);
        server.crash();
        server.restart();
    }
    load.go_on(5);
    load.is_over.store(true, Ordering::SeqCst);
    let mut acknowledged: Vec<_> = streams.into_iter().flat_map(|stream| stream.join().unwrap()).collect();
    acknowledged.sort();
    assert!(acknowledged.len() > 10, "only {} were acknowledged", acknowledged.len());
    assert_eq!(control_ids(&platform), acknowledged, "each exactly once");
    assert_eq!(platform.cli().json(&["audit", "verify"])[0]["intact"], true);
}

#[test]
fn a_password_is_not_shown() {
    let server = cluster::shared();
    server.sql("postgres", "CREATE ROLE shown_nowhere LOGIN SUPERUSER PASSWORD 's3cret-of-the-store'");
    let database = server.database();
    let database = database.rsplit('/').next().unwrap();
    let url = |password: &str| {
        format!("postgres://shown_nowhere:{password}@127.0.0.1:{}/{database}", server.port())
    };
    let site = Site::of_database(&url("s3cret-of-the-store"));
    let platform = site.start();
    let checked = platform.cli().run(&["check"]);
    let log = platform.stop().log;
    let wrong = Site::of_database(&url("s3cret-that-is-wrong"));
    let (status, stdout, stderr) = crate::harness::Cli::of(&wrong).try_run(&["check"]);
    assert_eq!(status.code(), Some(1), "{stdout}{stderr}");
    assert!(stdout.contains("password authentication failed"), "{stdout}");
    let (status, out, err) = crate::harness::Cli::of(&wrong).try_run(&["message", "list"]);
    assert_eq!(status.code(), Some(69), "{out}{err}");
    for text in [checked, log, stdout, stderr, out, err] {
        assert!(!text.contains("s3cret"), "{text}");
    }
}
