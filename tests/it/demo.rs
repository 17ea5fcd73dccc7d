//! `demo --once`: the first command of a new user, and a smoke test of the whole platform.

use serde_json::{Value, json};

use crate::harness::binary;

#[test]
fn the_demonstration_succeeds_and_prints_its_summary_last() {
    let folder = tempfile::tempdir().unwrap();
    for round in ["a new folder", "a folder that is there already"] {
        let demo = ["demo", "--once", "--port", "0", "--admin-port", "0", "--dir"];
        let output = binary().args(demo).arg(folder.path().join("demo")).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{round}: {text}");
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let expected = json!({
            "sent": 15,
            "acknowledged": 12,
            "stored": 12,
            "refused": { "revoked": 1, "unknown-device": 1, "identity-mismatch": 3 },
        });
        assert_eq!(last, expected, "{round}");
    }
}
