//! `message reconsider`: what was rejected is accepted once the cause is fixed.

use serde_json::Value;

use super::{NAME, OTHER, Scene, alert, codes, text};
use crate::harness::{Site, eventually, field};

fn reconsider(scene: &Scene, more: &[&str]) -> (Vec<Value>, Option<i32>) {
    let line = [&["--json", "message", "reconsider"], more].concat();
    let (status, out, _) = scene.platform.cli().try_run(&line);
    (out.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), status.code())
}

fn outcomes(views: &[Value]) -> Vec<&str> {
    views.iter().map(|view| view["outcome"].as_str().unwrap()).collect()
}

const MISMATCHES: [&str; 4] = ["--device", NAME, "--reason", "identity-mismatch"];

#[test]
fn what_was_rejected_is_accepted_once_the_cause_is_fixed() {
    Site::on_each_store().into_iter().for_each(what_was_rejected_is_accepted_on);
}

fn what_was_rejected_is_accepted_on(site: Site) {
    let mut scene = Scene::new(site);
    let first = text(OTHER, "V-1");
    let alarm = alert("V-2", "A1", "", "start", 0).replace(NAME, OTHER);
    for message in [&first, &alarm, &first, &text(NAME, "OWN")] {
        scene.ask(message);
    }
    let rejected = scene.listed(&["--rejected"]);
    assert_eq!(rejected.len(), 3);
    let (views, exit) = reconsider(&scene, &[&MISMATCHES[..], &["--apply"]].concat());
    assert_eq!((outcomes(&views), exit), (vec!["rejected"; 3], Some(1)), "the cause is not fixed");
    assert_eq!(views[0]["reason"], "identity-mismatch");

    scene.platform.cli().run(&["device", "change", NAME, "--speaks-for", OTHER]);
    let (views, exit) = reconsider(&scene, &MISMATCHES);
    assert_eq!(outcomes(&views), ["acceptable", "acceptable", "already-accepted"], "oldest first");
    assert_eq!((exit, scene.listed(&[]).len()), (Some(0), 4), "it only shows what it would do");

    let (views, exit) = reconsider(&scene, &[&MISMATCHES[..], &["--apply"]].concat());
    assert_eq!((outcomes(&views), exit), (vec!["accepted", "accepted", "already-accepted"], Some(0)));
    assert_eq!(views[0]["message"], views[2]["message"], "the same bytes are one message");
    let (again, exit) = reconsider(&scene, &[&MISMATCHES[..], &["--apply"]].concat());
    assert_eq!((outcomes(&again), exit), (vec!["already-accepted"; 3], Some(0)));
    assert_eq!(scene.listed(&[]).len(), 6);
    assert_eq!(scene.listed(&["--rejected"]), rejected, "the rejected ones stay as they are");

    let (original, accepted) = (&rejected[2], views[0]["message"].as_str().unwrap());
    let shown = scene.platform.cli().json(&["message", "show", accepted]).remove(0);
    assert_eq!((&shown["rejection"], &shown["received-at"]), (&Value::Null, &original["received-at"]));
    let actor = &shown["reconsidered"]["actor"];
    assert_eq!((&shown["reconsidered"]["original"], actor.is_string()), (&original["id"], true));
    assert!(shown["reconsidered"]["at"].as_str() > shown["received-at"].as_str());
    assert!(shown["warnings"].as_array().unwrap().contains(&"reconsidered".into()), "{shown}");
    let kept = scene.platform.cli().run(&["message", "show", "--raw", accepted]);
    assert_eq!(kept, first, "byte for byte");
    let shown = scene.platform.cli().json(&["message", "show", original["id"].as_str().unwrap()]).remove(0);
    assert_eq!(shown["reconsidered"]["message"], accepted);
    let alarm_shown =
        &scene.platform.cli().json(&["message", "show", views[1]["message"].as_str().unwrap()])[0];
    let begun = &alarm_shown["alerts"][0]["first-message"];
    assert!(begun.is_null(), "an alarm of the past begins no alert: {alarm_shown}");

    let rows = scene.audited("message-reconsidered");
    assert_eq!(rows.len(), 2);
    let mut rows = rows.iter().filter(|row| row["message"] == accepted);
    let row = rows.next().unwrap();
    assert_eq!((&row["original"], &row["actor"]), (&original["id"], actor));
    assert_eq!((&row["rejection"], &row["device"]), (&"identity-mismatch".into(), &NAME.into()));
    assert_eq!(row["received-at"], original["received-at"], "both times: the row has the other");

    let checked = scene.platform.cli().run(&["store", "check"]);
    assert!(!checked.contains("not named by"), "each message has its row: {checked}");

    // Nothing was acknowledged again, and the same message is a resend, which is taken.
    eventually("the change of the directory is applied", || {
        codes(&[scene.ask(&text(OTHER, "LATER"))]) == ["CA"]
    });
    let answer = scene.ask(&first);
    assert_eq!((field(&answer, "MSA", 1), field(&answer, "MSA", 2)), ("CA", "V-1"));
    let named = scene.listed(&["--control-id", "V-1"]);
    assert_eq!(named.iter().filter(|row| row["rejection"].is_null()).count(), 1, "a duplicate: {named:?}");
}

#[test]
fn rejected_messages_are_listed_by_reason_control_id_and_warning() {
    let mut scene = Scene::new(Site::new());
    scene.ask(&text(OTHER, "V-1"));
    scene.ask(&text(NAME, "V-2").replace("|P|2.6|", "|P|9.9|"));
    scene.ask(&text(NAME, "V-3").replace("\r", "\n"));
    let ids = |more: &[&str]| -> Vec<String> {
        scene.listed(more).iter().map(|row| row["control-id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&["--reason", "identity-mismatch"]), ["V-1"]);
    assert_eq!(ids(&["--rejected", "--reason", "unsupported-version", "--device", NAME]), ["V-2"]);
    assert_eq!(ids(&["--rejected", "--control-id", "V-2"]), ["V-2"]);
    assert_eq!(ids(&["--rejected", "--control-id", "V-3"]), [""; 0]);
    assert_eq!(ids(&["--control-id", "V-3"]), ["V-3"]);
    assert_eq!(ids(&["--warning", "line-feeds"]), ["V-3"]);
    assert_eq!(ids(&["--rejected", "--warning", "line-feeds"]), [""; 0]);
    assert_eq!(ids(&["--warning", "line-feed"]), [""; 0], "a whole code");
}

// Thousands of messages, one of which is gone, and a device that is suspended, removed, or there again.
#[test]
fn what_is_not_acceptable_any_more_leaves_the_others_undisturbed() {
    let mut scene = Scene::new(Site::new());
    for id in ["V-1", "V-2"] {
        scene.ask(&text(OTHER, id));
    }
    let rejected = scene.listed(&["--rejected"]);
    let ids: Vec<_> = rejected.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    let cli = scene.platform.cli();
    cli.run(&["device", "change", NAME, "--speaks-for", OTHER]);
    let all = ["01900000-0000-7000-8000-000000000000", &ids[0], &ids[1], "--apply"];
    for (verb, reason) in
        [("suspend", "the device is suspended"), ("remove", "the device is not in the directory")]
    {
        cli.run(&["device", verb, NAME]);
        let (views, exit) = reconsider(&scene, &all);
        assert_eq!((outcomes(&views), exit), (vec!["rejected"; 2], Some(1)), "{verb}");
        assert_eq!(views[0]["reason"], reason);
    }
    cli.run(&["device", "add", NAME, "--speaks-for", OTHER]);
    // Two at once, as from two nodes: each message is accepted once.
    let both = std::thread::scope(|scope| {
        [scope.spawn(|| reconsider(&scene, &all)), scope.spawn(|| reconsider(&scene, &all))]
            .map(|one| one.join().unwrap())
    });
    let mut found: Vec<_> = both.iter().flat_map(|(views, _)| outcomes(views)).collect();
    found.sort_unstable();
    assert_eq!(found, ["accepted", "accepted", "already-accepted", "already-accepted"]);
    assert!(both.iter().all(|(_, exit)| *exit == Some(1)), "one id is wrong");
    assert_eq!(scene.audited("message-reconsidered").len(), 2);
    assert_eq!(scene.listed(&[]).len(), 4);
}

// The rest of a frame that broke off is not known.
#[test]
fn a_message_that_was_not_received_whole_is_never_accepted_later() {
    let mut scene = Scene::new(Site::new());
    let whole = text(NAME, "CUT");
    let cut = &whole[..whole.len() - 40];
    scene.wire.write(format!("\u{b}{cut}").as_bytes());
    scene.ask(&text(NAME, "NEXT"));
    let id = scene.listed(&["--rejected"])[0]["id"].as_str().unwrap().to_owned();
    let (views, exit) = reconsider(&scene, &[&id, "--apply"]);
    assert_eq!((outcomes(&views), exit), (vec!["rejected"], Some(1)), "{views:?}");
    let accepted = scene.listed(&[])[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(reconsider(&scene, &[&accepted, "--apply"]).1, Some(1), "it is accepted");
    for wrong in [&["--device", NAME][..], &[&id, "--device", NAME, "--reason", "x"], &[]] {
        assert_eq!(reconsider(&scene, wrong).1, Some(64), "{wrong:?}");
    }
}
