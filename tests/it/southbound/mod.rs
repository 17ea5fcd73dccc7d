//! Orders: from the operator's command to the device, and the answer back.

mod impersonation;
mod odd_devices;
mod restarts;
mod results;
mod targets;
mod withdrawal;

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pcd_platform::pki::KeyType;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Cli, Device, Platform, Site, Wire, cluster, eventually, field, framed, message};
use crate::loss::outside;

const NAME: &str = "00A037FFFE000001";

/// A platform with one device in its directory.
struct Scene {
    site: Site,
    platform: Platform,
}

impl Scene {
    fn new(site: Site) -> Self {
        let platform = site.start();
        platform.admit(NAME, &[]);
        Self { site, platform }
    }

    fn connect(&self) -> Wire {
        Wire::connect(&self.site, self.platform.address, &self.site.certificate(NAME, KeyType::Ecc))
    }

    fn file(&self, message: &str) -> PathBuf {
        let file = self.site.path().join(format!("{}.hl7", field(message, "MSH", 10)));
        std::fs::write(&file, message).unwrap();
        file
    }

    /// Kills the platform, and starts it again when it is gone, with its lock on the store.
    fn kill_and_start(&mut self) {
        kill(&self.platform);
        self.platform = self.site.start();
    }

    /// Runs `order send` on a thread of its own.
    fn send(&self, message: &str, more: &[&str]) -> Sending {
        let (cli, file) = (self.platform.cli().clone(), self.file(message));
        let more: Vec<_> = more.iter().map(|&word| word.to_owned()).collect();
        Sending(std::thread::spawn(move || {
            let mut words = vec!["--json", "order", "send", NAME, file.to_str().unwrap()];
            words.extend(more.iter().map(String::as_str));
            cli.try_run(&words)
        }))
    }

    fn outbox(&self) -> Vec<Value> {
        outbox(self.platform.cli())
    }

    fn audited(&self, event: &str) -> usize {
        self.platform.cli().json(&["audit", "list", "--event", event]).len()
    }
}

/// Returns when the last thread of the process has ended: its files are closed then.
fn kill(platform: &Platform) {
    platform.signal(Signal::KILL);
    let folder = PathBuf::from(format!("/proc/{}", platform.pid()));
    eventually("it is gone", || {
        let status = std::fs::read_to_string(folder.join("status")).unwrap();
        status.contains("State:\tZ") && std::fs::read_dir(folder.join("task")).unwrap().count() == 1
    });
}

fn outbox(cli: &Cli) -> Vec<Value> {
    cli.json(&["order", "list"])
}

/// A running `order send`.
struct Sending(std::thread::JoinHandle<(ExitStatus, String, String)>);

impl Sending {
    /// Waits for the end: exit code, JSON on stdout, stderr.
    fn end(self) -> (i32, Value, String) {
        let (status, stdout, stderr) = self.0.join().unwrap();
        (status.code().unwrap(), serde_json::from_str(&stdout).unwrap_or_default(), stderr)
    }
}

/// A PCD-03 (IHE PCD TF vol. 2, 3.3).
pub fn order(control_id: &str, accept: &str, application: &str) -> String {
    format!(
        "MSH|^~\\&|PLATFORM|WARD|PUMP||20260101120000+0000||RGV^O15^RGV_O15|{control_id}|P|2.6|||{accept}|{application}\r\
         PID|1||SECRET\r"
    )
}

pub fn answer(kind: &str, control_id: &str, code: &str, own_id: &str) -> Vec<u8> {
    let text = format!(
        "MSH|^~\\&|{NAME}||PLATFORM||20260101120000+0000||{kind}|{own_id}|P|2.6\rMSA|{code}|{control_id}\r"
    );
    framed(text.as_bytes())
}

// IHE PCD TF vol. 2, 3.3.4.4
#[test]
fn the_operator_learns_what_an_order_lacks_and_strict_does_not_queue_it() {
    let incomplete = order("ORDER-1", "AL", "NE");
    let scene = Scene::new(Site::new());
    let (exit, printed, warnings) = scene.send(&incomplete, &["--no-wait"]).end();
    assert_eq!((exit, &printed["control-id"]), (0, &"ORDER-1".into()), "{warnings}");
    for missing in ["msh-profile-missing", "segment-missing", "order-pump-missing"] {
        assert!(warnings.contains(&format!("warning: {missing}: ")), "{missing}: {warnings}");
    }
    assert!(!warnings.contains("SECRET"), "{warnings}");

    let scene = Scene::new(Site::new().with("messages", "conformance = \"strict\""));
    let (exit, _, why) = scene.send(&incomplete, &["--no-wait"]).end();
    assert_eq!((exit, scene.outbox().len()), (1, 0), "{why}");
    assert!(why.contains("msh-profile-missing") && why.contains("was not queued"), "{why}");
    let whole = "MSH|^~\\&|P^1^ISO||||20260101120000+0000||RGV^O15^RGV_O15|ORDER-2|P|2.6|||AL|AL|||||X\r\
        PID|||1^^^H^PI||Doe^John\rORC|RE|1|||||||20260101120000+0000||||||||||N1\r\
        RXG|1|||1^Dopamine|250||263762^MDC_DIM_MILLI_L^MDC||||||||10|265266^MDC_DIM_MILLI_L_PER_HR^MDC\r\
        RXR|^IV\rOBX|1||69986^MDC_DEV_PUMP_INFUS_VMD^MDC||||||||X|||||||A1^^00A037FFFE000001^EUI-64\r";
    let (exit, _, warnings) = scene.send(whole, &["--no-wait"]).end();
    assert_eq!((exit, scene.outbox().len(), &*warnings), (0, 1, ""));
}

#[test]
fn an_order_reaches_the_device_and_its_answer_the_operator() {
    let scene = Scene::new(Site::new());
    let mut wire = scene.connect();
    let sent = order("ORDER-1", "", "");
    let sending = scene.send(&sent, &[]);
    assert_eq!(wire.answer().unwrap(), sent, "byte for byte");
    wire.write(&answer("ACK^O15^ACK", "ORDER-1", "AA", "A-1"));
    let (exit, printed, _) = sending.end();
    assert_eq!(
        (exit, &printed["outcome"], &printed["acknowledgement"]),
        (0, &"acknowledged".into(), &"AA".into())
    );
    assert_eq!((&printed["attempts"], &printed["device"]), (&1.into(), &NAME.into()));
    // The answer is stored as a message.
    let shown = scene.platform.cli().json(&["message", "show", printed["answer"].as_str().unwrap()]);
    assert_eq!(shown[0]["control-id"], "A-1");
    assert_eq!(shown[0]["rejection"], Value::Null);
    // The device can still send messages.
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict(), ("CA".to_owned(), "1".to_owned()));

    // HL7 2.6 ch. 2, 2.9.3: the device accepts the order, and reports the result on another session.
    let sending = scene.send(&order("ORDER-2", "AL", "AL"), &[]);
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "ORDER-2");
    wire.write(&answer("ACK^O15^ACK", "ORDER-2", "CA", "A-2"));
    eventually("the accept acknowledgement is recorded", || scene.outbox()[0]["acknowledgement"] == "CA");
    assert_eq!(scene.outbox()[0]["outcome"], "waiting");
    drop(wire);
    let mut wire = scene.connect();
    wire.write(&answer("RRG^O16^RRG_O16", "ORDER-2", "AA", "A-3"));
    let (exit, printed, _) = sending.end();
    assert_eq!((exit, &printed["acknowledgement"]), (0, &"AA".into()));

    let sending = scene.send(&order("ORDER-3", "AL", "NE"), &[]);
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "ORDER-3");
    wire.write(&answer("ACK^O15^ACK", "ORDER-3", "CR", "A-4"));
    let (exit, printed, stderr) = sending.end();
    assert_eq!((exit, &printed["outcome"]), (1, &"refused".into()));
    assert!(stderr.contains("CR") && stderr.contains("message show"), "{stderr}");

    // Each look at the content of an order is audited, as for received messages.
    let id = printed["id"].as_str().unwrap();
    let shown = scene.platform.cli().json(&["order", "show", id]);
    assert_eq!((&shown[0]["outcome"], &shown[0]["control-id"]), (&"refused".into(), &"ORDER-3".into()));
    // A message and an order have their own commands; each names the other.
    for (wrong, right, id) in
        [("message", "order", id), ("order", "message", printed["answer"].as_str().unwrap())]
    {
        let (status, _, output) = scene.platform.cli().try_run(&[wrong, "show", id]);
        assert!(status.code() == Some(1) && output.contains(&format!("`{right} show {id}`")), "{output}");
    }
    let raw = scene.platform.cli().run_raw(&["order", "show", id, "--raw"]);
    assert_eq!(raw, order("ORDER-3", "AL", "NE").as_bytes());
    let exported = scene.platform.cli().json(&["order", "export", "--device", NAME]);
    assert_eq!(exported.len(), 3);
    assert_eq!(STANDARD.decode(exported[2]["raw"].as_str().unwrap()).unwrap(), sent.as_bytes());
    assert_eq!((scene.audited("message-viewed"), scene.audited("messages-exported")), (1, 1));
    let (status, body) = scene.platform.get(&format!("/api/outbox?device={NAME}&limit=2"));
    let listed: Vec<Value> = serde_json::from_str(&body).unwrap();
    assert_eq!((status, listed.len(), &listed[0]["id"]), (200, 2, &id.into()));
    assert_eq!(scene.platform.get("/api/outbox?before=no-id").0, 400);

    eventually("no order waits", || scene.platform.metric("pcd_southbound_pending") == 0.0);
    let count =
        |outcome| scene.platform.metric(&format!("pcd_southbound_messages_total{{outcome=\"{outcome}\"}}"));
    // An order is settled in the store first, and counted then.
    eventually("they are counted", || (count("acknowledged"), count("refused")) == (2.0, 1.0));
    let counted = |event| scene.platform.metric(&format!("pcd_audit_events_total{{event=\"{event}\"}}"));
    // The platform has executed the commands, and counts their rows.
    let events = ["southbound-queued", "southbound-sent", "southbound-settled", "message-accepted"];
    eventually("their rows are counted", || events.map(counted) == [3.0, 3.0, 3.0, 5.0]);
    let reported = ["queued", "sent", "settled"].map(|event| scene.audited(&format!("southbound-{event}")));
    assert_eq!(reported, [3; 3]);
    assert!(wire.is_quiet(Duration::from_millis(600)), "acknowledgements are never acknowledged");
    let stopped = scene.platform.stop();
    assert_eq!(stopped.status.code(), Some(0));
    assert!(!stopped.log.contains("SECRET"));
}

#[test]
fn expired_and_withdrawn_orders_are_not_sent() {
    let scene = Scene::new(Site::new());
    let (exit, printed, stderr) = scene.send(&order("LATE", "AL", ""), &["--within", "1s"]).end();
    assert_eq!((exit, &printed["outcome"], &printed["attempts"]), (69, &"expired".into(), &0.into()));
    assert!(stderr.contains("was not connected"), "{stderr}");
    let (exit, printed, _) =
        scene.send(&order("TAKEN-BACK", "AL", ""), &["--no-wait", "--within", "1h"]).end();
    assert_eq!((exit, &printed["outcome"]), (0, &"waiting".into()));
    eventually("it waits", || scene.platform.metric("pcd_southbound_pending") == 1.0);
    let taken_back = scene.platform.cli().json(&["order", "withdraw", printed["id"].as_str().unwrap()]);
    assert_eq!(taken_back[0]["outcome"], "withdrawn");

    let mut wire = scene.connect();
    assert!(wire.is_quiet(Duration::from_secs(1)));
    // The device receives it and does not answer in time.
    let sending = scene.send(&order("SILENT", "AL", ""), &["--within", "6s"]);
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "SILENT");
    let (exit, printed, stderr) = sending.end();
    assert_eq!((exit, &printed["attempts"]), (69, &1.into()));
    assert!(stderr.contains("may have the order"), "{stderr}");
    // A late answer is stored and rejected.
    wire.write(&answer("ACK^O15^ACK", "SILENT", "CA", "A-1"));
    eventually("the late answer is stored", || {
        let rejected = scene.platform.cli().json(&["message", "list", "--rejected"]);
        rejected.len() == 1 && rejected[0]["rejection"] == "unexpected-acknowledgement"
    });
    assert!(wire.is_quiet(Duration::from_millis(600)));
}

#[test]
fn orders_are_sent_one_at_a_time_and_again_after_a_lost_connection() {
    let mut scene = Scene::new(Site::new());
    for id in ["FIRST", "SECOND"] {
        assert_eq!(scene.send(&order(id, "AL", "AL"), &["--no-wait", "--within", "1h"]).end().0, 0);
    }
    let mut wire = scene.connect();
    let first = wire.answer().unwrap();
    assert_eq!(field(&first, "MSH", 10), "FIRST");
    assert!(wire.is_quiet(Duration::from_millis(600)), "the first is not answered");
    drop(wire);
    let mut wire = scene.connect();
    assert_eq!(wire.answer().unwrap(), first, "the same bytes under the same MSH-10");
    // The platform is killed while the device has the order.
    scene.kill_and_start();
    let mut wire = scene.connect();
    assert_eq!(wire.answer().unwrap(), first);
    wire.write(&answer("ACK^O15^ACK", "FIRST", "CA", "A-1"));
    eventually("the accept acknowledgement is recorded", || scene.outbox()[1]["acknowledgement"] == "CA");
    // An accepted order is not sent again; the device may still report the result.
    scene.kill_and_start();
    let mut wire = scene.connect();
    wire.write(&answer("RRG^O16^RRG_O16", "FIRST", "AA", "A-2"));
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "SECOND");
    wire.write(&answer("ACK^O15^ACK", "SECOND", "AA", "A-3"));
    eventually("both are acknowledged", || {
        scene.outbox().iter().all(|entry| entry["outcome"] == "acknowledged")
    });
    let attempts: Vec<_> = scene.outbox().iter().map(|entry| entry["attempts"].clone()).collect();
    assert_eq!(attempts, [1, 3], "the newest first");
    assert_eq!(scene.audited("southbound-sent"), 4);
    assert_eq!(scene.platform.cli().json(&["audit", "verify"])[0]["intact"], true);
}

#[test]
fn an_answer_is_recorded_when_the_store_recovers() {
    let scene = Scene::new(Site::new().with_changed_triggers());
    let mut wire = scene.connect();
    let (runtime, mut database) = outside(&scene.site.path().join("platform.db"));
    let poison = "CREATE TRIGGER poison BEFORE UPDATE ON outbox WHEN NEW.outcome IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'poison'); END";
    runtime.block_on(sqlx::raw_sql(poison).execute(&mut database)).unwrap();
    let sending = scene.send(&order("1", "AL", ""), &["--within", "1h"]);
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "1");
    wire.write(&answer("ACK^O15^ACK", "1", "CA", "A-1"));
    eventually("the failed write is logged", || {
        scene.platform.log().contains("the answer of a device could not be recorded")
    });
    assert_eq!(scene.outbox()[0]["outcome"], "waiting");
    runtime.block_on(sqlx::raw_sql("DROP TRIGGER poison").execute(&mut database)).unwrap();
    let (exit, printed, stderr) = sending.end();
    assert_eq!(
        (exit, &printed["acknowledgement"], &printed["attempts"]),
        (0, &"CA".into(), &1.into()),
        "{stderr}"
    );
}

#[test]
fn an_unanswered_order_is_sent_again_until_it_expires() {
    let scene = Scene::new(Site::new());
    let mut wire = scene.connect();
    let sending = scene.send(&order("1", "AL", ""), &["--within", "1h"]);
    let first = wire.answer().unwrap();
    assert!(wire.is_quiet(Duration::from_secs(20)), "a device has 30 s to answer");
    assert_eq!(wire.answer().unwrap(), first, "the same bytes under the same MSH-10");
    wire.write(&answer("ACK^O15^ACK", "1", "CA", "A-1"));
    let (exit, printed, _) = sending.end();
    assert_eq!((exit, &printed["attempts"]), (0, &2.into()));
}

#[test]
fn without_a_running_platform_order_send_reports_that_nothing_was_sent() {
    let site = Site::new();
    let cli = Cli::of(&site);
    cli.run(&["device", "add", NAME]);
    let file = site.path().join("order.hl7");
    std::fs::write(&file, order("1", "AL", "")).unwrap();
    let words = ["order", "send", NAME, file.to_str().unwrap(), "--within", "1s"];
    let (status, _, stderr) = cli.try_run(&words);
    assert!(status.code() == Some(69) && stderr.contains("was not sent"), "{stderr}");
    assert_eq!((&outbox(&cli)[0]["outcome"], &outbox(&cli)[0]["attempts"]), (&"expired".into(), &0.into()));
}

// The reference client of Interface B cannot carry out orders.
#[test]
fn the_reference_client_refuses_orders_and_does_not_mistake_them_for_acknowledgements() {
    let scene = Scene::new(Site::new());
    let own = scene.site.certificate(NAME, KeyType::Ecc);
    let mut device = Device::connect(&scene.site, scene.platform.address, &own).unwrap();
    let sending = scene.send(&order("1", "AL", "AL"), &[]);
    eventually("the order is on its way", || scene.audited("southbound-sent") == 1);
    assert_eq!(device.code(message(NAME, "2")), "CA");
    let (exit, printed, _) = sending.end();
    assert_eq!(
        (exit, &printed["outcome"], &printed["acknowledgement"]),
        (1, &"refused".into(), &"CR".into())
    );
    device.close().unwrap();
}

#[test]
fn an_order_that_cannot_be_sent_is_refused_before_it_is_queued() {
    let scene = Scene::new(Site::new());
    let cli = scene.platform.cli();
    cli.run(&["device", "add", "SUSPENDED"]);
    cli.run(&["device", "suspend", "SUSPENDED"]);
    let good = scene.file(&order("1", "AL", ""));
    let mute = scene.file(&order("2", "NE", "NE"));
    let no_file = scene.site.path().join("no-file");
    for (name, file, exit, why) in [
        ("STRANGER", &good, 1, "not in the directory"),
        ("SUSPENDED", &good, 1, "device resume"),
        (NAME, &mute, 1, "MSH-15"),
        (NAME, &no_file, 1, "cannot read"),
    ] {
        let (status, _, stderr) = cli.try_run(&["order", "send", name, file.to_str().unwrap()]);
        assert_eq!(status.code(), Some(exit), "{stderr}");
        assert!(stderr.contains(why) && !stderr.contains("SECRET"), "{stderr}");
    }
    let wrong = cli.try_run(&["order", "send", NAME, good.to_str().unwrap(), "--within", "0s"]);
    assert_eq!(wrong.0.code(), Some(64));
    assert_eq!(scene.send(&order("1", "AL", ""), &["--no-wait"]).end().0, 0);
    let (exit, _, stderr) = scene.send(&order("1", "AL", ""), &["--no-wait"]).end();
    assert!(exit == 1 && stderr.contains("MSH-10"), "{stderr}");
    let (status, _, stderr) = cli.try_run(&["order", "withdraw", "0198c6a1-7d2e-7c52-9b0e-3f6f2f0c1a55"]);
    assert!(status.code() == Some(1) && stderr.contains("no order has the id"), "{stderr}");
}

#[test]
fn an_order_reaches_the_device_on_any_node() {
    let database = cluster::shared().database();
    let node = |name: &str| Site::of_database(&database).with("store", &format!("node = \"{name}\""));
    let (here, there) = (node("here"), node("there"));
    let operators = here.start();
    let devices = there.start();
    devices.admit(NAME, &[]);
    let mut wire = Wire::connect(&there, devices.address, &there.certificate(NAME, KeyType::Ecc));
    let scene = Scene { site: here, platform: operators };
    let sending = scene.send(&order("1", "AL", ""), &[]);
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "1");
    wire.write(&answer("ACK^O15^ACK", "1", "CA", "A-1"));
    let (exit, printed, stderr) = sending.end();
    assert_eq!((exit, &printed["attempts"]), (0, &1.into()), "{stderr}");
    assert_eq!(outbox(devices.cli()).len(), 1);

    // The device accepts an order on one node, reports its result on the other, and returns for the next.
    let sending = scene.send(&order("2", "AL", "AL"), &["--within", "1h"]);
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "2");
    wire.write(&answer("ACK^O15^ACK", "2", "CA", "A-2"));
    eventually("the accept acknowledgement is recorded", || scene.outbox()[0]["acknowledgement"] == "CA");
    drop(wire);
    let mut elsewhere = scene.connect();
    elsewhere.write(&answer("RRG^O16^RRG_O16", "2", "AA", "A-3"));
    assert_eq!(sending.end().0, 0);
    elsewhere.close();
    let mut wire = Wire::connect(&there, devices.address, &there.certificate(NAME, KeyType::Ecc));
    let sending = scene.send(&order("3", "AL", "NE"), &[]);
    assert_eq!(field(&wire.answer().unwrap(), "MSH", 10), "3");
    wire.write(&answer("ACK^O15^ACK", "3", "CA", "A-4"));
    assert_eq!(sending.end().0, 0);
}
