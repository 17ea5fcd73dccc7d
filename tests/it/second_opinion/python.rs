//! The readers of Python.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::corpus::Sample;
use crate::harness::{command_at, finish};

/// The readers of Python read each byte as one character.
pub(super) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// What `tests/peers/hl7_observations.py` prints about each message.
pub(super) fn read_by_python(samples: &[Sample]) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/peers/python/bin/python");
    assert!(python.is_file(), "the Python peer is not installed (tests/run does it)");
    let mut input = String::new();
    for Sample { name, payload, .. } in samples {
        let hex = payload.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        writeln!(input, "{}", json!({ "name": name, "bytes": hex })).unwrap();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, input).unwrap();
    let mut command = command_at(&python);
    command.arg(root.join("tests/peers/hl7_observations.py")).arg(file.path());
    let output = finish(command, b"", None);
    assert!(output.success, "{}", output.text());
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
