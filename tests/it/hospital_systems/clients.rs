//! Organisations and clients, and what they may read.

use super::*;
use crate::harness::{Device, message};

#[test]
fn n000_2_registered_clients_read_until_they_are_suspended() {
    for site in Site::on_each_store() {
        let hospital = Hospital::of(site, "registered");
        let (site, platform) = (&hospital.site, hospital.site.start());
        let [ehr, spare, stranger] = ["ehr", "spare", "stranger"].map(|name| hospital.client(name));
        let organisation = platform.cli().json(&["organisation", "add", "St. Mary"]).remove(0);
        let oid = organisation["oid"].as_str().unwrap();
        let number = oid.strip_prefix("2.25.").expect("an assigned number");
        assert!(number.parse::<u128>().is_ok(), "{organisation}");
        let chain = |own: &Issued| own.chain.display().to_string();
        let cert = chain(&ehr);
        let words = ["reader", "add", "ehr", "--organisation", oid, "--certificate", &cert];
        let added = platform.cli().json(&words).remove(0);
        let secret = added["secret"].as_str().unwrap();
        expect(site, &platform, &ehr, &[], "");
        expect(site, &platform, &stranger, &[], "not-registered");
        // A secret beside the certificate has to fit.
        let basic = |secret: &str| format!("ehr:{secret}");
        expect(site, &platform, &ehr, &["--user", &basic(secret)], "");
        expect(site, &platform, &ehr, &["--user", &basic("wrong")], "wrong-secret");
        expect(site, &platform, &stranger, &["--user", &basic(secret)], "wrong-secret");
        // N000-9: two certificates overlap, and the first one ends.
        platform.cli().run(&["reader", "add-certificate", "ehr", &chain(&spare)]);
        expect(site, &platform, &spare, &[], "");
        expect(site, &platform, &ehr, &[], "");
        platform.cli().run(&["reader", "remove-certificate", "ehr", &chain(&ehr)]);
        expect(site, &platform, &ehr, &[], "removed");
        // Without any, every certificate of the community would do beside the secret.
        let words = ["reader", "remove-certificate", "ehr", &chain(&spare)];
        let (status, _, error) = platform.cli().try_run(&words);
        assert!(status.code() == Some(77) && error.contains("only certificate"), "{status}: {error}");

        for (noun, id, code) in
            [("reader", "ehr", "client-suspended"), ("organisation", oid, "organisation-suspended")]
        {
            let mut open = OpenReader::connect(site, &platform, &spare);
            assert!(open.get(READ).is_admitted());
            platform.cli().run(&[noun, "suspend", id]);
            eventually(code, || open.get(READ).status == 401);
            assert_eq!(open.get(READ).code(), code, "on the same connection");
            platform.cli().run(&[noun, "resume", id]);
            expect(site, &platform, &spare, &[], "");
        }
        let rows = platform.cli().json(&["audit", "list", "--event", "clients-changed"]);
        let mut changes: Vec<_> = rows.iter().filter_map(|row| row["details"]["change"].as_str()).collect();
        changes.sort_unstable();
        assert_eq!(
            changes,
            [
                "certificate-added",
                "certificate-removed",
                "client-added",
                "client-resumed",
                "client-suspended",
                "organisation-added",
                "organisation-resumed",
                "organisation-suspended",
            ]
        );
        assert!(!serde_json::to_string(&rows).unwrap().contains(secret), "no secret is in the trail");
        let stopped = platform.stop();
        assert!(!stopped.log.contains("panicked") && !stopped.log.contains(secret));
        if let Ok(file) = std::fs::read(site.path().join("platform.db")) {
            assert!(
                !file.windows(secret.len()).any(|part| part == secret.as_bytes()),
                "the store has a hash"
            );
        }
    }
}

#[test]
fn n000_2_a_secret_counts_with_a_certificate_of_a_community_and_overlaps_at_a_rotation() {
    let hospital = Hospital::new("registered");
    let (site, platform) = (&hospital.site, hospital.site.start());
    let member = hospital.client("any");
    platform.cli().run(&["organisation", "add", "Lab", "--oid", "1.2.3.4"]);
    let words = ["reader", "add", "lab", "--organisation", "1.2.3.4", "--scopes", "system/Observation.rs"];
    let secret = |line: &Value| format!("lab:{}", line["secret"].as_str().unwrap());
    let first = secret(&platform.cli().json(&words)[0]);
    expect(site, &platform, &member, &["--user", &first], "");
    expect(site, &platform, &member, &[], "not-registered");
    assert_eq!(ask(site, &platform, None, READ, &["--user", &first]).code(), "no-certificate");

    let second = secret(&platform.cli().json(&["reader", "rotate", "lab", "--overlap", "1h"])[0]);
    expect(site, &platform, &member, &["--user", &second], "");
    expect(site, &platform, &member, &["--user", &first], "");
    let third = secret(&platform.cli().json(&["reader", "rotate", "lab", "--overlap", "1s"])[0]);
    expect(site, &platform, &member, &["--user", &third], "");
    expect(site, &platform, &member, &["--user", &first], "wrong-secret");
    expect(site, &platform, &member, &["--user", &second], "wrong-secret");

    // Both secrets are listed while both count, and one that has leaked ends at once, with its tokens.
    let token = |user: &str| {
        let words = ["--user", user, "--data", "grant_type=client_credentials"];
        let answer = ask(site, &platform, Some(&member), "/oauth/token", &words);
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        format!(
            "Authorization: Bearer {}",
            answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}"))
        )
    };
    let rotated = platform.cli().json(&["reader", "rotate", "lab"]).remove(0);
    assert!(rotated["secrets"] == 2 && rotated["former-secret-ends"].is_string(), "{rotated}");
    assert!(platform.cli().run(&["reader", "list"]).contains("counts until"));
    let fourth = secret(&rotated);
    expect(site, &platform, &member, &["--user", &fourth], "");
    let bearer = token(&third);
    expect(site, &platform, &member, &["--header", &bearer], "");
    platform.cli().run(&["reader", "end-former-secret", "lab"]);
    expect(site, &platform, &member, &["--user", &third], "wrong-secret");
    expect(site, &platform, &member, &["--header", &bearer], "invalid-token");
    let (status, _, error) = platform.cli().try_run(&["reader", "end-former-secret", "lab"]);
    assert!(!status.success() && error.contains("no secret besides the last one"), "{error}");
    let bearer = token(&fourth);
    let rotated = platform.cli().json(&["reader", "rotate", "lab", "--at-once"]).remove(0);
    assert!(rotated["secrets"] == 1 && rotated["former-secret-ends"].is_null(), "{rotated}");
    expect(site, &platform, &member, &["--user", &secret(&rotated)], "");
    expect(site, &platform, &member, &["--user", &fourth], "wrong-secret");
    expect(site, &platform, &member, &["--header", &bearer], "invalid-token");
    assert!(!platform.stop().log.contains("panicked"));
}

// Who operates the platform learns of it before the client reads nothing more.
#[test]
fn n000_9_a_certificate_of_a_client_that_ends_soon_is_a_finding() {
    let hospital = Hospital::new("registered");
    let (site, platform) = (&hospital.site, hospital.site.start());
    platform.cli().run(&["organisation", "add", "Hospital", "--oid", "1.2.3.4"]);
    let known = "subject:hospital:CN=ehr,O=pcd-platform test PKI";
    platform.cli().run(&["reader", "add", "ehr", "--organisation", "1.2.3.4", "--certificate", known]);
    let findings = || {
        let (status, body) = platform.get("/api/findings");
        assert_eq!(status, 200, "{body}");
        let all: Vec<Value> = serde_json::from_str(&body).unwrap();
        let own = |finding: &Value| finding["code"] == "reader-certificate-ending";
        all.into_iter().filter(own).collect::<Vec<_>>()
    };
    let ending = hospital.issue(&CertificateOrder { days: 20, ..order("ehr") });
    expect(site, &platform, &ending, &[], "");
    eventually("the finding is there", || !findings().is_empty());
    assert!(findings()[0]["what"].as_str().unwrap().contains("ehr at "), "{:?}", findings());
    expect(site, &platform, &hospital.client("ehr"), &[], "");
    eventually("the finding ends", || findings().is_empty());
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n000_1_a_request_from_elsewhere_or_for_another_organisation_is_refused() {
    let hospital = Hospital::new("registered");
    let site = hospital.site.with("api", "proxy-protocol = [\"127.0.0.0/8\"]");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    let ehr = hospital.client("ehr");
    let words = ["organisation", "add", "Hospital", "--oid", "1.2.3.4", "--network", "192.0.2.0/24"];
    platform.cli().run(&words);
    let known = "subject:hospital:CN=ehr,O=pcd-platform test PKI";
    platform.cli().run(&["reader", "add", "ehr", "--organisation", "1.2.3.4", "--certificate", known]);
    let relayed = ["--haproxy-protocol"];
    expect(site, &platform, &ehr, &relayed, "other-network");
    let mut inside = OpenReader::relayed(site, &platform, &ehr, Some("192.0.2.7"));
    assert!(inside.get(READ).is_admitted(), "the address that the balancer states counts");
    let mut outside = OpenReader::relayed(site, &platform, &ehr, Some("198.51.100.7"));
    assert_eq!(outside.get(READ).code(), "other-network");
    for (oid, code) in [("1.2.3.5", "other-organisation"), ("1.2.3.4", "other-network")] {
        let header = format!("org_id: {oid}");
        expect(site, &platform, &ehr, &["--haproxy-protocol", "--header", &header], code);
    }
    let words =
        ["organisation", "change", "1.2.3.4", "--network", "192.0.2.0/24", "--network", "198.51.100.0/24"];
    platform.cli().run(&words);
    eventually("its network is another one", || outside.get(READ).is_admitted());
    platform.cli().run(&["reader", "change", "ehr", "--scopes", "system/Device.rs"]);
    eventually("its scopes are others", || {
        let answer = outside.get(READ);
        answer.status == 403 && answer.code() == "scope"
    });
    let rows = platform.cli().json(&["audit", "list", "--event", "clients-changed"]);
    for change in ["organisation-changed", "client-changed"] {
        assert!(rows.iter().any(|row| row["details"]["change"] == change), "{change}: {rows:?}");
    }
    assert!(refusals(&platform, "other-network") >= 2 && refusals(&platform, "other-organisation") >= 1);
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n001_9_what_a_device_has_just_sent_is_read_by_those_who_may() {
    const DEVICE: &str = "00A037FFFE000001";
    let hospital = Hospital::new("registered");
    let (site, platform) = (&hospital.site, hospital.site.start());
    platform.cli().run(&["organisation", "add", "Hospital", "--oid", "1.2.3.4"]);
    let add = |id: &str, days: u32, more: &[&str]| {
        let own = hospital.issue(&CertificateOrder { days, ..order(id) });
        let chain = own.chain.display().to_string();
        let words = ["reader", "add", id, "--organisation", "1.2.3.4", "--certificate", &chain];
        platform.cli().run(&[&words[..], more].concat());
        own
    };
    let ehr = add("ehr", 365, &[]);
    let other = add("other", 365, &["--device", "00A037FFFE000002"]);
    let devices = add("devices", 10, &["--scopes", "system/Device.rs"]);
    platform.admit(DEVICE, &[]);
    let own = site.certificate(DEVICE, KeyType::Ecc);
    let mut device = Device::connect(site, platform.address, &own).unwrap();
    assert_eq!(device.code(message(DEVICE, "1")), "CA");
    let search = "/fhir/Observation?code=150456&_lastUpdated=ge2020-01-01";
    let values = |client: &Issued| {
        let answer = ask(site, &platform, Some(client), search, &[]);
        assert_eq!(answer.status, 200, "{answer:?}");
        let bundle: Value = serde_json::from_str(&answer.body).unwrap();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["resource"]["valueQuantity"]["value"].clone()).collect::<Vec<_>>()
    };
    // A command counts within a second.
    for (client, search) in [(&ehr, search), (&other, search), (&devices, "/fhir/Device?_id=nothing")] {
        eventually("the client is known", || ask(site, &platform, Some(client), search, &[]).status == 200);
    }
    eventually("the SpO2 is read", || values(&ehr) == [Value::from(97)]);
    assert_eq!(values(&other), [Value::Null; 0], "it may read another device alone");
    assert_eq!(ask(site, &platform, Some(&devices), search, &[]).status, 403);
    assert!(refusals(&platform, "scope") >= 1, "what is beyond the scopes is recorded");
    let read = ["--include"];
    let answer = ask(site, &platform, Some(&devices), "/fhir/Device?_id=nothing", &read).body.to_lowercase();
    assert!(answer.contains("x-environment: production"), "N000-8: {answer}");
    assert!(answer.contains("x-certificate-expires: "), "N000-9: it ends within 30 days: {answer}");
    let rows = platform.cli().json(&["audit", "list", "--event", "resources-read"]);
    assert!(rows.iter().any(|row| row["details"]["client"] == "ehr"), "{rows:?}");
    let (status, page) = platform.get("/system");
    assert_eq!(status, 200);
    for shown in ["Hospital systems", ">ehr<", ">devices<", "renew", "Certificate ends"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let index = platform.cli().json(&["fhir", "status"]).remove(0);
    assert_eq!(index["clients"], 3, "{index}");
    assert!(!platform.stop().log.contains("panicked"));
}

// Where every member of a community reads, a removal holds as well.
#[test]
fn n000_2_what_an_operator_has_ended_reads_nothing_as_a_member() {
    for site in Site::on_each_store() {
        let hospital = Hospital::of(site, "community");
        let (site, platform) = (&hospital.site, hospital.site.start());
        let [old, new, other] = ["old", "new", "other"].map(|name| hospital.client(name));
        let [before, member] = [&old, &other].map(|own| super::tokens::token_of(site, &platform, own));
        platform.cli().run(&["organisation", "add", "St. Mary", "--oid", "1.2.3.4"]);
        let [old_chain, new_chain] = [&old, &new].map(|own| own.chain.display().to_string());
        let words = ["reader", "add", "ehr", "--organisation", "1.2.3.4", "--certificate", &old_chain];
        platform
            .cli()
            .run(&[&words[..], &["--certificate", &new_chain, "--scopes", "system/Device.r"]].concat());
        // What it got as a member, it has not any more: a client has its own scopes.
        eventually("the token of the member ends", || {
            super::tokens::read(site, &platform, Some(&old), &before).status == 401
        });
        platform.cli().run(&["reader", "remove-certificate", "ehr", &old_chain]);
        expect(site, &platform, &old, &[], "removed");
        let form = ["--data", "grant_type=client_credentials"];
        let answer = ask(site, &platform, Some(&old), "/oauth/token", &form);
        assert!(answer.status == 401 && answer.body.contains("removed"), "{answer:?}");
        platform.cli().run(&["reader", "suspend", "ehr"]);
        expect(site, &platform, &new, &[], "client-suspended");
        expect(site, &platform, &other, &[], "");
        assert!(super::tokens::read(site, &platform, Some(&other), &member).is_admitted());
        platform.cli().run(&["reader", "resume", "ehr"]);
        platform.cli().run(&["reader", "add-certificate", "ehr", &old_chain]);
        eventually("it was given back", || {
            let answer = ask(site, &platform, Some(&old), READ, &[]);
            answer.status == 403 && answer.code() == "scope"
        });
        assert!(!platform.stop().log.contains("panicked"));
    }
}
