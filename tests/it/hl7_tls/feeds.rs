//! Devices that stop sending, frames without an answer, and what the operator sees of them.

use pcd_platform::pki::KeyType;
use serde_json::Value;

use crate::harness::{Platform, Site, Wire, cluster, eventually, framed, message, wait_for};

const NAME: &str = "00A037FFFE000001";

fn scene(site: &Site) -> (Platform, Wire) {
    let platform = site.start();
    platform.admit(NAME, &[]);
    let wire = Wire::connect(site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    (platform, wire)
}

fn api(platform: &Platform, path: &str) -> Value {
    let (status, body) = platform.get(path);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

fn audited(platform: &Platform, event: &str) -> Vec<Value> {
    platform.cli().json(&["audit", "list", "--event", event])
}

#[test]
fn a_device_that_stops_is_shown_counted_and_audited_once() {
    let site = Site::new().with("devices", "silent-after = \"4s\"");
    let (platform, mut wire) = scene(&site);
    assert!(api(&platform, "/api/devices")[0]["feed"].is_null());
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict().0, "CA");
    let device = api(&platform, "/api/devices")[0].take();
    assert_eq!((&device["cn"], &device["sessions"]), (&NAME.into(), &1.into()));
    assert_eq!(
        (&device["feed"]["silent"], &device["feed"]["silent-after-seconds"]),
        (&false.into(), &4.into())
    );

    eventually("the silence is audited", || platform.metric("pcd_feeds_silent") == 1.0);
    assert_eq!(api(&platform, "/api/devices")[0]["feed"]["silent"], true);
    let silent = audited(&platform, "feed-silent");
    assert_eq!((silent.len(), &silent[0]["details"]["device"]), (1, &NAME.into()));

    // What is rejected is no sign of life.
    wire.write(&framed(&message("00A037FFFE000002", "2")));
    assert_eq!(wire.verdict().0, "CR");
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!(platform.metric("pcd_feeds_silent"), 1.0);

    // It goes on until the platform says so: a pause would be the next silence.
    let mut number = 3;
    eventually("it is heard again", || {
        wire.write(&framed(&message(NAME, &number.to_string())));
        assert_eq!(wire.verdict().0, "CA");
        number += 1;
        platform.metric("pcd_feeds_silent") == 0.0
    });
    eventually("the end of the silence is audited", || audited(&platform, "feed-resumed").len() == 1);
    eventually("the next silence is audited", || audited(&platform, "feed-silent").len() == 2);
    platform.cli().run(&["device", "suspend", NAME]);
    eventually("no device is expected", || platform.metric("pcd_feeds_silent") == 0.0);
}

#[test]
fn an_entry_has_its_own_rule_and_an_expected_device_is_missing_until_it_sends() {
    Site::on_each_store().into_iter().for_each(an_entry_has_its_own_rule_and_an_expected_device_is_missing);
}

fn an_entry_has_its_own_rule_and_an_expected_device_is_missing(site: Site) {
    let site = site.with("devices", "silent-after = \"never\"");
    let (platform, mut wire) = scene(&site);
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict().0, "CA");
    let of = |cn: &str| {
        let all = api(&platform, "/api/devices");
        all.as_array().unwrap().iter().find(|device| device["cn"] == cn).unwrap().clone()
    };
    assert!(of(NAME)["feed"]["silent-after-seconds"].is_null());
    platform.cli().run(&["device", "change", NAME, "--silent-after", "2s"]);
    eventually("the silence is audited", || audited(&platform, "feed-silent").len() == 1);
    assert_eq!((&of(NAME)["feed"]["silent-after-seconds"], &of(NAME)["missing"]), (&2.into(), &false.into()));
    let shown = platform.cli().run(&["device", "show", NAME]);
    assert!(shown.contains("after 2s"), "{shown}");
    let changed = audited(&platform, "device-changed");
    assert_eq!(changed[0]["details"]["silent-after"], "2s", "who turned it off is on record");
    platform.cli().run(&["device", "change", NAME, "--silent-after", "as-configured"]);
    assert!(platform.cli().json(&["device", "show", NAME])[0]["silent-after"].is_null());

    let other = "00A037FFFE000002";
    let missing = || platform.metric("pcd_devices_missing");
    platform.admit("00A037FFFE000003", &["--silent-after", "1s"]);
    platform.admit(other, &["--silent-after", "1s", "--expected"]);
    eventually("it is missing", || missing() == 1.0);
    assert_eq!((&of(other)["missing"], &of(other)["feed"]), (&true.into(), &Value::Null));
    assert!(platform.cli().run(&["device", "list"]).contains("silent-after=1s  expected"));
    let mut first = Wire::connect(&site, platform.address, &site.certificate(other, KeyType::Ecc));
    first.write(&framed(&message(other, "1")));
    assert_eq!(first.verdict().0, "CA");
    eventually("it is there", || missing() == 0.0);
    let log = platform.stop().log;
    assert_eq!(log.matches("an expected device has sent nothing").count(), 1, "{log}");
}

/// DEV-53, as the proposal of the technical framework prints it.
#[test]
fn a_missed_watchdog_is_noticed() {
    let site = Site::new();
    let (platform, mut wire) = scene(&site);
    let watchdog = format!(
        "MSH|^~\\&|ACME^{NAME}^EUI-64||||20260101120000+0000||ORU^R40^ORU_R40|W1|P|2.6|||AL|NE\rOBR|1|||196616^MDC_EVT_ALARM^MDC\r\
        OBX|1|ST|198200^ MDC_EVT_WATCHDOG^MDC|1.0.0.1|continue|||<1000||||F\r"
    );
    wire.write(&framed(watchdog.as_bytes()));
    assert_eq!(wire.verdict().0, "CA");
    let device = api(&platform, "/api/devices")[0].take();
    assert_eq!(device["feed"]["silent-after-seconds"], 2, "{device}");
    eventually("the silence is audited", || audited(&platform, "feed-silent").len() == 1);
}

/// PCMC 3.53.4.1.2, in a report of observations.
#[test]
fn a_device_that_leaves_monitoring_is_not_reported_as_silent() {
    let site = Site::new();
    let (platform, mut wire) = scene(&site);
    let heartbeat = |id: &str, phase: &str, bound: &str| {
        framed(
            format!(
                "MSH|^~\\&|ACME^{NAME}^EUI-64||||20260101120000+0000||ORU^R01^ORU_R01|{id}|P|2.6|||AL|NE\r\
                OBR|1|||182777000^monitoring^SCT\r\
                OBX|1|ST|198200^MDC_EVT_WATCHDOG^MDC|1.0.0.1|{phase}|||{bound}||||F\r"
            )
            .as_bytes(),
        )
    };
    wire.write(&heartbeat("W1", "start", "<3000"));
    assert_eq!(wire.verdict().0, "CA");
    assert_eq!(api(&platform, "/api/devices")[0]["feed"]["silent-after-seconds"], 6);
    wire.write(&heartbeat("W2", "end", "<0"));
    assert_eq!(wire.verdict().0, "CA");
    let feed = api(&platform, "/api/devices")[0]["feed"].take();
    assert_eq!((&feed["left"], feed["silent-after-seconds"].is_null()), (&true.into(), true), "{feed}");
    std::thread::sleep(std::time::Duration::from_secs(8));
    assert_eq!(audited(&platform, "feed-silent").len(), 0);
    let cli = platform.cli().clone();
    platform.stop();
    let listed = &cli.json(&["device", "list"])[0];
    assert_eq!((&listed["state"], &listed["left"]), (&"left".into(), &true.into()), "{listed}");
    assert_eq!(cli.json(&["device", "show", NAME])[0]["left"], true);
}

#[test]
fn an_entry_shows_the_devices_behind_it_and_which_of_them_left() {
    Site::on_each_store().into_iter().for_each(an_entry_shows_the_devices_behind_it);
}

fn an_entry_shows_the_devices_behind_it(site: Site) {
    let platform = site.start();
    platform.admit(NAME, &["--kind", "gateway", "--speaks-for", "00A037*"]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    for (monitor, phase, bound) in [("A1", "continue", "<600000"), ("A2", "end", "<0")] {
        let text = format!(
            "MSH|^~\\&|GW^{NAME}^EUI-64||||20260101120000+0000||ORU^R40^ORU_R40|{monitor}|P|2.6|||AL|NE\r\
            OBR|1|||196616^MDC_EVT_ALARM^MDC\r\
            OBX|1||69965^MDC_DEV_MON_MDS^MDC|1.0.0.0|||||||X|||||||M^^00A037FFFE0000{monitor}^EUI-64\r\
            OBX|2|ST|198200^MDC_EVT_WATCHDOG^MDC|1.0.0.1|{phase}|||{bound}||||F\r"
        );
        wire.write(&framed(text.as_bytes()));
        assert_eq!(wire.verdict().0, "CA");
    }
    let cli = platform.cli().clone();
    platform.stop();
    let shown = &cli.json(&["device", "show", NAME])[0];
    let behind = shown["behind"].as_array().unwrap();
    let of = |one: &Value| (one["identity"].as_str().unwrap().to_owned(), one["left"] == true);
    let found: Vec<_> = behind.iter().map(of).collect();
    assert_eq!(
        found,
        [("M of 00A037FFFE0000A1".to_owned(), false), ("M of 00A037FFFE0000A2".to_owned(), true)]
    );
    let text = cli.run(&["device", "show", NAME]);
    assert!(text.contains("behind it    M of 00A037FFFE0000A1, disconnected, heard last at "), "{text}");
    assert!(text.contains("behind it    M of 00A037FFFE0000A2, left monitoring, "), "{text}");
}

#[test]
fn a_monitor_that_stops_behind_its_gateway_is_noticed_also_after_a_restart() {
    Site::on_each_store().into_iter().for_each(a_monitor_stops_behind_its_gateway);
}

fn a_monitor_stops_behind_its_gateway(site: Site) {
    let platform = site.start();
    let monitors = ["00A037FFFE0000A1", "00A037FFFE0000A2"];
    platform.admit(NAME, &["--kind", "gateway", "--speaks-for", "00A037*"]);
    let heartbeat = |n: usize, monitor: &str| {
        framed(
            format!(
                "MSH|^~\\&|GW^{NAME}^EUI-64||||20260101120000+0000||ORU^R40^ORU_R40|{monitor}-{n}|P|2.6|||AL|NE\r\
                OBR|1|||196616^MDC_EVT_ALARM^MDC\r\
                OBX|1||69965^MDC_DEV_MON_MDS^MDC|1.0.0.0|||||||X|||||||M^^{monitor}^EUI-64\r\
                OBX|2|ST|198200^MDC_EVT_WATCHDOG^MDC|1.0.0.1|continue|||<4000||||F\r"
            )
            .as_bytes(),
        )
    };
    let own = site.certificate(NAME, KeyType::Ecc);
    let mut wire = Wire::connect(&site, platform.address, &own);
    for monitor in monitors {
        wire.write(&heartbeat(0, monitor));
        assert_eq!(wire.verdict().0, "CA");
    }
    let gateway = api(&platform, "/api/devices")[0].take();
    let behind: Vec<_> = gateway["behind"].as_array().unwrap().iter().collect();
    assert_eq!(behind.len(), 2, "{gateway}");
    assert_eq!(behind[0]["identity"], format!("M of {}", monitors[0]));
    eventually("they are counted", || platform.metric("pcd_feeds_behind") == 2.0);
    // One goes on, and with it the gateway: for longer than the other one may be silent.
    let silent = |wire: &mut Wire, platform: &Platform, from: usize| {
        let mut n = from;
        eventually("the other one is silent", || {
            wire.write(&heartbeat(n, monitors[0]));
            assert_eq!(wire.verdict().0, "CA");
            std::thread::sleep(std::time::Duration::from_millis(500));
            n += 1;
            n >= from + 20 && platform.metric("pcd_feeds_silent") == 1.0
        });
        let rows = audited(platform, "feeds-behind-silent");
        assert_eq!(rows[0]["details"]["identities"], serde_json::json!([format!("M of {}", monitors[1])]));
        rows.len()
    };
    assert_eq!(silent(&mut wire, &platform, 1), 1);
    assert_eq!(audited(&platform, "feed-silent").len(), 0);
    // The monitor that is silent is known again from what the store has.
    drop(wire);
    assert_eq!(platform.stop().status.code(), Some(0));
    let platform = site.start();
    let mut wire = Wire::connect(&site, platform.address, &own);
    assert_eq!(silent(&mut wire, &platform, 1000), 1, "a silence that was reported is not reported again");
    wire.write(&heartbeat(0, monitors[1]));
    wire.write(&heartbeat(2000, monitors[1]));
    eventually("it is heard again", || audited(&platform, "feeds-behind-resumed").len() == 1);
}

// Each node hears what comes to itself, and the store has the rest.
#[test]
fn a_gateway_that_moves_between_two_nodes_is_silent_at_neither() {
    let database = cluster::shared().database();
    let nodes = ["one", "two"].map(|name| {
        let site = Site::of_database(&database)
            .with("store", &format!("node = \"{name}\""))
            .with("devices", "silent-after = \"6s\"");
        let platform = site.start();
        (site, platform)
    });
    // Before the first message: it may take a while.
    let own = nodes[0].0.certificate(NAME, KeyType::Ecc);
    let monitor = "00A037FFFE0000A1";
    nodes[0].1.admit(NAME, &["--kind", "gateway", "--speaks-for", "00A037*"]);
    let mut number = 0;
    for turn in 0..4 {
        let (site, platform) = &nodes[turn % 2];
        let mut wire = Wire::connect(site, platform.address, &own);
        // Longer than the other node may hear nothing.
        for _ in 0..15 {
            number += 1;
            wire.write(&framed(&message(monitor, &number.to_string())));
            assert_eq!(wire.verdict().0, "CA");
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
    }
    let rows = |event: &str| audited(&nodes[0].1, event);
    assert_eq!((rows("feed-silent"), rows("feeds-behind-silent")), (vec![], vec![]));
    for (_, platform) in &nodes {
        let device = api(platform, "/api/devices")[0].take();
        assert_eq!(device["behind"][0]["silent"], false, "{device}");
    }
    // Both notice when it stops.
    for (_, platform) in &nodes {
        eventually("the silence is noticed", || platform.metric("pcd_feeds_silent") == 2.0);
    }
}

#[test]
fn sessions_and_messages_are_listed_without_their_content() {
    let site = Site::new();
    let (platform, mut wire) = scene(&site);
    wire.write(&framed(&message(NAME, "1")));
    assert_eq!(wire.verdict().0, "CA");
    wire.write(&framed(b"nothing that can be read"));
    assert_eq!(wire.verdict(), ("AR".to_owned(), String::new()));
    let sessions = api(&platform, "/api/sessions");
    assert_eq!((sessions.as_array().unwrap().len(), &sessions[0]["device"]), (1, &NAME.into()));
    assert!(!sessions[0]["version"].as_str().unwrap().is_empty());
    let messages = api(&platform, "/api/messages?limit=10");
    assert_eq!(messages.as_array().unwrap().len(), 2);
    assert_eq!((&messages[1]["control-id"], &messages[1]["transaction"]), (&"1".into(), &"PCD-01".into()));
    let rejected = api(&platform, &format!("/api/messages?rejected=true&device={NAME}"));
    assert_eq!((rejected.as_array().unwrap().len(), &rejected[0]["rejection"]), (1, &"no-header".into()));
    let text = messages.to_string();
    assert!(!text.contains("Imaginary") && !text.contains("MSH|"), "{text}");
    let before = messages[0]["id"].as_str().unwrap();
    let older = api(&platform, &format!("/api/messages?before={before}"));
    assert_eq!((older.as_array().unwrap().len(), &older[0]["control-id"]), (1, &"1".into()));
    for wrong in ["everything=true", "before=yesterday"] {
        assert_eq!(platform.get(&format!("/api/messages?{wrong}")).0, 400, "{wrong}");
    }
}

#[test]
fn a_frame_that_cannot_be_answered_by_name_closes_the_connection_if_the_operator_says_so() {
    let site = Site::new().with("messages", "unreadable = \"close\"");
    let (platform, mut wire) = scene(&site);
    wire.write(&framed(&message(NAME, "1")));
    wire.write(&framed(b"nothing that can be read"));
    wire.write(&framed(&message(NAME, "2")));
    assert_eq!(wire.verdict().0, "CA");
    assert!(!wire.ends_cleanly(), "no answer, and no further message is taken");
    // The connection is closed first.
    let list = || platform.cli().json(&["message", "list"]);
    let listed = wait_for("both are kept", list, |listed| listed.len() >= 2);
    // Messages of one millisecond have no order among them.
    let mut rejections: Vec<_> = listed.iter().map(|row| row["rejection"].as_str()).collect();
    rejections.sort();
    assert_eq!(rejections, [None, Some("no-header")], "kept all the same");
    eventually("the end is audited", || !audited(&platform, "session-ended").is_empty());
    assert_eq!(audited(&platform, "session-ended")[0]["details"]["why"], "unreadable-message");

    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    let nameless = String::from_utf8(message(NAME, "gone").to_vec()).unwrap().replace("|gone|P|", "||P|");
    wire.write(&framed(nameless.as_bytes()));
    assert_eq!(wire.answer(), None);
    let list = || platform.cli().json(&["message", "list", "--rejected", "--limit", "1"]);
    wait_for("it is kept", list, |listed| listed[0]["rejection"] == "no-control-id");
}

/// What the API, the page of the gateway and that of the device say of BED-2.
fn states_of_bed(platform: &Platform) -> Option<[String; 2]> {
    let device = api(platform, "/api/devices")[0].take();
    let state = device["behind"][0]["state"].as_str()?.to_owned();
    let (status, page) = platform.get("/devices/BED-2");
    assert_eq!(status, 200, "{page}");
    let heading = page.split("<h1").nth(1)?.split("</h1>").next()?.to_owned();
    Some([state, heading])
}

// It cannot send while its gateway cannot, or may not name it.
#[test]
fn a_device_behind_a_gateway_that_is_not_there_or_may_not_name_it_does_not_send() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &["--kind", "gateway", "--speaks-for", "BED-2"]);
    let certificate = site.certificate(NAME, KeyType::Ecc);
    let mut wire = Wire::connect(&site, platform.address, &certificate);
    let text = format!(
        "MSH|^~\\&|GW^{NAME}^EUI-64||||20260101120000+0000||ORU^R01^ORU_R01|1|P|2.6|||AL|NE\r\
        OBR|1|||182777000^monitoring^SCT\rOBX|1||69965^MDC_DEV_MON_MDS^MDC|1.0.0.0|||||||X|||||||BED-2\r"
    );
    wire.write(&framed(text.as_bytes()));
    assert_eq!(wire.verdict().0, "CA");
    let are = |state: &str, platform: &Platform| {
        let word = if state == "disconnected" { "not connected" } else { state };
        states_of_bed(platform).is_some_and(|[api, page]| api == state && page.contains(word))
    };
    assert!(are("sends", &platform), "{:?}", states_of_bed(&platform));
    platform.cli().run(&["device", "change", NAME, "--speaks-for", "BED-1"]);
    eventually("it may not be named any more", || are("disconnected", &platform));
    platform.cli().run(&["device", "change", NAME, "--speaks-for", "BED-2"]);
    eventually("it may be named again", || are("sends", &platform));
    drop(wire);
    eventually("its gateway is gone", || are("disconnected", &platform));
    platform.cli().run(&["device", "suspend", NAME]);
    eventually("its gateway is suspended", || are("suspended", &platform));
}

// A device that only repeats its last message looks alive, and measures nothing.
#[test]
fn a_resend_is_no_sign_of_life() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    let stored = framed(&message(NAME, "1"));
    wire.write(&stored);
    assert_eq!(wire.verdict().0, "CA");
    let last = || api(&platform, "/api/devices")[0]["feed"]["last"].take();
    let first = last();
    for _ in 0..3 {
        wire.write(&stored);
        assert_eq!(wire.verdict().0, "CA");
    }
    assert_eq!(last(), first);
    wire.write(&framed(&message(NAME, "2")));
    assert_eq!(wire.verdict().0, "CA");
    assert_ne!(last(), first);
    let cli = platform.cli().clone();
    platform.stop();
    let listed = &cli.json(&["device", "list"])[0];
    assert_eq!(listed["messages-today"], 2, "{listed}");
}
