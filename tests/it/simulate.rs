//! `simulate`: what many devices send is in the store, exactly as it was acknowledged; what the platform does
//! about faults; orders to simulated devices.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use pcd_platform::model::Clock;
use pcd_platform::pki::{Authority, CertificateOrder, KeyType, Role, TestPki};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{Platform, Site, binary, establish, eventually, fixed_address, pki, wait_for};

/// The folder of the PKI that all tests share.
pub(crate) fn shared_pki() -> PathBuf {
    pki().certificate(Authority::RootEcc).parent().unwrap().parent().unwrap().to_owned()
}

/// The words of every simulation here: no responder answers, so that the platform staples nothing.
fn words(platform: &Platform, pki: &Path, more: &[&str]) -> Vec<String> {
    let common = ["--json", "simulate", "--staples", "accept", "--interval", "1s", "--grace", "30s", "--pki"];
    let to = ["--connect".to_owned(), platform.address.to_string()];
    let words = common.iter().chain(more).map(|word| (*word).to_owned());
    let mut words: Vec<_> = words.chain(to).collect();
    words.insert(common.len(), pki.display().to_string());
    words
}

/// A simulation that runs until it is stopped.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(site: &Site, platform: &Platform, pki: &Path, more: &[&str]) -> Self {
        let child = binary()
            .args(words(platform, pki, more))
            .env("PCD_CONFIG", site.path().join("platform.toml"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    fn signal(&self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
    }

    /// SIGTERM; its summary.
    pub(crate) fn stop(self) -> Value {
        self.signal();
        let (exit, summary) = self.end();
        assert_eq!(exit, Some(0), "{summary}");
        summary
    }

    /// Its exit code and its summary.
    fn end(mut self) -> (Option<i32>, Value) {
        let stdout = self.0.stdout.take().unwrap();
        let summary = serde_json::from_reader(stdout).unwrap();
        (self.0.wait().unwrap().code(), summary)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The accepted messages of the store by transaction, as metrics name it.
pub(crate) fn stored(platform: &Platform) -> BTreeMap<String, u64> {
    let rows = platform.cli().json(&["message", "list", "--limit", "100000"]);
    let mut stored = BTreeMap::new();
    for row in rows.iter().filter(|row| row["rejection"].is_null()) {
        let transaction = row["transaction"].as_str().unwrap_or("none").to_lowercase();
        *stored.entry(transaction).or_default() += 1;
    }
    stored
}

/// Messages after this one, by the device that sent them.
fn senders(platform: &Platform, after: &str) -> BTreeMap<String, u64> {
    let rows = platform.cli().json(&["message", "list", "--limit", "100000"]);
    let mut senders = BTreeMap::new();
    // Identifiers sort in the order of arrival.
    for row in rows.iter().filter(|row| row["id"].as_str().unwrap() > after) {
        *senders.entry(row["device"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    senders
}

/// Messages by transaction with a positive acknowledgement.
pub(crate) fn acknowledged(summary: &Value) -> BTreeMap<String, u64> {
    let transactions = summary["transactions"].as_object().unwrap();
    let count = |(name, counts): (&String, &Value)| (name.clone(), counts["acknowledged"].as_u64().unwrap());
    transactions.iter().map(count).filter(|(_, count)| *count > 0).collect()
}

#[test]
fn the_store_holds_exactly_what_was_acknowledged_of_every_kind() {
    let site = Site::new().with("messages", "conformance = \"strict\"");
    let platform = site.start();
    let topics = "values,alarms,infusions,conditions,documents,heartbeats,waveforms";
    let more = ["--devices", "9", "--behind", "3", "--enrol", "--traffic", topics];
    let running = Running::start(&site, &platform, &shared_pki(), &more);
    let kinds = ["pcd-01", "pcd-04", "pcd-09", "pcd-10", "pcd-15", "watchdog"];
    wait_for(
        "every kind of message arrives",
        || stored(&platform),
        |stored| kinds.iter().all(|kind| stored.get(*kind).is_some_and(|count| *count > 1)),
    );
    let summary = running.stop();
    assert_eq!(summary["sent"], summary["acknowledged"], "{summary}");
    assert_eq!(stored(&platform), acknowledged(&summary), "{summary}");
    let rows = platform.cli().json(&["message", "list", "--limit", "100000"]);
    // OBX-8 marks every value, and there is nothing else to warn of.
    let other: Vec<_> = rows.iter().filter(|row| row["warnings"] != json!(["not-clinical"])).collect();
    assert!(other.is_empty(), "{other:?}");
}

// B17, B18: what was not acknowledged is sent again, the same bytes, and the store has it once.
#[test]
fn a_restarted_platform_gets_its_devices_back_and_no_message_is_lost_or_doubled() {
    let listen = format!("listen = [\"{}\"]", fixed_address());
    let site = Site::new().with("interface-a", &listen);
    let platform = site.start();
    // Each of these sends in every turn.
    let more = ["--devices", "4", "--behind", "2", "--enrol", "--backoff-cap", "1s"];
    let running = Running::start(&site, &platform, &shared_pki(), &more);
    let all_send = |senders: &BTreeMap<String, u64>| senders.len() == 4 && senders.values().all(|n| *n > 2);
    wait_for("all devices send", || senders(&platform, ""), all_send);
    platform.stop();
    let platform = site.start();
    let rows = platform.cli().json(&["message", "list", "--limit", "1"]);
    let last = rows[0]["id"].as_str().unwrap();
    wait_for("all of them send again", || senders(&platform, last), all_send);
    let summary = running.stop();
    assert_eq!((&summary["sent"], &summary["in-doubt"]), (&summary["acknowledged"], &json!(0)), "{summary}");
    assert_eq!(stored(&platform), acknowledged(&summary), "{summary}");
    let outages = summary["outages"].as_array().unwrap();
    assert!(outages.len() == 1 && outages[0]["ratio"].as_f64().unwrap() > 0.0, "{summary}");
}

#[test]
fn a_platform_that_does_not_come_back_is_a_failure_and_a_second_signal_ends_at_once() {
    let listen = format!("listen = [\"{}\"]", fixed_address());
    let site = Site::new().with("interface-a", &listen);
    let platform = site.start();
    let address = platform.address;
    // A message without its acknowledgement would keep the simulation for half a minute after one signal.
    let more = ["--devices", "4", "--behind", "2", "--enrol", "--backoff-cap", "1s"];
    let mut running = Running::start(&site, &platform, &shared_pki(), &more);
    let all_send = |senders: &BTreeMap<String, u64>| senders.len() == 4;
    wait_for("all devices send", || senders(&platform, ""), all_send);
    platform.stop();
    // Each device, by the address of its own, has noticed.
    let listener = std::net::TcpListener::bind(address).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 4 {
        seen.insert(listener.accept().unwrap().1.ip());
    }
    eventually("signals end it", || {
        running.signal();
        running.0.try_wait().unwrap().is_some()
    });
    let (exit, summary) = running.end();
    assert_eq!((exit, &summary["not-connected-at-end"]), (Some(1), &json!(4)), "{summary}");
}

// TLS 1.3: the handshake of a refused client ends well, and the refusal comes at the first read.
#[test]
fn a_refused_device_has_neither_a_handshake_nor_a_lost_session_nor_a_message_in_doubt() {
    let site = Site::new();
    let platform = site.start();
    let list = binary().args(["simulate", "--list", "--devices", "1", "--pki"]).arg(shared_pki()).output();
    let file = site.path().join("devices.csv");
    std::fs::write(&file, list.unwrap().stdout).unwrap();
    platform.cli().run(&["device", "import", file.to_str().unwrap()]);
    let running = Running::start(&site, &platform, &shared_pki(), &["--devices", "2", "--backoff-cap", "1s"]);
    let refused = "pcd_handshakes_total{reason=\"unknown-device\",result=\"refused\"}";
    eventually("the other device is refused", || platform.metric(refused) > 1.0);
    eventually("the device sends", || !senders(&platform, "").is_empty());
    running.signal();
    let (exit, summary) = running.end();
    assert_eq!((exit, &summary["not-connected-at-end"]), (Some(1), &json!(1)), "{summary}");
    for (count, expected) in [("handshakes", 1), ("lost-sessions", 0), ("repeated", 0), ("in-doubt", 0)] {
        assert_eq!(summary[count], expected, "{count}: {summary}");
    }
    assert_eq!(summary["sent"], summary["acknowledged"], "{summary}");
    assert_eq!(stored(&platform), acknowledged(&summary), "{summary}");
}

#[test]
fn devices_are_enrolled_only_where_the_roots_of_their_pki_are_trusted_and_a_platform_answers() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("pki");
    establish(&other, &Clock::system());
    let site = Site::new();
    let platform = site.start();
    let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    bound.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let absent = bound.local_addr().unwrap().as_socket().unwrap().to_string();
    for (pki, address, exit, reason) in [
        (&other, platform.address.to_string(), 1, "client-trust-anchors"),
        (&shared_pki(), absent, 69, "nothing answers"),
    ] {
        let output = binary()
            .args(["simulate", "--devices", "1", "--for", "1s", "--enrol", "--connect", &address, "--pki"])
            .arg(pki)
            .env("PCD_CONFIG", site.path().join("platform.toml"))
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(exit) && error.contains(reason), "{:?} {error}", output.status);
        assert!(platform.cli().json(&["device", "list"]).is_empty(), "{reason}");
    }
}

#[test]
fn messages_shaped_like_a_vendors_are_accepted_by_a_strict_platform() {
    let site = Site::new().with("messages", "conformance = \"strict\"");
    let platform = site.start();
    for vendor in ["bbraun", "philips", "ge", "draeger", "mindray"] {
        let before: u64 = stored(&platform).values().sum();
        let more = ["--devices", "4", "--behind", "2", "--enrol", "--like", vendor];
        let running = Running::start(&site, &platform, &shared_pki(), &more);
        let count = || stored(&platform).values().sum::<u64>();
        wait_for("messages arrive", count, |count| *count >= before + 20);
        let summary = running.stop();
        assert_eq!(summary["sent"], summary["acknowledged"], "{vendor}: {summary}");
        assert!(summary["rejected"].as_object().unwrap().is_empty(), "{vendor}: {summary}");
    }
}

#[test]
fn the_summary_counts_what_the_platform_does_about_each_fault() {
    // Its own PKI: certificates of it are revoked, and the simulation answers for its responder.
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("pki");
    let own = TestPki::init(&dir, &format!("http://{}", fixed_address()), &Clock::system()).unwrap();
    for key in [KeyType::Ecc, KeyType::Rsa] {
        own.issue(&CertificateOrder::new("platform", Role::Platform, key)).unwrap();
    }
    let site = Site::of(&dir).with("revocation", "allowed-hosts = [\"127.0.0.1\"]");
    let arguments = ["--devices", "16", "--fault", "all"];
    let list = binary().args(["simulate", "--list", "--pki", dir.to_str().unwrap()]).args(arguments).output();
    let list = list.unwrap();
    assert!(list.status.success(), "{}", String::from_utf8_lossy(&list.stderr));
    assert_eq!(String::from_utf8(list.stdout).unwrap().lines().count(), 1 + 15, "one is unknown");
    let platform = site.start();
    let running = Running::start(&site, &platform, &dir, &[&arguments[..], &["--enrol"]].concat());
    for refusal in ["revoked", "expired", "unknown-device"] {
        let refused = format!("pcd_handshakes_total{{reason=\"{refusal}\",result=\"refused\"}}");
        eventually(refusal, || platform.metric(&refused) > 0.0);
    }
    // Those with a fault that does not prevent a message: from the slow reader to the silent one.
    let senders = (9..16).map(|number| format!("0253494D{number:08X}"));
    for sender in senders {
        let accepted = || {
            let rows = platform.cli().json(&["message", "list", "--device", &sender, "--limit", "1000"]);
            rows.iter().filter(|row| row["rejection"].is_null()).count()
        };
        eventually(&sender, || accepted() > 0);
    }
    eventually("a message with another name is rejected", || {
        !platform.cli().json(&["message", "list", "--rejected"]).is_empty()
    });
    let summary = running.stop();
    let faults = summary["faults"].as_object().unwrap();
    assert_eq!(faults.len(), 13, "{summary}");
    for (fault, outcome) in [
        ("revoked", "refused: revoked"),
        ("expired", "refused: expired"),
        ("unknown", "refused: not admitted"),
        ("wrong-name", "rejected: identity-mismatch"),
        ("slow-reader", "acknowledged"),
        ("slow-writer", "acknowledged"),
        ("reconnects", "acknowledged"),
        ("duplicate", "acknowledged again"),
        ("no-staple", "acknowledged"),
        ("clock-off", "acknowledged"),
        ("silent", "acknowledged"),
    ] {
        let seen = &faults[fault]["platform"];
        assert!(seen[outcome].as_u64().is_some_and(|count| count > 0), "{fault}: {seen}");
    }
    // A second copy is recognised: the store has one.
    assert_eq!(stored(&platform), acknowledged(&summary), "{summary}");
}

#[test]
fn a_simulated_pump_takes_orders_and_answers_them_as_chosen() {
    let site = Site::new();
    let platform = site.start();
    let pump = "0253494D00000001";
    for (policy, exit, outcome) in [("accept", 0, "accepted"), ("offline", 1, "9007"), ("timeout", 1, "9015")]
    {
        let more = ["--devices", "2", "--enrol", "--traffic", "values", "--orders", policy];
        let sent = || platform.cli().json(&["message", "list", "--device", pump, "--limit", "1000"]).len();
        let before = if policy == "accept" { 0 } else { sent() };
        let running = Running::start(&site, &platform, &shared_pki(), &more);
        eventually("the pump sends", || sent() > before);
        let order = site.path().join(format!("{policy}.hl7"));
        std::fs::write(&order, infusion_order(policy)).unwrap();
        let words = ["order", "send", pump, order.to_str().unwrap(), "--within", "1m"];
        let (status, stdout, stderr) = platform.cli().try_run(&words);
        assert_eq!(status.code(), Some(exit), "{policy}: {stdout} {stderr}");
        let summary = running.stop();
        assert_eq!(summary["orders"][outcome], 1, "{policy}: {summary}");
    }
}

/// A PCD-03 that conforms to its profile.
fn infusion_order(control_id: &str) -> String {
    format!(
        "MSH|^~\\&|A^1^ISO|S|R|T|20260101120000+0000||RGV^O15^RGV_O15|{control_id}|P|2.6|||AL|AL||UNICODE UTF-8|||\
         X^IHE PCD^1.3.6.1.4.1.19376.1.6.1.3.1^ISO\r\
         PID|||SIM-000001^^^SIMULATED^PI||Simulated^Patient 1\r\
         PV1||I|SIMULATED\r\
         ORC|RE|1|2|||||P|20260101120000+0000||||||||||N1\r\
         RXG|1|1||1^Dopamine|250||263762^MDC_DIM_MILLI_L^MDC||||||||10|265266^MDC_DIM_MILLI_L_PER_HR^MDC\r\
         RXR|^IV^HL70162||^IVP^HL70164|^IV^HL70165\r\
         OBX|1||69986^MDC_DEV_PUMP_INFUS_VMD^MDC|1.1.0.0|||||||X|||||||A1^^0253494D00000001^EUI-64\r"
    )
}

#[test]
fn a_platform_that_is_not_there_is_unavailable() {
    // The port of a socket that is bound and does not listen.
    let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    bound.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = bound.local_addr().unwrap().as_socket().unwrap().to_string();
    let output = binary()
        .args(["simulate", "--devices", "1", "--for", "1s", "--connect", &address, "--pki"])
        .arg(shared_pki())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(69), "{text}");
    assert!(text.contains("connection refused"), "{text}");
}

#[test]
fn a_pki_of_other_cas_and_too_few_open_files_are_refused_before_a_connection() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("pki");
    let pki = establish(&dir, &Clock::system());
    let run = |limit: &str, more: &[&str]| {
        let simulate = format!("ulimit {limit}; exec \"$0\" simulate --list --pki \"$@\"");
        let output = std::process::Command::new("sh")
            .args(["-c", &simulate, crate::harness::program(), dir.to_str().unwrap()])
            .args(more)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (exit, error) = run("-n 100", &["--devices", "200"]);
    assert!(exit == Some(1) && error.contains("LimitNOFILE=") && error.contains("264"), "{exit:?} {error}");
    let (exit, error) = run("-c 0", &["--devices", "20", "--like", "ge", "--traffic", "values,documents"]);
    assert!(exit == Some(64) && error.contains("none of these devices sends documents"), "{exit:?} {error}");
    std::fs::copy(pki.certificate(Authority::RootEcc), pki.certificate(Authority::ComponentCaRsa)).unwrap();
    let (exit, error) = run("-c 0", &[]);
    assert!(exit == Some(1) && error.contains("--i-know"), "{exit:?} {error}");
}
