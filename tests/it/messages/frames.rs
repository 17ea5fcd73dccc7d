//! Frames, and what is none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{NAME, Scene, codes, text};
use crate::harness::{Site, eventually, field, framed, has_read_everything, has_unread_answers, wait_for};

#[test]
fn what_is_no_message_is_refused_without_a_control_id_and_kept() {
    Site::on_each_store()
        .into_iter()
        .for_each(what_is_no_message_is_refused_without_a_control_id_and_kept_on);
}

fn what_is_no_message_is_refused_without_a_control_id_and_kept_on(site: Site) {
    let mut scene = Scene::new(site);
    for (payload, reason) in [
        ("PID|||1||Patient^Imaginary\r", "no-header"),
        ("", "empty-frame"),
        (&*text(NAME, ""), "no-control-id"),
    ] {
        let answer = scene.ask(payload);
        let code = if reason == "no-control-id" { "CR" } else { "AR" };
        assert_eq!((field(&answer, "MSA", 1), field(&answer, "MSA", 2)), (code, ""), "{answer:?}");
        let newest = &scene.listed(&["--rejected", "--limit", "1"])[0];
        assert_eq!((&newest["rejection"], &newest["size"]), (&reason.into(), &payload.len().into()));
    }
    assert_eq!(field(&scene.ask(&text(NAME, "1")), "MSA", 1), "CA", "the connection stays");
}

#[test]
fn a_frame_that_is_too_large_is_refused_and_ends_the_connection() {
    let mut scene = Scene::new(Site::new().with("interface-a", "max-frame = \"4 KiB\""));
    let padding = format!("NTE|1||{}\r", "x".repeat(8 * 1024));
    let answer = scene.ask(&(text(NAME, "LARGE") + &padding));
    assert_eq!((field(&answer, "MSA", 1), field(&answer, "MSA", 2)), ("CR", "LARGE"));
    assert_eq!(field(&answer, "ERR", 5).split('^').next(), Some("too-large"));
    // The rest of it may be unread.
    let _ = scene.wire.ends_cleanly();
    assert_eq!(scene.end(), "frame-too-large");
    let kept = &scene.listed(&["--rejected"])[0];
    assert_eq!((&kept["rejection"], &kept["size"]), (&"too-large".into(), &(4 * 1024).into()));
}

#[test]
fn the_lines_of_a_batch_are_kept_with_each_of_its_messages() {
    Site::on_each_store().into_iter().for_each(the_lines_of_a_batch_are_kept_with_each_of_its_messages_on);
}

fn the_lines_of_a_batch_are_kept_with_each_of_its_messages_on(site: Site) {
    let mut scene = Scene::new(site);
    let (one, two) = (text(NAME, "ONE"), text(NAME, "TWO"));
    let envelope =
        ["FHS|^~\\&|FILER||||20260101", "BHS|^~\\&|GATEWAY||||20260102||||BATCH-7", "BTS|2", "FTS|1"];
    let empty = "BHS|^~\\&|GATEWAY||||||||EMPTY\rBTS|0\r";
    let [file, header, trailer, end] = envelope;
    scene.send(&format!("{file}\r{empty}{header}\r{one}{two}{trailer}\r{end}\r"));
    for id in ["ONE", "TWO"] {
        assert_eq!(scene.wire.verdict(), ("CA".to_owned(), id.to_owned()));
    }
    scene.ask(&text(NAME, "ALONE"));
    let expected = envelope.map(|line| format!("{line}\r")).concat();
    let exported = scene.platform.cli().json(&["message", "export"]);
    for export in exported.iter().filter(|export| export["rejection"].is_null()) {
        let id = export["id"].as_str().unwrap();
        let shown = scene.platform.cli().run(&["message", "show", id]);
        if export["control-id"] == "ALONE" {
            assert!(export.get("batch").is_none() && export.get("envelope").is_none(), "{export}");
            assert!(!shown.contains("batch"), "{shown}");
            continue;
        }
        let lines = STANDARD.decode(export["envelope"].as_str().unwrap()).unwrap();
        assert_eq!(String::from_utf8(lines).unwrap(), expected);
        assert_eq!(export["batch"]["control-id"], "BATCH-7");
        assert!(shown.contains("control id BATCH-7, sent 20260102"), "{shown}");
    }
    let kept = scene.listed(&["--rejected"]);
    assert_eq!(kept.len(), 2, "an envelope without messages has rows of its own: {kept:?}");
}

#[test]
fn frames_are_read_however_they_come() {
    let mut scene = Scene::new(Site::new());
    let frame = |id: &str| framed(text(NAME, id).as_bytes());

    for byte in frame("BYTES") {
        scene.wire.write(&[byte]);
    }
    assert_eq!(scene.wire.verdict(), ("CA".to_owned(), "BYTES".to_owned()));

    let several: Vec<u8> = (0..50).flat_map(|number| frame(&format!("M{number}"))).collect();
    scene.wire.write(&several);
    for number in 0..50 {
        assert_eq!(scene.wire.verdict(), ("CA".to_owned(), format!("M{number}")), "in the order of arrival");
    }

    // A frame that was given up, and the next one right behind.
    scene.wire.write(&[b"\x0BMSH|^~\\&|half", &*frame("SECOND")].concat());
    assert_eq!(scene.wire.verdict(), ("CA".to_owned(), "SECOND".to_owned()));
    assert_eq!(scene.listed(&["--rejected"])[0]["rejection"], "truncated-frame");

    // No carriage return at the end: taken after a moment.
    let mut open_end = frame("OPEN");
    open_end.pop();
    scene.wire.write(&open_end);
    assert_eq!(scene.wire.verdict(), ("CA".to_owned(), "OPEN".to_owned()));
    let warned = |scene: &Scene, word: &str| {
        scene.listed(&["--limit", "1"])[0]["warnings"].as_array().unwrap().contains(&word.into())
    };
    assert!(warned(&scene, "frame-missing-carriage-return"), "{:?}", scene.listed(&["--limit", "1"]));

    scene.wire.write(&[b"\r\n", &*frame("BREAKS")].concat());
    assert_eq!(scene.wire.verdict(), ("CA".to_owned(), "BREAKS".to_owned()));
    assert!(scene.audited("session-ended").is_empty(), "all of that in one session");
}

#[test]
fn bytes_between_frames_are_recorded_once_per_connection() {
    let mut scene = Scene::new(Site::new());
    let frame = |id: &str| framed(text(NAME, id).as_bytes());
    scene.wire.write(&[b"stray", &*frame("1"), b"more", &*frame("2"), b"\r\n\r\n"].concat());
    assert_eq!(scene.wire.verdict().1, "1");
    assert_eq!(scene.wire.verdict().1, "2");
    scene.reconnect();
    scene.wire.write(&[&*frame("3"), b"\r\n"].concat());
    assert_eq!(scene.wire.verdict().1, "3");
    scene.reconnect();
    eventually("both sessions have ended", || scene.audited("session-ended").len() == 2);
    let rows = scene.audited("bytes-between-frames");
    assert_eq!(rows.len(), 1, "line breaks are not worth a row: {rows:?}");
    assert_eq!((&rows[0]["count"], &rows[0]["device"]), (&13.into(), &NAME.into()));
    let kept = scene.listed(&["--rejected"]);
    assert!(kept.iter().all(|row| row["rejection"] == "between-frames"), "{kept:?}");
    let texts = ["more", "stray"].map(str::as_bytes);
    let ids: Vec<_> = kept.iter().map(|row| row["id"].as_str().unwrap()).collect();
    let raw = |id: &&str| scene.platform.cli().run_raw(&["message", "show", id, "--raw"]);
    assert_eq!(ids.iter().map(raw).collect::<Vec<_>>(), texts, "a row for each run");
}

// Each byte between frames is a run, and they are counted only from some number on.
#[test]
fn many_runs_of_bytes_between_frames_leave_few_rows() {
    let mut scene = Scene::new(Site::new());
    for number in 0..40 {
        let id = number.to_string();
        scene.wire.write(&[b"\0", &*framed(text(NAME, &id).as_bytes())].concat());
        assert_eq!(scene.wire.verdict(), ("CA".to_owned(), id));
    }
    assert_eq!(scene.listed(&["--rejected"]).len(), 16);
    scene.reconnect();
    eventually("all are counted", || scene.audited("bytes-between-frames").len() == 1);
    assert_eq!(scene.audited("bytes-between-frames")[0]["count"], 40);
}

#[test]
fn what_is_not_mllp_ends_the_connection() {
    let mut scene = Scene::new(Site::new());
    scene.wire.write(&b"GET / HTTP/1.1\r\n".repeat(600));
    // So may be the rest of this.
    let _ = scene.wire.ends_cleanly();
    assert_eq!(scene.end(), "not-framed");
    assert_eq!(scene.listed(&["--rejected"])[0]["rejection"], "no-start-block");
}

#[test]
fn who_stops_in_the_middle_or_says_nothing_has_only_so_much_time() {
    // The other limit does not end the session before the test has sent anything.
    let mut scene = Scene::new(Site::new().with("interface-a", "frame-timeout = \"300ms\""));
    scene.wire.write(b"\x0BMSH|^~\\&|");
    assert!(!scene.wire.ends_cleanly(), "a frame has begun");
    assert_eq!(scene.end(), "frame-timeout");
    assert_eq!(scene.listed(&["--rejected"])[0]["rejection"], "frame-timeout");

    let mut scene = Scene::new(Site::new().with("interface-a", "idle-timeout = \"400ms\""));
    assert_eq!(scene.wire.answer(), None);
    assert_eq!(scene.end(), "idle-timeout");
}

#[test]
fn a_peer_that_leaves_gets_what_it_is_owed() {
    let mut scene = Scene::new(Site::new());
    scene.send(&text(NAME, "LAST"));
    scene.wire.write(b"\x0BMSH|^~\\&|half");
    let Scene { wire, platform, site: _site } = scene;
    let answers = wire.close();
    assert_eq!(codes(&answers), ["CA"]);
    // It is stored after the close_notify.
    let rejected = || platform.cli().json(&["message", "list", "--rejected"]);
    let rejected = wait_for("the beginning is kept", rejected, |rows| !rows.is_empty());
    assert_eq!(rejected[0]["rejection"], "end-of-stream");
}

// Closing a socket that has unread bytes resets the connection.
#[test]
fn a_frame_that_a_reset_cuts_off_is_kept_and_counted_like_one_before_the_end() {
    let mut scene = Scene::new(Site::new());
    let half = |scene: &mut Scene| scene.wire.write(b"\x0BMSH|^~\\&|half");
    let address = scene.platform.address;
    // Its session tickets come before it is active.
    eventually("the session is open", || scene.platform.metric("pcd_connections_active") == 1.0);
    assert!(scene.wire.is_quiet(std::time::Duration::from_millis(100)), "nothing is unread");
    half(&mut scene);
    eventually("the beginning is read", || has_read_everything(address));
    scene.reconnect();
    let rejected = |scene: &Scene| scene.listed(&["--rejected"]);
    eventually("it is kept", || rejected(&scene).len() == 1);

    scene.send(&text(NAME, "UNREAD"));
    eventually("the answer is under way", || scene.listed(&[]).len() == 2);
    half(&mut scene);
    // A reset takes with it what the platform has not read.
    eventually("the beginning is read, and the answer is there", || {
        has_read_everything(address) && has_unread_answers(address)
    });
    scene.reconnect();
    let ends = || scene.audited("session-ended");
    eventually("the session has ended", || ends().iter().any(|end| end["why"] == "connection-lost"));
    eventually("the beginning is kept", || rejected(&scene).len() == 2);
    let [after_reset, before] = &rejected(&scene)[..] else { panic!() };
    for key in ["rejection", "size"] {
        assert_eq!(after_reset[key], before[key]);
    }
    let counted = "pcd_frame_deviations_total{deviation=\"end-of-stream\"}";
    assert_eq!(scene.platform.metric(counted), 2.0);
}
