//! An MLLP client that is not ours: Python's `ssl` and the `hl7` package (tests/peers/mllp_client.py).

use std::path::Path;

use pcd_platform::pki::KeyType;
use serde_json::Value;

use crate::harness::{Site, command_at, finish, message};

// B.1; also what comes to a client that knows nothing of our own code.
#[test]
fn a_python_client_is_acknowledged_in_both_versions() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/peers/python/bin/python");
    assert!(
        python.is_file(),
        "the Python peer is not installed (tests/run does it): \
         python3 -m venv target/peers/python && target/peers/python/bin/pip install hl7"
    );
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
