//! What messages become in FHIR, as validators see it that are not ours: @medplum/core, fhirpath.js and the
//! required codes (tests/peers/fhir/validate.mjs), and fhirkit-rs (tests/peers/fhir/validate.py).
//!
//! `tests/it/golden/fhir.json` has a summary of each message of the corpus, with a hash of its resources.
//! `PCD_WRITE_GOLDEN=1` writes it again; a difference raises `fhir::REVISION`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use pcd_platform::fhir::{Mapped, Options, Reason, Source, map};
use pcd_platform::hl7::Message;
use pcd_platform::model::Fingerprint;
use pcd_platform::pki::KeyType;
use pcd_platform::simulate::traffic::{Equipment, Kind, Schedule, Sending, Topic, Vendor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::corpus::{Sample, corpus};
use crate::harness::{Device, Site, command_at, finish, message};

const NAME: &str = "00A037FFFE000001";

/// What one message becomes, without what it says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Summary {
    resources: BTreeMap<String, usize>,
    profiles: BTreeMap<String, usize>,
    unmapped: BTreeMap<String, usize>,
    /// SHA-256 of the resources, one a line.
    sha256: String,
}

pub fn mapped(bytes: &[u8]) -> Option<Mapped> {
    let message = Message::parse(bytes).ok()?;
    let source = Source {
        message: "0198c6a1-7d2e-7c52-9b0e-3f6f2f0c1a55".parse().unwrap(),
        sender: "GW-1",
        received: Timestamp::UNIX_EPOCH,
        patient_id: &|patient| Fingerprint::sha256(patient.as_bytes()).to_string()[..32].to_owned(),
    };
    Some(map(&message, &source, &Options::default()))
}

/// The resources, one a line.
fn lines(mapped: &Mapped) -> Vec<String> {
    mapped.resources.iter().map(|resource| serde_json::to_string(resource).unwrap()).collect()
}

impl Summary {
    fn of(mapped: &Mapped) -> Self {
        let count = |found: Vec<String>| {
            let mut counts = BTreeMap::new();
            found.into_iter().for_each(|name| *counts.entry(name).or_default() += 1);
            counts
        };
        let lines = lines(mapped);
        let values: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let profiles = values.iter().filter_map(|value| value["meta"]["profile"].as_array()).flatten();
        Self {
            resources: count(values.iter().map(|value| text(&value["resourceType"])).collect()),
            profiles: count(profiles.map(|url| text(url).rsplit('/').next().unwrap().to_owned()).collect()),
            unmapped: count(mapped.unmapped.iter().map(|it| it.reason.label().to_owned()).collect()),
            sha256: Fingerprint::sha256(lines.join("\n").as_bytes()).to_string(),
        }
    }
}

// N001-9
#[test]
fn every_message_of_the_corpus_becomes_the_resources_that_are_known() {
    let Some(samples) = corpus() else { return };
    let mut found = BTreeMap::new();
    for Sample { name, payload, .. } in samples {
        let Some(mapped) = mapped(&payload) else { continue };
        assert!(mapped.unmapped.iter().all(|unmapped| unmapped.reason != Reason::Unknown), "{name}");
        if !mapped.resources.is_empty() {
            found.insert(name, Summary::of(&mapped));
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/fhir.json");
    if std::env::var_os("PCD_WRITE_GOLDEN").is_some() {
        std::fs::write(&file, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
    }
    let expected: BTreeMap<String, Summary> =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    for (name, summary) in &found {
        assert_eq!(Some(summary), expected.get(name), "{name}");
    }
    assert_eq!(found.len(), expected.len(), "each golden entry is compared");
}

/// Everything that every kind of simulated equipment sends in sixty turns.
fn simulated() -> Vec<Vec<u8>> {
    let vendors =
        [Vendor::Framework, Vendor::BBraun, Vendor::Philips, Vendor::Ge, Vendor::Draeger, Vendor::Mindray];
    let kinds = [Kind::Monitor, Kind::Pump, Kind::Ventilator, Kind::Tracked, Kind::Reporter];
    let schedule = Schedule { interval: Duration::from_secs(10), topics: Topic::ALL.into_iter().collect() };
    let mut messages = Vec::new();
    for vendor in vendors {
        for (kind, number) in kinds.into_iter().zip(0..) {
            let equipment = Equipment::new(format!("0253494D{number:08X}"), kind, number, 7);
            let due = (0..60).flat_map(|turn| schedule.due(&equipment, turn));
            for report in due.chain(schedule.first(&equipment)) {
                let sending = Sending {
                    vendor,
                    sender: &equipment.id,
                    equipment: &equipment,
                    control_id: "SIM-1",
                    at: Timestamp::from_second(1_800_000_000).unwrap(),
                    run: "7",
                };
                messages.push(report.message(&sending).to_vec());
            }
        }
    }
    messages
}

// N001-9
#[test]
fn foreign_validators_accept_what_the_corpus_and_simulated_devices_become() {
    let mut messages = simulated();
    messages.extend(corpus().unwrap_or_default().into_iter().map(|sample| sample.payload));
    let resources: BTreeSet<String> =
        messages.iter().filter_map(|message| mapped(message)).flat_map(|mapped| lines(&mapped)).collect();
    let resources: Vec<String> = resources.into_iter().collect();
    assert!(resources.len() > 500, "{}", resources.len());
    for (name, errors) in [("medplum", by_node(&resources)), ("fhirkit", by_python(&resources))] {
        for (resource, errors) in resources.iter().zip(errors) {
            assert_eq!(errors, Vec::<String>::new(), "{name} of {resource}");
        }
    }
}

/// What each validator has to find in a resource that is right otherwise.
#[test]
fn the_validators_find_planted_errors() {
    let text = String::from_utf8(message(NAME, "1").to_vec()).unwrap();
    let lines = lines(&mapped(text.as_bytes()).unwrap());
    let good: Value = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|value| value["code"]["coding"][0]["code"] == "2708-6")
        .unwrap();
    let planted = |key: &str, value: Value| {
        let mut changed = good.clone();
        changed[key] = value;
        changed.to_string()
    };
    let without = |key: &str| {
        let mut changed = good.clone();
        changed.as_object_mut().unwrap().remove(key).unwrap();
        changed.to_string()
    };
    let mut mmhg = good.clone();
    mmhg["valueQuantity"]["code"] = json!("mm[Hg]");
    let cases = [
        ("no status", without("status"), [true, true]),
        ("an unknown element", planted("colour", json!("red")), [true, true]),
        ("a code outside a required value set", planted("status", json!("fnal")), [true, false]),
        ("two values", planted("valueString", json!("97")), [false, true]),
        ("a profile of the guide without a metric", without("device"), [true, false]),
        ("a vital sign in another unit", mmhg.to_string(), [true, false]),
        ("no date", planted("effectiveDateTime", json!("2026-13-01")), [true, true]),
    ];
    let resources: Vec<String> = cases.iter().map(|(_, resource, _)| resource.clone()).collect();
    let found = by_node(&resources).into_iter().zip(by_python(&resources));
    for ((name, _, expected), (node, python)) in cases.iter().zip(found) {
        // The key order of this JSON is not that of FHIR, which fhirkit notices in every case.
        let python: Vec<_> = python.iter().filter(|error| !error.starts_with("read as")).collect();
        assert_eq!([!node.is_empty(), !python.is_empty()], *expected, "{name}: {node:?} {python:?}");
    }
}

pub fn by_node(resources: &[String]) -> Vec<Vec<String>> {
    let packages = peers().join("fhir");
    assert!(
        packages.join("node_modules").is_dir(),
        "the validators of FHIR are not installed (tests/run does it): copy tests/peers/fhir/package*.json to \
         target/peers/fhir, and `npm ci --prefix target/peers/fhir`"
    );
    let mut node = command_at(Path::new("node"));
    node.arg(root().join("tests/peers/fhir/validate.mjs")).arg(packages);
    errors(node, resources)
}

pub fn by_python(resources: &[String]) -> Vec<Vec<String>> {
    let python = peers().join("python/bin/python");
    assert!(
        python.is_file(),
        "the Python peer is not installed (tests/run does it): \
         python3 -m venv target/peers/python && target/peers/python/bin/pip install fhirkit-rs==0.1.0"
    );
    let mut command = command_at(&python);
    command.arg(root().join("tests/peers/fhir/validate.py"));
    errors(command, resources)
}

/// What a validator prints about each resource.
fn errors(validator: std::process::Command, resources: &[String]) -> Vec<Vec<String>> {
    let output = finish(validator, (resources.join("\n") + "\n").as_bytes(), None);
    assert!(output.success, "{}", output.text());
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let read = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        let errors = value["errors"].as_array().unwrap();
        errors.iter().map(|error| error.as_str().unwrap().to_owned()).collect()
    };
    let found: Vec<Vec<String>> = printed.lines().map(read).collect();
    assert_eq!(found.len(), resources.len(), "{}", output.text());
    found
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn peers() -> PathBuf {
    root().join("target/peers")
}

// N001-9: a person sees what hospital systems will read; the patient only with --phi, and each look is
// recorded.
#[test]
fn an_operator_sees_what_a_message_becomes() {
    let site = Site::new();
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut device = Device::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc)).unwrap();
    assert_eq!(device.code(message(NAME, "1")), "CA");
    let cli = platform.cli();
    let id = cli.json(&["message", "list"])[0]["id"].as_str().unwrap().to_owned();
    let shown = cli.json(&["fhir", "show", &id]);
    let codes: Vec<_> = shown.iter().filter_map(|line| line["code"].as_str()).collect();
    assert!(codes.contains(&"150456") && codes.contains(&"69965"), "{shown:?}");
    assert!(!format!("{shown:?}").contains("DEMO-0001"), "the patient is not shown");
    let resources = cli.json(&["fhir", "show", &id, "--phi"]);
    let of_type = |kind: &str| resources.iter().find(|it| it["resourceType"] == kind).unwrap();
    assert_eq!(of_type("Patient")["identifier"][0]["value"], "DEMO-0001");
    assert_eq!(
        of_type("Observation")["subject"]["reference"],
        format!("Patient/{}", of_type("Patient")["id"].as_str().unwrap())
    );
    let viewed = cli.json(&["audit", "list", "--event", "message-viewed"]);
    let mut as_what: Vec<_> = viewed.iter().map(|row| row["details"]["as"].as_str().unwrap()).collect();
    as_what.sort_unstable();
    assert_eq!(as_what, ["fhir", "fhir-with-patient"]);
    // The same message in a file becomes the same, but for its id and its sender.
    let file = site.path().join("message.hl7");
    std::fs::write(&file, message(NAME, "1")).unwrap();
    let of_file = cli.json(&["fhir", "show", file.to_str().unwrap()]);
    assert_eq!(of_file.len(), shown.len());
}
