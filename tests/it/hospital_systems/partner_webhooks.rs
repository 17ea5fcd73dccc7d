//! Webhooks of partners: an https server in Python is the receiver (N000-7).

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::partners::{Partners, connect, device, handle};
use super::*;
use crate::fhir::root;
use crate::harness::message;

const NAME: &str = "00A037FFFE000001";

/// The receiver.
struct Receiver {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    port: u16,
}

impl Receiver {
    fn start(own: &Issued, port: u16) -> Self {
        let mut python = tool("python3", "python3");
        python.arg(root().join("tests/peers/partner_webhook.py")).arg(&own.chain).arg(&own.key);
        python.args(["pcd", "s3cret-of-basic", &port.to_string()]);
        let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut own = Self { child, stdin, stdout: BufReader::new(stdout), port: 0 };
        own.port = own.line().trim().parse().unwrap();
        own
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// The next request.
    fn next(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no request: {line:?}"))
    }

    fn answer(&mut self, how: &str) {
        writeln!(self.stdin, "{how}").unwrap();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// N000-7: through an outage of the receiver, a kill of the platform, and lost responses.
#[test]
fn n000_7_notifications_are_posted_until_the_receiver_acknowledges_them() {
    let partners = Partners::of(Site::new());
    let folder = partners.site().path().to_owned();
    let password = folder.join("lab.password");
    std::fs::write(&password, "s3cret-of-basic\n").unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    let own = partners.hospital.issue(&CertificateOrder {
        sans: vec!["127.0.0.1".to_owned()],
        ..CertificateOrder::new("receiver", Role::Platform, KeyType::Ecc)
    });
    let mut receiver = Receiver::start(&own, 0);
    let anchors = partners.hospital.community.trust_anchors();
    let site = partners.hospital.site;
    let site = site
        .with("notifications", "visibility = \"2s\"")
        .with("notifications", &format!("credentials = [{{ name = \"lab\", user = \"pcd\", password-file = {password:?} }}]"))
        .with("notifications", &format!("ca-bundles = [{{ name = \"lab\", anchors = {anchors:?} }}, {{ name = \"other\", anchors = [{:?}] }}]", crate::harness::pki().trust_anchors()[0]));
    let partners = Partners { hospital: Hospital { site, ..partners.hospital }, base: partners.base };
    let platform = partners.site().start();
    let lab = partners.partner(&platform, "lab");
    let url = format!("https://127.0.0.1:{}/notify?x=1", receiver.port);
    let add = |platform: &Platform, name: &str, bundle: &str, url: &str| {
        platform.cli().run(&[
            "subscription",
            "add",
            name,
            "--organisation",
            &lab.oid,
            "--webhook",
            url,
            "--credential",
            "lab",
            "--ca-bundle",
            bundle,
        ]);
    };
    let error = |platform: &Platform| -> String {
        let rows = platform.cli().json(&["notification", "list", "--limit", "1"]);
        rows.first().map_or(String::new(), |row| row["error"].as_str().unwrap().to_owned())
    };
    // This machine is refused unless the configuration lists it.
    add(&platform, "posted", "lab", &url);
    let mut sender = device(partners.site(), &platform);
    assert_eq!(sender.code(message(NAME, "1")), "CA");
    eventually("the address is refused", || error(&platform).contains("allowed-hosts"));
    platform.stop();
    let site = partners.hospital.site.with("notifications", "allowed-hosts = [\"127.0.0.1\"]");
    let partners = Partners { hospital: Hospital { site, ..partners.hospital }, base: partners.base };
    let platform = partners.site().start();
    let first = receiver.next();
    assert_eq!((&first["path"], &first["authentic"]), (&json!("/notify?x=1"), &json!(true)), "{first}");
    assert_eq!(first["operation"], first["body"]["OperationId"]);
    assert!(!first.to_string().contains("DEMO-0001"), "no patient: {first}");
    // The response is a delivery; without an acknowledgement the notification comes again.
    let second = receiver.next();
    assert_eq!(
        (&second["body"]["OperationId"], &second["body"]["Delivery"]),
        (&first["operation"], &json!(2))
    );
    let mut middleware = partners.middleware(Some(&lab.certificate));
    let refused = middleware.acknowledge(&lab, handle(&first["body"]));
    assert_eq!(refused["status"], 400, "{refused}");
    // A later delivery may have begun meanwhile: the handle of the last one counts.
    let mut last = second;
    while middleware.acknowledge(&lab, handle(&last["body"]))["status"] != 200 {
        last = receiver.next();
    }
    // Failed attempts, redirects and lost responses are no deliveries.
    receiver.answer("503");
    let mut sender = connect(partners.site(), &platform);
    assert_eq!(sender.code(message(NAME, "2")), "CA");
    let failed = receiver.next();
    assert_eq!(failed["body"]["Delivery"], 1, "{failed}");
    eventually("the status is recorded", || error(&platform).contains("HTTP status 503"));
    receiver.answer("redirect");
    let redirected = loop {
        let request = receiver.next();
        if request["answer"] == "redirect" {
            break request;
        }
    };
    assert_eq!((&redirected["path"], &redirected["body"]["Delivery"]), (&json!("/notify?x=1"), &json!(1)));
    receiver.answer("close");
    while receiver.next()["answer"] != "close" {}
    // The receiver is away, and the platform is killed.
    let port = receiver.port;
    drop(receiver);
    platform.signal(Signal::KILL);
    platform.wait();
    let platform = partners.site().start();
    let mut receiver = Receiver::start(&own, port);
    let again = receiver.next();
    assert_eq!(again["operation"], failed["operation"]);
    let mut last = again;
    while middleware.acknowledge(&lab, handle(&last["body"]))["status"] != 200 {
        last = receiver.next();
    }
    let acknowledged = platform.cli().json(&["notification", "list", "--state", "acknowledged"]);
    assert_eq!(acknowledged.len(), 2, "nothing is lost");
    nothing_is_posted_for_who_is_suspended(&partners, &platform, &mut receiver, &lab.oid);
    nothing_is_posted_that_no_client_may_read(&partners, &platform, &mut receiver);
    what_is_refused_holds_nothing_up(&partners, &platform, &mut receiver, &lab.oid);
    // A receiver that does not prove itself to the CA bundle gets nothing.
    add(&platform, "unproved", "other", &url);
    let mut sender = connect(partners.site(), &platform);
    assert_eq!(sender.code(message(NAME, "9")), "CA");
    eventually("TLS fails", || error(&platform).contains("TLS failed"));
    let stopped = platform.stop();
    assert!(!stopped.log.contains("s3cret-of-basic") && !stopped.log.contains("panicked"), "{}", stopped.log);
}

/// A receiver that does not take some notifications, as of a device that it does not know.
fn what_is_refused_holds_nothing_up(
    partners: &Partners,
    platform: &Platform,
    receiver: &mut Receiver,
    organisation: &str,
) {
    receiver.answer("refuse");
    let url = format!("https://127.0.0.1:{}/refusing", receiver.port);
    let words = ["subscription", "add", "refusing", "--organisation", organisation, "--webhook", &url];
    platform.cli().run(&[&words[..], &["--credential", "lab", "--ca-bundle", "lab"]].concat());
    let mut next = || loop {
        let request = receiver.next();
        if request["path"] == "/refusing" {
            return request;
        }
    };
    let mut sender = connect(partners.site(), platform);
    for id in 20..30 {
        assert_eq!(sender.code(message(NAME, &id.to_string())), "CA");
    }
    let mut refused = std::collections::HashSet::new();
    while refused.len() < 10 {
        let request = next();
        assert_eq!(request["answer"], "422", "{request}");
        refused.insert(request["operation"].to_string());
    }
    // What was posted last may have its answer later than the line here.
    eventually("each is refused", || {
        let waiting = platform.cli().json(&["notification", "list", "--subscription", "refusing"]);
        waiting.iter().all(|row| row["error"].as_str().unwrap().contains("HTTP status 422"))
    });
    receiver.answer("200");
    assert_eq!(sender.code(message(NAME, "30")), "CA");
    // Those that are refused double their own pauses; the new one goes before them.
    let mut again = 0;
    while receiver.next()["answer"] == "422" {
        again += 1;
    }
    assert!(again < 40, "each refused one has its own pause: {again}");
    platform.cli().run(&["subscription", "remove", "refusing"]);
}

/// Another organisation, whose webhook is at the same receiver, shows that the time for it has passed.
fn nothing_is_posted_for_who_is_suspended(
    partners: &Partners,
    platform: &Platform,
    receiver: &mut Receiver,
    suspended: &str,
) {
    let ward = partners.partner(platform, "ward");
    let url = format!("https://127.0.0.1:{}/ward", receiver.port);
    let words = ["subscription", "add", "ward", "--organisation", &ward.oid, "--webhook", &url];
    platform.cli().run(&[&words[..], &["--credential", "lab", "--ca-bundle", "lab"]].concat());
    platform.cli().run(&["organisation", "suspend", suspended]);
    let mut sender = connect(partners.site(), platform);
    let mut posted = std::collections::HashSet::new();
    for id in ["3", "4", "5"] {
        assert_eq!(sender.code(message(NAME, id)), "CA");
        // Those that are not acknowledged come again.
        loop {
            let request = receiver.next();
            assert_eq!(request["path"], "/ward", "{request}");
            if posted.insert(request["operation"].to_string()) {
                break;
            }
        }
    }
    platform.cli().run(&["organisation", "resume", suspended]);
    while receiver.next()["path"] != "/notify?x=1" {}
}

/// The webhook of the other organisation shows again that the time has passed.
fn nothing_is_posted_that_no_client_may_read(
    partners: &Partners,
    platform: &Platform,
    receiver: &mut Receiver,
) {
    platform.cli().run(&["subscription", "remove", "posted"]);
    platform.cli().run(&["reader", "change", "lab", "--device", "ANOTHER"]);
    let lab = platform.cli().json(&["subscription", "list"]);
    assert_eq!(lab.len(), 1, "that of the ward");
    let organisations = platform.cli().json(&["organisation", "list"]);
    let own = organisations.iter().find(|own| own["name"] == "lab").unwrap();
    let url = format!("https://127.0.0.1:{}/limited", receiver.port);
    let words =
        ["subscription", "add", "limited", "--organisation", own["oid"].as_str().unwrap(), "--webhook", &url];
    platform.cli().run(&[&words[..], &["--credential", "lab", "--ca-bundle", "lab"]].concat());
    let mut sender = connect(partners.site(), platform);
    let mut posted = std::collections::HashSet::new();
    for id in ["6", "7", "8"] {
        assert_eq!(sender.code(message(NAME, id)), "CA");
        loop {
            let request = receiver.next();
            assert_ne!(request["path"], "/limited", "{request}");
            if request["path"] == "/ward" && posted.insert(request["operation"].to_string()) {
                break;
            }
        }
    }
    platform.cli().run(&["reader", "change", "lab", "--every-device"]);
    while receiver.next()["path"] != "/limited" {}
    platform.cli().run(&["subscription", "remove", "limited"]);
    platform.cli().run(&["subscription", "remove", "ward"]);
}
