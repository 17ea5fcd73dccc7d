//! Registered clients and their organisations.

use super::*;

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
        expect(site, &platform, &ehr, &[], "not-registered");

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
    assert!(refusals(&platform, "other-network") >= 2 && refusals(&platform, "other-organisation") >= 1);
    assert!(!platform.stop().log.contains("panicked"));
}

// N000-1, N000-2: an operator can change what was decided
#[test]
fn what_a_client_may_read_is_changed_and_recorded() {
    for site in Site::on_each_store() {
        let hospital = Hospital::of(site, "registered");
        let (site, platform) = (&hospital.site, hospital.site.start());
        let ehr = hospital.client("ehr");
        let chain = ehr.chain.display().to_string();
        platform.cli().run(&["organisation", "add", "Hospital", "--oid", "1.2.3.4"]);
        platform.cli().run(&["reader", "add", "ehr", "--organisation", "1.2.3.4", "--certificate", &chain]);
        expect(site, &platform, &ehr, &[], "");
        for (change, code) in [
            (&["reader", "change", "ehr", "--scopes", "system/Device.rs"][..], "scope"),
            (&["reader", "change", "ehr", "--scopes", "system/*.rs"], ""),
            (&["organisation", "change", "1.2.3.4", "--network", "192.0.2.0/24"], "other-network"),
            (&["organisation", "change", "1.2.3.4", "--every-network", "--name", "St. Mary"], ""),
        ] {
            platform.cli().run(change);
            expect(site, &platform, &ehr, &[], code);
        }
        assert!(refusals(&platform, "scope") >= 1);
        assert!(platform.metric("pcd_api_refusals_total{reason=\"scope\"}") >= 1.0);
        let (_, _, warned) =
            platform.cli().try_run(&["reader", "change", "ehr", "--device", "PUMP-9", "--device", "PUMP-8"]);
        assert!(warned.contains("device PUMP-9 is not in the directory"), "{warned}");
        let listed = platform.cli().json(&["reader", "list"]).remove(0);
        assert_eq!(listed["devices"], serde_json::json!(["PUMP-9", "PUMP-8"]));
        for nothing in [&["reader", "change", "ehr"][..], &["organisation", "change", "1.2.3.4"]] {
            assert!(!platform.cli().try_run(nothing).0.success());
        }
        // With its secret alone it would be any member of the community.
        let (status, _, complaint) = platform.cli().try_run(&["reader", "remove-certificate", "ehr", &chain]);
        assert!(!status.success() && complaint.contains("the only certificate"), "{complaint}");
        expect(site, &platform, &ehr, &[], "");
        let rows = platform.cli().json(&["audit", "list", "--event", "clients-changed"]);
        let of = |change: &str| -> Vec<String> {
            let rows = rows.iter().filter(|row| row["details"]["change"] == change);
            rows.map(|row| row["details"]["detail"].as_str().unwrap().to_owned()).collect()
        };
        assert!(of("client-added")[0].contains("scopes: system/*.rs; devices: all; certificates: sha256:"));
        assert!(of("client-changed").iter().any(|detail| detail.contains("devices: PUMP-9 PUMP-8;")));
        assert!(of("organisation-changed").contains(&"192.0.2.0/24".to_owned()));
        assert!(!platform.stop().log.contains("panicked"));
    }
}
