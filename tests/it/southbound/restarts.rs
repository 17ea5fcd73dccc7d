//! Orders in flight while the platform, or its dispatcher, stops.

use std::time::{Duration, Instant};

use pcd_platform::model::Task;
use rustix::process::Signal;

use super::{Scene, answer, order};
use crate::harness::{Site, eventually, field, framed, message};

#[test]
fn a_shutdown_waits_for_the_answer_to_an_order_in_flight() {
    let scene = Scene::new(Site::new());
    let mut wire = scene.connect();
    let sending = scene.send(&order("1", "AL", ""), &["--within", "1h"]);
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "1");
    assert_eq!(scene.send(&order("2", "AL", ""), &["--no-wait", "--within", "1h"]).end().0, 0);
    scene.platform.signal(Signal::TERM);
    eventually("the platform shuts down", || scene.platform.log().contains("shutting down"));
    std::thread::sleep(Duration::from_secs(1));
    // What the device sends meanwhile is acknowledged.
    wire.write(&framed(&message(super::NAME, "M-1")));
    assert_eq!(wire.verdict(), ("CA".to_owned(), "M-1".to_owned()));
    wire.write(&answer("ACK^O15^ACK", "1", "CA", "A-1"));
    assert_eq!(wire.answer(), None, "then the session ends, and no further order is sent");
    let (exit, printed, stderr) = sending.end();
    assert_eq!((exit, &printed["attempts"]), (0, &1.into()), "{stderr}");
    let Scene { site, platform } = scene;
    let stopped = platform.wait();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
    // The other order goes after the restart, and the first one is not repeated.
    let scene = Scene { platform: site.start(), site };
    let mut wire = scene.connect();
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "2");
}

// The person who waits for an order has not given it up.
#[test]
fn an_order_whose_command_loses_its_platform_stays_queued() {
    for signal in [Signal::TERM, Signal::KILL] {
        let scene = Scene::new(Site::new().with("interface-a", "drain-timeout = \"3s\""));
        let mut wire = scene.connect();
        let sending = scene.send(&order("1", "AL", ""), &["--within", "1h"]);
        assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "1");
        scene.platform.signal(signal);
        let (exit, _, stderr) = sending.end();
        assert!(exit == 69 && stderr.contains("`order list`"), "{signal:?}: {exit} {stderr}");
        let Scene { site, platform } = scene;
        platform.wait();
        let scene = Scene { platform: site.start(), site };
        let mut wire = scene.connect();
        assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "1", "{signal:?}: it is sent again");
        assert_eq!(scene.outbox()[0]["outcome"], "waiting");
    }
}

#[test]
fn a_device_that_does_not_answer_an_order_does_not_hold_up_a_shutdown_beyond_its_time() {
    let scene = Scene::new(Site::new().with("interface-a", "drain-timeout = \"8s\""));
    let mut wire = scene.connect();
    assert_eq!(scene.send(&order("1", "AL", ""), &["--no-wait", "--within", "1h"]).end().0, 0);
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "1");
    let began = Instant::now();
    let stopped = scene.platform.stop();
    let took = began.elapsed();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
    // The device has half a minute to answer.
    assert!((Duration::from_millis(5900)..Duration::from_secs(25)).contains(&took), "{took:?}");
    assert!(!stopped.log.contains("drain timeout expired"), "the session is closed in time: {}", stopped.log);
    assert_eq!(wire.answer(), None, "with close_notify");
}

#[test]
fn a_restarted_dispatcher_does_not_repeat_an_order_that_the_device_is_about_to_answer() {
    let site = Site::new();
    let fault = site.path().join("fault");
    let scene = Scene::new(site.with_environment("PCD_TEST_FAULT", fault.clone()));
    let mut wire = scene.connect();
    let sending = scene.send(&order("1", "AL", ""), &["--within", "1h"]);
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "1");
    std::fs::write(&fault, format!("panic {}", Task::Dispatcher)).unwrap();
    let failures = format!("pcd_task_failures_total{{task=\"{}\"}}", Task::Dispatcher);
    eventually("the dispatcher fails", || scene.platform.metric(&failures) >= 1.0);
    std::fs::remove_file(&fault).unwrap();
    assert!(wire.is_quiet(Duration::from_secs(5)), "the order is not repeated");
    wire.write(&answer("ACK^O15^ACK", "1", "CA", "A-1"));
    let (exit, printed, stderr) = sending.end();
    assert_eq!((exit, &printed["attempts"]), (0, &1.into()), "{stderr}");
    // The dispatcher works again.
    let sending = scene.send(&order("2", "AL", ""), &["--within", "1h"]);
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "2");
    wire.write(&answer("ACK^O15^ACK", "2", "CA", "A-2"));
    assert_eq!(sending.end().0, 0);
}
