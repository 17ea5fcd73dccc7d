//! Alerts, which devices report again and again.

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
