//! `[[notify]]`: findings are posted to receivers that are not ours.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use pcd_platform::pki::{CertificateOrder, KeyType, Role};
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Credential, Platform, Site, Wire, eventually, framed, message, tool, wait_for};

const NAME: &str = "00A037FFFE000001";
const SECRET: &str = "0123456789abcdef0123";

/// Python's http.server.
pub struct Receiver {
    child: Child,
    port: u16,
    file: PathBuf,
}

impl Receiver {
    pub fn start(site: &Site, own: Option<&Credential>) -> Self {
        Self::start_on(site, own, "127.0.0.1")
    }

    fn start_on(site: &Site, own: Option<&Credential>, address: &str) -> Self {
        let file = site.path().join("received.jsonl");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/notifications/receiver.py");
        let mut command = tool("python3", "python3");
        command.arg(script).arg(&file).arg(address);
        if let Some(own) = own {
            command.arg(&own.chain).arg(&own.key);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap(), file }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What was posted so far.
    pub fn received(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        // The last line may not be finished yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The bodies of what was posted so far.
    fn bodies(&self) -> Vec<Value> {
        self.received()
            .iter()
            .map(|one| serde_json::from_str(one["body"].as_str().unwrap()).unwrap())
            .collect()
    }

    /// Codes that began, and codes that ended, in all notifications so far.
    pub fn codes(&self) -> (Vec<String>, Vec<String>) {
        let of = |list: &str| {
            let codes = self.bodies();
            let codes = codes.iter().flat_map(|body| body[list].as_array().unwrap().clone());
            codes.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
        };
        (of("begun"), of("resolved"))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Adds a receiver to the configuration of a site, whose secret is in a file.
fn configure(site: &Site, url: &str, more: &str) -> PathBuf {
    let secret = site.path().join("secret");
    fs::write(&secret, format!("{SECRET}\n")).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let file = site.path().join("notify.toml");
    let text = format!(
        "[[notify]]\nname = \"ops\"\nwebhook = \"{url}\"\nsecret-file = \"{}\"\ndigest = \"1s\"\n{more}\n",
        secret.display()
    );
    fs::write(&file, text).unwrap();
    file
}

/// A site with a receiver.
pub fn with_receiver(site: Site, url: &str, more: &str) -> Site {
    let file = configure(&site, url, more);
    site.with_text(&fs::read_to_string(file).unwrap())
}

/// Writes another level of the log, which waits for a restart: a finding that a test can begin and end.
fn begin_finding(site: &Site, platform: &Platform) {
    rewrite(site, platform, "level = \"debug\"", "level = \"info\"");
}

fn end_finding(site: &Site, platform: &Platform) {
    rewrite(site, platform, "level = \"info\"", "level = \"debug\"");
}

fn rewrite(site: &Site, platform: &Platform, from: &str, to: &str) {
    let file = site.path().join("platform.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from));
    fs::write(&file, text.replace(from, to)).unwrap();
    platform.signal(Signal::HUP);
}

fn has(codes: &[String], code: &str) -> bool {
    codes.iter().any(|known| known == code)
}

#[test]
fn a_finding_and_its_end_are_posted_signed_over_https() {
    let site = Site::new();
    let order = CertificateOrder {
        sans: vec!["localhost".to_owned()],
        ..CertificateOrder::new("localhost", Role::Platform, KeyType::Ecc)
    };
    let own = site.issue(&order);
    let receiver = Receiver::start(&site, Some(&own));
    let url = format!("https://localhost:{}/ok", receiver.port);
    let anchors = format!("trust-anchors = [\"{}\"]", site.trust_anchors()[0].display());
    let site = with_receiver(site, &url, &anchors);
    let platform = site.start();
    begin_finding(&site, &platform);
    eventually("the beginning is posted", || has(&receiver.codes().0, "restart-pending"));
    end_finding(&site, &platform);
    eventually("the end is posted", || has(&receiver.codes().1, "restart-pending"));
    // Counted once the receiver has answered.
    let delivered = || platform.metric("pcd_notifications_total{result=\"delivered\"}");
    wait_for("both are counted", delivered, |delivered| *delivered >= 2.0);
    assert_eq!(platform.metric("pcd_notifications_total{result=\"dead\"}"), 0.0);

    for one in receiver.received() {
        let (headers, body) = (&one["headers"], one["body"].as_str().unwrap());
        let signed = format!("{}.{body}", headers["X-Pcd-Timestamp"].as_str().unwrap());
        let file = site.path().join("signed");
        fs::write(&file, signed).unwrap();
        let openssl = tool("openssl", "openssl")
            .args(["dgst", "-sha256", "-hmac", SECRET])
            .arg(&file)
            .output()
            .unwrap();
        let expected = String::from_utf8(openssl.stdout).unwrap();
        let expected = format!("v1={}", expected.trim().rsplit(' ').next().unwrap());
        assert_eq!(headers["X-Pcd-Signature"], expected);
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(headers["X-Pcd-Id"], body["id"]);
        assert!(body["text"].as_str().unwrap().starts_with("pcd-platform "), "{body}");
    }
    // A finding is posted once.
    let (begun, _) = receiver.codes();
    assert_eq!(begun.iter().filter(|code| *code == "restart-pending").count(), 1, "{begun:?}");
}

#[test]
fn a_receiver_with_a_certificate_of_another_root_or_name_gets_nothing() {
    let site = Site::new();
    let own = site.issue(&CertificateOrder::new("elsewhere.example", Role::Platform, KeyType::Ecc));
    // The certificate names this machine, and not this address of it.
    let receiver = Receiver::start_on(&site, Some(&own), "127.0.0.2");
    let url = format!("https://127.0.0.2:{}/ok", receiver.port);
    let anchors = format!("trust-anchors = [\"{}\"]", site.trust_anchors()[0].display());
    for (anchors, error) in [(anchors, "not valid for name"), (String::new(), "UnknownIssuer")] {
        let site = with_receiver(Site::new(), &url, &anchors);
        let (status, printed, _) = crate::harness::Cli::without_store(&site).try_run(&["notify", "test"]);
        assert_eq!(status.code(), Some(1), "{printed}");
        assert!(printed.contains("failed  ops") && printed.contains(error), "{printed}");
    }
    assert_eq!(receiver.received().len(), 0);
}

#[test]
fn a_silent_device_is_named_and_nothing_of_its_messages() {
    let site = Site::new().with("devices", "silent-after = \"2s\"");
    let receiver = Receiver::start(&site, None);
    let site = with_receiver(site, &receiver.url("/ok"), "severity = \"urgent\"");
    let platform = site.start();
    platform.admit(NAME, &[]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    let mut text = String::from_utf8(message(NAME, "1").to_vec()).unwrap();
    text = text.replace("PID|", "PID|ZZMARKED^^^^|");
    text.push_str("NTE|1||ZZMARKED note\r");
    wire.write(&framed(text.as_bytes()));
    assert_eq!(wire.verdict().0, "CA");
    eventually("the silence is posted", || has(&receiver.codes().0, "device-silent"));
    let bodies = receiver.bodies();
    let posted = fs::read_to_string(&receiver.file).unwrap();
    assert!(posted.contains(NAME) && !posted.contains("ZZMARKED"), "{posted}");
    let finding = bodies.iter().flat_map(|body| body["begun"].as_array().unwrap().clone());
    let severities: Vec<_> = finding.map(|finding| finding["severity"].clone()).collect();
    assert!(severities.iter().all(|severity| severity == "urgent"), "{severities:?}");
    assert!(!has(&receiver.codes().0, "staple-missing"));
}

#[test]
fn a_notification_survives_a_restart_and_is_given_up_after_its_time() {
    let site = Site::new();
    let receiver = Receiver::start(&site, None);
    let site = with_receiver(site, &receiver.url("/fail"), "retry-for = \"24h\"");
    let platform = site.start();
    begin_finding(&site, &platform);
    eventually("attempts fail", || !receiver.received().is_empty());
    eventually("it is a finding", || platform.metric("pcd_findings{code=\"notification-failing\"}") == 1.0);
    let waiting = || platform.cli().json(&["notify", "list"]);
    let waiting = wait_for("the attempt is stored", waiting, |all| {
        all.iter().any(|one| one["error"].as_str().is_some_and(|error| error.contains("HTTP status 500")))
    });
    assert_eq!((waiting.len(), &waiting[0]["state"]), (1, &"waiting".into()), "{waiting:?}");
    let id = waiting[0]["id"].clone();
    assert_eq!(platform.stop().status.code(), Some(0));

    // The next process sends the same one, and gives it up.
    let before = receiver.received().len();
    let site = with_receiver(site, &receiver.url("/fail"), "retry-for = \"2s\"");
    let platform = site.start();
    eventually("it is given up", || platform.metric("pcd_notifications_total{result=\"dead\"}") >= 1.0);
    assert!(receiver.bodies()[before..].iter().any(|body| body["id"] == id));
    let dead = platform.cli().json(&["notify", "list"]);
    assert!(dead.iter().any(|one| one["id"] == id && one["state"] == "dead"), "{dead:?}");
    assert!(platform.log().contains("notify retry"), "{}", platform.log());
    assert_eq!(platform.stop().status.code(), Some(0));

    // The receiver recovers; what was given up is sent again on request.
    let site = with_receiver(site, &receiver.url("/ok"), "");
    let platform = site.start();
    platform.cli().run(&["notify", "retry", id.as_str().unwrap()]);
    let delivered =
        || receiver.received().iter().any(|one| one["path"] == "/ok" && one["headers"]["X-Pcd-Id"] == id);
    eventually("it is delivered", delivered);
    eventually("nothing waits for it", || {
        !platform.cli().json(&["notify", "list"]).iter().any(|one| one["id"] == id)
    });
    let (status, _, complaint) = platform.cli().try_run(&["notify", "retry", id.as_str().unwrap()]);
    assert_eq!(status.code(), Some(1), "{complaint}");
}

#[test]
fn a_malicious_receiver_costs_ten_seconds_and_harms_nothing() {
    let site = Site::new();
    let receiver = Receiver::start(&site, None);
    let cli_of = |path: &str| {
        let site = with_receiver(Site::new(), &receiver.url(path), "");
        let began = Instant::now();
        let (status, printed, _) = crate::harness::Cli::without_store(&site).try_run(&["notify", "test"]);
        (status.code(), printed, began.elapsed())
    };
    let (status, printed, _) = cli_of("/ok");
    assert_eq!((status, printed.as_str()), (Some(0), "ok      ops\n"));
    let (status, printed, _) = cli_of("/redirect");
    assert!(status == Some(1) && printed.contains("HTTP status 307"), "{printed}");
    assert!(!receiver.received().iter().any(|one| one["path"].as_str().unwrap().contains("redirected")));
    let (status, printed, _) = cli_of("/headers");
    assert!(status == Some(1) && printed.contains("its head is too large"), "{printed}");
    // The body is not read.
    let (status, printed, took) = cli_of("/endless");
    assert!(status == Some(0) && took < Duration::from_secs(50), "{printed}: {took:?}");
    let (status, printed, took) = cli_of("/drip");
    assert!(status == Some(1) && printed.contains("no response within 10 seconds"), "{printed}");
    assert!(took < Duration::from_secs(50), "it would have lasted for a minute: {took:?}");

    // And messages are acknowledged meanwhile.
    let site = with_receiver(site, &receiver.url("/drip"), "");
    let platform = site.start();
    platform.admit(NAME, &[]);
    begin_finding(&site, &platform);
    eventually("it is posted", || {
        receiver.received().iter().filter(|one| one["path"] == "/drip").count() > 1
    });
    let mut wire = Wire::connect(&site, platform.address, &site.certificate(NAME, KeyType::Ecc));
    for id in ["1", "2", "3"] {
        let began = Instant::now();
        wire.write(&framed(&message(NAME, id)));
        assert_eq!(wire.verdict().0, "CA");
        // An attempt lasts for ten seconds.
        assert!(began.elapsed() < Duration::from_secs(9));
    }
    assert_eq!(platform.stop().status.code(), Some(0), "a shutdown does not wait for a receiver");
}

#[test]
fn a_receiver_that_cannot_be_used_fails_check_and_reload_and_not_the_start() {
    let site = with_receiver(Site::new(), "http://127.0.0.1:9/x", "");
    let secret = site.path().join("secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let platform = site.start();
    eventually("it is a finding", || platform.metric("pcd_findings{code=\"notification-failing\"}") == 1.0);
    let (status, printed, _) = platform.cli().try_run(&["check"]);
    assert!(!status.success() && printed.contains("receiver \"ops\""), "{printed}");
    platform.signal(Signal::HUP);
    eventually("the reload is refused", || platform.metric("pcd_config_last_reload_successful") == 0.0);
    // The path of a URL may be a secret.
    let log = platform.log();
    assert!(!log.contains(SECRET) && !log.contains("127.0.0.1:9/x"), "{log}");
}
