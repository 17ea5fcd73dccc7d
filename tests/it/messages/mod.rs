//! What becomes of a message, as its sender and the operator see it.

mod alerts;
mod decoders;
mod frames;
mod identities;
mod impersonation;
mod learning;
mod reconsider;
mod reports;
mod shown;
mod times;
mod unsent;

use pcd_platform::pki::KeyType;
use serde_json::Value;

use crate::harness::{Platform, Site, Wire, eventually, field, framed, message};

const NAME: &str = "00A037FFFE000001";
const OTHER: &str = "00A037FFFE000002";

/// A platform with one device in its directory, and a connection of that device.
struct Scene {
    site: Site,
    platform: Platform,
    wire: Wire,
}

impl Scene {
    fn new(site: Site) -> Self {
        let platform = site.start();
        platform.admit(NAME, &[]);
        let wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
        Self { site, platform, wire }
    }

    fn reconnect(&mut self) {
        self.wire =
            Wire::connect(&self.site, self.platform.address, &self.site.certificate(NAME, KeyType::Ecc));
    }

    fn send(&mut self, message: &str) {
        self.wire.write(&framed(message.as_bytes()));
    }

    /// Sends a message that has one answer.
    fn ask(&mut self, message: &str) -> String {
        self.send(message);
        self.wire.answer().expect("an acknowledgement")
    }

    fn listed(&self, more: &[&str]) -> Vec<Value> {
        self.platform.cli().json(&[&["message", "list"], more].concat())
    }

    fn audited(&self, event: &str) -> Vec<Value> {
        let rows = self.platform.cli().json(&["audit", "list", "--event", event]);
        rows.into_iter().map(|mut row| row["details"].take()).collect()
    }

    /// Waits for the end of the only session.
    fn end(&self) -> String {
        eventually("the session ends", || !self.audited("session-ended").is_empty());
        self.audited("session-ended")[0]["why"].as_str().unwrap().to_owned()
    }
}

/// A PCD-01 of the device about itself, with what it asks for in MSH-15 and MSH-16.
fn asking(control_id: &str, accept: &str, application: &str) -> String {
    text(NAME, control_id).replace("|||AL|NE|", &format!("|||{accept}|{application}|"))
}

fn text(device: &str, control_id: &str) -> String {
    String::from_utf8(message(device, control_id).to_vec()).unwrap()
}

fn admission(control_id: &str) -> String {
    format!("MSH|^~\\&|{NAME}|WARD|||20260101120000+0000||ADT^A01^ADT_A01|{control_id}|P|2.6\rPID|||1\r")
}

/// An alert (PCD-04) of this device.
pub fn alert(control_id: &str, filler: &str, parent: &str, phase: &str, seconds: u32) -> String {
    let time = format!("202601011200{seconds:02}+0000");
    format!(
        "MSH|^~\\&|MONITOR^{NAME}^EUI-64||||{}||ORU^R40^ORU_R40|{control_id}|P|2.6|||AL|NE||UNICODE UTF-8|||IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.4.1^ISO\r\
        PID|||DEMO-0001^^^Demo Hospital^PI||Patient^Imaginary\r\
        OBR|1|{filler}^MONITOR^{NAME}^EUI-64|{filler}^MONITOR^{NAME}^EUI-64|196616^MDC_EVT_ALARM^MDC|||{time}{}{parent}\r\
        OBX|1|ST|196670^MDC_EVT_LO^MDC|1.3.1.150456.1|Low SpO2|||L~PM~SP|||F|||{time}||||M1^^{NAME}^EUI-64\r\
        OBX|2|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.3.1.150456.3|{phase}||||||F\r\
        OBX|3|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.3.1.150456.4|active||||||F\r\
        OBX|4|ST|68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC|1.3.1.150456.5|enabled||||||F\r",
        // MSH-7 is when it was sent, this time.
        if control_id.ends_with("AGAIN") { "20260101130000+0000" } else { time.as_str() },
        "|".repeat(22),
    )
}

fn codes(answers: &[String]) -> Vec<&str> {
    answers.iter().map(|answer| field(answer, "MSA", 1)).collect()
}

// HL7 2.6 ch. 2, 2.9.2 and 2.9.3; IHE PCD TF vol. 2 B.1
#[test]
fn each_sender_gets_the_acknowledgements_that_it_asks_for() {
    let mut scene = Scene::new(Site::new());
    let cases: [(&str, &str, &[&str], &[&str]); 11] = [
        ("", "", &["AA"], &["AR"]),
        ("AL", "NE", &["CA"], &["CR"]),
        ("AL", "", &["CA"], &["CR"]),
        ("AL", "AL", &["CA", "AA"], &["CR"]),
        ("NE", "AL", &["AA"], &["AR"]),
        ("NE", "NE", &[], &[]),
        ("ER", "NE", &[], &["CR"]),
        ("SU", "NE", &["CA"], &[]),
        ("NE", "ER", &[], &["AR"]),
        ("NE", "SU", &["AA"], &[]),
        ("ER", "AL", &["AA"], &["CR"]),
    ];
    for (at, (accept, application, positive, negative)) in cases.into_iter().enumerate() {
        for (good, expected) in [(true, positive), (false, negative)] {
            let id = format!("{at}-{good}");
            let mut sent = asking(&id, accept, application);
            if !good {
                sent = sent.replace("ORU^R01^ORU_R01", "ADT^A01^ADT_A01");
            }
            scene.send(&sent);
            // What is not answered is followed by something that is.
            scene.send(&asking(&format!("{id}-end"), "AL", "NE"));
            let mut answers = Vec::new();
            loop {
                let answer = scene.wire.answer().unwrap();
                if field(&answer, "MSA", 2) != id {
                    break;
                }
                answers.push(answer);
            }
            assert_eq!(codes(&answers), expected, "MSH-15 {accept:?} MSH-16 {application:?} {good}");
        }
    }
    assert_eq!(scene.listed(&["--rejected"]).len(), cases.len(), "what is refused is kept as well");
    assert_eq!(scene.listed(&[]).len(), 4 * cases.len(), "also what is not answered is kept");
}

#[test]
fn an_acknowledgement_is_made_for_its_reader() {
    let mut scene = Scene::new(Site::new());
    let answer = scene.ask(&asking("A-1", "AL", "NE"));
    for (number, expected) in [
        (2, "^~\\&"),
        (3, "PCD-PLATFORM"),
        (5, &*format!("DEMO^{NAME}^EUI-64")),
        (6, "DEMO"),
        (9, "ACK^R01^ACK"),
        (11, "P"),
        (12, "2.6"),
        (15, "NE"),
        (16, "NE"),
        (18, "UNICODE UTF-8"),
    ] {
        assert_eq!(field(&answer, "MSH", number), expected, "MSH-{number} of {answer:?}");
    }
    assert_eq!((field(&answer, "MSA", 1), field(&answer, "MSA", 2)), ("CA", "A-1"));
    assert!(!field(&answer, "MSH", 10).is_empty() && !answer.contains("\rERR"));

    let refusal = scene.ask(&admission("A-2"));
    assert_eq!((field(&refusal, "MSA", 1), field(&refusal, "MSA", 2)), ("AR", "A-2"));
    assert_eq!(field(&refusal, "ERR", 2), "MSH^1^9^1^1");
    assert_eq!(field(&refusal, "ERR", 3).split('^').next(), Some("200"));
    assert_eq!(field(&refusal, "ERR", 4), "E");
    assert_eq!(field(&refusal, "ERR", 5).split('^').next(), Some("unsupported-type"));
}

#[test]
fn any_type_is_taken_where_the_operator_says_so() {
    let mut scene = Scene::new(Site::new().with("messages", "types = \"any\""));
    let answer = scene.ask(&admission("1"));
    assert_eq!(field(&answer, "MSA", 1), "AA", "{answer:?}");
    let listed = scene.listed(&["--type", "ADT^A01^ADT_A01"]);
    assert_eq!((&listed[0]["transaction"], &listed[0]["rejection"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_resend_gets_the_same_acknowledgement_and_is_stored_once() {
    Site::on_each_store().into_iter().for_each(a_resend_gets_the_same_acknowledgement_and_is_stored_once_on);
}

fn a_resend_gets_the_same_acknowledgement_and_is_stored_once_on(site: Site) {
    let mut scene = Scene::new(site);
    let sent = asking("R-1", "AL", "AL");
    scene.send(&sent);
    let first = [scene.wire.answer().unwrap(), scene.wire.answer().unwrap()];
    scene.send(&sent);
    assert_eq!([scene.wire.answer().unwrap(), scene.wire.answer().unwrap()], first);
    scene.reconnect();
    scene.send(&sent);
    assert_eq!([scene.wire.answer().unwrap(), scene.wire.answer().unwrap()], first, "byte for byte");
    assert_eq!(scene.listed(&[]).len(), 1);
    assert_eq!(scene.audited("message-accepted").len(), 1);
    let counted = "pcd_messages_total{acknowledgement=\"resend\",transaction=\"pcd-01\"}";
    assert_eq!(scene.platform.metric(counted), 2.0);

    // Devices reset their counters: the same control id, other bytes.
    assert_eq!(field(&scene.ask(&asking("R-1", "AL", "NE")), "MSA", 1), "CA");
    let listed = scene.listed(&[]);
    assert_eq!(listed.len(), 2);
    assert!(listed[0]["warnings"].as_array().unwrap().contains(&"control-id-reused".into()), "{listed:?}");
}

/// What does not keep to its profile: its rule, ERR-3, and where.
fn against_the_profile() -> [(String, &'static str, &'static str, &'static str); 4] {
    let kept = |id: &str| text(NAME, id);
    let pv1 = "PV1||I|Demo^Ward^1\r";
    [
        (
            kept("100").replace(pv1, "").replace("PID|", &format!("{pv1}PID|")),
            "segment-sequence",
            "100",
            "PV1^1",
        ),
        (kept("101").replace("|R|||", "||||"), "obx-status-missing", "101", "OBX^4^11"),
        (kept("102").replace("|97|", "|high|"), "obx-value-not-of-its-type", "102", "OBX^4^5"),
        (alert("103", "E1", "", "began", 1), "alert-phase-unknown", "103", "OBX^2^5"),
    ]
}

#[test]
fn what_does_not_keep_to_its_profile_is_taken_with_a_warning_or_refused_as_configured() {
    let mut tolerant = Scene::new(Site::new());
    let mut strict = Scene::new(Site::new().with("messages", "conformance = \"strict\""));
    for (sent, rule, error, place) in against_the_profile() {
        assert_eq!(codes(&[tolerant.ask(&sent)]), ["CA"], "{rule}");
        let newest = &tolerant.listed(&["--limit", "1"])[0];
        assert!(newest["warnings"].as_array().unwrap().contains(&rule.into()), "{rule}: {newest}");

        let answer = strict.ask(&sent);
        let reported = (field(&answer, "MSA", 1), field(&answer, "ERR", 3).split('^').next().unwrap());
        assert_eq!(reported, ("CE", error), "{rule}: {answer}");
        assert!(field(&answer, "ERR", 2).starts_with(place), "{rule}: {answer}");
        let rejected = &strict.listed(&["--rejected", "--limit", "1"])[0];
        assert_eq!(rejected["rejection"], rule);
    }
    assert_eq!(codes(&[strict.ask(&text(NAME, "KEPT"))]), ["CA"]);
}

#[test]
fn the_tree_of_a_message_names_the_patient_only_when_asked_to() {
    let mut scene = Scene::new(Site::new());
    scene.ask(&text(NAME, "TREE"));
    let cli = scene.platform.cli();
    let id = scene.listed(&[])[0]["id"].as_str().unwrap().to_owned();
    for (phi, shown) in [(&[][..], false), (&["--phi"], true)] {
        let line = [&["message", "show", &id, "--tree"], phi].concat();
        let (people, json) = (cli.run(&line), cli.json(&line).remove(0));
        for place in ["1.0.0.0", "1.1.0.0", "1.1.1.0", "1.1.1.150456"] {
            assert!(people.lines().any(|line| line.trim_start().starts_with(place)), "{place}: {people}");
        }
        let value = "MDC_PULS_OXIM_SAT_O2 (150456)  = 97  %";
        assert!(people.starts_with("PCD-01") && people.contains(value), "{people}");
        assert_eq!(people.contains("Imaginary"), shown, "{people}");
        assert_eq!(json.to_string().contains("Imaginary"), shown, "{json}");
        let levels: Vec<_> = json["requests"][0]["observations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["level"].as_str().unwrap())
            .collect();
        assert_eq!(levels, ["mds", "vmd", "channel", "metric", "metric"]);
    }
}

#[test]
fn an_unexpected_acknowledgement_is_stored_and_not_answered() {
    let mut scene = Scene::new(Site::new());
    scene.send(&format!("MSH|^~\\&|{NAME}||||20260101||ACK^R01^ACK|7|P|2.6|||AL|AL\rMSA|AA|OURS-1\r"));
    // Answers leave in the order of the messages: the first one is not for it, and comes when it is kept.
    assert_eq!(field(&scene.ask(&text(NAME, "8")), "MSA", 2), "8");
    let rejected = scene.listed(&["--rejected"]);
    assert_eq!(rejected[0]["rejection"], "unexpected-acknowledgement");
}

#[test]
fn operators_see_everything_about_a_message_but_its_content() {
    Site::on_each_store().into_iter().for_each(operators_see_everything_about_a_message_but_its_content_on);
}

fn operators_see_everything_about_a_message_but_its_content_on(site: Site) {
    let mut scene = Scene::new(site);
    scene.ask(&text(NAME, "SHOWN"));
    let cli = scene.platform.cli();
    let listed = &scene.listed(&["--device", NAME, "--type", "PCD-01", "--since", "10m"])[0];
    assert_eq!(listed["message-type"], "ORU^R01^ORU_R01");
    let id = listed["id"].as_str().unwrap();
    let shown = &cli.json(&["message", "show", id])[0];
    assert_eq!(shown["control-id"], "SHOWN");
    let identities = shown["identities"].to_string();
    assert!(identities.contains(NAME), "{identities}");
    for output in [
        cli.run(&["message", "list"]),
        cli.run(&["message", "show", id]),
        cli.run(&["audit", "list"]),
        shown.to_string(),
    ] {
        assert!(output.contains(NAME), "{output}");
        assert_free_of_content(&output);
    }
    assert!(cli.run(&["message", "show", id, "--raw"]).contains("Imaginary"));
    assert!(cli.json(&["message", "list", "--device", "UNKNOWN"]).is_empty());
    assert!(cli.json(&["audit", "list", "--since", "2030-01-01T00:00:00Z"]).is_empty());
}

fn assert_free_of_content(output: &str) {
    for content in ["Imaginary", "DEMO-0001", "Demo Hospital", "Ward", "MDC_PULS_OXIM", "|97|"] {
        assert!(!output.contains(content), "{content} in {output}");
    }
}

// No PHI in logs, whatever goes wrong.
#[test]
fn nothing_of_a_message_is_in_the_log() {
    let site = Site::new()
        .with("log", "level = \"debug\"")
        .with("interface-a", "max-frame = \"4 KiB\"")
        .with("messages", "conformance = \"strict\"");
    let mut scene = Scene::new(site);
    scene.ask(&text(NAME, "1"));
    scene.ask(&text(OTHER, "2"));
    scene.ask(&text(NAME, "3").replace("ORU^R01", "ADT^A01"));
    scene.ask("PID|||DEMO-0001^^^Demo Hospital||Patient^Imaginary\r");
    scene.ask(&text(NAME, "4").replace("|97|", "|Imaginary|"));
    scene.ask(&text(NAME, "5").replace("\rOBR", "\rPatient^Imaginary\rOBR"));
    scene.wire.write(b"Patient^Imaginary");
    scene.ask(&(text(NAME, "LARGE") + &"NTE|1||Imaginary\r".repeat(400)));
    assert_eq!(scene.end(), "frame-too-large");
    let log = scene.platform.stop().log;
    assert!(log.contains("connected"), "the log is at level debug: {log}");
    assert_free_of_content(&log);
}
