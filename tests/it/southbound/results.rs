//! The result of an order that its device has accepted: late, missing, or contradicting.

use std::time::{Duration, Instant};

use pcd_platform::pki::KeyType;
use rustix::process::Signal;
use serde_json::Value;

use super::{NAME, Scene, answer, kill, order, outbox};
use crate::harness::{Site, Wire, cluster, eventually, field};

/// A short time to report a result, so that tests can wait for its end.
fn hasty(site: Site, time: &str) -> Site {
    site.with("orders", &format!("acknowledgement-timeout = \"{time}\""))
}

/// The order with this control id, as `order list` has it.
fn listed(scene: &Scene, control_id: &str) -> Value {
    scene.outbox().into_iter().find(|order| order["control-id"] == control_id).unwrap()
}

/// Outcome, delivery and MSA-1 of an order.
fn known(scene: &Scene, control_id: &str) -> [String; 3] {
    let order = listed(scene, control_id);
    ["outcome", "delivery", "acknowledgement"].map(|key| order[key].as_str().unwrap_or_default().to_owned())
}

fn settled(scene: &Scene) -> Vec<Value> {
    let mut rows = scene.platform.cli().json(&["audit", "list", "--event", "southbound-settled"]);
    rows.sort_by_key(|row| row["number"].as_u64());
    rows
}

fn counted(scene: &Scene, metric: &str, outcome: &str) -> f64 {
    scene.platform.metric(&format!("pcd_southbound_{metric}_total{{outcome=\"{outcome}\"}}"))
}

fn queue(scene: &Scene, control_id: &str, conditions: (&str, &str)) {
    let message = order(control_id, conditions.0, conditions.1);
    assert_eq!(scene.send(&message, &["--no-wait", "--within", "1h"]).end().0, 0);
}

fn accept(wire: &mut Wire, control_id: &str) {
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), control_id);
    wire.write(&answer("ACK^O15^ACK", control_id, "CA", &format!("CA-{control_id}")));
}

#[test]
fn a_device_that_accepts_and_never_reports_does_not_hold_up_later_orders() {
    for site in Site::on_each_store() {
        let scene = Scene::new(hasty(site, "2s"));
        let mut wire = scene.connect();
        let sending = scene.send(&order("FIRST", "AL", "AL"), &["--within", "7d"]);
        let before = Instant::now();
        accept(&mut wire, "FIRST");
        eventually("it is accepted", || listed(&scene, "FIRST")["result-until"].is_string());
        let until = listed(&scene, "FIRST")["result-until"].clone();
        queue(&scene, "SECOND", ("AL", ""));
        // A device that repeats its acceptance gets no more time.
        for number in 0..6 {
            std::thread::sleep(Duration::from_millis(250));
            wire.write(&answer("ACK^O15^ACK", "FIRST", "CA", &format!("AGAIN-{number}")));
        }
        accept(&mut wire, "SECOND");
        let waited = before.elapsed();
        assert!((Duration::from_millis(1900)..Duration::from_secs(30)).contains(&waited), "{waited:?}");
        let (exit, printed, stderr) = sending.end();
        assert_eq!((exit, &printed["outcome"]), (69, &"unconfirmed".into()), "{stderr}");
        assert!(stderr.contains("look at the device"), "{stderr}");
        assert_eq!(known(&scene, "FIRST"), ["unconfirmed", "accepted", "CA"]);
        let first = listed(&scene, "FIRST");
        assert_eq!((&first["settled-at"], &first["result-until"]), (&until, &until), "at its time: {first}");
        let shown = scene.platform.cli().run(&["order", "show", first["id"].as_str().unwrap()]);
        assert!(shown.contains("whether it was carried out is not known"), "{shown}");
        let (_, body) = scene.platform.get("/api/outbox");
        assert!(body.contains("\"outcome\":\"unconfirmed\""), "{body}");
        eventually("SECOND is settled", || known(&scene, "SECOND")[0] == "acknowledged");
        // An order is settled in the store first, and counted then. The command may have settled FIRST.
        eventually("it is counted", || counted(&scene, "messages", "acknowledged") == 1.0);

        // The result comes after all.
        wire.write(&answer("RRG^O16^RRG_O16", "FIRST", "AA", "LATE"));
        eventually("the late result counts", || known(&scene, "FIRST") == ["acknowledged", "answered", "AA"]);
        let last = settled(&scene).pop().unwrap();
        let details = &last["details"];
        assert_eq!(
            (&details["outcome"], &details["replaced"]),
            (&"acknowledged".into(), &"unconfirmed".into())
        );
        eventually("it is counted", || counted(&scene, "corrections", "acknowledged") == 1.0);
        assert_eq!(scene.platform.cli().json(&["audit", "verify"])[0]["intact"], true);
    }
}

#[test]
fn the_time_to_report_a_result_is_not_begun_again_by_a_restart() {
    for site in Site::on_each_store() {
        let mut scene = Scene::new(hasty(site, "4s"));
        let mut wire = scene.connect();
        queue(&scene, "FIRST", ("AL", "AL"));
        queue(&scene, "SECOND", ("AL", ""));
        accept(&mut wire, "FIRST");
        // Its time may be over already when the command says so, on a busy machine.
        eventually("it is accepted", || known(&scene, "FIRST")[1..] == ["accepted", "CA"]);
        let until = listed(&scene, "FIRST")["result-until"].clone();
        kill(&scene.platform);
        // Also while nothing runs, the state is that of the time.
        std::thread::sleep(Duration::from_secs(4));
        assert_eq!(known(&scene, "FIRST"), ["unconfirmed", "accepted", "CA"]);
        scene.platform = scene.site.start();
        let mut wire = scene.connect();
        accept(&mut wire, "SECOND");
        let first = listed(&scene, "FIRST");
        assert_eq!((&first["settled-at"], &first["attempts"]), (&until, &1.into()));
        assert_eq!(settled(&scene)[0]["details"]["outcome"], "unconfirmed");
    }
}

// HL7 2.6 ch. 2, table 0155
#[test]
fn where_only_errors_are_reported_an_order_is_settled_by_silence_and_not_by_its_acceptance() {
    let scene = Scene::new(hasty(Site::new(), "8s"));
    let mut wire = scene.connect();
    let sending = scene.send(&order("WRONG", "AL", "ER"), &[]);
    accept(&mut wire, "WRONG");
    eventually("it is accepted", || known(&scene, "WRONG") == ["waiting", "accepted", "CA"]);
    wire.write(&answer("ACK^O15^ACK", "WRONG", "AE", "A-1"));
    let (exit, printed, stderr) = sending.end();
    assert_eq!(
        (exit, &printed["outcome"], &printed["acknowledgement"]),
        (1, &"refused".into(), &"AE".into()),
        "{stderr}"
    );

    let sending = scene.send(&order("RIGHT", "AL", "ER"), &[]);
    let before = Instant::now();
    accept(&mut wire, "RIGHT");
    let (exit, printed, stderr) = sending.end();
    assert_eq!((exit, &printed["outcome"]), (0, &"acknowledged".into()), "{stderr}");
    assert!(before.elapsed() > Duration::from_millis(7800), "{:?}", before.elapsed());
    assert_eq!(known(&scene, "RIGHT"), ["acknowledged", "no-error-reported", "CA"]);
    // The error comes late.
    wire.write(&answer("ACK^O15^ACK", "RIGHT", "AE", "A-2"));
    eventually("the late error counts", || known(&scene, "RIGHT") == ["refused", "answered", "AE"]);
    let last = settled(&scene).pop().unwrap();
    assert_eq!(
        (&last["details"]["outcome"], &last["details"]["replaced"], &last["details"]["code"]),
        (&"refused".into(), &"acknowledged".into(), &"AE".into())
    );
    eventually("it is counted", || counted(&scene, "corrections", "refused") == 1.0);
    // The answer itself is stored, and the order names it.
    let by = listed(&scene, "RIGHT")["answer"].clone();
    let shown = scene.platform.cli().json(&["message", "show", by.as_str().unwrap()]);
    assert_eq!(shown[0]["control-id"], "A-2");
    // A success may be reported as well.
    let sending = scene.send(&order("STATED", "AL", "ER"), &[]);
    accept(&mut wire, "STATED");
    wire.write(&answer("RRG^O16^RRG_O16", "STATED", "AA", "A-3"));
    assert_eq!(sending.end().1["acknowledgement"], "AA");
}

#[test]
fn where_only_success_is_reported_silence_confirms_nothing_and_without_a_result_the_acceptance_settles() {
    let scene = Scene::new(hasty(Site::new(), "1s"));
    let mut wire = scene.connect();
    let sending = scene.send(&order("SUCCESS", "AL", "SU"), &[]);
    accept(&mut wire, "SUCCESS");
    let (exit, printed, _) = sending.end();
    assert_eq!((exit, &printed["outcome"]), (69, &"unconfirmed".into()));
    wire.write(&answer("ACK^O15^ACK", "SUCCESS", "AR", "A-1"));
    eventually("the refusal counts", || known(&scene, "SUCCESS") == ["refused", "answered", "AR"]);
    let sending = scene.send(&order("NEVER", "AL", "NE"), &[]);
    accept(&mut wire, "NEVER");
    let (exit, printed, _) = sending.end();
    assert_eq!(
        (exit, &printed["outcome"], &printed["delivery"]),
        (0, &"acknowledged".into(), &"answered".into())
    );
    // A later error is heard all the same.
    wire.write(&answer("ACK^O15^ACK", "NEVER", "AE", "A-2"));
    eventually("the late error counts", || known(&scene, "NEVER") == ["refused", "answered", "AE"]);
    // An answer to nothing changes nothing.
    wire.write(&answer("ACK^O15^ACK", "UNKNOWN", "AE", "A-3"));
    eventually("it is stored", || {
        let rejected = scene.platform.cli().json(&["message", "list", "--rejected"]);
        rejected.first().is_some_and(|row| row["control-id"] == "A-3")
    });
    assert_eq!(settled(&scene).len(), 4);
}

#[test]
fn a_ca_settles_no_order_that_requests_a_result_and_two_verdicts_are_none() {
    let scene = Scene::new(Site::new());
    let mut wire = scene.connect();
    for (number, (accept, application)) in
        [("NE", "AL"), ("NE", "SU"), ("", "AL"), ("ER", "AL"), ("SU", "AL")].into_iter().enumerate()
    {
        let id = format!("RESULT-{number}");
        let sending = scene.send(&order(&id, accept, application), &[]);
        self::accept(&mut wire, &id);
        eventually("it is accepted", || known(&scene, &id) == ["waiting", "accepted", "CA"]);
        wire.write(&answer("ACK^O15^ACK", &id, "AA", &format!("A-{number}")));
        assert_eq!(sending.end().1["acknowledgement"], "AA", "{accept} {application}");
    }
    let sending = scene.send(&order("TWICE", "", ""), &[]);
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "TWICE");
    let mut twice = answer("ACK^O15^ACK", "TWICE", "AA", "A-9");
    twice.truncate(twice.len() - 2);
    twice.extend(b"MSA|AE|TWICE\r\x1C\r");
    wire.write(&twice);
    let (exit, printed, stderr) = sending.end();
    assert_eq!((exit, &printed["outcome"]), (1, &"refused".into()), "{stderr}");
}

#[test]
fn a_waiting_order_expires_at_its_time_behind_another_one() {
    let scene = Scene::new(Site::new());
    let mut wire = scene.connect();
    queue(&scene, "FIRST", ("AL", "AL"));
    accept(&mut wire, "FIRST");
    eventually("it is accepted", || known(&scene, "FIRST") == ["waiting", "accepted", "CA"]);
    assert_eq!(scene.send(&order("BEHIND", "AL", ""), &["--no-wait", "--within", "2s"]).end().0, 0);
    let behind = listed(&scene, "BEHIND");
    eventually("it expires", || known(&scene, "BEHIND")[0] == "expired");
    eventually("the platform writes that down", || counted(&scene, "messages", "expired") == 1.0);
    let expired = &settled(&scene)[0];
    assert_eq!(expired["details"]["message"], behind["id"]);
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let late = time(&expired["at"]).duration_since(time(&behind["expires-at"]));
    // The next event of the platform would be the end of the other order's time, in minutes.
    assert!(late.as_secs() < 30, "at its time, not at the next event: {late}");
    assert_eq!(listed(&scene, "BEHIND")["settled-at"], behind["expires-at"]);
    // The first one is settled, and nothing else is sent.
    wire.write(&answer("RRG^O16^RRG_O16", "FIRST", "AA", "A-1"));
    eventually("it is settled", || known(&scene, "FIRST")[0] == "acknowledged");
    assert!(wire.is_quiet(Duration::from_secs(1)), "an expired order is not sent");
}

#[test]
fn an_answer_on_another_node_counts_and_the_time_of_a_result_is_that_of_all_nodes() {
    let database = cluster::shared().database();
    let node =
        |name: &str| hasty(Site::of_database(&database), "8s").with("store", &format!("node = \"{name}\""));
    let (here, there) = (node("here"), node("there"));
    let (scene, other) = (Scene::new(here), there.start());
    let credential = there.certificate(NAME, KeyType::Ecc);
    let mut elsewhere = Wire::connect(&there, other.address, &credential);
    // The other node sends the order; the device answers to this one.
    let sending = scene.send(&order("CROSS", "AL", ""), &["--within", "1h"]);
    assert_eq!(field(&elsewhere.answer().unwrap(), "MSH", 10), "CROSS");
    let mut wire = scene.connect();
    wire.write(&answer("ACK^O15^ACK", "CROSS", "CA", "A-1"));
    let (exit, printed, stderr) = sending.end();
    assert_eq!((exit, &printed["attempts"]), (0, &1.into()), "{stderr}");
    wire.close();

    queue(&scene, "SILENT", ("AL", "AL"));
    accept(&mut elsewhere, "SILENT");
    queue(&scene, "NEXT", ("AL", ""));
    // The node that heard the acceptance dies; the time goes on.
    eventually("it is accepted", || known(&scene, "SILENT") == ["waiting", "accepted", "CA"]);
    other.signal(Signal::KILL);
    let mut wire = scene.connect();
    accept(&mut wire, "NEXT");
    assert_eq!(known(&scene, "SILENT"), ["unconfirmed", "accepted", "CA"]);
    eventually("all are settled", || {
        outbox(scene.platform.cli()).iter().all(|order| order["outcome"] != "waiting")
    });
    let unconfirmed = settled(&scene).into_iter().filter(|row| row["details"]["outcome"] == "unconfirmed");
    assert_eq!(unconfirmed.count(), 1, "one node settles it");
}
