//! `message judge` says what the platform answers.

use serde_json::Value;

use super::{NAME, OTHER, Scene, admission, alert, asking, text};
use crate::harness::{Site, field};

/// What the command says of these bytes, and its exit code.
fn evaluated(scene: &Scene, bytes: &str, more: &[&str]) -> (Vec<Value>, Option<i32>) {
    let file = scene.site.path().join("message.hl7");
    std::fs::write(&file, bytes).unwrap();
    let line = [&["--json", "message", "judge", file.to_str().unwrap()], more].concat();
    let (status, out, error) = scene.platform.cli().try_run(&line);
    assert_eq!(error, "", "{bytes}");
    (out.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), status.code())
}

#[test]
fn a_message_is_evaluated_as_it_is_answered_and_nothing_is_stored() {
    let mut scene = Scene::new(Site::new());
    let product = text(NAME, "P-1").replacen(&format!("DEMO^{NAME}^EUI-64"), "^Product", 1);
    let cases = [
        text(NAME, "OWN"),
        text(OTHER, "OTHER"),
        product,
        asking("BOTH", "AL", "AL"),
        alert("ALERT", "A1", "", "start", 0),
        admission("ADT"),
        text(NAME, "VERSION").replace("|P|2.6|", "|P|9.9|"),
        text(NAME, ""),
    ];
    for message in &cases {
        let (views, exit) = evaluated(&scene, message, &["--device", NAME]);
        let answered: Vec<_> = views[0]["answers"].as_array().unwrap().clone();
        scene.send(message);
        for found in &answered {
            let answer = scene.wire.answer().expect("an acknowledgement");
            assert_eq!(found["code"], field(&answer, "MSA", 1), "{message}");
            let text = |n, part: usize| {
                let value = field(&answer, "ERR", n).split('^').nth(part).unwrap_or_default().to_owned();
                if value.is_empty() { Value::Null } else { Value::from(value) }
            };
            assert_eq!([&found["error"], &found["reason"]], [&text(3, 0), &text(5, 1)], "{message}");
        }
        assert!(!answered.is_empty());
        let mut stored = scene.listed(&["--limit", "1"]).remove(0);
        // What is not sent does not arrive late.
        if let Some(warnings) = stored["warnings"].as_array_mut() {
            warnings.retain(|warning| warning != "late-alarm");
        }
        for key in ["rejection", "transaction", "message-type", "control-id", "warnings"] {
            assert_eq!(views[0][key], stored[key], "{key} of {message}");
        }
        assert_eq!(exit, Some(if stored["rejection"].is_null() { 0 } else { 1 }), "{message}");
        let shown = scene.platform.cli().json(&["message", "show", stored["id"].as_str().unwrap()]);
        let shown_alerts: Vec<_> =
            shown[0]["alerts"].as_array().into_iter().flatten().map(|one| &one["sentence"]).collect();
        let evaluated_alerts: Vec<_> = views[0]["alerts"].as_array().into_iter().flatten().collect();
        assert_eq!(evaluated_alerts, shown_alerts, "an alarm in the same words: {message}");
        assert_eq!(evaluated_alerts.len(), usize::from(message.contains("ORU^R40")));
    }
    assert_eq!(scene.listed(&[]).len(), cases.len(), "nothing is stored");
    assert_eq!(scene.audited("identity-violation").len(), 1, "and records nothing");
}

#[test]
fn a_message_is_evaluated_for_another_sender_and_as_strictly_as_asked() {
    let scene = Scene::new(Site::new());
    let (views, exit) = evaluated(&scene, &text(OTHER, "1"), &[]);
    assert_eq!((&views[0]["verdict"], exit), (&"accepted".into(), Some(0)), "any sender");
    let (views, exit) = evaluated(&scene, &text(OTHER, "1"), &["--device", "00a037fffe000001"]);
    assert_eq!((&views[0]["rejection"], exit), (&"identity-mismatch".into(), Some(1)));
    assert_eq!(views[0]["not-allowed"], serde_json::json!([OTHER]));
    assert_eq!(
        (&views[0]["answers"][0]["error"], &views[0]["answers"][0]["code"]),
        (&"207".into(), &"CR".into())
    );
    let zoneless = text(NAME, "1").replace("+0000|", "|");
    for (more, verdict) in [(&[][..], "accepted"), (&["--strict"], "rejected")] {
        assert_eq!(evaluated(&scene, &zoneless, more).0[0]["verdict"], verdict, "{more:?}");
    }
    // Frames, each on its own; and what is no frame.
    let frames = format!("\x0b{}\x1c\r\x0b{}\x1c\r\x0bMSH|", text(NAME, "1"), text(NAME, "2"));
    let (views, exit) = evaluated(&scene, &frames, &["--device", NAME]);
    let verdicts: Vec<_> = views.iter().map(|view| view["verdict"].as_str().unwrap()).collect();
    assert_eq!((verdicts, exit), (vec!["accepted", "accepted", "rejected"], Some(1)));
    let (_, out, _) = scene.platform.cli().try_run(&["message", "judge", "/nowhere", "--device", "X"]);
    assert_eq!(out, "");
    let file = scene.site.path().join("message.hl7");
    let shown =
        scene.platform.cli().try_run(&["message", "judge", file.to_str().unwrap(), "--device", NAME]).1;
    assert!(!shown.contains("Imaginary"), "no content: {shown}");
    std::fs::write(&file, alert("ALERT", "A1", "", "start", 0)).unwrap();
    let shown = scene.platform.cli().run(&["message", "judge", file.to_str().unwrap(), "--device", NAME]);
    assert!(shown.contains("reports      value low, medium priority"), "{shown}");
    assert!(!shown.contains("Imaginary"), "{shown}");
}
