//! Orders that an operator withdraws while the device may have them.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{NAME, Scene, answer, order};
use crate::harness::{Site, eventually, field};

/// Withdraws the order with this control id; what is printed, and the warning.
fn withdraw(scene: &Scene, control_id: &str) -> (Value, String) {
    let order = scene.outbox().into_iter().find(|order| order["control-id"] == control_id).unwrap();
    let words = ["--json", "order", "withdraw", order["id"].as_str().unwrap()];
    let (status, stdout, stderr) = scene.platform.cli().try_run(&words);
    assert_eq!(status.code(), Some(0), "{stderr}");
    (serde_json::from_str(&stdout).unwrap(), stderr)
}

#[test]
fn an_order_is_withdrawn_at_every_stage_and_the_outcome_says_what_is_known() {
    for site in Site::on_each_store() {
        let scene = Scene::new(site);
        let mut wire = scene.connect();
        let sending = scene.send(&order("SENT", "AL", ""), &["--within", "1h"]);
        assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "SENT");
        let accepted = scene.send(&order("ACCEPTED", "AL", "AL"), &["--within", "7d"]);
        assert!(wire.is_quiet(Duration::from_millis(600)), "the first is not answered");
        let (printed, warning) = withdraw(&scene, "SENT");
        assert_eq!((&printed["outcome"], &printed["delivery"]), (&"withdrawn".into(), &"sent".into()));
        assert!(warning.contains("may have it"), "{warning}");
        let (exit, _, stderr) = sending.end();
        assert!(exit == 69 && stderr.contains("may have it"), "{stderr}");

        // The next one goes at once.
        assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "ACCEPTED");
        wire.write(&answer("ACK^O15^ACK", "ACCEPTED", "CA", "A-1"));
        eventually("it is accepted", || scene.outbox()[0]["delivery"] == "accepted");
        let last = scene.send(&order("LAST", "AL", ""), &["--within", "1h"]);
        let (printed, warning) = withdraw(&scene, "ACCEPTED");
        assert_eq!((&printed["outcome"], &printed["delivery"]), (&"withdrawn".into(), &"accepted".into()));
        assert!(warning.contains("had accepted it"), "{warning}");
        let (exit, _, stderr) = accepted.end();
        assert!(exit == 69 && stderr.contains("had accepted it"), "{stderr}");
        assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "LAST");
        wire.write(&answer("ACK^O15^ACK", "LAST", "CA", "A-2"));
        assert_eq!(last.end().0, 0);

        // What the device did all the same is shown beside what the operator did.
        wire.write(&answer("ACK^O15^ACK", "SENT", "CA", "A-3"));
        wire.write(&answer("RRG^O16^RRG_O16", "ACCEPTED", "AA", "A-4"));
        let known = |control_id: &str| {
            let order = scene.outbox().into_iter().find(|order| order["control-id"] == control_id).unwrap();
            ["outcome", "delivery", "acknowledgement"]
                .map(|key| order[key].as_str().unwrap_or_default().to_owned())
        };
        eventually("the late answers are shown", || {
            known("ACCEPTED") == ["withdrawn", "answered", "AA"] && known("SENT")[2] == "CA"
        });
        let rows = scene.platform.cli().json(&["audit", "list", "--event", "southbound-settled"]);
        let late = rows.iter().filter(|row| row["details"]["replaced"] == "withdrawn").count();
        assert_eq!(late, 2, "audited");
        assert!(wire.is_quiet(Duration::from_millis(600)), "nothing is sent again");
        // An order that is over cannot be withdrawn.
        let id = scene.outbox()[0]["id"].as_str().unwrap().to_owned();
        let (status, _, stderr) = scene.platform.cli().try_run(&["order", "withdraw", &id]);
        assert!(status.code() == Some(1) && stderr.contains("already acknowledged"), "{stderr}");
    }
}

#[test]
fn a_withdrawn_order_is_not_sent_again_after_a_lost_connection() {
    let scene = Scene::new(Site::new());
    let mut wire = scene.connect();
    let sending = scene.send(&order("1", "AL", ""), &["--within", "1h"]);
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "1");
    withdraw(&scene, "1");
    assert_eq!(sending.end().0, 69);
    drop(wire);
    let mut wire = scene.connect();
    assert!(wire.is_quiet(Duration::from_secs(1)));
    assert_eq!(scene.audited("southbound-sent"), 1);
}

// Ctrl-C: the person learns which order it was, and whether the device may have it.
#[test]
fn an_order_whose_command_is_interrupted_is_withdrawn_and_named() {
    let scene = Scene::new(Site::new());
    let mut wire = scene.connect();
    let file = scene.file(&order("SENT", "AL", ""));
    let words = ["--json", "order", "send", NAME, file.to_str().unwrap(), "--within", "1h"];
    let mut command = scene.platform.cli().command(&words);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "SENT");
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.code() == Some(69) && stderr.contains("may have it"), "{stderr}");
    let printed: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout} {stderr}"));
    assert_eq!((&printed["outcome"], &printed["id"]), (&"withdrawn".into(), &scene.outbox()[0]["id"]));
}
