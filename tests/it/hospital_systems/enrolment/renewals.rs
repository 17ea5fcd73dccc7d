//! Renewals by the certificate before (RFC 7030 section 4.2.2).

use super::*;
use crate::harness::{Credential, Device, message};

fn renew(site: &Site, platform: &Platform, own: Option<&Issued>, wanted: &Wanted) -> Answer {
    let data = format!("@{}", wanted.request.display());
    let words = ["--data-binary", &data, "--header", "Content-Type: application/pkcs10"];
    ask(site, platform, own, "/.well-known/est/simplereenroll", &words)
}

fn refused(answer: &Answer, status: u16, code: &str, detail: &str) {
    let is = answer.status == status
        && answer.body.starts_with(&format!("{code}: "))
        && answer.body.contains(detail);
    assert!(is, "{status} {code} {detail}: {answer:?}");
}

#[test]
fn n000_5_a_client_renews_by_its_certificate_and_an_operator_approves() {
    let hospital = enrolling(Site::new(), "registered");
    let site = hospital.site.with("enrol", "renewals-per-day = 2");
    let platform = site.start();
    platform.cli().run(&["organisation", "add", "Partner", "--oid", "1.2.3.4"]);
    platform.cli().run(&["reader", "add", "ehr", "--organisation", "1.2.3.4"]);
    let user = invite(&platform, "partner", "client", &["--reader", "ehr"]);
    let own = enrolled(&site, &platform, &user, &Wanted::new(&site, "first", PARTNER));
    expect(&site, &platform, &own, &[], "");

    let next = Wanted::new(&site, "second", PARTNER);
    refused(&renew(&site, &platform, None, &next), 401, "renewal-certificate", "");
    let stranger = hospital.community.issue(&order("stranger")).unwrap();
    refused(&renew(&site, &platform, Some(&stranger), &next), 401, "renewal-refused", "not-enrolled");
    let other = PARTNER.replace("partner.example", "other.example");
    refused(
        &renew(&site, &platform, Some(&own), &Wanted::new(&site, "other", &other)),
        400,
        "other-subject",
        "",
    );
    let weak = Wanted::of(&site, "weak", PARTNER, "RSA -pkeyopt rsa_keygen_bits:1024", &[]);
    refused(&renew(&site, &platform, Some(&own), &weak), 400, "weak-key", "");

    assert_eq!(renew(&site, &platform, Some(&own), &next).status, 202);
    assert_eq!(renew(&site, &platform, Some(&own), &next).status, 202, "asked again, it waits");
    let pending = platform.cli().json(&["enrol", "list", "--state", "pending"]);
    assert_eq!(pending.len(), 1, "{pending:?}");
    assert!(pending[0]["renews"].is_string() && pending[0]["reader"] == "ehr", "{pending:?}");
    platform.cli().run(&["enrol", "approve", pending[0]["id"].as_str().unwrap()]);
    let renewed = certificates(&renew(&site, &platform, Some(&own), &next));
    let chain = site.path().join("renewed.pem");
    std::fs::write(&chain, renewed).unwrap();
    let authorities = certificates(&ask(&site, &platform, None, "/.well-known/est/cacerts", &[]));
    let issuer = issuer(&authorities, &chain);
    std::fs::write(&chain, std::fs::read_to_string(&chain).unwrap() + &issuer).unwrap();
    let renewed = Issued { chain, key: next.key.clone() };
    // N000-9: both count for the same client.
    expect(&site, &platform, &renewed, &[], "");
    expect(&site, &platform, &own, &[], "");

    // Two renewals in a day, of the certificate and of those that have renewed it.
    let third = Wanted::new(&site, "third", PARTNER);
    assert_eq!(renew(&site, &platform, Some(&own), &third).status, 202);
    let fourth = Wanted::new(&site, "fourth", PARTNER);
    refused(&renew(&site, &platform, Some(&own), &fourth), 429, "enrolment-rate", "");
    assert_eq!(renew(&site, &platform, Some(&own), &third).status, 202, "the same one is no further one");
    refused(&renew(&site, &platform, Some(&renewed), &fourth), 429, "enrolment-rate", "");

    // Who is suspended gets no further certificate, nor who has a certificate that was taken from the reader.
    let taken = Wanted::new(&site, "taken", PARTNER);
    for [suspend, resume] in [
        [["reader", "suspend", "ehr"], ["reader", "resume", "ehr"]],
        [["organisation", "suspend", "1.2.3.4"], ["organisation", "resume", "1.2.3.4"]],
    ] {
        platform.cli().run(&suspend);
        refused(&renew(&site, &platform, Some(&renewed), &taken), 401, "renewal-refused", "withdrawn");
        platform.cli().run(&resume);
    }
    let fingerprint = platform.cli().json(&["reader", "list"])[0]["certificates"].clone();
    let fingerprint =
        fingerprint.as_array().unwrap().iter().filter_map(|one| one.as_str()).next_back().unwrap();
    platform.cli().run(&["reader", "remove-certificate", "ehr", fingerprint]);
    let refusals = [&own, &renewed].map(|one| renew(&site, &platform, Some(one), &taken).body);
    assert!(refusals.iter().any(|body| body.contains("(withdrawn)")), "{refusals:?}");

    // A revoked one renews nothing.
    platform.cli().run(&["enrol", "revoke", id(&user)]);
    let fifth = Wanted::new(&site, "fifth", PARTNER);
    eventually("the revoked certificate renews nothing", || {
        let answer = renew(&site, &platform, Some(&own), &fifth);
        answer.status == 401 && answer.body.contains("(revoked)")
    });
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n000_5_a_device_renews_by_its_certificate_at_once_where_the_configuration_says_so() {
    const PUMP: &str = "00A037FFFE000017";
    let hospital = enrolling(Site::new(), "registered");
    let site = hospital.site.with("enrol", "renewal = \"automatic\"");
    let platform = site.start();
    let user = invite(&platform, PUMP, "device", &["--ward", "ICU"]);
    let subject = format!("/CN={PUMP}");
    let own = enrolled(&site, &platform, &user, &Wanted::new(&site, "old", &subject));
    // The certificate of a device reads nothing, and renews itself.
    assert_eq!(ask(&site, &platform, Some(&own), READ, &[]).status, 401);
    let next = Wanted::new(&site, "new", &subject);
    let answer = renew(&site, &platform, Some(&own), &next);
    let chain = site.path().join("renewed.pem");
    std::fs::write(&chain, certificates(&answer)).unwrap();
    let authorities = certificates(&ask(&site, &platform, None, "/.well-known/est/cacerts", &[]));
    let issuer = issuer(&authorities, &chain);
    std::fs::write(&chain, std::fs::read_to_string(&chain).unwrap() + &issuer).unwrap();
    let renewed = Credential { chain, key: next.key };
    let mut device = Device::connect(&site, platform.address, &renewed).unwrap();
    assert_eq!(device.code(message(PUMP, "1")), "CA");
    let rows = platform.cli().json(&["audit", "list", "--event", "enrolment-changed"]);
    assert!(rows.iter().any(|row| row["details"]["actor"] == "renewal"), "{rows:?}");
    platform.cli().run(&["device", "suspend", PUMP]);
    let again = Wanted::new(&site, "again", &subject);
    refused(&renew(&site, &platform, Some(&own), &again), 401, "renewal-refused", "withdrawn");
    // A device that was certified in another way is not renewed here.
    let foreign = site.certificate("00A037FFFE000018", KeyType::Ecc);
    let foreign = Issued { chain: foreign.chain, key: foreign.key };
    let wanted = Wanted::new(&site, "foreign", "/CN=00A037FFFE000018");
    refused(&renew(&site, &platform, Some(&foreign), &wanted), 401, "renewal-refused", "not-enrolled");
    assert!(!platform.stop().log.contains("panicked"));
}

/// The certificate of a renewal at once, with the CAs of that before.
fn next(before: &Issued, wanted: &Wanted, answer: &Answer) -> Issued {
    let own = certificates(answer);
    let authorities = std::fs::read_to_string(&before.chain).unwrap();
    let (_, authorities) = authorities.split_once("-----END CERTIFICATE-----").unwrap();
    let chain = wanted.key.with_extension("chain.pem");
    std::fs::write(&chain, own + authorities).unwrap();
    Issued { chain, key: wanted.key.clone() }
}

// Who has a key gets no certificates without an end: neither by what came of a renewal, nor at one moment.
#[test]
fn n000_5_renewals_of_renewals_count_together() {
    for site in Site::on_each_store() {
        let hospital = enrolling(site, "registered");
        let site = hospital.site.with("enrol", "renewal = \"automatic\"");
        let platform = site.start();
        let user = invite(&platform, "ehr", "client", &[]);
        let mut own = enrolled(&site, &platform, &user, &Wanted::new(&site, "first", PARTNER));
        for number in 1..=3 {
            let wanted = Wanted::new(&site, &format!("renewal-{number}"), PARTNER);
            own = next(&own, &wanted, &renew(&site, &platform, Some(&own), &wanted));
        }
        let fourth = Wanted::new(&site, "fourth", PARTNER);
        refused(&renew(&site, &platform, Some(&own), &fourth), 429, "enrolment-rate", "");

        let other = PARTNER.replace("partner.example", "other.example");
        let user = invite(&platform, "other", "client", &[]);
        let own = enrolled(&site, &platform, &user, &Wanted::new(&site, "other", &other));
        let wanted: Vec<_> =
            (0..8).map(|number| Wanted::new(&site, &format!("at-once-{number}"), &other)).collect();
        let ca = site.trust_bundle();
        let renew = |wanted: &Wanted| {
            let data = format!("@{}", wanted.request.display());
            let words = ["--data-binary", &data, "--header", "Content-Type: application/pkcs10"];
            ask_with(&ca, &platform, Some(&own), "/.well-known/est/simplereenroll", &words).status
        };
        let statuses: Vec<_> = std::thread::scope(|scope| {
            let renew = &renew;
            let asked: Vec<_> = wanted.iter().map(|wanted| scope.spawn(move || renew(wanted))).collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 3, "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
        assert!(!platform.stop().log.contains("panicked"));
    }
}

// Who has the key of a certificate may have renewed it.
#[test]
fn n000_5_a_revocation_ends_what_was_renewed_by_the_certificate() {
    let hospital = enrolling(Site::new(), "registered");
    let site = hospital.site.with("enrol", "renewal = \"automatic\"");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    platform.cli().run(&["organisation", "add", "St. Mary", "--oid", "1.2.3.4"]);
    platform.cli().run(&["reader", "add", "ehr", "--organisation", "1.2.3.4"]);
    let user = invite(&platform, "ehr", "client", &["--reader", "ehr"]);
    let first = enrolled(site, &platform, &user, &Wanted::new(site, "first", PARTNER));
    expect(site, &platform, &first, &[], "");
    let wanted = Wanted::new(site, "second", PARTNER);
    let data = format!("@{}", wanted.request.display());
    let words = ["--data-binary", data.as_str(), "--header", "Content-Type: application/pkcs10"];
    let renew = |own: &Issued| ask(site, &platform, Some(own), "/.well-known/est/simplereenroll", &words);
    let second = next(&first, &wanted, &renew(&first));
    expect(site, &platform, &second, &[], "");
    let ended = platform.cli().json(&["enrol", "revoke", id(&user)]);
    assert_eq!(ended.len(), 2, "{ended:?}");
    assert!(ended.iter().all(|line| line["state"] == "revoked"), "{ended:?}");
    for own in [&first, &second] {
        eventually("it reads nothing", || {
            ["removed", "revoked"].contains(&ask(site, &platform, Some(own), READ, &[]).code().as_str())
        });
    }
    assert_eq!(renew(&second).status, 401);
    assert!(!platform.stop().log.contains("panicked"));
}

// The store and the CRLs of a PKI are no transaction: what failed is done when the command is repeated.
#[test]
fn n000_5_a_revocation_whose_crls_could_not_be_written_counts_and_is_repeated() {
    let hospital = enrolling(Site::new(), "registered");
    let (site, platform) = (&hospital.site, hospital.site.start());
    platform.cli().run(&["organisation", "add", "St. Mary", "--oid", "1.2.3.4"]);
    platform.cli().run(&["reader", "add", "ehr", "--organisation", "1.2.3.4"]);
    let user = invite(&platform, "ehr", "client", &["--reader", "ehr"]);
    let own = enrolled(site, &platform, &user, &Wanted::new(site, "first", PARTNER));
    expect(site, &platform, &own, &[], "");
    let mut open = OpenReader::connect(site, &platform, &own);
    assert!(open.get(READ).is_admitted());
    let folder = hospital.community.trust_anchors()[0].parent().unwrap().to_owned();
    let away = folder.with_extension("away");
    std::fs::rename(&folder, &away).unwrap();
    let (status, line, error) = platform.cli().try_run(&["enrol", "revoke", id(&user), "--reason", "stolen"]);
    assert!(!status.success() && line.contains("revoked"), "{line} {error}");
    for part in [folder.to_str().unwrap(), "refuses the certificate from now on", "repeat `enrol revoke"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    eventually("the open connection reads nothing more", || open.get(READ).status == 401);
    eventually("a new connection reads nothing", || {
        ask(site, &platform, Some(&own), READ, &[]).code() == "revoked"
    });
    let renewed = Wanted::new(site, "second", PARTNER);
    refused(&renew(site, &platform, Some(&own), &renewed), 401, "renewal-refused", "revoked");

    std::fs::rename(&away, &folder).unwrap();
    let serial = openssl(&["x509", "-in", own.chain.to_str().unwrap(), "-noout", "-serial"]);
    let serial = serial.trim().trim_start_matches("serial=").to_owned();
    let is_published = || {
        std::fs::read_dir(folder.join("crl")).unwrap().any(|file| {
            let path = file.unwrap().path();
            let words = ["crl", "-in", path.to_str().unwrap(), "-noout", "-text", "-inform", "DER"];
            openssl(&words).contains(&serial)
        })
    };
    assert!(!is_published());
    for _ in 0..2 {
        let again = platform.cli().json(&["enrol", "revoke", id(&user)]);
        assert_eq!(
            (&again[0]["state"], &again[0]["decision"]["reason"]),
            (&"revoked".into(), &"stolen".into())
        );
        assert!(is_published());
    }
    let rows = platform.cli().json(&["audit", "list", "--event", "enrolment-changed"]);
    let revoked = rows.iter().filter(|row| row["details"]["change"] == "revoked").count();
    assert_eq!(revoked, 1, "{rows:?}");
    assert!(!platform.stop().log.contains("panicked"));
}
