//! Certificates of partners: clients and servers.

use super::*;

#[test]
fn n000_5_a_partner_enrols_is_approved_and_reads() {
    for site in Site::on_each_store() {
        let hospital = enrolling(site, "registered");
        let (site, platform) = (&hospital.site, hospital.site.start());
        platform.cli().run(&["organisation", "add", "Partner", "--oid", "1.2.3.4"]);
        platform.cli().run(&["reader", "add", "ehr", "--organisation", "1.2.3.4"]);
        let user = invite(&platform, "partner-ehr", "client", &["--reader", "ehr"]);
        let wanted = Wanted::new(site, "ehr", PARTNER);
        let answer = send(site, &platform, Some(&user), &wanted.request, &["--include"]);
        let text = answer.body.to_lowercase();
        assert!(answer.status == 202 && text.contains("retry-after: 30"), "{answer:?}");
        assert!(text.contains("x-environment: demo"), "N000-8: {answer:?}");
        // It waits: polling changes nothing.
        assert_eq!(send(site, &platform, Some(&user), &wanted.request, &[]).status, 202);
        let pending = platform.cli().json(&["enrol", "list", "--state", "pending"]);
        assert_eq!(pending.len(), 1, "{pending:?}");
        let subject = pending[0]["request"]["subject"].as_str().unwrap();
        assert!(subject.starts_with("CN=_EMAIL.demo@partner.example,OU=Partner"), "{subject}");
        eventually("the metric shows it", || platform.metric("pcd_enrolments_pending") == 1.0);

        platform.cli().run(&["enrol", "approve", id(&user)]);
        let own = fetched(site, &platform, &user, &wanted);
        // The same code and request give the certificate again: an answer may have been lost.
        fetched(site, &platform, &user, &wanted);
        let text = openssl(&["x509", "-in", own.chain.to_str().unwrap(), "-noout", "-text"]);
        assert!(text.contains("TLS Web Client Authentication") && !text.contains("Server Auth"), "{text}");
        expect(site, &platform, &own, &[], "");

        // A revoked one is known no more, and its invitation gives nothing.
        let shown = shown(&platform, &user);
        assert!(shown["state"] == "issued" && shown["decision"]["by"] != "", "{shown}");
        platform.cli().run(&["enrol", "revoke", id(&user), "--reason", "left"]);
        let refused = send(site, &platform, Some(&user), &wanted.request, &[]);
        assert!(refused.status == 403 && refused.body.starts_with("enrolment-revoked: "), "{refused:?}");
        let crl = hospital.community.crl(Authority::ComponentCaEcc);
        let listed = openssl(&["crl", "-inform", "DER", "-in", crl.to_str().unwrap(), "-noout", "-text"]);
        assert!(listed.contains("Serial Number"), "the CRL of the test PKI lists it: {listed}");

        let rows = platform.cli().json(&["audit", "list"]);
        let event = |name: &str, change: &str| {
            rows.iter()
                .any(|row| row["event"] == name && (change.is_empty() || row["details"]["change"] == change))
        };
        for change in ["invited", "issued", "revoked"] {
            assert!(event("enrolment-changed", change), "{change}: {rows:?}");
        }
        assert!(event("enrolment-requested", "") && event("enrolment-refused", ""));
        assert!(event("clients-changed", "certificate-added"));
        let code = user.split_once(':').unwrap().1;
        assert!(!serde_json::to_string(&rows).unwrap().contains(code), "no code is in the trail");
        let stopped = platform.stop();
        assert!(!stopped.log.contains("panicked") && !stopped.log.contains(code));
        if let Ok(file) = std::fs::read(site.path().join("platform.db")) {
            for code in [code.to_owned(), code.replace('-', "")] {
                assert!(
                    !file.windows(code.len()).any(|part| part == code.as_bytes()),
                    "the store has a hash"
                );
            }
        }
    }
}

#[test]
fn n000_6_a_partner_enrols_the_certificate_of_its_server() {
    let hospital = enrolling(Site::new(), "registered");
    let (site, platform) = (&hospital.site, hospital.site.start());
    let user = invite(&platform, "emr.partner.example", "server", &[]);
    let subject = "/C=ES/ST=Barcelona/L=Sant Cugat/O=Partner/CN=emr.partner.example";
    let san = ["-addext", "subjectAltName=DNS:emr.partner.example"];
    let wanted = Wanted::of(site, "server", subject, "RSA -pkeyopt rsa_keygen_bits:2048", &san);
    let own = enrolled(site, &platform, &user, &wanted);
    let text = openssl(&["x509", "-in", own.chain.to_str().unwrap(), "-noout", "-text"]);
    assert!(text.contains("DNS:emr.partner.example"), "{text}");
    assert!(text.contains("TLS Web Server Authentication") && !text.contains("Client Auth"), "{text}");
    let (status, _, error) = platform.cli().try_run(&["enrol", "invite", "localhost", "--role", "server"]);
    assert!(!status.success() && error.contains("whole name of a host"), "{error}");
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n000_5_two_nodes_share_invitations_requests_and_the_count_of_wrong_codes() {
    let hospital = enrolling(Site::on_postgres(), "registered");
    let site = hospital.site.with("enrol", "max-failed-codes = 2").with("store", "node = \"one\"");
    let url = site.database().unwrap();
    let second = enrolling(Site::of_database(&url), "registered");
    let communities = hospital.community.trust_anchors();
    let folder = communities[0].parent().unwrap();
    let other = second
        .site
        .with("store", "node = \"two\"")
        .with("enrol", "max-failed-codes = 2")
        .with("enrol", &format!("client-authority = {folder:?}"))
        .with("api", &format!("communities = [{{ name = \"hospital\", anchors = {communities:?} }}]"));
    let (one, two) = (site.start(), other.start());
    let user = invite(&one, "partner", "client", &[]);
    let wanted = Wanted::new(&site, "two-nodes", PARTNER);
    assert_eq!(send(&other, &two, Some(&user), &wanted.request, &[]).status, 202);
    one.cli().run(&["enrol", "approve", id(&user)]);
    fetched(&other, &two, &user, &wanted);
    fetched(&site, &one, &user, &wanted);
    // Two wrong codes lock it, on whichever node they come.
    let locked = invite(&two, "partner", "client", &[]);
    let wrong = format!("{}:wrong", id(&locked));
    assert!(send(&site, &one, Some(&wrong), &wanted.request, &[]).body.starts_with("wrong-code"));
    assert!(send(&other, &two, Some(&wrong), &wanted.request, &[]).body.starts_with("wrong-code"));
    for (site, platform) in [(&site, &one), (&other, &two)] {
        let answer = send(site, platform, Some(&locked), &wanted.request, &[]);
        assert!(answer.status == 403 && answer.body.starts_with("code-locked: "), "{answer:?}");
    }
    // Two requests with one invitation at one moment: one of them has it, and the other one learns of it.
    for round in 0..4 {
        let subject = PARTNER.replace("partner.example", &format!("raced-{round}.example"));
        let others = [0, 1].map(|number| Wanted::new(&site, &format!("raced-{round}-{number}"), &subject));
        let raced = invite(&one, &format!("raced-{round}"), "client", &[]);
        let answers: Vec<_> = std::thread::scope(|scope| {
            let nodes = [(&site, &one, &others[0]), (&other, &two, &others[1])];
            let asked = nodes.map(|(site, platform, wanted)| {
                let user = raced.as_str();
                scope.spawn(move || send(site, platform, Some(user), &wanted.request, &[]))
            });
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [202, 403], "{answers:?}");
        assert!(answers.iter().any(|answer| answer.body.starts_with("code-used: ")), "{answers:?}");
        assert_eq!(one.cli().json(&["enrol", "list", "--state", "pending"]).len(), 1);
        one.cli().run(&["enrol", "reject", id(&raced)]);
    }
    assert!(!one.stop().log.contains("panicked") && !two.stop().log.contains("panicked"));
}

// A URI, and a subject, belong to one client.
#[test]
fn n001_7_a_name_by_which_a_client_is_known_is_certified_for_it_alone() {
    let hospital = enrolling(Site::new(), "registered");
    let site = hospital.site.with("api", "registration.enabled = true");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    let own = "https://ehr.example/fhir";
    let p256 = "ec -pkeyopt ec_paramgen_curve:P-256";
    let san = format!("subjectAltName=URI:{own}");
    let user = invite(&platform, "ehr", "client", &["--uri", own]);
    let without = Wanted::new(site, "without", PARTNER);
    let answer = send(site, &platform, Some(&user), &without.request, &[]);
    assert!(answer.status == 400 && answer.body.contains(&format!("URI:{own}")), "{answer:?}");
    let wanted = Wanted::of(site, "with", PARTNER, p256, &["-addext", &san]);
    let Issued { chain, .. } = enrolled(site, &platform, &user, &wanted);
    let shown = openssl(&["x509", "-in", chain.to_str().unwrap(), "-noout", "-ext", "subjectAltName"]);
    assert!(shown.contains(&format!("URI:{own}")) && !shown.contains("DNS"), "{shown}");
    // Another client gets neither the URI, however it is spelled, nor the subject.
    for uri in [own, "https://ehr.example/fhir/"] {
        let (status, _, error) =
            platform.cli().try_run(&["enrol", "invite", "lab", "--role", "client", "--uri", uri]);
        assert!(!status.success() && error.contains("a URI belongs to one client"), "{uri}: {error}");
    }
    for uri in ["https://EHR.example/fhir", "http://ehr.example", "https://a b", "ehr"] {
        let (status, _, error) =
            platform.cli().try_run(&["enrol", "invite", "lab", "--role", "client", "--uri", uri]);
        assert!(!status.success() && error.contains("https://HOST/PATH"), "{uri}: {error}");
    }
    let other = invite(&platform, "lab", "client", &[]);
    let answer = send(site, &platform, Some(&other), &without.request, &[]);
    assert!(answer.status == 400 && answer.body.contains("name-taken"), "{answer:?}");
    // A client that is known by a subject; the request came before.
    platform.cli().run(&["organisation", "add", "St. Mary", "--oid", "1.2.3.4"]);
    let subject = PARTNER.replace("OU=Partner", "OU=Known");
    let early = invite(&platform, "early", "client", &[]);
    let wanted = Wanted::new(site, "early", &subject);
    assert_eq!(send(site, &platform, Some(&early), &wanted.request, &[]).status, 202);
    let line = platform.cli().json(&["enrol", "show", id(&early)]).remove(0);
    let known = format!("subject:hospital:{}", line["request"]["subject"].as_str().unwrap());
    platform.cli().run(&["reader", "add", "known", "--organisation", "1.2.3.4", "--certificate", &known]);
    let (status, _, error) = platform.cli().try_run(&["enrol", "approve", id(&early)]);
    assert!(!status.success() && error.contains("client known"), "{error}");
    let late = invite(&platform, "late", "client", &[]);
    let answer = send(site, &platform, Some(&late), &wanted.request, &[]);
    assert!(answer.status == 400 && answer.body.contains("name-taken"), "{answer:?}");
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n000_5_a_request_that_waits_for_long_is_a_finding() {
    let hospital = enrolling(Site::new(), "registered");
    let site = hospital.site.with("enrol", "max-wait = \"1s\"");
    let platform = site.start();
    let findings = || {
        let (status, body) = platform.get("/api/findings");
        assert_eq!(status, 200, "{body}");
        let all: Vec<Value> = serde_json::from_str(&body).unwrap();
        all.into_iter().filter(|finding| finding["code"] == "enrolment-waiting").collect::<Vec<_>>()
    };
    let user = invite(&platform, "partner", "client", &[]);
    let wanted = Wanted::new(&site, "waits", PARTNER);
    assert_eq!(send(&site, &platform, Some(&user), &wanted.request, &[]).status, 202);
    eventually("the finding is there", || findings().len() == 1);
    let found = findings().remove(0);
    assert!(found["what"].as_str().is_some_and(|what| what.contains("1")), "{found}");
    assert_eq!(platform.metric("pcd_enrolments_pending"), 1.0);
    assert_eq!(platform.metric("pcd_findings{code=\"enrolment-waiting\"}"), 1.0);
    platform.cli().run(&["enrol", "reject", id(&user)]);
    eventually("the finding ends", || findings().is_empty());
    assert!(!platform.stop().log.contains("panicked"));
}
