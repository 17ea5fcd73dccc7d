//! Clients that register themselves with a signed software statement, with jose and oauth4webapi (N001-7,
//! N001-8).

use std::collections::BTreeMap;

use pcd_platform::pki::RevocationReason;
use serde_json::json;

use super::tokens::{Clients, read, token_of};
use super::*;
use crate::pages::{open, post};

fn scene(site: Site) -> Clients {
    let hospital = Hospital::of(site, "registered");
    let order = |name: &str, uri: &str| CertificateOrder { sans: vec![uri.to_owned()], ..order(name) };
    let mut issued: BTreeMap<&'static str, Issued> = ["app", "app2", "ehr", "revoked"]
        .into_iter()
        .map(|name| (name, hospital.issue(&order(name, &format!("https://{name}.example/fhir")))))
        .collect();
    let device = hospital.site.certificate("00A037FFFE000001", KeyType::Ecc);
    issued.insert("device", Issued { chain: device.chain, key: device.key });
    let certificate = std::fs::read(&issued["revoked"].chain).unwrap();
    hospital.community.revoke(&certificate, RevocationReason::KeyCompromise).unwrap();
    hospital.community.publish_crls(30).unwrap();
    let rsa = CertificateOrder { key: KeyType::Rsa, ..order("udap", "https://127.0.0.1:8443/fhir") };
    let Issued { chain, key } = hospital.issue(&rsa);
    let settings = [
        "registration.enabled = true".to_owned(),
        "registration.max-pending = 1".to_owned(),
        "registration.scopes = [\"system/Observation.rs\", \"system/Device.rs\"]".to_owned(),
        format!("udap.identity = {{ chain = {chain:?}, key = {key:?} }}"),
    ];
    let site = settings.iter().fold(hospital.site, |site, line| site.with("api", line));
    Clients { hospital: Hospital { site, ..hospital }, issued }
}

#[test]
fn n001_7_a_client_registers_itself_and_reads_when_an_operator_has_approved_it() {
    for site in Site::on_each_store() {
        let clients = scene(site);
        let (site, platform) = (&clients.hospital.site, clients.hospital.site.start());
        let got = clients.run("registration.mjs", &platform, &json!({ "step": "register" }));
        let own = &got["registered"];
        assert_eq!((&own["status"], &own["scope"]), (&json!(201), &json!("system/Observation.rs")), "{own}");
        assert_eq!(got["unmodified"], true);
        let id = own["client_id"].as_str().unwrap();
        let again = &got["again"];
        assert_eq!((&again["status"], &again["client_id"]), (&json!(200), &json!(id)), "{again}");
        assert_eq!(again["client_name"], "EHR 2");
        assert_eq!(got["replayed"]["reason"], "assertion-replayed");
        assert_eq!(
            (&got["pending"]["error"], &got["pending"]["reason"]),
            (&json!("invalid_client"), &json!("not-registered"))
        );
        let endpoint = "https://127.0.0.1:8443/oauth/register";
        assert_eq!(got["metadata"]["registration_endpoint"], endpoint);
        assert_eq!(got["udap"]["registration_endpoint"], endpoint);
        assert_eq!(got["signed"]["registration_endpoint"], endpoint);
        assert_eq!(got["otherCommunity"], 404);
        for (name, error, reason) in REFUSED {
            let wrong = &got["wrong"][name];
            let status = if reason == "too-many-registrations" { 429 } else { 400 };
            assert_eq!(
                (&wrong["status"], &wrong["error"], &wrong["reason"]),
                (&json!(status), &json!(error), &json!(reason)),
                "{name}"
            );
        }
        assert_eq!(got["wrong"].as_object().unwrap().len(), REFUSED.len());

        platform.cli().run(&["organisation", "add", "St. Mary", "--oid", "1.2.3.4"]);
        let listed = platform.cli().json(&["reader", "registrations"]).remove(0);
        assert_eq!((&listed["id"], &listed["status"]), (&json!(id), &json!("pending")), "{listed}");
        assert_eq!(listed["issuer"], "https://app.example/fhir");
        let approve =
            ["reader", "approve", id, "--organisation", "1.2.3.4", "--scopes", "system/Observation.rs"];
        platform.cli().run(&approve);
        let step = json!({ "step": "token", "client": id });
        let mut got = Value::Null;
        eventually("the client is admitted", || {
            got = clients.run("registration.mjs", &platform, &step);
            got["token"]["status"] == 200
        });
        let token = got["token"]["token"].as_str().unwrap();
        assert!(read(site, &platform, None, token).is_admitted());
        assert_eq!(got["ofOther"]["reason"], "not-registered");
        // The certificate counts without a token too, and no other one does.
        expect(site, &platform, &clients.issued["app"], &[], "");
        expect(site, &platform, &clients.issued["app2"], &[], "not-registered");
        let wider = &got["wider"];
        // It has asked for Device too, and the configuration would allow that.
        let expected = (&json!(200), &json!("system/Observation.rs"));
        assert_eq!((&wider["status"], &wider["scope"]), expected, "no more than was approved: {wider}");

        let got = clients.run("registration.mjs", &platform, &json!({ "step": "cancel", "client": id }));
        assert_eq!(
            (&got["cancelled"]["status"], &got["cancelled"]["grant_types"]),
            (&json!(200), &json!([]))
        );
        assert_eq!(read(site, &platform, None, token).code(), "invalid-token", "its tokens end at once");
        assert!(platform.cli().json(&["reader", "registrations"]).is_empty());
        let rows = platform.cli().json(&["audit", "list", "--event", "clients-changed"]);
        for change in
            ["client-registered", "registration-changed", "registration-approved", "registration-cancelled"]
        {
            assert!(rows.iter().any(|row| row["details"]["change"] == change), "{change}");
        }
        assert!(!platform.stop().log.contains("panicked"));
    }
}

#[test]
fn n001_7_registration_is_not_there_unless_it_is_configured() {
    let hospital = Hospital::new("registered");
    let (site, platform) = (&hospital.site, hospital.site.start());
    let post = ["--data", "{}", "--header", "Content-Type: application/json"];
    assert_eq!(ask(site, &platform, None, "/oauth/register", &post).status, 404);
    assert_eq!(ask(site, &platform, None, "/fhir/.well-known/udap", &[]).status, 404);
    let metadata = ask(site, &platform, None, "/.well-known/oauth-authorization-server", &[]);
    assert!(metadata.status == 200 && !metadata.body.contains("registration_endpoint"), "{metadata:?}");
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n001_7_an_operator_rejects_a_registration_and_the_configuration_does_not_approve_it() {
    let clients = scene(Site::new());
    let platform = clients.hospital.site.start();
    let got = clients.run("registration.mjs", &platform, &json!({ "step": "register" }));
    let id = got["registered"]["client_id"].as_str().unwrap();
    platform.cli().run(&["reader", "reject", id]);
    assert!(platform.cli().json(&["reader", "registrations"]).is_empty());
    platform.cli().run(&["organisation", "add", "St. Mary", "--oid", "1.2.3.4"]);
    assert!(!platform.stop().log.contains("panicked"));
    let Clients { hospital, issued } = clients;
    let site = hospital.site.with("api", "registration.approve = \"automatic\"");
    let site = site.with("api", "registration.organisation = \"1.2.3.4\"");
    let clients = Clients { hospital: Hospital { site, ..hospital }, issued };
    let platform = clients.hospital.site.start();
    // What an operator has rejected is not approved by the configuration.
    clients.run("registration.mjs", &platform, &json!({ "step": "register" }));
    let line = platform.cli().json(&["reader", "registrations"]).remove(0);
    assert_eq!(line["status"], "pending", "{line}");
    assert!(!platform.stop().log.contains("panicked"));
}

// What an operator has suspended or rejected does not come back by itself, whatever is configured.
#[test]
fn n001_7_a_client_that_an_operator_has_ended_comes_back_with_an_operator_alone() {
    let Clients { hospital, issued } = scene(Site::new());
    let site = hospital.site.with("api", "registration.approve = \"automatic\"");
    let site = site.with("api", "registration.organisation = \"1.2.3.4\"");
    let clients = Clients { hospital: Hospital { site, ..hospital }, issued };
    let (site, platform) = (&clients.hospital.site, clients.hospital.site.start());
    platform.cli().run(&["organisation", "add", "St. Mary", "--oid", "1.2.3.4"]);
    let step = |step: &str, client: &str| {
        clients.run("registration.mjs", &platform, &json!({ "step": step, "client": client }))
    };
    let register = || step("register", "")["registered"]["client_id"].as_str().unwrap().to_owned();
    let status = |client: &str| {
        let all = platform.cli().json(&["reader", "registrations"]);
        all.into_iter().find(|line| line["id"] == client).map(|line| line["status"].clone())
    };
    let app = &clients.issued["app"];
    let first = register();
    assert_eq!(status(&first), Some(json!("approved")));
    expect(site, &platform, app, &[], "");
    let token = token_of(site, &platform, app);
    platform.cli().run(&["reader", "suspend", &first]);
    assert_eq!(read(site, &platform, Some(app), &token).code(), "invalid-token");
    step("cancel", &first);
    let second = register();
    assert!(second != first && status(&second) == Some(json!("pending")), "it was suspended");
    expect(site, &platform, app, &[], "removed");
    platform.cli().run(&["reader", "approve", &second, "--organisation", "1.2.3.4"]);
    expect(site, &platform, app, &[], "");
    platform.cli().run(&["reader", "reject", &second]);
    expect(site, &platform, app, &[], "removed");
    let third = register();
    assert_eq!(status(&third), Some(json!("pending")), "it was rejected");
    // What the operator has looked at is what is approved.
    let seen = platform.cli().json(&["reader", "registrations"]).remove(0)["revision"].clone();
    step("token", &third);
    let words = ["reader", "approve", &third, "--organisation", "1.2.3.4", "--revision"];
    let (status, _, error) = platform.cli().try_run(&[&words[..], &[seen.as_str().unwrap()]].concat());
    assert!(!status.success() && error.contains("changed at the same time"), "{error}");
    assert!(!platform.stop().log.contains("panicked"));
}

// A certificate that is given to a client by itself is that of no registration.
#[test]
fn n001_7_a_client_that_is_registered_by_its_certificate_does_not_register_itself() {
    let clients = scene(Site::new());
    let platform = clients.hospital.site.start();
    platform.cli().run(&["organisation", "add", "St. Mary", "--oid", "1.2.3.4"]);
    let chain = clients.issued["app"].chain.display().to_string();
    let words = ["reader", "add", "ehr", "--organisation", "1.2.3.4", "--certificate", &chain];
    platform.cli().run(&words);
    expect(&clients.hospital.site, &platform, &clients.issued["app"], &[], "");
    let got = clients.run("registration.mjs", &platform, &json!({ "step": "token", "client": "ehr" }));
    assert_eq!(got["token"]["status"], 200, "{got}");
    assert_eq!(got["wider"]["reason"], "registration-registered", "{}", got["wider"]);
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n001_7_an_operator_approves_and_rejects_on_the_page() {
    let clients = scene(Site::new());
    let (site, platform) = (&clients.hospital.site, clients.hospital.site.start());
    let got = clients.run("registration.mjs", &platform, &json!({ "step": "register" }));
    let here = format!("/registrations/{}", got["registered"]["client_id"].as_str().unwrap());
    let (status, _, page) = open(&platform, "/registrations");
    assert!(status == 200 && page.contains(&here) && page.contains("https://app.example/fhir"), "{page}");
    let (_, _, page) = open(&platform, &here);
    assert!(page.contains("Approval needs an organisation") && page.contains("mailto:it@hospital"), "{page}");
    assert!(page.contains("Reads for") && page.contains("itself"), "{page}");
    platform.cli().run(&["organisation", "add", "St. Mary", "--oid", "1.2.3.4"]);
    let (_, _, page) = open(&platform, &here);
    let (_, rest) = page.split_once("name=\"revision\" value=\"").unwrap_or_else(|| panic!("{page}"));
    let revision = rest.split_once('"').unwrap().0;
    let form =
        |revision: &str| format!("organisation=1.2.3.4&scopes=system/Observation.rs&revision={revision}");
    let (status, _, page) = post(&platform, &format!("{here}/approve"), &form("000000000000"));
    assert!(status == 400 && page.contains("changed at the same time"), "{status}: {page}");
    let (status, head, page) = post(&platform, &format!("{here}/approve"), &form(revision));
    assert!(status == 303 && head.to_lowercase().contains(&here.to_lowercase()), "{status}: {head} {page}");
    expect(site, &platform, &clients.issued["app"], &[], "");
    let line = platform.cli().json(&["reader", "list"]).remove(0);
    assert_eq!(line["scopes"], "system/Observation.rs", "no more than the form has");
    let (_, _, page) = open(&platform, &format!("{here}/reject"));
    assert!(page.contains("tokens end at once"), "{page}");
    assert_eq!(post(&platform, &format!("{here}/reject"), "").0, 303);
    expect(site, &platform, &clients.issued["app"], &[], "removed");
    assert_eq!(open(&platform, &here).0, 404);
    assert!(!platform.stop().log.contains("panicked"));
}

// The metadata are signed with RS256 alone, and a listener without them would say nothing.
#[test]
fn n001_8_a_key_that_does_not_sign_the_metadata_is_refused() {
    let Clients { hospital, issued } = scene(Site::new());
    let Issued { chain, key } = &issued["app"];
    let site = hospital.site.without("api", "udap.identity");
    let site = site.with("api", &format!("udap.identity = {{ chain = {chain:?}, key = {key:?} }}"));
    let (status, found, error) = crate::harness::Cli::of(&site).try_run(&["check"]);
    let text = format!("{found}{error}");
    assert!(!status.success() && text.contains("is none of RSA"), "{text}");
}

// N001-8
#[test]
fn n001_8_the_capability_statement_names_the_ways_in() {
    for registers in [true, false] {
        let Clients { hospital, .. } = scene(Site::new());
        let site = hospital.site.without("api", "registration.enabled");
        let site = site.with("api", &format!("registration.enabled = {registers}"));
        let platform = site.start();
        let metadata = ask(&site, &platform, None, "/fhir/metadata", &[]);
        let metadata: Value = serde_json::from_str(&metadata.body).unwrap();
        let security = &metadata["rest"][0]["security"];
        assert_eq!(security["service"][0]["coding"][0]["code"], "SMART-on-FHIR", "{security}");
        let uris = security["extension"][0]["extension"].as_array().unwrap();
        let uri = |name: &str| uris.iter().find(|own| own["url"] == name).map(|own| own["valueUri"].clone());
        assert_eq!(uri("token"), Some(json!("https://127.0.0.1:8443/oauth/token")));
        assert_eq!(uri("revoke"), Some(json!("https://127.0.0.1:8443/oauth/revoke")));
        assert_eq!(uri("register").is_some(), registers, "it says only what is on");
        assert_eq!(uri("authorize"), None);
        assert!(!platform.stop().log.contains("panicked"));
    }
}

/// Each wrong registration of registration.mjs with its error (RFC 7591) and the reason.
const REFUSED: [(&str, &str, &str); 19] = [
    ("x5c of another", "invalid_software_statement", "assertion-signature"),
    ("none", "invalid_software_statement", "assertion-signature"),
    ("iss outside of the certificate", "invalid_software_statement", "registration-issuer"),
    ("sub of another", "invalid_software_statement", "assertion-subject"),
    ("aud of the token endpoint", "invalid_software_statement", "assertion-audience"),
    ("an hour", "invalid_software_statement", "assertion-lifetime"),
    ("expired", "invalid_software_statement", "assertion-expired"),
    ("no jti", "invalid_software_statement", "assertion-id"),
    ("no contact", "invalid_client_metadata", "registration-metadata"),
    ("no name", "invalid_client_metadata", "registration-metadata"),
    ("implicit", "invalid_client_metadata", "registration-grant-type"),
    ("redirect", "invalid_redirect_uri", "registration-redirect"),
    ("scope", "invalid_client_metadata", "registration-scope"),
    ("no udap", "invalid_client_metadata", "registration-form"),
    ("a form", "invalid_client_metadata", "registration-form"),
    ("revoked", "unapproved_software_statement", "revoked"),
    ("device", "unapproved_software_statement", "bad-signature"),
    ("nothing to cancel", "invalid_client_metadata", "registration-unknown"),
    ("too many", "temporarily_unavailable", "too-many-registrations"),
];
