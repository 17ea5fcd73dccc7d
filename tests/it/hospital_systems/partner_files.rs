//! Files of partners: read with boto3, and each by its own organisation alone (N003-3, N003-4).

use std::collections::BTreeSet;

use serde_json::json;

use super::partners::{ACK, Partner, Partners, QUEUE, device, handle};
use super::*;
use crate::fhir::{peers, root};
use crate::harness::{command_at, finish, message};

const TOKEN: &str = "/partners/services/api/v1/token";

fn token(partners: &Partners, partner: &Partner) -> Value {
    let mut middleware = partners.middleware(Some(&partner.certificate));
    let token = middleware.call(&json!({ "path": TOKEN, "headers": partner.headers() }));
    assert_eq!(token["status"], 200, "{token}");
    assert_eq!(token["body"]["awsResources"], json!([format!("arn:aws:s3:::pcd-{}", partner.oid)]));
    token["body"].clone()
}

/// What boto3 finds with credentials of the partner.
fn read(partners: &Partners, partner: &Partner, others: &[(String, String)]) -> Value {
    with_boto3(partners, json!({ "token": token(partners, partner), "others": others }))
}

fn with_boto3(partners: &Partners, mut asked: Value) -> Value {
    let mut python = command_at(&peers().join("python/bin/python"));
    python.arg(root().join("tests/peers/partner_files.py"));
    asked["endpoint"] = format!("{}/files", partners.base).into();
    asked["ca"] = json!(partners.site().trust_bundle());
    let output = finish(python, format!("{asked}\n").as_bytes(), None);
    assert!(output.success, "{}", output.text());
    serde_json::from_slice(&output.stdout).unwrap()
}

// N003-3, N003-4: two organisations, of each of which the devices differ.
#[test]
fn n003_3_an_s3_client_reads_the_files_of_its_organisation_and_no_others() {
    for site in Site::on_each_store() {
        let partners = Partners::of(site);
        let platform = partners.site().start();
        let [lab, ward] = ["lab", "ward"].map(|name| partners.partner(&platform, name));
        let mut sender = device(partners.site(), &platform);
        for (name, partner, event) in [("of-lab", &lab, "message"), ("of-ward", &ward, "message")] {
            let words = ["subscription", "add", name, "--organisation", &partner.oid, "--event", event];
            platform.cli().run(&words);
        }
        for number in 1..=3 {
            assert_eq!(sender.code(message("00A037FFFE000001", &number.to_string())), "CA");
        }
        let [of_lab, of_ward] = [&lab, &ward].map(|partner| {
            let mut middleware = partners.middleware(Some(&partner.certificate));
            let mut all: Vec<Value> = Vec::new();
            eventually("three notifications", || {
                all.extend(middleware.receive(partner, 10));
                all.len() == 3
            });
            all
        });
        let keys = |all: &[Value]| -> BTreeSet<String> {
            all.iter().map(|one| one["MessageReference"].as_str().unwrap().to_owned()).collect()
        };
        assert!(keys(&of_lab).is_disjoint(&keys(&of_ward)));
        // A handle of the other organisation is none, and says no more than one that never was.
        let mut middleware = partners.middleware(Some(&lab.certificate));
        let foreign = middleware.acknowledge(&lab, handle(&of_ward[0]));
        let none = middleware.acknowledge(&lab, &"A".repeat(43));
        assert_eq!((&foreign["status"], &foreign["body"]), (&json!(400), &none["body"]));
        assert_eq!(middleware.acknowledge(&lab, handle(&of_lab[0]))["status"], 200);
        let (bucket_of_lab, bucket_of_ward) = (format!("pcd-{}", lab.oid), format!("pcd-{}", ward.oid));
        let foreign = keys(&of_ward).pop_first().unwrap();
        let others = [
            (bucket_of_ward.clone(), foreign.clone()),
            ("pcd-1.2.3".to_owned(), "x".to_owned()),
            (bucket_of_lab.clone(), foreign.clone()),
            (bucket_of_lab.clone(), foreign.replace(&ward.oid, &lab.oid)),
            (bucket_of_lab, "x".to_owned()),
        ];
        let found = read(&partners, &lab, &others);
        let files = found["files"].as_object().unwrap();
        assert_eq!(files.keys().cloned().collect::<BTreeSet<_>>(), keys(&of_lab), "{found}");
        for file in files.values() {
            assert_eq!((&file["bundle"]["type"], &file["part"]), (&json!("collection"), &json!(true)));
            assert!(file["bundle"]["entry"].as_array().unwrap().len() > 1);
            let sizes = file["sizes"].as_array().unwrap();
            assert!(
                sizes.iter().all(|size| size == &sizes[0]) && file["tags"].as_array().unwrap().len() == 1
            );
        }
        let codes = ["AccessDenied", "AccessDenied", "NoSuchKey", "NoSuchKey", "NoSuchKey"];
        assert_eq!(found["others"], json!(codes), "another bucket is as one that is not there");
        assert_eq!(found["other-lists"], json!(["AccessDenied", "AccessDenied", "done", "done", "done"]));
        assert_eq!(
            (&found["wrong-secret"], &found["wrong-token"]),
            (&json!("SignatureDoesNotMatch"), &json!("SignatureDoesNotMatch"))
        );
        assert_eq!(found["put"], "MethodNotAllowed");
        assert_eq!(found["folders"], json!([[1, 0, 1], [1, 0, 1], [0, 3, 3]]));
        assert_eq!(
            (&found["behind-a-part-of-the-first"], &found["behind-the-first"]),
            (&json!(true), &json!(2))
        );
        assert!(refusals(&platform, "invalid-token") > 0, "a wrong signature is recorded");
        read_files_are_found_by_their_patient(&platform, files.values().next().unwrap());
        credentials_end_with_what_they_were_got_by(&partners, &platform, &lab);
        let served = platform.cli().json(&["audit", "list", "--event", "partner-served", "--limit", "1000"]);
        let services: BTreeSet<_> =
            served.iter().map(|row| row["details"]["service"].as_str().unwrap()).collect();
        for service in ["token-issued", "file-read", "files-listed", "notifications-received"] {
            assert!(services.contains(service), "{service}: {services:?}");
        }
        platform.cli().run(&["reader", "suspend", "lab"]);
        let mut middleware = partners.middleware(Some(&lab.certificate));
        eventually("a suspended client gets no token", || {
            middleware.call(&json!({ "path": TOKEN, "headers": lab.headers() }))["status"] == 401
        });
        let stopped = platform.stop();
        assert!(!stopped.log.contains("panicked"), "{}", stopped.log);
    }
}

/// Who has read about a patient is found as for reads of FHIR.
fn read_files_are_found_by_their_patient(platform: &Platform, file: &Value) {
    let mut entries = file["bundle"]["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
    let own = entries.find(|resource| resource["resourceType"] == "Patient").unwrap();
    let rows = platform.cli().json(&["audit", "list", "--event", "partner-served", "--limit", "1000"]);
    let read = rows.iter().filter(|row| row["details"]["service"] == "file-read");
    let patients: BTreeSet<_> = read.map(|row| row["details"]["patients"].to_string()).collect();
    assert_eq!(patients, BTreeSet::from([json!([own["id"]]).to_string()]));
}

fn credentials_end_with_what_they_were_got_by(partners: &Partners, platform: &Platform, lab: &Partner) {
    let list = |token: &Value| with_boto3(partners, json!({ "token": token, "only-list": true }));
    let before = token(partners, lab);
    assert_eq!(list(&before), "done");
    platform.cli().run(&["reader", "rotate", "lab"]);
    assert_eq!(list(&before), "InvalidAccessKeyId", "the secret is one of the factors");
    let before = token(partners, lab);
    platform.cli().run(&["reader", "suspend", "lab"]);
    platform.cli().run(&["reader", "resume", "lab"]);
    assert_eq!(list(&before), "InvalidAccessKeyId", "they do not count again");
    eventually("the client is known again", || {
        let mut middleware = partners.middleware(Some(&lab.certificate));
        middleware.call(&json!({ "path": TOKEN, "headers": lab.headers() }))["status"] == 200
    });
}

// N003-7
#[test]
fn n003_7_the_services_are_described_as_openapi_and_the_description_is_valid() {
    let partners = Partners::of(Site::new());
    let platform = partners.site().start();
    let lab = partners.partner(&platform, "lab");
    // The description and its page are open: they say nothing about anyone.
    let described = ask(partners.site(), &platform, None, "/partners/services/api/openapi.json", &[]);
    assert_eq!(described.status, 200);
    let mut validator = command_at(&peers().join("python/bin/python"));
    validator.args(["-m", "openapi_spec_validator", "-"]);
    let output = finish(validator, described.body.as_bytes(), None);
    assert!(output.success, "{}", output.text());
    let description: Value = serde_json::from_str(&described.body).unwrap();
    let page = ask(partners.site(), &platform, None, "/partners/services/console/", &[]);
    assert!(page.status == 200 && page.body.contains("/v1/token") && !page.body.contains("<script"));
    // The examples of the contract, with curl.
    let of = |name: &str, value: &str| format!("{name}: {value}");
    let headers = [
        of("org_id", &lab.oid),
        of("client_id", &lab.client),
        of("client_secret", &lab.secret),
        of("x-origin-request-id", "7"),
        of("Content-Type", "application/json"),
    ];
    let mut more = vec!["--request", "POST"];
    for header in &headers {
        more.extend(["--header", header]);
    }
    eventually("the client is known", || {
        ask(partners.site(), &platform, Some(&lab.certificate), TOKEN, &more).status == 200
    });
    let token = ask(partners.site(), &platform, Some(&lab.certificate), TOKEN, &more);
    let token: Value = serde_json::from_str(&token.body).unwrap();
    let required =
        description["components"]["schemas"]["Token"]["properties"]["awsCredentials"]["required"].clone();
    for name in required.as_array().unwrap() {
        assert!(token["awsCredentials"][name.as_str().unwrap()].is_string(), "{token}");
    }
    more.extend(["--header", "receiptHandle: none"]);
    let refused = ask(partners.site(), &platform, Some(&lab.certificate), ACK, &more);
    assert_eq!(refused.status, 400);
    // Each path of the description is served, with the method that it has, and with no other one.
    for (path, item) in description["paths"].as_object().unwrap() {
        let path = format!("/partners/services/api{path}");
        assert!([ACK, QUEUE, TOKEN].contains(&path.as_str()), "{path}");
        let method = if item.get("post").is_some() { "GET" } else { "POST" };
        let other = ask(partners.site(), &platform, None, &path, &["--request", method]);
        assert_eq!(other.status, 405, "{path}");
    }
    assert!(!platform.stop().log.contains("panicked"));
}

// N003-7: whatever the description allows and forbids is asked.
#[test]
fn n003_7_schemathesis_finds_nothing_that_the_description_does_not_say() {
    let site = Site::new().with("notifications", "visibility = \"1s\"");
    let partners = Partners::of(site.with("notifications", "deliveries = 1000"));
    let platform = partners.site().start();
    let lab = partners.partner(&platform, "lab");
    platform.cli().run(&["subscription", "add", "all", "--organisation", &lab.oid]);
    // One that waits: a request with `wait` ends soon.
    assert_eq!(device(partners.site(), &platform).code(message("00A037FFFE000001", "1")), "CA");
    let described = ask(partners.site(), &platform, None, "/partners/services/api/openapi.json", &[]);
    let description = partners.site().path().join("partners.json");
    std::fs::write(&description, described.body).unwrap();
    let mut python = command_at(&peers().join("python/bin/schemathesis"));
    python.arg("run").arg(&description);
    python.arg("--url").arg(format!("{}/partners/services/api", partners.base));
    python.arg("--tls-verify").arg(partners.site().trust_bundle());
    python.arg("--request-cert").arg(&lab.certificate.chain);
    python.arg("--request-cert-key").arg(&lab.certificate.key);
    for (name, value) in [("org_id", &lab.oid), ("client_id", &lab.client), ("client_secret", &lab.secret)] {
        python.arg("-H").arg(format!("{name}: {value}"));
    }
    // A handle that is well formed is that of a delivery or is refused: no description says which.
    python.args(["--exclude-checks", "positive_data_acceptance"]);
    python.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--seed", "7"]);
    python.args(["--rate-limit", "50/s", "--generation-database", "none", "--no-color"]);
    python.current_dir(partners.site().path());
    let output = finish(python, b"", None);
    assert!(output.success, "{}", output.text());
    let stopped = platform.stop();
    assert!(!stopped.log.contains("panicked") && !stopped.log.contains(&lab.secret), "{}", stopped.log);
}
