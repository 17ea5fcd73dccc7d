//! Programs that are not ours: an MLLP client of Python's `ssl` and the `hl7` package
//! (tests/peers/mllp_client.py), and the hashes of the audit trail, computed by the documentation alone
//! (tests/peers/row_hashes.py).

use std::path::{Path, PathBuf};

use pcd_platform::pki::KeyType;
use serde_json::Value;

use crate::harness::{Cli, Device, Site, command_at, finish, message};

fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/python/bin/python");
    assert!(
        python.is_file(),
        "the Python peer is not installed (tests/run does it): \
         python3 -m venv target/peers/python && target/peers/python/bin/pip install hl7"
    );
    python
}

// B.1; also what comes to a client that knows nothing of our own code.
#[test]
fn a_python_client_is_acknowledged_in_both_versions() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = python();
    let site = Site::new();
    let platform = site.start();
    for (name, key) in [("PY-ECC", KeyType::Ecc), ("PY-RSA", KeyType::Rsa)] {
        platform.admit(name, &[]);
        let own = site.certificate(name, key);
        for version in ["1.2", "1.3"] {
            let ids = [1, 2, 3].map(|number| format!("{name}-{version}-{number}"));
            let mut files = Vec::new();
            for id in &ids {
                let file = site.path().join(id);
                std::fs::write(&file, message(name, id)).unwrap();
                files.push(file);
            }
            let mut client = command_at(&python);
            client.arg(root.join("tests/peers/mllp_client.py"));
            client.args([&platform.address.ip().to_string(), &platform.address.port().to_string(), version]);
            client.arg(site.trust_bundle()).arg(&own.chain).arg(&own.key).args(files);
            let output = finish(client, b"", None);
            assert!(output.success, "{}", output.text());
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            let mut lines = printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            assert_eq!(lines.next().unwrap()["version"], format!("TLSv{version}"));
            for id in ids {
                let answer = lines.next().expect("an answer to each message");
                assert_eq!((&answer["code"], &answer["control-id"]), (&"CA".into(), &id.into()), "{printed}");
                assert_eq!(answer["type"], "ACK^R01^ACK");
            }
        }
    }
    assert_eq!(platform.cli().json(&["message", "list"]).len(), 12);
}

// HL7 2.6 ch. 2, 2.9.3.2: several clients take one frame of what a read returns, and lose the rest.
#[test]
fn each_of_two_acknowledgements_comes_in_a_tls_record_of_its_own() {
    let peer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/reads.py");
    let site = Site::new();
    let platform = site.start();
    let name = "00A037FFFE000001";
    platform.admit(name, &[]);
    let own = site.certificate(name, KeyType::Ecc);
    for version in ["1.2", "1.3"] {
        let file = site.path().join(version);
        let text = String::from_utf8(message(name, version).to_vec()).unwrap();
        let (header, rest) = text.split_once('\r').unwrap();
        let mut fields: Vec<&str> = header.split('|').collect();
        fields.resize(16, "");
        (fields[14], fields[15]) = ("AL", "AL");
        std::fs::write(&file, [&fields.join("|"), rest].join("\r")).unwrap();
        let mut client = command_at(&python());
        client.arg(&peer).args([
            &platform.address.ip().to_string(),
            &platform.address.port().to_string(),
            version,
        ]);
        client.arg(site.trust_bundle()).arg(&own.chain).arg(&own.key).arg(file).arg("2");
        let output = finish(client, b"", None);
        assert!(output.success, "{}", output.text());
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let reads: Vec<String> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (read, code) in reads.iter().zip(["CA", "AA"]) {
            let is_one =
                read.starts_with('\u{b}') && read.ends_with("\u{1c}\r") && read.matches('\u{b}').count() == 1;
            assert!(
                is_one && read.contains(&format!("\rMSA|{code}|{version}")),
                "{version} {code}: {read:?}"
            );
        }
    }
}

// docs/explanation/audit.md: the hash of a row can be computed from the export without the platform.
#[test]
fn every_hash_of_the_trail_is_the_one_that_the_documentation_describes() {
    let site = Site::new().with("audit", "sign-every = \"100ms\"");
    let platform = site.start();
    let cli = platform.cli().clone();
    let name = "00A037FFFE000001";
    platform.admit(name, &[]);
    let mut device = Device::connect(&site, platform.address, &site.certificate(name, KeyType::Ecc)).unwrap();
    assert_eq!(device.code(message(name, "1")), "CA");
    // It is stored as rejected, with an identity that the trail names.
    let _ = device.code(message("B\u{e4}r\u{7f}\u{9f}\u{2028}/\"", "2"));
    device.close().unwrap();
    cli.run(&["message", "export"]);
    platform.stop();
    // A chain of another node, in the same store.
    let site = site.with_environment("PCD_NODE", "other-node".into());
    Cli::of(&site).run(&["audit", "verify"]);
    let file = site.path().join("trail.jsonl");
    let trail = cli.run(&["audit", "export", "--format", "jsonl"]);
    // How many signatures there are depends on the machine; these rows are there on each.
    for event in ["device-added", "message-accepted", "message-rejected", "audit-signed", "audit-exported"] {
        assert!(trail.contains(&format!("\"event\":\"{event}\"")), "no {event}: {trail}");
    }
    assert!(trail.contains("\"node\":\"other-node\""), "{trail}");
    std::fs::write(&file, &trail).unwrap();
    let mut program = command_at(&python());
    program.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/row_hashes.py")).arg(&file);
    let output = finish(program, b"", None);
    assert!(output.success, "{}", output.text());
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["rows"], trail.lines().count());
    assert_eq!(printed["agreed"], printed["rows"]);
    // The program can fail.
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("\"event\":\"device-added\"", "\"event\":\"device-removed\"", 1))
        .unwrap();
    let mut program = command_at(&python());
    program.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/row_hashes.py")).arg(&file);
    assert!(!finish(program, b"", None).success);
}
