//! Requests that are refused, each with its own code and words.

use super::*;

const SAN: &str = "alternative-name";

/// File, invitation, subject, kind of key, further arguments of OpenSSL, and the code of the refusal.
type Case<'a> = (&'a str, &'a str, &'a str, &'a str, &'a [&'a str], &'a str);

#[test]
fn n000_4_each_fault_of_a_request_is_refused_with_its_own_words() {
    let hospital = enrolling(Site::new(), "registered");
    let (site, platform) = (&hospital.site, hospital.site.start());
    let client = invite(&platform, "partner", "client", &[]);
    let device = invite(&platform, "PUMP-1", "device", &[]);
    let server = invite(&platform, "emr.partner.example", "server", &[]);
    let p256 = "ec -pkeyopt ec_paramgen_curve:P-256";
    let server_subject = "/C=ES/ST=B/L=S/O=P/CN=emr.partner.example";
    let cases: [Case<'_>; 26] = [
        ("rsa-1024", &client, PARTNER, "RSA -pkeyopt rsa_keygen_bits:1024", &[], "weak-key"),
        ("p-192", &client, PARTNER, "ec -pkeyopt ec_paramgen_curve:P-192", &[], "weak-key"),
        ("ed25519", &client, PARTNER, "ed25519", &[], "weak-key"),
        ("sha-1", &client, PARTNER, p256, &["-sha1"], "weak-digest"),
        ("no-country", &client, "/ST=B/L=S/O=P/OU=U/CN=_EMAIL.demo@a", p256, &[], "subject-attribute"),
        ("no-state", &client, "/C=ES/L=S/O=P/OU=U/CN=_EMAIL.demo@a", p256, &[], "subject-attribute"),
        ("no-locality", &client, "/C=ES/ST=B/O=P/OU=U/CN=_EMAIL.demo@a", p256, &[], "subject-attribute"),
        ("no-organisation", &client, "/C=ES/ST=B/L=S/OU=U/CN=_EMAIL.demo@a", p256, &[], "subject-attribute"),
        ("no-unit", &client, "/C=ES/ST=B/L=S/O=P/CN=_EMAIL.demo@a", p256, &[], "subject-attribute"),
        ("no-name", &client, "/C=ES/ST=B/L=S/O=P/OU=U", p256, &[], "common-name"),
        ("other-form", &client, "/C=ES/ST=B/L=S/O=P/OU=U/CN=partner", p256, &[], "common-name"),
        ("two-names", &client, "/C=ES/ST=B/L=S/O=P/OU=U/CN=_EMAIL.demo@a/CN=b", p256, &[], "common-name"),
        (
            "environment",
            &client,
            "/C=ES/ST=B/L=S/O=P/OU=U/CN=_EMAIL.prodeu@a",
            p256,
            &[],
            "request-environment",
        ),
        ("client-san", &client, PARTNER, p256, &["-addext", "subjectAltName=DNS:a.b"], "alternative-name"),
        (
            "client-uri",
            &client,
            PARTNER,
            p256,
            &["-addext", "subjectAltName=URI:https://ehr.example/fhir"],
            SAN,
        ),
        ("client-ip", &client, PARTNER, p256, &["-addext", "subjectAltName=IP:192.0.2.1"], SAN),
        ("client-email", &client, PARTNER, p256, &["-addext", "subjectAltName=email:a@b.example"], SAN),
        ("client-rid", &client, PARTNER, p256, &["-addext", "subjectAltName=RID:1.2.3.4"], SAN),
        (
            "client-other",
            &client,
            PARTNER,
            p256,
            &["-addext", "subjectAltName=otherName:1.2.3.4;UTF8:a"],
            SAN,
        ),
        (
            "device-uri",
            &device,
            "/CN=PUMP-1",
            p256,
            &["-addext", "subjectAltName=URI:https://ehr.example"],
            SAN,
        ),
        ("device-email", &device, "/CN=PUMP-1", p256, &["-addext", "subjectAltName=email:a@b.example"], SAN),
        (
            "server-uri",
            &server,
            server_subject,
            p256,
            &["-addext", "subjectAltName=DNS:emr.partner.example,URI:https://ehr.example/fhir"],
            SAN,
        ),
        ("ca", &client, PARTNER, p256, &["-addext", "basicConstraints=critical,CA:TRUE"], "asks-for-ca"),
        ("other-device", &device, "/CN=PUMP-2", p256, &[], "common-name"),
        ("no-san", &server, server_subject, p256, &[], "alternative-name"),
        (
            "other-san",
            &server,
            server_subject,
            p256,
            &["-addext", "subjectAltName=DNS:a.b"],
            "alternative-name",
        ),
    ];
    for (name, user, subject, kind, more, code) in cases {
        let wanted = Wanted::of(site, name, subject, kind, more);
        let answer = send(site, &platform, Some(user), &wanted.request, &[]);
        assert!(answer.status == 400 && answer.body.starts_with(&format!("{code}: ")), "{name}: {answer:?}");
        assert!(answer.body.len() > 40, "{name}: {answer:?}");
    }
    // Nothing of it was kept: the codes are still good.
    let states: Vec<_> = platform.cli().json(&["enrol", "list"]);
    assert!(states.iter().all(|line| line["state"] == "invited"), "{states:?}");
    let good = Wanted::new(site, "good", PARTNER);
    assert_eq!(send(site, &platform, Some(&client), &good.request, &[]).status, 202);
    let reasons = ["weak-key", "subject-attribute", "common-name", "alternative-name"];
    for reason in reasons {
        let series = format!("pcd_api_refusals_total{{reason=\"{reason}\"}}");
        assert!(platform.metric(&series) >= 1.0, "{reason}");
    }
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n000_4_a_private_key_is_refused_by_name_and_kept_nowhere() {
    let hospital = enrolling(Site::new(), "registered");
    let (site, platform) = (&hospital.site, hospital.site.start());
    let user = invite(&platform, "partner", "client", &[]);
    let wanted = Wanted::new(site, "own", PARTNER);
    let key = std::fs::read_to_string(&wanted.key).unwrap();
    let secret: String = key.lines().filter(|line| !line.starts_with('-')).collect();
    let der = site.path().join("der.key");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    openssl(&[
        "pkcs8",
        "-topk8",
        "-nocrypt",
        "-in",
        &path(&wanted.key),
        "-outform",
        "DER",
        "-out",
        &path(&der),
    ]);
    let sec1 = site.path().join("sec1.key");
    openssl(&["ec", "-in", &path(&wanted.key), "-outform", "DER", "-out", &path(&sec1)]);
    let csr = std::fs::read_to_string(&wanted.request).unwrap();
    let bodies = [
        ("pem", key.clone().into_bytes()),
        ("pem-in-base64", STANDARD.encode(&key).into_bytes()),
        ("der", std::fs::read(&der).unwrap()),
        ("der-in-base64", STANDARD.encode(std::fs::read(&der).unwrap()).into_bytes()),
        ("sec1", std::fs::read(&sec1).unwrap()),
        (
            "behind-the-request",
            format!("-----BEGIN CERTIFICATE REQUEST-----\n{csr}\n-----END CERTIFICATE REQUEST-----\n{key}")
                .into_bytes(),
        ),
    ];
    for (name, body) in bodies {
        let file = site.path().join(format!("{name}.body"));
        std::fs::write(&file, body).unwrap();
        let answer = send(site, &platform, Some(&user), &file, &[]);
        assert!(answer.status == 400 && answer.body.starts_with("private-key: "), "{name}: {answer:?}");
        assert!(!answer.body.contains(&secret[..20]), "{answer:?}");
    }
    let stopped = platform.stop();
    assert!(!stopped.log.contains(&secret[..20]) && !stopped.log.contains("panicked"));
    let raw = std::fs::read(&der).unwrap();
    for name in ["platform.db", "platform.db-wal"] {
        let Ok(file) = std::fs::read(site.path().join(name)) else { continue };
        let has = |part: &[u8]| file.windows(part.len()).any(|window| window == part);
        assert!(!has(secret.as_bytes()) && !has(&raw[30..60]), "{name}");
    }
}

#[test]
fn n000_4_codes_bodies_and_the_queue_have_their_limits() {
    let hospital = enrolling(Site::new(), "registered");
    let site = hospital.site.with("enrol", "max-failed-codes = 3").with("enrol", "max-pending = 2");
    let platform = site.start();
    let wanted = Wanted::new(&site, "limits", PARTNER);
    let sent = |user: Option<&str>, body: &Path, more: &[&str]| send(&site, &platform, user, body, more);
    let refused = |answer: Answer, status: u16, code: &str| {
        let is = answer.status == status && answer.body.contains(&format!("{code}: "));
        assert!(is, "{status} {code}: {answer:?}");
    };
    let user = invite(&platform, "partner", "client", &[]);
    let challenge = sent(None, &wanted.request, &["--include"]);
    assert!(challenge.body.to_lowercase().contains("www-authenticate: basic"), "{challenge:?}");
    refused(challenge, 401, "no-code");
    refused(sent(Some("aaaaaaaa:wrong"), &wanted.request, &[]), 401, "wrong-code");
    refused(sent(Some("no id:wrong"), &wanted.request, &[]), 401, "wrong-code");
    let wrong = format!("{}:wrong", id(&user));
    for _ in 0..3 {
        refused(sent(Some(&wrong), &wanted.request, &[]), 401, "wrong-code");
    }
    refused(sent(Some(&user), &wanted.request, &[]), 403, "code-locked");

    let user = invite(&platform, "partner", "client", &[]);
    let file = |name: &str, body: &[u8]| {
        let path = site.path().join(name);
        std::fs::write(&path, body).unwrap();
        path
    };
    refused(sent(Some(&user), &file("large", &[b'A'; 20_000]), &[]), 413, "enrolment-body");
    let chunked = ["--header", "Transfer-Encoding: chunked"];
    refused(sent(Some(&user), &file("large", &[b'A'; 20_000]), &chunked), 413, "enrolment-body");
    refused(sent(Some(&user), &file("empty", b""), &[]), 400, "malformed-request");
    refused(sent(Some(&user), &file("text", b"hello"), &[]), 400, "malformed-request");
    let mut der = STANDARD.decode(std::fs::read(&wanted.request).unwrap()).unwrap();
    refused(sent(Some(&user), &file("cut", &der[..der.len() - 1]), &[]), 400, "malformed-request");
    // One bit of the signature, and one of the name.
    *der.last_mut().unwrap() ^= 1;
    refused(sent(Some(&user), &file("unsigned", &der), &[]), 400, "possession");
    let certificate = hospital.community.issue(&order("certificate")).unwrap();
    refused(sent(Some(&user), &certificate.chain, &[]), 400, "malformed-request");

    // A code is for one key.
    assert_eq!(sent(Some(&user), &wanted.request, &[]).status, 202);
    let other = Wanted::new(&site, "other-key", PARTNER);
    refused(sent(Some(&user), &other.request, &[]), 403, "code-used");
    platform.cli().run(&["enrol", "reject", id(&user), "--reason", "unknown partner"]);
    let rejected = sent(Some(&user), &wanted.request, &[]);
    assert!(rejected.body.contains("unknown partner"), "{rejected:?}");
    refused(rejected, 403, "enrolment-rejected");
    let (status, _, error) = platform.cli().try_run(&["enrol", "approve", id(&user)]);
    assert!(!status.success() && error.contains("another state"), "{error}");

    let expired = invite(&platform, "partner", "client", &["--lifetime", "1s"]);
    eventually("the code has ended", || {
        let line = platform.cli().json(&["enrol", "show", id(&expired)]).remove(0);
        line["state"] == "expired"
    });
    refused(sent(Some(&expired), &wanted.request, &[]), 403, "code-expired");

    // Two may wait, and the third gets its turn when one is decided.
    let users: Vec<_> = (0..3).map(|_| invite(&platform, "partner", "client", &[])).collect();
    assert_eq!(sent(Some(&users[0]), &wanted.request, &[]).status, 202);
    assert_eq!(sent(Some(&users[1]), &wanted.request, &[]).status, 202);
    let full = sent(Some(&users[2]), &wanted.request, &["--include"]);
    assert!(full.body.to_lowercase().contains("retry-after: 30"), "{full:?}");
    refused(full, 503, "enrolment-full");
    platform.cli().run(&["enrol", "reject", id(&users[0])]);
    assert_eq!(sent(Some(&users[2]), &wanted.request, &[]).status, 202);

    let path = |path: &str, more: &[&str]| ask(&site, &platform, None, path, more);
    assert_eq!(path("/.well-known/est/simpleenroll", &[]).status, 405);
    assert_eq!(path("/.well-known/est/cacerts", &["--data", "x"]).status, 405);
    assert_eq!(path("/.well-known/est/serverkeygen", &["--data", "x"]).status, 404);
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n000_4_an_address_sends_so_many_requests_and_enrolment_can_be_switched_off() {
    let hospital = enrolling(Site::new(), "registered");
    let site = hospital.site.with("enrol", "requests-per-minute = 2");
    let platform = site.start();
    let wanted = Wanted::new(&site, "rate", PARTNER);
    let mut last = None;
    eventually("the address has sent too many", || {
        let answer = send(&site, &platform, Some("aaaaaaaa:wrong"), &wanted.request, &[]);
        let is_limited = answer.status == 429;
        last = Some(answer);
        is_limited
    });
    assert!(last.unwrap().body.starts_with("enrolment-rate: "));
    // The others are not kept from reading.
    assert_eq!(ask(&site, &platform, None, "/fhir/metadata", &[]).status, 200);
    assert!(!platform.stop().log.contains("panicked"));

    let site = site.with("enrol", "enabled = false");
    let platform = site.start();
    for path in ["cacerts", "simpleenroll"] {
        let answer = ask(&site, &platform, None, &format!("/.well-known/est/{path}"), &[]);
        assert!(answer.status == 404 && answer.body.starts_with("enrolment-disabled: "), "{answer:?}");
    }
    let (status, _, error) = platform.cli().try_run(&["enrol", "invite", "a", "--role", "client"]);
    assert!(!status.success() && error.contains("enrol.enabled"), "{error}");
    assert!(!platform.stop().log.contains("panicked"));
}
