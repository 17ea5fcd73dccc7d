//! What happens when a running part of the platform ends: it is named and counted, and the platform stops
//! with exit code 70 or does without it. The faults are injected; a release build contains no injection
//! points.

use std::time::Duration;

use pcd_platform::model::Task;
use pcd_platform::pki::KeyType;
use rustix::process::Signal;

use crate::harness::{
    Cli, Credential, Platform, Site, Stopped, Wire, connector, eventually, framed, has_read_everything,
    message,
};
use crate::lifecycle::Writing;

const NAME: &str = "00A037FFFE000001";

/// Ends of these stop the platform.
const FATAL: [Task; 11] = [
    Task::InterfaceA,
    Task::Handshakes,
    Task::Directory,
    Task::Revocation,
    Task::RevocationRefresh,
    Task::Instance,
    Task::StoreWriter,
    Task::AuditSigning,
    Task::Reload,
    Task::Admin,
    Task::RevocationDisk,
];
/// These are restarted.
const RESTARTED: [Task; 14] = [
    Task::Stapling,
    Task::Dispatcher,
    Task::Gateway,
    Task::AuditMemory,
    Task::AuditForwarder,
    Task::Liveness,
    Task::Retention,
    Task::Projector,
    Task::Api,
    Task::Findings,
    Task::Contacts,
    Task::Notifications,
    Task::Outbound,
    Task::ServiceManager,
];

/// A site whose platform obeys [`inject`].
fn site() -> Site {
    with_faults(Site::new())
}

fn with_faults(site: Site) -> Site {
    let file = site.path().join("fault");
    site.with_environment("PCD_TEST_FAULT", file)
}

/// From now on the task panics or returns, until [`repair`].
fn inject(site: &Site, fault: &str, task: Task) {
    std::fs::write(site.path().join("fault"), format!("{fault} {task}")).unwrap();
}

fn repair(site: &Site) {
    std::fs::remove_file(site.path().join("fault")).unwrap();
}

fn start(site: &Site) -> (Platform, Credential) {
    let platform = site.start();
    platform.admit(NAME, &[]);
    (platform, site.certificate(NAME, KeyType::Ecc))
}

fn failures(platform: &Platform, task: Task) -> f64 {
    platform.metric(&format!("pcd_task_failures_total{{task=\"{task}\"}}"))
}

/// Whether a device can connect.
fn admits(site: &Site, platform: &Platform, own: &Credential) -> bool {
    let connector = connector(site, own, None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connected = runtime.block_on(async {
        let tcp = tokio::net::TcpStream::connect(platform.address).await.ok()?;
        connector.connect(&platform.address.ip().to_string(), tcp).await.ok()
    });
    connected.is_some()
}

#[track_caller]
fn assert_stopped_by(stopped: &Stopped, task: Task, end: &str) {
    assert_eq!(stopped.status.code(), Some(70), "{task}: {}", stopped.log);
    let named = format!("task{{task=\"{task}\"}}: running part ended; the platform drains and exits 70");
    let line = stopped.log.lines().find(|line| line.contains(&named));
    let line = line.unwrap_or_else(|| panic!("{named:?} is not in {}", stopped.log));
    assert!(line.contains("ERROR") && line.contains(end), "{line}");
}

#[test]
fn every_task_is_fatal_restarted_or_done_without() {
    let mut tasks: Vec<_> = FATAL.into_iter().chain(RESTARTED).chain([Task::StoreCheckpoint]).collect();
    tasks.sort();
    assert_eq!(tasks, Task::ALL);
}

#[test]
fn the_panic_of_a_task_that_cannot_be_done_without_stops_the_platform() {
    for task in FATAL {
        let site = site();
        let (platform, own) = start(&site);
        inject(&site, "panic", task);
        // Some have something to do only when a device connects.
        let _ = admits(&site, &platform, &own);
        let stopped = platform.wait();
        let end = match task {
            // Threads are watched from outside.
            Task::Handshakes | Task::StoreWriter | Task::RevocationDisk => "ended",
            _ => "panicked",
        };
        assert_stopped_by(&stopped, task, end);
        assert!(stopped.log.contains("panic: a fault of the platform"), "{}", stopped.log);
        repair(&site);
        // A restart finds everything in order.
        let platform = site.start();
        eventually("it is ready", || platform.get("/readyz").0 == 200);
        assert_eq!(platform.stop().status.code(), Some(0), "{task}");
    }
}

#[test]
fn the_return_of_a_task_that_cannot_be_done_without_stops_the_platform() {
    for task in [Task::Directory, Task::AuditSigning, Task::InterfaceA, Task::Admin] {
        let site = site();
        let platform = site.start();
        inject(&site, "return", task);
        assert_stopped_by(&platform.wait(), task, "returned");
    }
}

#[test]
fn without_the_directory_task_no_device_is_admitted() {
    let site = site();
    let (platform, own) = start(&site);
    let mut wire = Wire::connect(&site, platform.address, &own);
    // In TLS 1.3 a client is connected before the platform has admitted it.
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict().0, "CA");
    inject(&site, "panic", Task::Directory);
    assert_eq!(wire.answer(), None, "the session is closed with close_notify");
    Cli::of(&site).run(&["device", "suspend", NAME]);
    assert!(!admits(&site, &platform, &own));
    assert_stopped_by(&platform.wait(), Task::Directory, "panicked");
    let rows = Cli::of(&site).json(&["audit", "list", "--event", "platform-stopped"]);
    assert_eq!(rows[0]["details"]["reason"], "fault");
}

#[test]
fn a_platform_that_drains_after_a_fault_is_not_ready_and_says_why() {
    let site = site();
    let (platform, own) = start(&site);
    let mut wire = Wire::connect(&site, platform.address, &own);
    let writing = Writing::begin(&site);
    wire.write(&framed(&message(NAME, "1")));
    eventually("the message is in flight", || has_read_everything(platform.address));
    inject(&site, "panic", Task::Directory);
    eventually("the failure is counted", || failures(&platform, Task::Directory) == 1.0);
    assert!(!admits(&site, &platform, &own), "no new handshake while it drains");
    let (status, body) = std::thread::scope(|scope| {
        let readiness = scope.spawn(|| platform.get("/readyz"));
        std::thread::sleep(Duration::from_millis(100));
        writing.end();
        readiness.join().unwrap()
    });
    let readiness: serde_json::Value = serde_json::from_str(&body).unwrap();
    let check = &readiness["checks"]["tasks"];
    assert_eq!((status, &check["ok"]), (503, &false.into()), "{readiness}");
    assert!(check["reason"].as_str().unwrap().contains("directory"), "{readiness}");
    assert_eq!(wire.verdict(), ("CA".to_owned(), "1".to_owned()), "what was in flight is acknowledged");
    assert_eq!(wire.answer(), None);
    assert_stopped_by(&platform.wait(), Task::Directory, "panicked");
}

#[test]
fn a_message_that_a_dead_writer_has_not_stored_is_not_acknowledged() {
    Site::on_each_store().map(with_faults).into_iter().for_each(|site| {
        let (platform, own) = start(&site);
        let mut wire = Wire::connect(&site, platform.address, &own);
        inject(&site, "panic", Task::StoreWriter);
        let began = std::time::Instant::now();
        wire.write(&framed(&message(NAME, "1")));
        while let Ok(Some(answer)) = wire.try_answer() {
            assert!(!answer.contains("MSA|CA"), "{answer}");
        }
        assert_stopped_by(&platform.wait(), Task::StoreWriter, "ended");
        assert!(began.elapsed() < Duration::from_secs(45), "{:?}", began.elapsed());
        repair(&site);
        let platform = site.start();
        let mut wire = Wire::connect(&site, platform.address, &own);
        wire.write(&framed(&message(NAME, "1")));
        assert_eq!(wire.verdict(), ("CA".to_owned(), "1".to_owned()));
        assert_eq!(platform.cli().json(&["message", "list"]).len(), 1);
    });
}

#[test]
fn a_task_that_the_platform_can_do_without_is_restarted() {
    let site = site();
    let (platform, own) = start(&site);
    let mut wire = Wire::connect(&site, platform.address, &own);
    for (number, task) in RESTARTED.into_iter().enumerate() {
        inject(&site, "panic", task);
        eventually("it is restarted, and fails again", || failures(&platform, task) >= 2.0);
        eventually("it is ready", || platform.get("/readyz").0 == 200);
        let id = number.to_string();
        wire.write(&framed(&message(NAME, &id)));
        assert_eq!(wire.verdict(), ("CA".to_owned(), id));
        repair(&site);
    }
    let stopped = platform.stop();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
    for task in RESTARTED {
        let named = format!("task{{task=\"{task}\"}}: running part ended; it is restarted after the backoff");
        assert!(stopped.log.contains(&named), "{named:?} is not in {}", stopped.log);
    }
}

#[test]
fn without_its_checkpoint_thread_the_platform_goes_on() {
    let site = site();
    let (platform, own) = start(&site);
    let mut wire = Wire::connect(&site, platform.address, &own);
    inject(&site, "panic", Task::StoreCheckpoint);
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict(), ("CA".to_owned(), "1".to_owned()));
    eventually("the end is counted", || failures(&platform, Task::StoreCheckpoint) == 1.0);
    wire.write(&framed(&message(NAME, "2")));
    assert_eq!(wire.verdict(), ("CA".to_owned(), "2".to_owned()));
    assert_eq!(platform.get("/readyz").0, 200);
    assert_eq!(platform.stop().status.code(), Some(0));
}

#[test]
fn two_signals_within_a_second_are_one_request() {
    let site = Site::new();
    let (platform, own) = start(&site);
    let mut wire = Wire::connect(&site, platform.address, &own);
    let writing = Writing::begin(&site);
    wire.write(&framed(&message(NAME, "1")));
    eventually("the message is in flight", || has_read_everything(platform.address));
    // timeout(1) signals the process and its process group.
    let first = std::time::Instant::now();
    platform.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(100));
    // A test that was kept waiting for its turn of a processor has missed the second.
    if first.elapsed() < Duration::from_millis(900) {
        platform.signal(Signal::TERM);
    }
    std::thread::sleep(Duration::from_millis(500));
    writing.end();
    assert_eq!(wire.verdict(), ("CA".to_owned(), "1".to_owned()), "the drain goes on");
    assert_eq!(wire.answer(), None);
    let stopped = platform.wait();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
    assert!(!stopped.log.contains("a second signal came"), "{}", stopped.log);
}
