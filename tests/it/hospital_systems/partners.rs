//! Partners: notified of what devices send, by a middleware in Python that shares no code with us (N000-7,
//! N003-1 to -7).

use serde_json::json;

use super::*;
use crate::fhir::{peers, root};
use crate::harness::{Device, command_at, message};

const NAME: &str = "00A037FFFE000001";
pub(super) const ACK: &str = "/partners/services/api/v1/notification/ack";
pub(super) const QUEUE: &str = "/partners/services/api/v1/notification";

/// A site with partners.
pub(super) struct Partners {
    pub(super) hospital: Hospital,
    pub(super) base: String,
}

/// An organisation with a client.
pub(super) struct Partner {
    pub(super) oid: String,
    pub(super) client: String,
    pub(super) secret: String,
    pub(super) certificate: Issued,
}

impl Partners {
    pub(super) fn of(site: Site) -> Self {
        let port = crate::harness::fixed_address().port();
        let base = format!("https://127.0.0.1:{port}");
        let hospital = Hospital::of(site, "registered");
        let site = hospital.site.without("api", "listen").without("api", "base-url");
        let site = site
            .with("api", &format!("listen = [\"127.0.0.1:{port}\"]"))
            .with("api", &format!("base-url = \"{base}\""));
        Self { hospital: Hospital { site, ..hospital }, base }
    }

    pub(super) fn site(&self) -> &Site {
        &self.hospital.site
    }

    pub(super) fn partner(&self, platform: &Platform, name: &str) -> Partner {
        let certificate = self.hospital.client(name);
        let oid = platform.cli().json(&["organisation", "add", name]).remove(0)["oid"].clone();
        let oid = oid.as_str().unwrap().to_owned();
        let chain = certificate.chain.display().to_string();
        let words = ["reader", "add", name, "--organisation", &oid, "--certificate", &chain];
        let secret = platform.cli().json(&words).remove(0)["secret"].as_str().unwrap().to_owned();
        let partner = Partner { oid, client: name.to_owned(), secret, certificate };
        let mut middleware = self.middleware(Some(&partner.certificate));
        eventually("the client is known", || middleware.ask(&partner, 1)["status"] == 200);
        partner
    }

    pub(super) fn middleware(&self, certificate: Option<&Issued>) -> Middleware {
        let mut python = command_at(&peers().join("python/bin/python"));
        python.arg(root().join("tests/peers/middleware.py")).arg(&self.base).arg(self.site().trust_bundle());
        match certificate {
            Some(Issued { chain, key }) => python.arg(chain).arg(key),
            None => python.args(["", ""]),
        };
        let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Middleware { child, stdin, stdout: BufReader::new(stdout) }
    }
}

impl Partner {
    /// The headers of a request.
    pub(super) fn headers(&self) -> Value {
        json!({
            "org_id": self.oid,
            "client_id": self.client,
            "client_secret": self.secret,
            "x-origin-request-id": "r-4711",
            "Content-Type": "application/json",
        })
    }

    pub(super) fn headers_with(&self, name: &str, value: &str) -> Value {
        let mut headers = self.headers();
        headers[name] = value.into();
        headers
    }
}

/// The middleware in Python.
pub(super) struct Middleware {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Middleware {
    pub(super) fn call(&mut self, call: &Value) -> Value {
        writeln!(self.stdin, "{call}").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no answer: {line:?}"))
    }

    fn ask(&mut self, partner: &Partner, max: u32) -> Value {
        let parameters = json!({ "max": max, "wait": 0 });
        self.call(&json!({
            "method": "GET", "path": QUEUE, "headers": partner.headers(), "parameters": parameters
        }))
    }

    pub(super) fn receive(&mut self, partner: &Partner, max: u32) -> Vec<Value> {
        let answer = self.ask(partner, max);
        assert_eq!(answer["status"], 200, "{answer}");
        answer["body"]["notifications"].as_array().unwrap().clone()
    }

    /// The next notification, as soon as there is one.
    pub(super) fn next(&mut self, partner: &Partner) -> Value {
        let mut found = None;
        eventually("a notification", || {
            found = self.receive(partner, 1).pop();
            found.is_some()
        });
        found.unwrap()
    }

    pub(super) fn acknowledge(&mut self, partner: &Partner, handle: &str) -> Value {
        let headers = partner.headers_with("receiptHandle", handle);
        self.call(&json!({ "path": ACK, "headers": headers }))
    }
}

impl Drop for Middleware {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn handle(notification: &Value) -> &str {
    notification["MessageReceiptHandle"].as_str().unwrap()
}

/// A device that may send.
pub(super) fn device(site: &Site, platform: &Platform) -> Device {
    platform.admit(NAME, &[]);
    connect(site, platform)
}

/// The same device, on another connection.
pub(super) fn connect(site: &Site, platform: &Platform) -> Device {
    Device::connect(site, platform.address, &site.certificate(NAME, KeyType::Ecc)).unwrap()
}

fn states(platform: &Platform, state: &str) -> usize {
    platform.cli().json(&["notification", "list", "--state", state]).len()
}

// N003-1, N003-2, N003-5, N003-6, N000-7
#[test]
fn n003_2_what_is_not_acknowledged_comes_again_under_a_new_handle() {
    for site in Site::on_each_store() {
        let site = site.with("notifications", "visibility = \"1s\"").with("notifications", "deliveries = 3");
        let partners = Partners::of(site);
        let platform = partners.site().start();
        let lab = partners.partner(&platform, "lab");
        let mut middleware = partners.middleware(Some(&lab.certificate));
        let mut sender = device(partners.site(), &platform);
        assert_eq!(sender.code(message(NAME, "before")), "CA");
        platform.cli().run(&["subscription", "add", "all", "--organisation", &lab.oid]);
        let words = ["subscription", "add", "alerts", "--organisation", &lab.oid, "--event", "alert"];
        platform.cli().run(&words);
        assert_eq!(sender.code(message(NAME, "1")), "CA");
        let first = middleware.next(&lab);
        assert_eq!((&first["Event"], &first["Reason"]), (&json!("message"), &json!("pcd-01")), "{first}");
        assert_eq!((&first["Device"], &first["Subscription"]), (&json!(NAME), &json!("all")));
        assert!(!first.to_string().contains("DEMO-0001"), "no patient: {first}");
        // It comes again under another handle, and the first one counts no more.
        let second = middleware.next(&lab);
        assert_eq!(first["OperationId"], second["OperationId"]);
        assert_eq!((&first["Delivery"], &second["Delivery"]), (&json!(1), &json!(2)));
        assert_ne!(handle(&first), handle(&second));
        let refused = middleware.acknowledge(&lab, handle(&first));
        assert_eq!(
            (&refused["status"], &refused["body"]["title"]),
            (&json!(400), &json!("not a valid receipt handle"))
        );
        for _ in 0..2 {
            let done = middleware.acknowledge(&lab, handle(&second));
            assert_eq!(done["status"], 200, "{done}");
            assert_eq!(done["body"]["message"], "Message was notified successfully");
            assert_eq!(done["headers"]["x-origin-request-id"], "r-4711");
            assert_eq!(done["headers"]["x-operation-id"], second["OperationId"]);
        }
        assert_eq!(states(&platform, "acknowledged"), 1);
        // One that the partner does not acknowledge is given up, and delivered again when it is replayed.
        assert_eq!(sender.code(message(NAME, "2")), "CA");
        let mut last = Value::Null;
        eventually("it is given up", || {
            let mut given = middleware.receive(&lab, 10);
            assert!(given.len() <= 1 && given.iter().all(|one| one["OperationId"] != first["OperationId"]));
            last = given.pop().unwrap_or(last.take());
            states(&platform, "dead") == 1
        });
        assert_eq!(last["Delivery"], 3);
        assert!(middleware.receive(&lab, 10).is_empty());
        platform.cli().run(&["notification", "replay", "all"]);
        let again = middleware.next(&lab);
        assert_eq!(again["OperationId"], last["OperationId"]);
        assert_eq!(middleware.acknowledge(&lab, handle(&last))["status"], 400);
        assert_eq!(middleware.acknowledge(&lab, handle(&again))["status"], 200);
        assert_eq!((states(&platform, "dead"), states(&platform, "acknowledged")), (0, 2));
        let rows = platform.cli().json(&["audit", "list", "--event", "partner-served"]);
        let acknowledged = rows.iter().find(|row| row["details"]["service"] == "notification-acknowledged");
        let details = &acknowledged.unwrap()["details"];
        assert_eq!((&details["request"], &details["client"]), (&json!("r-4711"), &json!("lab")));
        // Everything is indexed again, and notified once all the same.
        platform.cli().run(&["fhir", "rebuild"]);
        assert_eq!(sender.code(message(NAME, "3")), "CA");
        let third = middleware.next(&lab);
        assert_eq!(middleware.acknowledge(&lab, handle(&third))["status"], 200);
        assert_eq!(platform.cli().json(&["notification", "list"]).len(), 3);
        platform.cli().run(&["subscription", "remove", "all"]);
        assert_eq!(platform.cli().json(&["notification", "list"]).len(), 0);
        let stopped = platform.stop();
        assert!(!stopped.log.contains(&lab.secret) && !stopped.log.contains(handle(&again)));
        assert!(!stopped.log.contains("panicked"), "{}", stopped.log);
    }
}

// N003-4, N003-5, N003-7
#[test]
fn n003_4_both_factors_are_of_one_organisation_or_the_request_is_refused() {
    let partners = Partners::of(Site::new());
    let platform = partners.site().start();
    let [lab, ward] = ["lab", "ward"].map(|name| partners.partner(&platform, name));
    let stranger = partners.hospital.client("stranger");
    let mut of_lab = partners.middleware(Some(&lab.certificate));
    let mut of_stranger = partners.middleware(Some(&stranger));
    let mut without = partners.middleware(None);
    eventually("the clients are known", || {
        of_lab.call(&json!({ "method": "GET", "path": QUEUE, "headers": lab.headers() }))["status"] == 200
    });
    let ask = |middleware: &mut Middleware, headers: &Value| {
        let answer = middleware.call(&json!({ "method": "GET", "path": QUEUE, "headers": headers }));
        if answer["status"] != 200 {
            assert_eq!(answer["headers"]["content-type"], "application/problem+json", "{answer}");
            assert_eq!(answer["body"]["status"], answer["status"]);
        }
        (answer["status"].as_u64().unwrap(), answer["body"]["title"].as_str().unwrap_or_default().to_owned())
    };
    let certificate = (403, "Certificate validation failed".to_owned());
    let client = (401, "Invalid Client".to_owned());
    // The certificate of one organisation and the secret of another one, whichever is named.
    assert_eq!(ask(&mut of_lab, &ward.headers()), certificate);
    assert_eq!(ask(&mut of_lab, &ward.headers_with("org_id", &lab.oid)), certificate);
    assert_eq!(ask(&mut of_lab, &lab.headers_with("org_id", &ward.oid)), certificate);
    assert_eq!(ask(&mut of_lab, &lab.headers_with("org_id", "1.2.3")), certificate);
    assert_eq!(ask(&mut of_stranger, &lab.headers()), certificate);
    // A client for which no certificate is registered has one factor.
    let oid = platform.cli().json(&["organisation", "add", "bare"]).remove(0)["oid"].clone();
    let oid = oid.as_str().unwrap();
    let secret =
        platform.cli().json(&["reader", "add", "bare", "--organisation", oid]).remove(0)["secret"].clone();
    let bare = json!({
        "org_id": oid, "client_id": "bare", "client_secret": secret, "x-origin-request-id": "r-1"
    });
    eventually("the client is known", || ask(&mut of_stranger, &bare).0 != 401);
    assert_eq!(ask(&mut of_stranger, &bare), certificate);
    assert_eq!(ask(&mut without, &lab.headers()), certificate);
    assert_eq!(ask(&mut of_lab, &lab.headers_with("client_secret", "wrong")), client);
    assert_eq!(ask(&mut of_lab, &lab.headers_with("client_id", "unknown")), client);
    assert_eq!(ask(&mut of_lab, &lab.headers_with("x-origin-request-id", "a b")).0, 400);
    let known = of_lab.acknowledge(&lab, &"A".repeat(43));
    assert_eq!((&known["status"], &known["body"]["code"]), (&json!(400), &json!("invalid-receipt-handle")));
    let wrong = |of: &mut Middleware, method: &str, path: &str| {
        of.call(&json!({ "method": method, "path": path, "headers": lab.headers() }))["status"].clone()
    };
    assert_eq!(wrong(&mut of_lab, "GET", ACK), 405);
    assert_eq!(wrong(&mut of_lab, "BREW", ACK), 501);
    assert_eq!(wrong(&mut of_lab, "GET", "/partners/services/api/v1/nothing"), 404);
    platform.cli().run(&["reader", "suspend", "lab"]);
    eventually("a suspended client is refused", || ask(&mut of_lab, &lab.headers()) == client);
    for reason in ["other-organisation", "wrong-secret", "not-registered", "no-certificate"] {
        assert!(refusals(&platform, reason) > 0, "{reason}");
    }
    let stopped = platform.stop();
    assert!(!stopped.log.contains(&lab.secret) && !stopped.log.contains("panicked"), "{}", stopped.log);
}
