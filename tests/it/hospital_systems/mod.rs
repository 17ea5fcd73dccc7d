//! Hospital systems that read: who is admitted to the listener of `[api]`, with curl, OpenSSL and Python as
//! clients (N000-1, N000-2, N000-3, N000-9, N001-1,
//! N001-2, N001-3).

mod admission;
mod authorizations;
mod clients;
mod enrolment;
mod limits;
mod partner_clocks;
mod partner_events;
mod partner_files;
mod partner_isolation;
mod partner_webhooks;
mod partners;
mod registrations;
mod tokens;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use pcd_platform::model::Clock;
use pcd_platform::pki::{Authority, CertificateOrder, Issued, KeyType, Role, TestPki};
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Platform, Site, eventually, tool};

/// A site with a PKI of a trust community.
struct Hospital {
    site: Site,
    community: TestPki,
}

impl Hospital {
    fn new(read: &str) -> Self {
        Self::of(Site::new(), read)
    }

    fn of(site: Site, read: &str) -> Self {
        let folder = site.path().join("community");
        let community = TestPki::init(&folder, "http://127.0.0.1:9", &Clock::system()).unwrap();
        let own = crate::harness::pki().crl(Authority::RootEcc);
        let crls = [folder.join("crl"), own.parent().unwrap().to_owned()];
        let anchors = community.trust_anchors();
        let site = site
            .with("fhir", "enabled = true")
            .with("api", "listen = [\"127.0.0.1:0\"]")
            .with("api", "base-url = \"https://127.0.0.1:8443\"")
            .with("api", &format!("read = \"{read}\""))
            .with("api", &format!("communities = [{{ name = \"hospital\", anchors = {anchors:?} }}]"))
            .with("revocation", &format!("installed-crls = {crls:?}"));
        Self { site, community }
    }

    fn client(&self, name: &str) -> Issued {
        self.issue(&order(name))
    }

    fn issue(&self, order: &CertificateOrder) -> Issued {
        self.community.issue(order).unwrap()
    }

    /// Another site with the same listener, for another node.
    fn like(&self, site: Site) -> Site {
        let own = self.site.settings("api").into_iter().map(|line| ("api", line));
        let others = self.site.settings("revocation").into_iter().map(|line| ("revocation", line));
        let site = site.with("fhir", "enabled = true");
        own.chain(others).fold(site, |site, (table, line)| site.with(table, &line))
    }

    /// Writes other communities, and reloads.
    fn reload(self, platform: &Platform, communities: &str) -> Self {
        let site =
            self.site.without("api", "communities").with("api", &format!("communities = {communities}"));
        site.write_configuration();
        let count = || {
            platform.metric("pcd_audit_events_total{event=\"configuration-changed\"}")
                + platform.metric("pcd_audit_events_total{event=\"configuration-refused\"}")
        };
        let before = count();
        platform.signal(Signal::HUP);
        eventually("the platform has reloaded", || count() > before);
        Self { site, ..self }
    }
}

fn order(name: &str) -> CertificateOrder {
    CertificateOrder::new(name, Role::Device, KeyType::Ecc)
}

/// What curl gets.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: String,
}

impl Answer {
    /// The platform's code in an OperationOutcome.
    fn code(&self) -> String {
        let outcome: Value = serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"));
        assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
        assert!(outcome["issue"][0]["details"]["text"].as_str().unwrap().len() > 20, "{outcome}");
        outcome["issue"][0]["diagnostics"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether the client was admitted, whatever it got.
    fn is_admitted(&self) -> bool {
        ![0, 401, 403, 503].contains(&self.status)
    }
}

/// Asks with curl, which checks the platform by its own roots.
fn ask(site: &Site, platform: &Platform, client: Option<&Issued>, path: &str, more: &[&str]) -> Answer {
    ask_with(&site.trust_bundle(), platform, client, path, more)
}

fn ask_with(ca: &Path, platform: &Platform, client: Option<&Issued>, path: &str, more: &[&str]) -> Answer {
    let mut curl = tool("curl", "curl");
    curl.args(["--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}", "--cacert"]);
    curl.arg(ca).args(more);
    if let Some(Issued { chain, key }) = client {
        curl.arg("--cert").arg(chain).arg("--key").arg(key);
    }
    let output = curl.arg(format!("https://{}{path}", platform.api.unwrap())).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    Answer { status: status.parse().unwrap(), body: body.to_owned() }
}

/// Python over one connection.
struct OpenReader {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl OpenReader {
    fn connect(site: &Site, platform: &Platform, client: &Issued) -> Self {
        Self::relayed(site, platform, client, None)
    }

    /// Behind a load balancer that states this address.
    fn relayed(site: &Site, platform: &Platform, client: &Issued, address: Option<&str>) -> Self {
        let stated = address;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let address = platform.api.unwrap();
        let mut python = tool("python3", "python3");
        python.arg(root.join("tests/peers/https_reader.py"));
        python.args([address.ip().to_string(), address.port().to_string()]).arg(site.trust_bundle());
        python.arg(&client.chain).arg(&client.key).args(stated).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, stdin, stdout: BufReader::new(stdout) }
    }

    fn get(&mut self, path: &str) -> Answer {
        writeln!(self.stdin, "{path}").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no answer: {line:?}"));
        let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
        Answer { status, body: answer["body"].as_str().unwrap().to_owned() }
    }
}

impl Drop for OpenReader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn refusals(platform: &Platform, reason: &str) -> usize {
    let rows = platform.cli().json(&["audit", "list", "--event", "read-refused"]);
    rows.iter().filter(|row| row["details"]["reason"] == reason).count()
}

/// Waits until the client gets this code; it is admitted where the code is empty.
fn expect(site: &Site, platform: &Platform, client: &Issued, more: &[&str], code: &str) {
    let mut last = None;
    eventually(if code.is_empty() { "the client is admitted" } else { code }, || {
        let answer = ask(site, platform, Some(client), READ, more);
        let is =
            if answer.is_admitted() { code.is_empty() } else { !code.is_empty() && answer.code() == code };
        last = Some(answer);
        is
    });
    let status = last.unwrap().status;
    match code {
        "" => {}
        "other-network" | "other-organisation" | "not-registered" => assert_eq!(status, 403, "{code}"),
        _ => assert_eq!(status, 401, "{code}"),
    }
}

const READ: &str = "/fhir/Observation?_id=nothing";
