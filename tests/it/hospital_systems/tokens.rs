//! Access tokens, with oauth4webapi, jose (Node) and Authlib (Python) as clients (N001-4, N001-5, N001-8).

use std::collections::BTreeMap;
use std::path::Path;

use pcd_platform::pki::RevocationReason;
use serde_json::json;

use super::*;
use crate::harness::{command_at, finish};

/// The names of clients, what each has, and whether it is registered.
const CLIENTS: [(&str, &str, KeyType, bool); 10] = [
    ("ehr", "ehr", KeyType::Ecc, true),
    ("rsa", "rsa", KeyType::Rsa, true),
    ("p384", "p384", KeyType::EccP384, true),
    ("other", "other", KeyType::Ecc, true),
    ("suspended", "suspended", KeyType::Ecc, true),
    ("expired", "expired", KeyType::Ecc, true),
    ("revoked", "revoked", KeyType::Ecc, true),
    ("stranger", "stranger", KeyType::Ecc, false),
    ("production", "_EMAIL.demo@hospital.example", KeyType::Ecc, false),
    ("device", "00A037FFFE000001", KeyType::Ecc, false),
];

/// A hospital with these clients, and their certificates.
pub(super) struct Clients {
    pub(super) hospital: Hospital,
    pub(super) issued: BTreeMap<&'static str, Issued>,
}

impl Clients {
    fn new(site: Site) -> Self {
        let hospital = Hospital::of(site, "registered");
        let mut issued = BTreeMap::new();
        for (name, common_name, key, _) in CLIENTS {
            let mut order = CertificateOrder::new(common_name, Role::Device, key);
            if name == "expired" {
                order.not_before = Some(Clock::system().now() - jiff::SignedDuration::from_hours(24 * 30));
                order.days = 10;
            }
            issued.insert(name, hospital.issue(&order));
        }
        let device = hospital.site.certificate("00A037FFFE000001", KeyType::Ecc);
        issued.insert("device", Issued { chain: device.chain, key: device.key });
        let certificate = std::fs::read(&issued["revoked"].chain).unwrap();
        hospital.community.revoke(&certificate, RevocationReason::KeyCompromise).unwrap();
        hospital.community.publish_crls(30).unwrap();
        Self { hospital, issued }
    }

    fn register(&self, platform: &Platform) {
        platform.cli().run(&["organisation", "add", "St. Mary", "--oid", "1.2.3.4"]);
        for (name, _, _, is_registered) in CLIENTS {
            if is_registered {
                let chain = self.issued[name].chain.display().to_string();
                let scopes = "system/Observation.rs system/Device.rs";
                let words = ["reader", "add", name, "--organisation", "1.2.3.4", "--certificate", &chain];
                platform.cli().run(&[&words[..], &["--scopes", scopes]].concat());
            }
        }
        platform.cli().run(&["reader", "suspend", "suspended"]);
        let (site, own) = (&self.hospital.site, &self.issued["p384"]);
        expect(site, platform, own, &[], "");
        expect(site, platform, &self.issued["suspended"], &[], "client-suspended");
    }

    /// What a program of tests/peers/oauth prints.
    pub(super) fn run(&self, program: &str, platform: &Platform, more: &Value) -> Value {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let packages = root.join("target/peers/oauth");
        assert!(
            packages.join("node_modules").is_dir(),
            "the clients of OAuth are not installed (tests/run does it): copy tests/peers/oauth/package*.json to \
             target/peers/oauth, and `npm ci --prefix target/peers/oauth`"
        );
        let files = |own: &Issued| json!({ "chain": own.chain, "key": own.key });
        let clients: BTreeMap<_, _> = self.issued.iter().map(|(name, own)| (name, files(own))).collect();
        let mut input = json!({
            "issuer": "https://127.0.0.1:8443",
            "address": format!("https://{}", platform.api.unwrap()),
            "roots": self.hospital.site.trust_bundle(),
            "clients": clients,
        });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut node = command_at(Path::new("node"));
        node.arg(root.join("tests/peers/oauth").join(program)).arg(packages);
        let output = finish(node, input.to_string().as_bytes(), None);
        assert!(output.success, "{}", output.text());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", output.text()))
    }
}

/// A token by certificate, got with curl.
pub(super) fn token_of(site: &Site, platform: &Platform, client: &Issued) -> String {
    let answer =
        ask(site, platform, Some(client), "/oauth/token", &["--data", "grant_type=client_credentials"]);
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

fn bearer(token: &str) -> [String; 2] {
    ["--header".to_owned(), format!("Authorization: Bearer {token}")]
}

pub(super) fn read(site: &Site, platform: &Platform, client: Option<&Issued>, token: &str) -> Answer {
    let [option, header] = bearer(token);
    ask(site, platform, client, READ, &[&option, &header])
}

// N001-4, N001-5, N001-8
#[test]
fn n001_4_foreign_clients_get_tokens_by_certificate_and_by_assertion() {
    for site in Site::on_each_store() {
        let clients = Clients::new(site);
        let platform = clients.hospital.site.start();
        clients.register(&platform);
        let printed = clients.run("flows.mjs", &platform, &json!({}));
        let status = |value: &Value| value["status"].as_u64().unwrap_or_default();
        let metadata = &printed["metadata"];
        assert_eq!(metadata["grant_types_supported"], json!(["client_credentials"]), "{metadata}");
        assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], true);
        assert_eq!(metadata["authorization_endpoint"], Value::Null, "it says only what is on");
        assert_eq!(printed["smart"]["token_endpoint"], metadata["token_endpoint"]);
        let own = &printed["certificate"];
        assert_eq!((&own["scope"], &own["lifetime"]), (&json!("system/Observation.rs"), &json!(900)));
        assert_eq!(status(&own["own"]), 200, "{printed}");
        for (name, expected, error) in [
            ("other", 401, "invalid_token"),
            ("none", 401, "invalid_token"),
            ("wrong", 401, "invalid_token"),
            ("beyond", 403, "insufficient_scope"),
        ] {
            assert_eq!((status(&own[name]), &own[name]["error"]), (expected, &json!(error)), "{name}: {own}");
        }
        for algorithm in ["RS256", "RS384", "ES256", "ES384"] {
            let got = &printed["assertions"][algorithm];
            assert_eq!(status(&got["read"]), 200, "{algorithm}: {printed}");
        }
        assert_eq!((status(&printed["bound"]["own"]), status(&printed["bound"]["other"])), (200, 401));
        assert_eq!(status(&printed["ofOther"]), 200, "no client ends the token of another");
        assert_eq!(
            (status(&printed["revoked"]), &printed["revoked"]["error"]),
            (401, &json!("invalid_token"))
        );
        let rows = platform.cli().json(&["audit", "list", "--event", "token-granted"]);
        assert_eq!(rows.len(), 6, "{rows:?}");
        let stated = rows.iter().filter(|row| row["details"]["purpose"] == "urn:oid:1.2.3: TREAT").count();
        assert_eq!(stated, 4, "{rows:?}");
        assert_eq!(platform.cli().json(&["audit", "list", "--event", "token-revoked"]).len(), 1);
        assert_eq!(
            platform.metric("pcd_oauth_tokens_total{method=\"private_key_jwt\",result=\"granted\"}"),
            5.0
        );
        assert!(!platform.stop().log.contains("panicked"));
    }
}

#[test]
fn n001_4_authlib_gets_a_bound_token() {
    let clients = Clients::new(Site::new());
    let (site, platform) = (&clients.hospital.site, clients.hospital.site.start());
    clients.register(&platform);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = command_at(&root.join("target/peers/python/bin/python"));
    python
        .arg(root.join("tests/peers/oauth/authlib_client.py"))
        .arg(format!("https://{}", platform.api.unwrap()));
    python.arg(site.trust_bundle());
    for own in [&clients.issued["ehr"], &clients.issued["other"]] {
        python.arg(&own.chain).arg(&own.key);
    }
    let output = finish(python, b"", None);
    assert!(output.success, "{}", output.text());
    let got: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        got,
        json!({
            "type": "Bearer", "scope": "system/Observation.rs", "own": 200,
            "other": [401, "Bearer error=\"invalid_token\""], "none": 401,
        })
    );
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n001_4_a_token_ends_with_the_rights_of_its_client_and_is_plain_where_that_is_configured() {
    let clients = Clients::new(Site::new());
    let Clients { hospital, issued } = clients;
    let site = hospital.site.with("api", "bind-tokens = false").with("api", "max-tokens = 3");
    let clients = Clients { hospital: Hospital { site, ..hospital }, issued };
    let (site, platform) = (&clients.hospital.site, clients.hospital.site.start());
    clients.register(&platform);
    let (ehr, other) = (&clients.issued["ehr"], &clients.issued["other"]);
    let plain = token_of(site, &platform, ehr);
    assert_eq!(plain.len(), 43, "256 bits");
    assert!(read(site, &platform, None, &plain).is_admitted(), "a bearer token in the usual manner");
    assert!(read(site, &platform, Some(other), &plain).is_admitted());
    let row = platform.cli().json(&["audit", "list", "--event", "resources-read"]).remove(0);
    assert_eq!(row["details"]["client"], "ehr", "{row}");
    // Scopes that the client has lost are lost for the token.
    platform.cli().run(&["reader", "change", "ehr", "--scopes", "system/Device.r"]);
    eventually("the scopes are narrower", || read(site, &platform, None, &plain).status == 403);
    platform.cli().run(&["reader", "change", "ehr", "--scopes", "system/*.rs"]);
    eventually("the scopes are wider", || read(site, &platform, None, &plain).is_admitted());
    // Further tokens: at most three.
    let more: Vec<String> = (0..2).map(|_| token_of(site, &platform, ehr)).collect();
    let form = ["--data", "grant_type=client_credentials"];
    let answer = ask(site, &platform, Some(ehr), "/oauth/token", &form);
    assert!(answer.status == 429 && answer.body.contains("too-many-tokens"), "{answer:?}");
    assert!(platform.metric("pcd_api_refusals_total{reason=\"too-many-tokens\"}") >= 1.0);
    token_of(site, &platform, other);
    // Suspension ends them at once, and for good.
    platform.cli().run(&["reader", "suspend", "ehr"]);
    for token in [&plain, &more[0]] {
        let answer = read(site, &platform, None, token);
        assert_eq!((answer.status, answer.code()), (401, "invalid-token".to_owned()), "{answer:?}");
    }
    platform.cli().run(&["reader", "resume", "ehr"]);
    expect(site, &platform, ehr, &[], "");
    assert_eq!(read(site, &platform, None, &more[1]).code(), "invalid-token");
    // Nothing of a token is in the store, in the trail or in the log.
    let fresh = token_of(site, &platform, ehr);
    let rows = serde_json::to_string(&platform.cli().json(&["audit", "list"])).unwrap();
    let stopped = platform.stop();
    assert!(!stopped.log.contains("panicked"));
    for token in [&fresh, &plain] {
        assert!(!rows.contains(token.as_str()) && !stopped.log.contains(token.as_str()));
        let file = std::fs::read(site.path().join("platform.db")).unwrap();
        assert!(!file.windows(token.len()).any(|part| part == token.as_bytes()), "the store has a hash");
    }
}

#[test]
fn n001_4_members_of_a_community_get_tokens_where_members_read() {
    let hospital = Hospital::new("community");
    let site = hospital.site.with("api", "token-requests = 2").with("api", "token-lifetime = \"1h\"");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    let [member, other] = ["any", "another"].map(|name| hospital.client(name));
    let own = token_of(site, &platform, &member);
    assert!(read(site, &platform, Some(&member), &own).is_admitted());
    assert_eq!(read(site, &platform, Some(&other), &own).code(), "token-of-other");
    // How often the endpoint is asked is limited, for strangers too.
    eventually("a request too many is refused", || {
        let form = ["--data", "grant_type=password"];
        let answers: Vec<_> = (0..4).map(|_| ask(site, &platform, None, "/oauth/token", &form)).collect();
        answers.iter().any(|answer| answer.status == 429 && answer.body.contains("token-rate"))
    });
    for path in ["/oauth/token", "/oauth/revoke"] {
        assert_eq!(ask(site, &platform, None, path, &[]).status, 405, "{path}");
    }
    assert!(!platform.stop().log.contains("panicked"));
}

// N001-5
#[test]
fn n001_5_nodes_share_the_assertions_that_were_used_and_the_tokens() {
    let clients = Clients::new(Site::on_postgres());
    let first = clients.hospital.site.start();
    clients.register(&first);
    let second = Site::of_database(&clients.hospital.site.database().unwrap());
    let second = clients.hospital.like(second).with("store", "node = \"second\"");
    let second_platform = second.start();
    eventually("the second node knows the clients", || {
        ask(&second, &second_platform, Some(&clients.issued["ehr"]), READ, &[]).is_admitted()
    });
    let made = clients.run("assertion.mjs", &first, &json!({}));
    let assertion = made["assertion"].as_str().unwrap();
    let form = format!(
        "grant_type=client_credentials&client_assertion={assertion}&client_assertion_type=\
         urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
    );
    let site = &clients.hospital.site;
    let answer = ask(site, &first, None, "/oauth/token", &["--data", &form]);
    assert_eq!(answer.status, 200, "{answer:?}");
    let got: Value = serde_json::from_str(&answer.body).unwrap();
    let token = got["access_token"].as_str().unwrap();
    let again = ask(&second, &second_platform, None, "/oauth/token", &["--data", &form]);
    assert!(again.status == 401 && again.body.contains("assertion-replayed"), "{again:?}");
    assert!(read(&second, &second_platform, None, token).is_admitted(), "a token counts on every node");
    // What a certificate has got ends with it, on the other node too.
    let own = token_of(&second, &second_platform, &clients.issued["p384"]);
    assert!(read(&second, &second_platform, Some(&clients.issued["p384"]), &own).is_admitted());
    let chain = |name: &str| clients.issued[name].chain.display().to_string();
    first.cli().run(&["reader", "add-certificate", "p384", &chain("stranger")]);
    first.cli().run(&["reader", "remove-certificate", "p384", &chain("p384")]);
    let ended = read(&second, &second_platform, Some(&clients.issued["p384"]), &own);
    assert_eq!(ended.code(), "invalid-token");
    // A suspension on one node counts at once on the other.
    first.cli().run(&["reader", "suspend", "ehr"]);
    assert_eq!(read(&second, &second_platform, None, token).code(), "invalid-token");
    assert!(!first.stop().log.contains("panicked") && !second_platform.stop().log.contains("panicked"));
}

// N001-5
#[test]
fn n001_5_what_is_confused_is_refused_for_the_right_reason() {
    let clients = Clients::new(Site::new());
    let platform = clients.hospital.site.start();
    clients.register(&platform);
    let results = clients.run("confusion.mjs", &platform, &json!({}));
    let results = results.as_object().unwrap();
    for (name, reason) in GRANTED {
        assert_eq!(results[name]["status"], 200, "{name} {reason}: {}", results[name]);
    }
    let wrong: Vec<_> = REFUSED
        .iter()
        .filter(|(name, status, error, reason)| {
            let got = &results[*name];
            got["status"] != *status || got["error"] != *error || got["reason"] != *reason
        })
        .map(|(name, _, _, reason)| (name, reason, &results[*name]))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let named: Vec<_> = GRANTED.iter().map(|case| case.0).chain(REFUSED.iter().map(|case| case.0)).collect();
    for name in results.keys() {
        assert!(named.contains(&name.as_str()) || name == "body too large", "{name} is not expected");
    }
    assert_eq!(results["body too large"]["status"], 413);
    let reasons = ["assertion-replayed", "assertion-signature", "revoked", "assertion-algorithm"];
    let rows = platform.cli().json(&["audit", "list", "--event", "read-refused", "--limit", "1000"]);
    for reason in reasons {
        assert!(rows.iter().any(|row| row["details"]["reason"] == reason), "{reason}");
    }
    assert!(!platform.stop().log.contains("panicked"));
}

/// What must work, so that the rest fails for its own reason.
const GRANTED: [(&str, &str); 6] = [
    ("good", "by a curve"),
    ("good by rsa", "by RSA"),
    ("good by certificate", "by mutual TLS"),
    ("an audience in a list", "it is the only one"),
    ("first use", "of an assertion"),
    ("used at revocation", "it counts there too"),
];

const INVALID: &str = "invalid_client";
const REQUEST: &str = "invalid_request";

/// Each name of confusion.mjs with its status, its error (RFC 6749) and the reason.
const REFUSED: [(&str, u64, &str, &str); 87] = [
    ("several audiences", 401, INVALID, "assertion-audience"),
    ("none", 401, INVALID, "assertion-algorithm"),
    ("None", 401, INVALID, "assertion-algorithm"),
    ("no algorithm", 401, INVALID, "assertion-form"),
    ("hs256 by the certificate", 401, INVALID, "assertion-algorithm"),
    ("ps256", 401, INVALID, "assertion-algorithm"),
    ("rs512", 401, INVALID, "assertion-algorithm"),
    ("eddsa", 401, INVALID, "assertion-algorithm"),
    ("rs256 with a key of a curve", 401, INVALID, "assertion-key"),
    ("es256 with an rsa key", 401, INVALID, "assertion-key"),
    ("es384 with p-256", 401, INVALID, "assertion-key"),
    ("es256 with p-384", 401, INVALID, "assertion-key"),
    ("jwk of the attacker", 401, INVALID, "assertion-signature"),
    ("jku of the attacker", 401, INVALID, "assertion-signature"),
    ("kid", 401, INVALID, "assertion-signature"),
    ("x5c of another", 401, INVALID, "assertion-signature"),
    ("no x5c", 401, INVALID, "assertion-certificates"),
    ("x5c that is no certificate", 401, INVALID, "assertion-certificates"),
    ("x5c in base64url", 401, INVALID, "assertion-certificates"),
    ("nine certificates", 401, INVALID, "assertion-certificates"),
    ("the CA first", 401, INVALID, "malformed-certificate"),
    ("without its CA", 401, INVALID, "incomplete-chain"),
    ("expired leaf", 401, INVALID, "expired"),
    ("revoked leaf", 401, INVALID, "revoked"),
    // Chain and revocation, then the signature, then the claims.
    ("expired leaf, signature of another", 401, INVALID, "expired"),
    ("revoked leaf, no signature", 401, INVALID, "revoked"),
    ("wrong audience, signature of another", 401, INVALID, "assertion-signature"),
    ("leaf of a device", 401, INVALID, "bad-signature"),
    ("leaf of no client", 401, INVALID, "not-registered"),
    ("leaf of a suspended client", 401, INVALID, "client-suspended"),
    ("leaf of another environment", 401, INVALID, "other-environment"),
    ("another payload", 401, INVALID, "assertion-signature"),
    ("another header", 401, INVALID, "assertion-signature"),
    ("no signature", 401, INVALID, "assertion-signature"),
    ("signature with padding", 401, INVALID, "assertion-form"),
    ("signature in der", 401, INVALID, "assertion-signature"),
    ("two parts", 401, INVALID, "assertion-form"),
    ("five parts", 401, INVALID, "assertion-form"),
    ("no json", 401, INVALID, "assertion-form"),
    ("crit", 401, INVALID, "assertion-form"),
    ("b64", 401, INVALID, "assertion-form"),
    ("encrypted", 401, INVALID, "assertion-form"),
    ("oversized", 401, INVALID, "assertion-size"),
    ("claims are a list", 401, INVALID, "assertion-claims"),
    ("iss twice", 401, INVALID, "assertion-claims"),
    ("iss of another", 401, INVALID, "assertion-issuer"),
    ("sub of another", 401, INVALID, "assertion-subject"),
    ("no iss", 401, INVALID, "assertion-claims"),
    ("aud of another server", 401, INVALID, "assertion-audience"),
    ("aud of the resources", 401, INVALID, "assertion-audience"),
    ("aud with a slash", 401, INVALID, "assertion-audience"),
    ("no aud", 401, INVALID, "assertion-claims"),
    ("expired", 401, INVALID, "assertion-expired"),
    ("clock ahead", 401, INVALID, "assertion-issued-at"),
    ("not yet", 401, INVALID, "assertion-issued-at"),
    ("an hour", 401, INVALID, "assertion-lifetime"),
    ("old and long", 401, INVALID, "assertion-lifetime"),
    ("exp as text", 401, INVALID, "assertion-claims"),
    ("no exp", 401, INVALID, "assertion-claims"),
    ("no iat", 401, INVALID, "assertion-claims"),
    ("no jti", 401, INVALID, "assertion-id"),
    ("empty jti", 401, INVALID, "assertion-id"),
    ("long jti", 401, INVALID, "assertion-id"),
    ("b2b without a purpose", 401, INVALID, "assertion-extension"),
    ("replayed", 401, INVALID, "assertion-replayed"),
    ("replayed as another", 401, INVALID, "other-client"),
    ("replayed at revocation", 401, INVALID, "assertion-replayed"),
    ("replayed at the token endpoint", 401, INVALID, "assertion-replayed"),
    ("client_id of another", 401, INVALID, "other-client"),
    ("assertion type", 401, INVALID, "assertion-type"),
    ("assertion and secret", 400, REQUEST, "several-methods"),
    ("type without assertion", 401, INVALID, "assertion-type"),
    ("no grant type", 400, REQUEST, "missing-parameter"),
    ("password", 400, "unsupported_grant_type", "grant-type"),
    ("refresh token", 400, "unsupported_grant_type", "grant-type"),
    ("grant type twice", 400, REQUEST, "repeated-parameter"),
    ("json", 400, REQUEST, "token-form"),
    ("scope of a patient", 400, "invalid_scope", "token-scope"),
    ("scope that is not its own", 400, "invalid_scope", "token-scope"),
    ("no certificate", 401, INVALID, "no-certificate"),
    ("certificate of no client", 401, INVALID, "not-registered"),
    ("certificate of another", 401, INVALID, "other-client"),
    ("expired certificate", 401, INVALID, "expired"),
    ("revoked certificate", 401, INVALID, "revoked"),
    ("certificate of a suspended client", 401, INVALID, "client-suspended"),
    ("wrong secret", 401, INVALID, "wrong-secret"),
    ("assertion beside a revoked certificate", 401, INVALID, "revoked"),
];

/// A JWT with a certificate that was copied, signed with no key.
fn copied(own: &Issued) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let ders = pcd_platform::x509::pem::certificates(&std::fs::read(&own.chain).unwrap()).unwrap();
    let chain: Vec<_> = ders.iter().map(|der| STANDARD.encode(der)).collect();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "alg": "ES256", "x5c": chain }));
    format!("{header}.{}.{}", part(json!({})), URL_SAFE_NO_PAD.encode([1_u8; 64]))
}

// N001-5, A9.2: a responder is asked about a certificate whose key has signed.
#[test]
fn n001_5_a_copied_certificate_causes_no_query() {
    let responder = crate::harness::Server::start(std::time::Duration::ZERO, std::sync::Arc::new(|_| None));
    let hospital = Hospital::new("registered");
    let site = hospital.site.without("revocation", "installed-crls");
    let site = site.with("revocation", "when-undetermined = \"accept\"");
    let site = site.with("revocation", "allowed-hosts = [\"127.0.0.1\"]");
    let site = site.with("api", "registration.enabled = true");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    let mut order = order("ehr");
    order.ocsp_urls = Some(vec![responder.url("ocsp")]);
    order.crl_urls = Some(vec![responder.url("crl")]);
    let own = hospital.issue(&order);
    let asked = || *responder.asked.lock().unwrap();
    let copy = copied(&own);
    let form = format!(
        "grant_type=client_credentials&client_assertion={copy}&client_assertion_type=\
         urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
    );
    let answer = ask(site, &platform, None, "/oauth/token", &["--data", &form]);
    assert!(answer.status == 401 && answer.body.contains("assertion-signature"), "{answer:?}");
    let json = json!({ "software_statement": copy, "udap": "1" }).to_string();
    let words = ["--data", json.as_str(), "--header", "Content-Type: application/json"];
    let answer = ask(site, &platform, None, "/oauth/register", &words);
    assert!(answer.status == 400 && answer.body.contains("assertion-signature"), "{answer:?}");
    assert_eq!(asked(), 0);
    expect(site, &platform, &own, &[], "not-registered");
    assert!(asked() > 0, "the holder of the key causes the query");
    assert!(!platform.stop().log.contains("panicked"));
}
