//! MLLP clients of npm play devices: what docs/howto/device-makers.md says of acknowledgements
//! (tests/peers/clients).

use std::path::Path;

use pcd_platform::pki::KeyType;
use serde_json::Value;

use crate::harness::{Platform, Site, command_at, eventually, finish, message};

const NAME: &str = "00A037FFFE000001";
/// Milliseconds that a client waits for an answer. One that comes is waited for no longer.
const TIMEOUT: &str = "3000";

/// A platform, and a device that has the certificate.
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

    /// What a client prints about one message with these MSH-15 and MSH-16.
    fn send(&self, client: &str, id: &str, [accept, application]: [&str; 2], mode: &str) -> Vec<Value> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let packages = root.join("target/peers/clients");
        assert!(
            packages.join("node_modules").is_dir(),
            "the MLLP clients are not installed (tests/run does it): copy tests/peers/clients/package*.json to \
             target/peers/clients, and `npm ci --prefix target/peers/clients`"
        );
        let text = String::from_utf8(message(NAME, id).to_vec()).unwrap();
        let (header, rest) = text.split_once('\r').unwrap();
        let mut fields: Vec<&str> = header.split('|').collect();
        fields.resize(17, "");
        (fields[10], fields[14], fields[15]) = (mode, accept, application);
        let file = self.site.path().join(id);
        std::fs::write(&file, [&fields.join("|"), rest].join("\r")).unwrap();
        let own = self.site.certificate(NAME, KeyType::Ecc);
        let mut node = command_at(Path::new("node"));
        node.arg(root.join("tests/peers/clients/client.mjs")).arg(&packages).arg(client);
        node.args([&self.platform.address.ip().to_string(), &self.platform.address.port().to_string()]);
        node.arg(self.site.trust_bundle()).arg(&own.chain).arg(&own.key).arg(TIMEOUT).arg(file);
        let output = finish(node, b"", None);
        assert!(output.success, "{}", output.text());
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// MSA-1 of the answers that the client takes for those to its message, in order.
    fn answers(&self, client: &str, id: &str, asked: [&str; 2], mode: &str) -> Vec<String> {
        let events = self.send(client, id, asked, mode);
        let answers = events.iter().filter_map(|event| event["answer"].as_str());
        answers.map(|answer| code(answer, id)).collect()
    }
}

/// MSA-1 of an answer to the message; `none` when the client gave up.
fn code(answer: &str, id: &str) -> String {
    let Some(msa) = answer.split('\r').find(|line| line.starts_with("MSA|")) else {
        assert!(answer.contains("timeout"), "{answer}");
        return "none".to_owned();
    };
    let fields: Vec<_> = msa.split('|').collect();
    assert_eq!(fields[2], id, "MSA-2 repeats MSH-10");
    fields[1].to_owned()
}

// HL7 2.6 ch. 2, 2.9.3: enhanced mode
#[test]
fn a_client_that_waits_for_aa_is_helped_by_its_entry_in_the_directory() {
    let scene = Scene::new(Site::new());
    // @medplum/hl7 waits for the first acknowledgement, then for AA.
    assert_eq!(scene.answers("medplum", "M-1", ["AL", "NE"], "P"), ["CA", "none"]);
    assert_eq!(scene.answers("node-hl7-client", "N-1", ["AL", "NE"], "P"), ["CA"]);
    scene.platform.cli().run(&["device", "change", NAME, "--acknowledge", "original"]);
    let mut tries = 1..;
    eventually("the platform knows the entry", || {
        let id = format!("TRY-{}", tries.next().unwrap());
        scene.answers("node-hl7-client", &id, ["AL", "NE"], "P") == ["AA"]
    });
    assert_eq!(scene.answers("medplum", "M-2", ["AL", "NE"], "P"), ["AA", "AA"]);
    assert_eq!(scene.answers("node-hl7-client", "N-2", ["AL", "NE"], "P"), ["AA"]);
}

// HL7 2.6 ch. 2, 2.9.3.2; each acknowledgement in a TLS record of its own
#[test]
fn a_client_that_asks_for_both_gets_both() {
    let scene = Scene::new(Site::new());
    assert_eq!(scene.answers("medplum", "M-1", ["AL", "AL"], "P"), ["CA", "AA"]);
    assert_eq!(scene.answers("node-hl7-client", "N-1", ["AL", "AL"], "P"), ["CA", "AA"]);
}

// HL7 table 0155
#[test]
fn ne_in_both_fields_or_in_the_first_alone_is_silence_and_the_message_is_stored() {
    let scene = Scene::new(Site::new());
    for (id, asked) in [("BOTH", ["NE", "NE"]), ("FIRST", ["NE", ""])] {
        assert_eq!(scene.answers("medplum", id, asked, "P"), ["none", "none"], "{id}");
    }
    let stored = scene.platform.cli().json(&["message", "list"]);
    assert!(stored.len() == 2 && stored.iter().all(|row| row["rejection"].is_null()), "{stored:?}");
}

// HL7 table 0103
#[test]
fn messages_for_training_are_rejected_unless_they_are_listed() {
    let scene = Scene::new(Site::new());
    assert_eq!(scene.answers("node-hl7-client", "TRAINING", ["AL", "NE"], "T"), ["CR"]);
    let scene = Scene::new(Site::new().with("messages", "processing-ids = [\"P\", \"T\"]"));
    assert_eq!(scene.answers("node-hl7-client", "TRAINING", ["AL", "NE"], "T"), ["CA"]);
}

// B.1: orders come at any time, on each connection.
#[test]
fn a_client_that_reads_one_answer_for_each_message_takes_an_order_for_the_answer() {
    let scene = Scene::new(Site::new());
    let file = scene.site.path().join("order.hl7");
    std::fs::write(&file, crate::southbound::order("ORDER-1", "AL", "")).unwrap();
    let order = ["order", "send", NAME, file.to_str().unwrap(), "--within", "1h", "--no-wait"];
    scene.platform.cli().run(&order);
    let events = scene.send("node-hl7-client", "N-1", ["AL", "NE"], "P");
    let answers: Vec<_> = events.iter().filter_map(|event| event["answer"].as_str()).collect();
    assert!(answers.iter().any(|answer| answer.contains("|RGV^O15^RGV_O15|ORDER-1|")), "{answers:?}");
    assert!(answers.iter().any(|answer| answer.contains("MSA|CA|N-1")), "{answers:?}");
}
