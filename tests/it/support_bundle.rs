//! `support-bundle`: what is in it, and what is not.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use pcd_platform::pki::KeyType;

use crate::harness::{Device, Site, Wire, eventually, framed};
use crate::patient_data::{MARK, MONITOR, message};

/// The members of a bundle by name.
fn members(file: &Path) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(std::fs::File::open(file).unwrap());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        let path = entry.path().unwrap().into_owned();
        (path.strip_prefix("pcd-platform-support").unwrap().display().to_string(), content)
    });
    entries.collect()
}

#[test]
fn a_support_bundle_has_what_a_support_needs_and_no_patient_key_or_password() {
    let hook = format!("[[notify]]\nname = \"paging\"\nwebhook = \"http://127.0.0.1:9/{MARK}\"\n");
    let site = Site::new().with("log", "level = \"trace\"").with_text(&hook);
    let platform = site.start();
    platform.admit(MONITOR, &[]);
    platform.admit("REMOVED-1", &[]);
    platform.cli().run(&["device", "remove", "REMOVED-1"]);
    // In TLS 1.3 the refusal comes after the handshake.
    let stranger = Device::connect(&site, platform.address, &site.certificate("STRANGER-1", KeyType::Ecc));
    assert!(stranger.and_then(|mut device| device.send(message("ORU^R01^ORU_R01", "M-0"))).is_err());
    eventually("the refusal is known", || platform.get("/api/refusals").1.contains("STRANGER-1"));
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(MONITOR, KeyType::Ecc));
    for (kind, id) in [("ORU^R01^ORU_R01", "M-1"), ("ORU^R40^ORU_R40", "M-2"), ("ADT^A01^ADT_A01", "M-3")] {
        wire.write(&framed(&message(kind, id)));
        assert!(wire.answer().is_some());
    }
    let log = site.path().join("serve.log");
    std::fs::write(&log, platform.log()).unwrap();
    let (file, log) = (site.path().join("bundle.tar"), log.display().to_string());
    let target = file.display().to_string();

    let listed = platform.cli().run(&["support-bundle", "--show", "--log", &log]);
    assert!(listed.contains("MANIFEST.txt") && listed.contains("config.jsonl"), "{listed}");
    assert!(!file.exists());
    let printed = platform.cli().run(&["support-bundle", &target, "--log", &log]);
    assert!(printed.contains("metrics.txt"), "it says what is in it: {printed}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let found = members(&file);
    for (name, part) in [
        ("MANIFEST.txt", "no names of patients"),
        ("version.json", env!("CARGO_PKG_VERSION")),
        ("config.jsonl", "interface-a.max-connections"),
        ("doctor.jsonl", "\"level\":\"ok\""),
        ("store.json", "\"migration\""),
        ("readyz.json", "accepting"),
        ("status.json", "\"devices\""),
        ("certificates.json", "\"crls\""),
        ("metrics.txt", "pcd_messages_total"),
        ("log.txt", MONITOR),
    ] {
        assert!(found[name].contains(part), "{name} lacks {part}: {}", found[name]);
        assert!(name == "MANIFEST.txt" || found["MANIFEST.txt"].contains(&format!("\n{name}\n")), "{name}");
    }
    let bytes = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
    for secret in [MARK, "PRIVATE KEY"] {
        let at = bytes.find(secret);
        let shown = at.map(|at| bytes[at.saturating_sub(200)..at + 40].to_owned());
        assert_eq!(shown, None, "{secret}");
    }

    let (exit, _, complaint) = platform.cli().try_run(&["support-bundle", &target, "--log", &log]);
    assert_eq!(exit.code(), Some(1), "an existing file stays: {complaint}");
    let redacted = site.path().join("redacted.tar");
    platform.cli().run(&["support-bundle", redacted.to_str().unwrap(), "--log", &log, "--redact"]);
    let found = members(&redacted);
    assert!(found["log.txt"].contains("device-1"), "{}", found["log.txt"]);
    for name in [MONITOR, "REMOVED-1", "STRANGER-1"] {
        let with: Vec<_> = found.iter().filter(|(_, content)| content.contains(name)).collect();
        assert!(with.is_empty(), "{name}: {with:?}");
    }
}

#[test]
fn a_support_bundle_of_a_platform_that_does_not_run_says_what_it_lacks() {
    let site = Site::new();
    let cli = crate::harness::Cli::of(&site);
    let (file, log) = (site.path().join("bundle.tar"), site.path().join("empty.log"));
    std::fs::write(&log, "").unwrap();
    cli.run(&["support-bundle", file.to_str().unwrap(), "--log", log.to_str().unwrap()]);
    let found = members(&file);
    assert!(
        found["MANIFEST.txt"].contains("metrics: not there, no platform serves"),
        "{}",
        found["MANIFEST.txt"]
    );
    assert_eq!(found["metrics.txt"], "");
    assert!(found["store.json"].contains("\"sqlite\""));
}

/// When it is needed most: a mistake in the configuration, and so no platform that could be asked.
#[test]
fn a_support_bundle_is_made_with_a_configuration_that_cannot_be_used_and_no_platform() {
    let site = Site::new();
    let cli = crate::harness::Cli::of(&site);
    let configuration = site.path().join("platform.toml");
    let text = std::fs::read_to_string(&configuration).unwrap();
    std::fs::write(&configuration, format!("{text}\n[messagess]\n")).unwrap();
    let (file, log) = (site.path().join("bundle.tar"), site.path().join("some.log"));
    std::fs::write(&log, "a line of the log\n").unwrap();
    let (file, log) = (file.to_str().unwrap(), log.to_str().unwrap());
    let (status, _, stderr) = cli.try_run(&["support-bundle", file, "--log", log, "--redact"]);
    assert!(status.code() == Some(78) && stderr.contains("messagess"), "no names are known: {stderr}");
    cli.run(&["support-bundle", file, "--log", log]);
    let found = members(Path::new(file));
    assert!(found["doctor.jsonl"].contains("messagess"), "{}", found["doctor.jsonl"]);
    assert_eq!(found["log.txt"], "a line of the log\n");
    assert!(found["version.json"].contains("\"version\""));
    let manifest = &found["MANIFEST.txt"];
    assert!(manifest.contains("metrics: not there, no platform runs that could be asked"), "{manifest}");
}
