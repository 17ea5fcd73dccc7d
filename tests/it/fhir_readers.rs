//! Hospital systems that read FHIR over mutual TLS, with clients that are not ours: fhirpy and fhirclient
//! (Python), fhir-kit-client (Node), and curl; and the validators of `fhir.rs` on what they get.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use pcd_platform::model::Clock;
use pcd_platform::pki::{Authority, CertificateOrder, Issued, KeyType, Role, TestPki};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::corpus::corpus;
use crate::fhir::{by_node, by_python, mapped, peers, root};
use crate::harness::{Device, Platform, Site, command_at, eventually, finish, message, tool};

const NAME: &str = "00A037FFFE000001";

/// A site that hospital systems may read, and a client of theirs.
struct Hospital {
    site: Site,
    client: Issued,
    base: String,
}

impl Hospital {
    fn new(site: Site) -> Self {
        let folder = site.path().join("community");
        let community = TestPki::init(&folder, "http://127.0.0.1:9", &Clock::system()).unwrap();
        let own = crate::harness::pki().crl(Authority::RootEcc);
        let crls = [folder.join("crl"), own.parent().unwrap().to_owned()];
        let anchors = community.trust_anchors();
        let port = crate::harness::fixed_address().port();
        let address = format!("127.0.0.1:{port}");
        let site = site
            .with("api", &format!("listen = [\"{address}\"]"))
            .with("api", &format!("base-url = \"https://{address}\""))
            .with("api", "read = \"community\"")
            .with("api", &format!("communities = [{{ name = \"hospital\", anchors = {anchors:?} }}]"))
            .with("revocation", &format!("installed-crls = {crls:?}"))
            .with("fhir", "enabled = true");
        let order = CertificateOrder::new("ehr", Role::Device, KeyType::Ecc);
        let client = community.issue(&order).unwrap();
        Self { site, client, base: format!("https://{address}/fhir") }
    }

    /// Asks with curl.
    fn get(&self, url: &str) -> String {
        let mut curl = tool("curl", "curl");
        curl.args(["--silent", "--show-error", "--max-time", "60", "--fail-with-body", "--compressed"]);
        curl.arg("--cacert").arg(self.site.trust_bundle());
        curl.arg("--cert").arg(&self.client.chain).arg("--key").arg(&self.client.key).arg(url);
        let output = curl.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{url}: {text}");
        text
    }

    /// Every resource of a search, as it was written.
    fn all(&self, search: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut next = Some(format!("{}/{search}", self.base));
        while let Some(url) = next {
            let text = self.get(&url);
            let bundle: Bundle = serde_json::from_str(&text).unwrap();
            found.extend(bundle.entry.into_iter().map(|entry| entry.resource.get().to_owned()));
            next = bundle.link.into_iter().find(|link| link.relation == "next").map(|link| link.url);
        }
        found
    }

    /// What the arguments of a foreign client are, after its program.
    fn arguments(&self) -> Vec<PathBuf> {
        let (base, system) = (PathBuf::from(&self.base), PathBuf::from(SYSTEM));
        let files = [self.site.trust_bundle(), self.client.chain.clone(), self.client.key.clone()];
        [vec![base], files.to_vec(), vec![system, PathBuf::from(PATIENT)]].concat()
    }
}

/// A Bundle, with its resources as they were written.
#[derive(Deserialize)]
struct Bundle {
    link: Vec<Link>,
    #[serde(default)]
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Link {
    relation: String,
    url: String,
}

#[derive(Deserialize)]
struct Entry {
    resource: Box<RawValue>,
}

fn wait_for_index(platform: &Platform) {
    eventually("everything is indexed", || {
        let status = platform.cli().json(&["fhir", "status"]);
        status.iter().skip(1).all(|node| node["indexed"] == node["rows"])
    });
}

/// The patient of the harness's messages, with the system that the configuration gives.
const PATIENT: &str = "DEMO-0001";
const SYSTEM: &str = "urn:oid:1.2.3.4";

// N001-9, N001-10
#[test]
fn foreign_clients_read_what_a_monitor_sent() {
    for site in Site::on_each_store() {
        let hospital = Hospital::new(site.with("fhir", &format!("assigners = [{ASSIGNERS}]")));
        let platform = hospital.site.start();
        platform.admit(NAME, &[]);
        let own = hospital.site.certificate(NAME, KeyType::Ecc);
        let mut device = Device::connect(&hospital.site, platform.address, &own).unwrap();
        for number in 1..=4 {
            assert_eq!(device.code(message(NAME, &number.to_string())), "CA");
        }
        wait_for_index(&platform);
        let observations: BTreeSet<String> = hospital
            .all(&format!("Observation?patient.identifier={SYSTEM}%7C{PATIENT}"))
            .iter()
            .map(|text| serde_json::from_str::<Value>(text).unwrap()["id"].as_str().unwrap().to_owned())
            .collect();
        assert!(observations.len() >= 4, "{observations:?}");
        let ids = |value: &Value| -> BTreeSet<String> {
            let all = value["observations"].as_array().unwrap();
            all.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
        };
        let mut python = command_at(&peers().join("python/bin/python"));
        python.arg(root().join("tests/peers/fhir/read.py")).args(hospital.arguments());
        let output = finish(python, b"", None);
        assert!(output.success, "{}", output.text());
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let [fhirpy, fhirclient] = [0, 1]
            .map(|line| serde_json::from_str::<Value>(lines.lines().nth(line).unwrap_or_default()).unwrap());
        assert_eq!(ids(&fhirpy), observations);
        assert_eq!((&fhirpy["one"], &fhirpy["refused"]), (&true.into(), &"not-supported".into()));
        assert_eq!(fhirpy["missing"], true);
        assert_eq!(ids(&fhirclient), observations);
        assert_eq!(fhirclient["one"], true);
        assert!(fhirclient["values"].as_u64().unwrap() >= 4, "{fhirclient}");
        let mut node = command_at("node".as_ref());
        let packages = peers().join("fhir");
        node.arg(root().join("tests/peers/fhir/read.mjs")).arg(packages).args(hospital.arguments());
        let output = finish(node, b"", None);
        assert!(output.success, "{}", output.text());
        let kit: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(ids(&kit), observations);
        assert!(kit["pages"].as_u64().unwrap() >= 2, "{kit}");
        assert_eq!(
            (&kit["version"], &kit["vread"], &kit["refused"]),
            (&"4.0.1".into(), &"1".into(), &405.into())
        );
        // Each read is on record, with the opaque id of the patient and nothing else of it.
        let rows = platform.cli().json(&["audit", "list", "--event", "resources-read", "--limit", "1000"]);
        let mut interactions = BTreeMap::new();
        for row in &rows {
            *interactions.entry(row["details"]["interaction"].as_str().unwrap()).or_insert(0) += 1;
        }
        for interaction in ["read", "vread", "search-type", "history-instance"] {
            assert!(interactions.contains_key(interaction), "{interactions:?}");
        }
        assert!(!format!("{rows:?}").contains(PATIENT));
    }
}

// N001-9
#[test]
fn foreign_validators_accept_what_is_read_of_the_corpus() {
    let Some(samples) = corpus() else { return };
    let hospital = Hospital::new(Site::new());
    let platform = hospital.site.start();
    platform.admit(NAME, &["--kind", "gateway", "--any"]);
    let own = hospital.site.certificate(NAME, KeyType::Ecc);
    let connect = || Device::connect(&hospital.site, platform.address, &own).unwrap();
    let mut device = connect();
    let is_mapped = |payload: &[u8]| mapped(payload).is_some_and(|mapped| !mapped.resources.is_empty());
    for sample in samples.into_iter().filter(|sample| is_mapped(&sample.payload)) {
        if device.send(sample.payload).is_err() {
            device = connect();
        }
    }
    wait_for_index(&platform);
    let mut found = BTreeSet::new();
    for kind in
        ["Observation?_lastUpdated=ge2020", "Device?_count=7", "DeviceMetric", "Patient?_lastUpdated=ge2020"]
    {
        found.extend(hospital.all(kind));
    }
    let resources: Vec<String> = found.into_iter().collect();
    assert!(resources.len() > 50, "{}", resources.len());
    for (name, errors) in [("medplum", by_node(&resources)), ("fhirkit", by_python(&resources))] {
        for (resource, errors) in resources.iter().zip(errors) {
            assert_eq!(errors, Vec::<String>::new(), "{name} of {resource}");
        }
    }
    let statement = hospital.get(&format!("{}/metadata", hospital.base));
    assert_eq!(by_node(&[statement]), [Vec::<String>::new()]);
}

const ASSIGNERS: &str = r#"{ name = "Demo Hospital", system = "urn:oid:1.2.3.4" }"#;
