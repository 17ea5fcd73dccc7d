//! What `message show` and `message list` say of messages that must not be taken for what they look like.

use serde_json::Value;

use super::{NAME, Scene, alert, codes, text};
use crate::harness::Site;

fn shown(scene: &Scene, control_id: &str, more: &[&str]) -> String {
    let listed = scene.listed(&["--control-id", control_id]);
    let id = listed[0]["id"].as_str().unwrap();
    scene.platform.cli().run(&[&["message", "show", id], more].concat())
}

// HL7 table 0103
#[test]
fn a_message_for_training_or_debugging_is_marked_wherever_it_is_listed_and_shown() {
    let mut scene = Scene::new(Site::new().with("messages", "processing-ids = [\"P\", \"T\", \"D\"]"));
    let accepted = |mode: &str| {
        alert(&format!("M-{mode}"), mode, "", "start", 1).replace("|P|2.6", &format!("|{mode}|2.6"))
    };
    for mode in ["P", "T", "D"] {
        assert_eq!(codes(&[scene.ask(&accepted(mode))]), ["CA"], "{mode}");
        let is_marked = mode != "P";
        let id = format!("M-{mode}");
        for output in [
            scene.platform.cli().run(&["message", "list", "--control-id", &id]),
            shown(&scene, &id, &[]),
            shown(&scene, &id, &["--tree"]),
        ] {
            assert_eq!(output.contains("NOT CLINICAL"), is_marked, "{mode}: {output}");
        }
        let listed = scene.listed(&["--control-id", &id]).remove(0);
        let warnings: Vec<&str> =
            listed["warnings"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(warnings.contains(&"not-production"), is_marked, "{listed}");
    }
}

// HL7 table 0085; IHE PCD TF vol. 2, B.8
#[test]
fn what_the_device_took_back_is_marked_in_the_list_the_sentence_and_the_tree() {
    let mut scene = Scene::new(Site::new());
    let end = alert("W-1", "E1", "", "end", 1);
    let withdrawn =
        end.replace("|end||||||F", "|end||||||D").replace("|active||||||F", "|inactive|||INV|||F");
    assert_eq!(codes(&[scene.ask(&withdrawn)]), ["CA"]);
    let details = shown(&scene, "W-1", &[]);
    assert!(details.contains("phase withdrawn, state invalid, audio on"), "{details}");
    assert!(!details.contains("condition over"), "{details}");
    let tree = shown(&scene, "W-1", &["--tree"]);
    for row in
        ["phase     withdrawn", "state     invalid", "signals   enabled (audio on)", "priority  medium"]
    {
        assert!(tree.lines().any(|line| line == row), "{row}: {tree}");
    }
    let listed = scene.platform.cli().run(&["message", "list"]);
    assert!(listed.contains("accepted, with withdrawn results"), "{listed}");
}

// IHE PCD TF vol. 2, B.7: OBR-29
#[test]
fn an_alert_whose_beginning_is_missing_says_so() {
    let mut scene = Scene::new(Site::new());
    let parent = format!("^A70&MONITOR&{NAME}&EUI-64");
    assert_eq!(codes(&[scene.ask(&alert("O-1", "A77", &parent, "escalate", 1))]), ["CA"]);
    let details = shown(&scene, "O-1", &[]);
    assert!(details.contains("this message; the beginning of the alert is missing, of A70 of"), "{details}");
    let begun = alert("O-2", "A78", "", "start", 2);
    assert_eq!(codes(&[scene.ask(&begun)]), ["CA"]);
    assert!(!shown(&scene, "O-2", &[]).contains("is missing"));
}

#[test]
fn no_line_about_a_message_names_its_patient_or_the_bed() {
    let mut scene = Scene::new(Site::new().with("devices", "identity = \"record\""));
    let filler = "MRN55512-1^Jensenius^ICU&B1&B1&LAB";
    let alarm = alert("P-1", "E1", "", "start", 1)
        .replace("PID|||DEMO-0001", "PID|||MRN55512")
        .replace("Patient^Imaginary\r", "Jensenius^Soren\rPV1||I|ICU^B1^B1^LAB\r")
        .replace("196670^MDC_EVT_LO^MDC", "0^MDCX_JENSENIUS^MDC")
        .replace(&format!("M1^^{NAME}^EUI-64"), "Jensenius_MRN55512")
        .replace(&format!("|E1^MONITOR^{NAME}^EUI-64|196616"), &format!("|{filler}|196616"));
    assert_eq!(codes(&[scene.ask(&alarm)]), ["CA"]);
    for more in [&[][..], &["--json"], &["--tree"], &["--tree", "--full"], &["--tree", "--json"]] {
        let output = shown(&scene, "P-1", more);
        let upper = output.to_uppercase();
        for name in ["JENSENIUS", "MRN55512", "ICU&B1"] {
            assert!(!upper.contains(name), "{name} in {output}");
        }
    }
}

#[test]
fn what_the_tree_leaves_out_is_named_with_how_to_see_it() {
    let mut scene = Scene::new(Site::new());
    let more = "||||||N0001^Nurse\rZZZ|1\rPRT||UC||Accepted|^Nurse^Betty\r";
    let message = text(NAME, "L-1").trim_end().to_owned() + "|||||||||||||||||" + more;
    let answer = scene.ask(&message);
    assert_eq!(codes(&[answer]), ["CA"]);
    let tree = shown(&scene, "L-1", &["--tree"]);
    let hidden = tree.lines().find(|line| line.starts_with("hidden ")).unwrap_or_else(|| panic!("{tree}"));
    assert!(hidden.contains("PRT-5") && hidden.ends_with("(--phi shows them)"), "{hidden}");
    assert!(tree.lines().any(|line| line == "also      ZZZ (--raw shows them)"), "{tree}");
    assert!(tree.lines().any(|line| line.trim() == "PRT: action UC  participation Accepted"), "{tree}");
    let with_patient = shown(&scene, "L-1", &["--tree", "--phi"]);
    assert!(with_patient.contains("person ^Nurse^Betty"), "{with_patient}");
    assert!(!with_patient.lines().any(|line| line.starts_with("hidden ")), "{with_patient}");
}
