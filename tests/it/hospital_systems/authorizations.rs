//! Authorization codes: a person with a certificate lets an application read (N001-6), with oauth4webapi,
//! Authlib and Chromium.

use std::collections::BTreeMap;

use pcd_platform::pki::RevocationReason;
use serde_json::json;

use self::refused::{OTHERS, REDIRECTS, REFUSED};
use super::tokens::{Clients, read};
use super::*;
use crate::browser_certificates::{Home, Policy};
use crate::harness::{command_at, finish};

mod refused;

/// A hospital with applications, and a PKI of people apart from it.
pub(super) struct Ward {
    pub(super) clients: Clients,
    pub(super) people: TestPki,
}

impl Ward {
    pub(super) fn new(site: Site) -> Self {
        let hospital = Hospital::of(site, "registered");
        let order = |name: &str, uri: &str| CertificateOrder { sans: vec![uri.to_owned()], ..order(name) };
        let mut issued: BTreeMap<&'static str, Issued> = ["app", "app2", "backend"]
            .into_iter()
            .map(|name| (name, hospital.issue(&order(name, &format!("https://{name}.example/fhir")))))
            .collect();
        let device = hospital.site.certificate("00A037FFFE000001", KeyType::Ecc);
        issued.insert("device", Issued { chain: device.chain, key: device.key });
        let folder = hospital.site.path().join("people");
        let people = TestPki::init(&folder, "http://127.0.0.1:9", &Clock::system()).unwrap();
        for name in ["ada", "bob", "revoked", "expired"] {
            let mut order = super::order(name);
            if name == "expired" {
                order.not_before = Some(Clock::system().now() - jiff::SignedDuration::from_hours(24 * 30));
                order.days = 10;
            }
            issued.insert(name, people.issue(&order).unwrap());
        }
        let Hospital { site, community } = hospital;
        let own = crate::harness::pki().crl(Authority::RootEcc);
        let crls = [site.path().join("community/crl"), own.parent().unwrap().to_owned(), folder.join("crl")];
        let site = [
            "registration.enabled = true",
            "registration.scopes = [\"system/Observation.rs\", \"system/Device.rs\"]",
            "registration.approve = \"automatic\"",
            "registration.organisation = \"1.2.3.4\"",
            "token-requests = 100000",
            &format!("user-anchors = {:?}", people.trust_anchors()),
        ]
        .iter()
        .fold(site, |site, line| site.with("api", line));
        let site = site.without("revocation", "installed-crls");
        let site = site.with("revocation", &format!("installed-crls = {crls:?}"));
        let ward = Self { clients: Clients { hospital: Hospital { site, community }, issued }, people };
        ward.revoke("revoked");
        ward
    }

    fn with(self, line: &str) -> Self {
        let Self { clients: Clients { hospital, issued }, people } = self;
        let site = hospital.site.with("api", line);
        Self { clients: Clients { hospital: Hospital { site, ..hospital }, issued }, people }
    }

    pub(super) fn site(&self) -> &Site {
        &self.clients.hospital.site
    }

    fn revoke(&self, name: &str) {
        let certificate = std::fs::read(&self.clients.issued[name].chain).unwrap();
        self.people.revoke(&certificate, RevocationReason::KeyCompromise).unwrap();
        self.people.publish_crls(30).unwrap();
    }

    /// The platform, and the id of the application `app`.
    pub(super) fn start(&self) -> (Platform, String) {
        let platform = self.site().start();
        platform.cli().run(&["organisation", "add", "St. Mary", "--oid", "1.2.3.4"]);
        let registered = self.code(&platform, &json!({ "step": "register" }));
        assert_eq!(registered["app"]["status"], 201, "{registered}");
        (platform, registered["app"]["client_id"].as_str().unwrap().to_owned())
    }

    fn code(&self, platform: &Platform, input: &Value) -> Value {
        self.clients.run("code.mjs", platform, input)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

#[test]
fn n001_6_a_person_lets_an_application_read_through_oauth4webapi() {
    for site in Site::on_each_store() {
        let ward = Ward::new(site);
        let (platform, app) = ward.start();
        let got = ward.code(&platform, &json!({ "step": "flow", "client": app }));
        let (metadata, smart) = (&got["metadata"], &got["smart"]);
        for document in [metadata, smart] {
            assert_eq!(document["authorization_endpoint"], "https://127.0.0.1:8443/oauth/authorize");
            assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
            assert_eq!(document["response_types_supported"], json!(["code"]));
            assert_eq!(
                document["grant_types_supported"],
                json!(["client_credentials", "authorization_code"])
            );
        }
        assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
        let page = &got["page"];
        let html = text(&page["text"]);
        for shown in ["St. Mary", "CN=ada", "values and alarms of patients", "https://app.example<"] {
            assert!(html.contains(shown), "{shown}: {html}");
        }
        assert!(
            !html.contains("<b>") && !html.contains("<script"),
            "what the application says is text: {html}"
        );
        let policy = text(&page["headers"]["content-security-policy"]);
        for rule in
            ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self' https://app.example;"]
        {
            assert!(policy.contains(rule), "{policy}");
        }
        assert!(!policy.contains("script-src") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(
            ["x-frame-options", "cache-control", "referrer-policy"].map(|name| text(&page["headers"][name])),
            ["DENY", "no-store", "no-referrer"]
        );
        let answer = &got["answer"];
        assert_eq!((&answer["status"], &answer["from"]), (&json!(303), &json!("platform")), "{answer}");
        assert_eq!(answer["headers"]["referrer-policy"], "no-referrer");
        assert_eq!(got["token"]["scope"], "system/Observation.rs");
        assert_eq!((&got["read"]["status"], &got["beyond"]["status"]), (&json!(200), &json!(403)), "{got}");
        assert_eq!(got["token"]["refresh_token"], Value::Null);
        let denied = &got["denied"];
        assert_eq!(
            (&denied["error"], &denied["reason"]),
            (&json!("access_denied"), &json!("person-declined"))
        );
        assert_eq!(
            (&denied["state"], &denied["iss"]),
            (&json!("a state & more"), &json!("https://127.0.0.1:8443"))
        );
        // The trail has the person and the application, and no code.
        let rows = |event: &str| platform.cli().json(&["audit", "list", "--event", event]);
        let ada = "CN=ada,O=pcd-platform test PKI";
        let decided = rows("authorization-decided");
        let mut decisions: Vec<_> = decided.iter().map(|row| text(&row["details"]["decision"])).collect();
        decisions.sort_unstable();
        assert_eq!(decisions, ["allowed", "denied"], "{decided:?}");
        for row in decided.iter().chain(&rows("token-granted")).chain(&rows("resources-read")) {
            assert_eq!(
                (text(&row["details"]["person"]), text(&row["details"]["client"])),
                (ada, app.as_str()),
                "{row}"
            );
        }
        assert_eq!(platform.metric("pcd_oauth_authorizations_total{result=\"asked\"}"), 2.0);
        assert_eq!(platform.metric("pcd_oauth_authorizations_total{result=\"denied\"}"), 1.0);
        assert!(!platform.stop().log.contains("panicked"));
    }
}

/// What Authlib prints.
fn authlib(arguments: &[String]) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = command_at(&root.join("target/peers/python/bin/python"));
    python.arg(root.join("tests/peers/oauth/authlib_code.py")).args(arguments);
    let output = finish(python, b"", None);
    assert!(output.success, "{}", output.text());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn n001_6_a_person_presses_the_button_in_chromium_and_authlib_exchanges_the_code() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let ward = Ward::new(Site::new());
    let (platform, app) = ward.start();
    let address = platform.api.unwrap();
    let _policy = Policy::of(address);
    let (base, callback) = (format!("https://{address}"), format!("{CALLBACK}?from=platform"));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let made = authlib(&words(&["url", &base, &app, &callback]));
    let url = text(&made["url"]);
    // The listener shows an ECC certificate.
    let root = crate::harness::pki().trust_anchors()[0].clone();
    let stranger = Home::new(&root).run("authorize.mjs", &words(&[url, "", CALLBACK])).remove(0);
    assert_eq!(stranger["status"], 401, "{stranger}");
    assert!(text(&stranger["text"]).contains("person-no-certificate"), "{stranger}");
    let home = Home::new(&root);
    home.install(&ward.clients.issued["ada"]);
    let seen = home.run("authorize.mjs", &words(&[url, "Allow", CALLBACK])).remove(0);
    assert_eq!((&seen["status"], &seen["error"]), (&json!(200), &Value::Null), "{seen}");
    assert_eq!(seen["title"], "Allow Application <b>app</b> to read?");
    assert_ne!(seen["font"], "none", "the style counts under the policy: {seen}");
    assert_eq!(seen["frameFailed"], json!(["net::ERR_BLOCKED_BY_RESPONSE"]), "{seen}");
    assert_eq!(seen["frameButtons"], 0);
    assert_eq!(seen["stays"], true, "one click is not enough: {seen}");
    assert_eq!(platform.metric("pcd_oauth_authorizations_total{result=\"asked\"}"), 1.0, "{seen}");
    assert!(refusals(&platform, "authorization-embedded") >= 1, "frames and images are refused: {seen}");
    assert_eq!(seen["errors"], json!([]), "{seen}");
    let location = text(&seen["location"]);
    let own = seen["requests"].as_array().unwrap();
    assert_eq!(own.len(), 3, "the page, its form, the way back, and nothing else: {seen}");
    assert!(own.iter().all(|request| request[2] == Value::Null), "no address goes along: {seen}");
    let issued = &ward.clients.issued["app"];
    let (roots, chain, key) = (ward.site().trust_bundle(), &issued.chain, &issued.key);
    let files = [roots.as_path(), chain, key].map(|path| path.display().to_string());
    let mut arguments = words(&["token", &base, &app, &callback]);
    arguments.extend(files);
    arguments.extend(words(&[text(&made["state"]), text(&made["verifier"]), location]));
    let got = authlib(&arguments);
    assert_eq!(got, json!({ "type": "Bearer", "scope": "system/Observation.rs", "read": 200 }));
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n001_6_it_is_not_there_without_roots_of_people() {
    let hospital = Hospital::new("registered");
    let (site, platform) = (&hospital.site, hospital.site.start());
    for path in ["/oauth/authorize?response_type=code", "/oauth/authorize"] {
        assert_eq!(ask(site, &platform, None, path, &[]).status, 404);
    }
    assert_eq!(ask(site, &platform, None, "/oauth/decide", &["--data", "decision=allow"]).status, 404);
    let grant = ["--data", "grant_type=authorization_code"];
    let answer = ask(site, &platform, None, "/oauth/token", &grant);
    assert!(answer.status == 400 && answer.body.contains("unsupported_grant_type"), "{answer:?}");
    for path in ["/.well-known/oauth-authorization-server", "/fhir/.well-known/smart-configuration"] {
        let metadata = ask(site, &platform, None, path, &[]);
        let named = ["authorization_endpoint", "authorization_code", "authorization_response_iss"];
        assert!(
            metadata.status == 200 && !named.iter().any(|name| metadata.body.contains(name)),
            "{metadata:?}"
        );
    }
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n001_6_roots_of_people_are_roots_of_nothing_else() {
    for is_of_community in [true, false] {
        let hospital = Hospital::new("registered");
        let own = || hospital.community.trust_anchors().to_vec();
        let anchors = if is_of_community { own() } else { hospital.site.trust_anchors() };
        let site = hospital.site.with("api", &format!("user-anchors = {anchors:?}"));
        let (status, found, error) = crate::harness::Cli::of(&site).try_run(&["check"]);
        let of = if is_of_community { "hospital" } else { "devices" };
        let named = "api.user-anchors names ";
        let text = format!("{found}{error}");
        assert!(!status.success() && text.contains(named) && text.contains(of), "{text}");
    }
}

#[test]
fn n001_6_what_is_confused_is_refused_for_the_right_reason() {
    let ward = Ward::new(Site::new()).with("max-authorizations = 1000");
    let platform = ward.site().start();
    platform.cli().run(&["organisation", "add", "St. Mary", "--oid", "1.2.3.4"]);
    let results = ward.clients.run("code_confusion.mjs", &platform, &json!({}));
    for name in ["good", "before the replay", "first use of an assertion", "the code still counts"] {
        assert_eq!(results[name]["status"], 200, "{name}: {}", results[name]);
    }
    let refused = REDIRECTS.iter().map(|name| (*name, 400, "", "redirect-uri")).chain(REFUSED);
    let wrong: Vec<_> = refused
        .filter(|(name, status, error, reason)| {
            let got = &results[*name];
            let text = |key: &str| got[key].as_str().unwrap_or_default().to_owned();
            (&got["status"], text("error"), text("reason"))
                != (&json!(status), error.to_string(), reason.to_string())
        })
        .map(|(name, _, error, reason)| (name, error, reason, &results[name]))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let named = REDIRECTS.into_iter().chain(REFUSED.iter().map(|case| case.0)).chain(OTHERS);
    let named: Vec<_> = named.collect();
    for (name, got) in results.as_object().unwrap() {
        assert!(named.contains(&name.as_str()), "{name} is not expected: {got}");
        // Errors leave for the registered address alone, with the issuer and the state.
        if got["status"] == 303 {
            assert_eq!((text(&got["to"]), text(&got["iss"])), (CALLBACK, "https://127.0.0.1:8443"), "{name}");
            let has_state = !["long state", "state twice"].contains(&name.as_str());
            assert_eq!(got["state"].is_string(), has_state, "{name}: {got}");
        } else {
            assert_eq!(got["to"], Value::Null, "{name}");
        }
    }
    let raced = &results["raced"];
    assert!(raced["granted"].as_u64().unwrap() <= 1, "{raced}");
    assert!(!raced["reads"].as_array().unwrap().contains(&json!(200)), "neither of two reads: {raced}");
    assert_eq!(results["scope beyond"]["scope"], "system/Observation.rs system/Device.rs");
    let mixed = json!({ "own": "valid", "other": "refused", "none": "refused", "state": "refused" });
    assert_eq!(results["mixup"], mixed);
    // Page, way back and refusals: the next step needs the key of the certificate again.
    assert_eq!(results["connections"], json!(["close", "close", "close", "close", "close"]));
    let rows = platform.cli().json(&["audit", "list", "--event", "token-revoked"]);
    assert!(rows.iter().all(|row| row["details"]["reason"] == "code-used") && !rows.is_empty(), "{rows:?}");
    let rows = platform.cli().json(&["audit", "list", "--event", "read-refused", "--limit", "1000"]);
    for reason in
        ["redirect-uri", "revoked", "authorization-page", "code-verifier", "code-of-other", "code-used"]
    {
        assert!(rows.iter().any(|row| row["details"]["reason"] == reason), "{reason}");
    }
    assert!(platform.metric("pcd_api_refusals_total{reason=\"redirect-uri\"}") >= 10.0);
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n001_6_a_token_ends_with_the_certificate_of_its_person_and_with_its_application() {
    let ward = Ward::new(Site::new());
    let (platform, app) = ward.start();
    let granted = |person: &str| {
        let got = ward.code(&platform, &json!({ "step": "grant", "client": app, "person": person }));
        text(&got["granted"]["token"]).to_owned()
    };
    let (ada, bob) = (granted("ada"), granted("bob"));
    let pending = ward.code(&platform, &json!({ "step": "allow", "client": app, "person": "ada" }));
    let site = ward.site();
    assert!(
        read(site, &platform, None, &ada).is_admitted() && read(site, &platform, None, &bob).is_admitted()
    );
    ward.revoke("ada");
    platform.signal(Signal::HUP);
    eventually("the revocation is known", || read(site, &platform, None, &ada).status == 401);
    assert_eq!(read(site, &platform, None, &ada).code(), "person-lost");
    assert!(refusals(&platform, "person-lost") >= 1);
    let exchange = json!({
        "step": "exchange", "client": app, "code": pending["code"], "verifier": pending["verifier"],
    });
    let got = ward.code(&platform, &exchange);
    assert_eq!((&got["error"], &got["reason"]), (&json!("invalid_grant"), &json!("code-person")), "{got}");
    // Another person's goes on, until the application is suspended; then codes end too.
    assert!(read(site, &platform, None, &bob).is_admitted());
    let pending = ward.code(&platform, &json!({ "step": "allow", "client": app, "person": "bob" }));
    platform.cli().run(&["reader", "suspend", &app]);
    assert_eq!(read(site, &platform, None, &bob).code(), "invalid-token");
    platform.cli().run(&["reader", "resume", &app]);
    let exchange = json!({
        "step": "exchange", "client": app, "code": pending["code"], "verifier": pending["verifier"],
    });
    let mut got = Value::Null;
    eventually("the application is back", || {
        got = ward.code(&platform, &exchange);
        got["reason"] != "client-suspended"
    });
    assert_eq!((&got["error"], &got["reason"]), (&json!("invalid_grant"), &json!("code-unknown")), "{got}");
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn n001_6_what_waits_is_bounded_and_ends() {
    let ward = Ward::new(Site::new()).with("max-authorizations = 2").with("code-lifetime = \"1s\"");
    let (platform, app) = ward.start();
    let allowed = ward.code(&platform, &json!({ "step": "allow", "client": app, "person": "bob" }));
    let step = json!({ "step": "ask", "client": app });
    let asked: Vec<_> = (0..3).map(|_| ward.code(&platform, &step)).collect();
    let statuses: Vec<_> = asked.iter().map(|page| &page["status"]).collect();
    assert_eq!(statuses, [200, 200, 303], "{asked:?}");
    let last = (&asked[2]["error"], &asked[2]["reason"]);
    assert_eq!(last, (&json!("temporarily_unavailable"), &json!("too-many-authorizations")));
    assert_eq!(platform.metric("pcd_api_refusals_total{reason=\"too-many-authorizations\"}"), 1.0);
    // Another person is not kept from deciding.
    let other = ward.code(&platform, &json!({ "step": "ask", "client": app, "person": "bob" }));
    assert_eq!(other["status"], 200, "{other}");
    // A code that has ended gives nothing: the programs before took more than a second.
    let exchange = json!({
        "step": "exchange", "client": app, "code": allowed["code"], "verifier": allowed["verifier"],
    });
    std::thread::sleep(std::time::Duration::from_secs(1));
    let got = ward.code(&platform, &exchange);
    assert_eq!((&got["error"], &got["reason"]), (&json!("invalid_grant"), &json!("code-unknown")), "{got}");
    assert!(!platform.stop().log.contains("panicked"));
}

// One person does not use up the tokens of an application.
#[test]
fn n001_6_tokens_of_an_application_are_limited_for_each_person() {
    let ward = Ward::new(Site::new()).with("max-tokens = 2");
    let (platform, app) = ward.start();
    let granted = |person: &str| {
        let got = ward.code(&platform, &json!({ "step": "grant", "client": app, "person": person }));
        (got["granted"]["status"].clone(), got["granted"]["reason"].clone())
    };
    let ada: Vec<_> = (0..3).map(|_| granted("ada")).collect();
    assert_eq!([&ada[0].0, &ada[1].0], [&json!(200), &json!(200)], "{ada:?}");
    assert_eq!(ada[2], (json!(429), json!("too-many-tokens")));
    assert_eq!(granted("bob").0, 200);
    assert!(!platform.stop().log.contains("panicked"));
}

// Under a root of everything, computers have certificates as well.
#[test]
fn n001_6_people_have_what_the_configuration_demands_of_their_certificates() {
    for (demanded, status) in [
        ("user-ekus = [\"1.3.6.1.5.5.7.3.2\"]", 200),
        ("user-ekus = [\"1.3.6.1.4.1.311.20.2.2\"]", 401),
        ("user-policies = [\"1.3.6.1.4.1.5923.1.4.3.1.1\"]", 401),
    ] {
        let ward = Ward::new(Site::new()).with(demanded);
        let (platform, app) = ward.start();
        let asked = ward.code(&platform, &json!({ "step": "ask", "client": app }));
        assert_eq!(asked["status"], status, "{demanded}: {asked}");
        assert!(status == 200 || asked["reason"] == "person-certificate", "{asked}");
        assert!(!platform.stop().log.contains("panicked"));
    }
}

#[test]
fn n001_6_nodes_share_pages_codes_and_their_end() {
    let ward = Ward::new(Site::on_postgres());
    let (first, app) = ward.start();
    let second = Site::of_database(&ward.site().database().unwrap());
    let second = ward.clients.hospital.like(second).with("store", "node = \"second\"");
    let second_platform = second.start();
    let on = |platform: &Platform, mut input: Value| {
        input["client"] = app.as_str().into();
        ward.code(platform, &input)
    };
    let mut asked = Value::Null;
    eventually("the second node knows the application", || {
        asked = on(&second_platform, json!({ "step": "ask" }));
        asked["status"] == 200
    });
    let decided = on(&first, json!({ "step": "decide", "value": asked["value"] }));
    assert_eq!(decided["status"], 303, "{decided}");
    let again = on(&second_platform, json!({ "step": "decide", "value": asked["value"] }));
    assert_eq!((&again["status"], &again["reason"]), (&json!(403), &json!("authorization-page")), "{again}");
    let exchange = json!({ "step": "exchange", "code": decided["code"], "verifier": asked["verifier"] });
    let got = on(&second_platform, exchange.clone());
    assert_eq!(got["status"], 200, "{got}");
    let token = text(&got["token"]);
    assert!(read(ward.site(), &first, None, token).is_admitted(), "a token counts on every node");
    let replayed = on(&first, exchange);
    assert_eq!(
        (&replayed["error"], &replayed["reason"]),
        (&json!("invalid_grant"), &json!("code-used")),
        "{replayed}"
    );
    for (site, platform) in [(ward.site(), &first), (&second, &second_platform)] {
        assert_eq!(read(site, platform, None, token).code(), "invalid-token", "it ends on every node");
    }
    assert!(!first.stop().log.contains("panicked") && !second_platform.stop().log.contains("panicked"));
}

const CALLBACK: &str = "https://app.example/callback";
