//! Alerts, which devices report again and again.

use serde_json::Value;

use super::{NAME, Scene, alert, assert_free_of_content, codes};
use crate::harness::Site;

/// IHE PCD TF vol. 2, 3.5: MSA-2 of a PCD-05 is the MSH-10 of the first message of the alert.
#[test]
fn the_first_control_id_of_an_alert_is_known_however_it_is_reported_again() {
    Site::on_each_store()
        .into_iter()
        .for_each(the_first_control_id_of_an_alert_is_known_however_it_is_reported_again_on);
}

fn the_first_control_id_of_an_alert_is_known_however_it_is_reported_again_on(site: Site) {
    let mut scene = Scene::new(site);
    let parent = format!("^E1&MONITOR&{NAME}&EUI64");
    let start = alert("A-1", "E1", "", "start", 1);
    for sent in [
        start.clone(),
        // The acknowledgement was lost: the same bytes, and after an outage all of it with a new
        // MSH-7 and MSH-10.
        start,
        alert("A-1-AGAIN", "E1", "", "start", 1),
        alert("A-2", "E2", &parent, "end", 30),
        // Another alert.
        alert("B-1", "E3", "", "start", 40),
    ] {
        assert_eq!(codes(&[scene.ask(&sent)]), ["CA"], "{sent}");
    }
    // And after a restart.
    let Scene { site, platform, .. } = scene;
    assert_eq!(platform.stop().status.code(), Some(0));
    let platform = site.start();
    let cli = platform.cli();
    let mut listed = cli.json(&["message", "list", "--type", "PCD-04"]);
    listed.reverse();
    let reported: Vec<_> = listed
        .iter()
        .map(|message| {
            let shown = cli.json(&["message", "show", message["id"].as_str().unwrap()]).remove(0);
            let alerts = shown["alerts"].as_array().unwrap();
            assert_eq!(alerts.len(), 1, "{shown}");
            let alert = &alerts[0];
            let text = |key: &str| alert[key].as_str().unwrap().to_owned();
            let first = listed.iter().find(|other| other["id"] == alert["first-message"]).unwrap();
            assert_eq!(first["control-id"], alert["first-control-id"]);
            assert_eq!(alert["is-first"], first["id"] == message["id"]);
            [message["control-id"].as_str().unwrap().to_owned(), text("phase"), text("first-control-id")]
        })
        .collect();
    assert_eq!(
        reported,
        [
            ["A-1", "start", "A-1"],
            ["A-1-AGAIN", "start", "A-1"],
            ["A-2", "end", "A-1"],
            ["B-1", "start", "B-1"],
        ]
    );
    let shown = cli.run(&["message", "show", listed[2]["id"].as_str().unwrap(), "--utc"]);
    let line = |name: &str| {
        shown.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
    };
    assert_eq!(line("alert"), format!("E2 of {NAME}, end, 2026-01-01 12:00:30 +00:00"), "{shown}");
    assert_eq!(
        line("first report"),
        format!("control id A-1, id {}", listed[0]["id"].as_str().unwrap()),
        "{shown}"
    );
    assert_free_of_content(&shown);
    let sentence = line("reports");
    assert!(sentence.contains(", end") && !sentence.is_empty(), "{shown}");
    let json = cli.json(&["message", "show", listed[2]["id"].as_str().unwrap()]).remove(0);
    assert_eq!(json["alerts"][0]["sentence"], sentence);
    let exported = cli.json(&["message", "export", "--type", "PCD-04"]);
    assert_eq!(exported[1]["alerts"][0]["first-control-id"], "A-1");
}

fn numbered(n: usize) -> String {
    requests(&alert("M", &format!("E{n}"), "", "start", 1))
}

/// What follows PID.
fn requests(alert: &str) -> String {
    alert.split_inclusive('\r').skip(2).collect()
}

/// The sentences of a message in the text, the JSON and the page, without markup; the JSON beside them.
fn sentences(scene: &Scene, control_id: &str) -> ([Vec<String>; 3], Value) {
    let listed = scene.listed(&["--control-id", control_id]).remove(0);
    let id = listed["id"].as_str().unwrap();
    let text = scene.platform.cli().run(&["message", "show", id]);
    let text =
        text.lines().filter_map(|line| line.strip_prefix("reports ")).map(|line| line.trim().to_owned());
    let json = scene.platform.cli().json(&["message", "show", id]).remove(0);
    let of_json = json["alerts"].as_array().unwrap().iter();
    let of_json = of_json.map(|alert| alert["sentence"].as_str().unwrap().to_owned()).collect();
    let (status, page) = scene.platform.get(&format!("/messages/{id}"));
    assert_eq!(status, 200, "{page}");
    let alarms = page.split("<p class=\"alarm\"><strong>").skip(1);
    let of_page = alarms.map(|alarm| alarm.split("</strong>").next().unwrap().to_owned()).collect();
    ([text.collect(), of_json, of_page], json)
}

// A sender that writes a second alarm under the number of the first may hide neither.
#[test]
fn two_reports_with_one_key_and_different_contents_are_both_shown() {
    let mut scene = Scene::new(Site::new());
    let live = alert("C-1", "E1", "", "start", 1);
    let withdrawn = live.replace("|||L~PM~SP|||F|", "|||L~PM~SP|||W|");
    let both = format!("{withdrawn}{}", requests(&live));
    assert_eq!(codes(&[scene.ask(&both)]), ["CA"]);
    let (shown, json) = sentences(&scene, "C-1");
    for sentences in &shown {
        assert_eq!(sentences.len(), 2, "{shown:?}");
        assert!(!sentences[0].starts_with("WITHDRAWN") && sentences[1].starts_with("WITHDRAWN"), "{shown:?}");
    }
    assert!(json["warnings"].as_array().unwrap().contains(&"alert-facet-contradiction".into()), "{json}");
    let again =
        format!("{}{}", alert("C-2", "E2", "", "start", 2), requests(&alert("", "E2", "", "start", 2)));
    assert_eq!(codes(&[scene.ask(&again)]), ["CA"]);
    let (shown, json) = sentences(&scene, "C-2");
    assert_eq!(shown.map(|sentences| sentences.len()), [1; 3], "{json}");
    assert!(!json["warnings"].as_array().unwrap().contains(&"alert-facet-contradiction".into()), "{json}");
}

#[test]
fn of_more_than_sixteen_alerts_the_most_dangerous_are_shown_and_the_others_counted() {
    let mut scene = Scene::new(Site::new());
    let many: String = (0..19).map(numbered).collect();
    let dangerous = numbered(100).replace("|||L~PM~SP|", "|||L~PH~SP|");
    let head = alert("M-1", "E500", "", "start", 1);
    assert_eq!(codes(&[scene.ask(&format!("{head}{many}{dangerous}"))]), ["CA"]);
    let ([text, of_json, page], json) = sentences(&scene, "M-1");
    let more = "and 5 further alerts of this message, not shown here: they are in --tree";
    for sentences in [&text, &page] {
        assert_eq!(sentences.len(), 17, "{sentences:?}");
        assert_eq!(sentences[16], more);
    }
    for sentences in [&text, &of_json, &page] {
        assert!(sentences[0].contains("high priority"), "{sentences:?}");
    }
    assert_eq!((of_json.len(), &json["alerts-not-shown"]), (16, &5.into()), "{json}");
    assert_eq!(json["alerts"][0]["first-control-id"], "M-1", "it is stored");
    assert!(json["warnings"].as_array().unwrap().contains(&"alert-not-all-shown".into()), "{json}");
}

// A gateway may number the alerts of each device behind it from 1.
#[test]
fn an_alert_of_other_equipment_is_no_repetition_and_its_end_continues_it() {
    let site = Site::new();
    let mut scene = Scene::new(site);
    scene.platform.cli().run(&["device", "change", NAME, "--speaks-for", "BED-1,BED-2"]);
    let own = format!("M1^^{NAME}^EUI-64");
    for (control_id, bed) in [("X-1", "BED-1"), ("X-2", "BED-2"), ("X-2-AGAIN", "BED-2")] {
        let sent = alert(control_id, "E1", "", "start", 1).replace(&own, bed);
        assert_eq!(codes(&[scene.ask(&sent)]), ["CA"], "{control_id}");
    }
    // A later phase without equipment.
    assert_eq!(codes(&[scene.ask(&alert("X-3", "E1", "", "end", 9).replace(&own, ""))]), ["CA"]);
    for (control_id, first) in [("X-1", "X-1"), ("X-2", "X-2"), ("X-2-AGAIN", "X-2"), ("X-3", "X-2")] {
        let (_, json) = sentences(&scene, control_id);
        assert_eq!(json["alerts"][0]["first-control-id"], first, "{json}");
    }
}
