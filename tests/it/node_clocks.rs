//! Nodes of one server whose machines have different clocks: orders expire and are claimed by the clock of
//! the server, and the difference is shown.

use std::path::PathBuf;
use std::time::Duration;

use pcd_platform::pki::KeyType;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Platform, Site, Wire, cluster, eventually, field, wait_for};
use crate::southbound::{answer, order};

const NAME: &str = "00A037FFFE000001";

/// Two nodes of one server; the clock of the second one is that of libfaketime.
struct Nodes {
    right: (Site, Platform),
    wrong: (Site, Platform),
}

impl Nodes {
    fn start(fake: &str) -> Self {
        let database = cluster::shared().database();
        let node = |name: &str| Site::of_database(&database).with("store", &format!("node = \"{name}\""));
        let right = node("right");
        let variables = [
            ("LD_PRELOAD", library()),
            ("FAKETIME", PathBuf::from(fake)),
            // A machine with a wrong clock has a right monotonic one.
            ("FAKETIME_DONT_FAKE_MONOTONIC", PathBuf::from("1")),
            ("NO_FAKE_STAT", PathBuf::from("1")),
        ];
        let wrong = variables
            .into_iter()
            .fold(node("wrong"), |site, (name, value)| site.with_environment(name, value));
        let running = right.start();
        running.admit(NAME, &[]);
        let faked = wrong.start();
        Self { right: (right, running), wrong: (wrong, faked) }
    }

    /// Queues an order at the node, and does not wait for it.
    fn queue((site, platform): &(Site, Platform), control_id: &str, within: &str) -> Value {
        let file = site.path().join(control_id);
        std::fs::write(&file, order(control_id, "AL", "")).unwrap();
        let words = ["order", "send", NAME, file.to_str().unwrap(), "--no-wait", "--within", within];
        platform.cli().json(&words).remove(0)
    }

    fn connect((site, platform): &(Site, Platform)) -> Wire {
        Wire::connect(site, platform.address, &site.certificate(NAME, KeyType::Ecc))
    }

    /// The state of the order with this control id.
    fn order(&self, control_id: &str) -> Value {
        let orders = self.right.1.cli().json(&["order", "list"]);
        orders.into_iter().find(|order| order["control-id"] == control_id).unwrap()
    }
}

fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let found = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|file| file.exists());
    found.expect("libfaketime is missing: install the Debian package libfaketime")
}

#[test]
fn a_node_that_is_31_s_ahead_expires_no_order_and_sends_none_a_second_time() {
    let nodes = Nodes::start("+31s");
    // The right node queues it; the other one must not expire it.
    Nodes::queue(&nodes.right, "EARLY", "25s");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(nodes.order("EARLY")["outcome"], "waiting");
    let mut here = Nodes::connect(&nodes.right);
    assert_eq!(field(&here.answer().unwrap(), "MSH", 10), "EARLY");

    // The claim of the right node lasts half a minute; the other one must not take it for over.
    let mut there = Nodes::connect(&nodes.wrong);
    assert!(there.is_quiet(Duration::from_secs(3)), "the order is being sent by the right node");
    assert_eq!(nodes.order("EARLY")["attempts"], 1);
    here.write(&answer("ACK^O15^ACK", "EARLY", "CA", "A-1"));
    eventually("it is settled", || nodes.order("EARLY")["outcome"] == "acknowledged");
    drop(here);

    // The other one queues and sends an order; its time is that of the server, too.
    let queued = Nodes::queue(&nodes.wrong, "THERE", "60s");
    let left = seconds_until(queued["expires-at"].as_str().unwrap());
    assert!((32.0..=60.5).contains(&left), "it expires in {left} s");
    assert_eq!(field(&there.answer().unwrap(), "MSH", 10), "THERE");
    there.write(&answer("ACK^O15^ACK", "THERE", "CA", "A-2"));
    eventually("it is settled", || nodes.order("THERE")["outcome"] == "acknowledged");
    assert_eq!(nodes.order("THERE")["attempts"], 1);
}

fn seconds_until(time: &str) -> f64 {
    let time: jiff::Timestamp = time.parse().unwrap();
    time.duration_since(pcd_platform::model::Clock::system().now()).as_secs_f64()
}

#[test]
fn a_node_that_is_31_s_behind_sends_no_expired_order() {
    let nodes = Nodes::start("-31s");
    Nodes::queue(&nodes.right, "LATE", "2s");
    // The right node would expire it.
    nodes.right.1.signal(Signal::KILL);
    std::thread::sleep(Duration::from_secs(3));
    let mut there = Nodes::connect(&nodes.wrong);
    assert!(there.is_quiet(Duration::from_secs(2)), "the order has expired");
    let order = wait_for("it has expired", || nodes.order("LATE"), |order| order["outcome"] == "expired");
    assert_eq!(order["attempts"], 0);
}

#[test]
fn the_difference_between_the_clocks_of_the_nodes_is_measured_and_shown() {
    let nodes = Nodes::start("+31s");
    let (right, wrong) = (&nodes.right.1, &nodes.wrong.1);
    let is_about = |seconds: f64, expected: f64| (seconds - expected).abs() < 1.0;
    eventually("it is measured", || {
        is_about(wrong.metric("pcd_store_clock_difference_seconds"), 31.0)
            && is_about(right.metric("pcd_store_clock_difference_seconds"), 0.0)
    });
    // Each node knows the clocks of all nodes.
    let shown = || -> Value { serde_json::from_str(&right.get("/api/store").1).unwrap() };
    let difference = |node: &str| {
        let shown = shown();
        let nodes = shown["nodes"].as_array().unwrap();
        let found = nodes.iter().find(|shown| shown["node"] == node);
        found.and_then(|node| node["clock-difference-seconds"].as_f64())
    };
    eventually("the nodes have reported it", || {
        difference("wrong").is_some_and(|seconds| is_about(seconds, 31.0))
            && difference("right").is_some_and(|seconds| is_about(seconds, 0.0))
    });
    assert!(shown()["clock-difference-seconds"].as_f64().is_some_and(|seconds| is_about(seconds, 0.0)));
    let checked = |platform: &Platform| platform.cli().run(&["check"]);
    let here = checked(right);
    assert!(here.contains("ok       clock: this machine is "), "{here}");
    let warning = here.lines().find(|line| line.starts_with("warning  clock: node wrong on "));
    assert!(warning.is_some_and(|line| line.contains("ahead of the store's server")), "{here}");
    let there = checked(wrong);
    assert!(there.contains("warning  clock: this machine is 3"), "{there}");
    let line = "the clock of this machine differs from that of the store's server";
    assert_eq!(wrong.log().matches(line).count(), 1, "one line");
    assert_eq!(right.log().matches(line).count(), 0);
}
