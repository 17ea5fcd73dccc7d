//! A person comes in through nginx, which says who it is: over the socket, and over TLS with a certificate.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pcd_platform::model::Clock;
use pcd_platform::pki::{Authority, CertificateOrder, Issued, KeyType, Role, TestPki};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Platform, Site, eventually, tool};

const NAME: &str = "pcd.hospital.example";
const DEVICE: &str = "00A037FFFE000001";

/// nginx with the server of `docs/reference/admin.md`.
struct Nginx {
    child: Child,
    port: u16,
    root: PathBuf,
}

impl Nginx {
    /// `change` replaces what is another place here than in the documentation.
    fn start(folder: &Path, pki: &TestPki, change: impl FnOnce(String) -> String) -> Self {
        let order = CertificateOrder {
            sans: vec![NAME.to_owned()],
            ..CertificateOrder::new("proxy", Role::Platform, KeyType::Ecc)
        };
        let Issued { chain, key } = pki.issue(&order).unwrap();
        // nginx cannot say which port it took.
        let port = crate::harness::fixed_address().port();
        let people = folder.join("passwords");
        std::fs::write(&people, "m.weber:{PLAIN}right\nc.ook:{PLAIN}right\n").unwrap();
        std::fs::set_permissions(&people, std::fs::Permissions::from_mode(0o644)).unwrap();
        let at = |path: &Path| path.display().to_string();
        let server = documented("server {")
            .replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"))
            .replace("/etc/ssl/pcd-web.pem", &at(&chain))
            .replace("/etc/ssl/pcd-web.key", &at(&key))
            .replace("/etc/nginx/people", &at(&people));
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {}/{name};\n", at(folder)))
            .concat();
        let server = change(server);
        let configuration = format!(
            "user www-data;\npid {}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n\
             {temporary}{server}\n}}\n",
            at(folder)
        );
        let file = folder.join("nginx.conf");
        std::fs::write(&file, configuration).unwrap();
        let child = Command::new(nginx())
            .args(["-e", "stderr", "-g", "daemon off;", "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let nginx = Self { child, port, root: pki.trust_anchors()[0].clone() };
        eventually("nginx listens", || nginx.ask(&[], "/livez").0 != 0);
        nginx
    }

    fn ask(&self, words: &[&str], path: &str) -> (u16, String) {
        let mut curl = tool("curl", "curl");
        curl.args(["--silent", "--max-time", "20", "--write-out", "\n%{http_code}", "--resolve"]);
        curl.arg(format!("{NAME}:{}:127.0.0.1", self.port)).arg("--cacert").arg(&self.root).args(words);
        let output = curl.arg(format!("https://{NAME}:{}{path}", self.port)).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it only when it is asked to.
        let id = Pid::from_child(&self.child);
        let _ = kill_process(id, Signal::TERM);
        let _ = self.child.wait();
    }
}

/// The block of nginx in the documentation that begins so.
fn documented(begin: &str) -> String {
    let page = include_str!("../../docs/reference/admin.md");
    let blocks = page.split("```nginx\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.into_iter().find(|block| block.trim_start().starts_with(begin)).unwrap().to_owned()
}

/// The one that `tests/run` unpacks, or that of the machine.
fn nginx() -> PathBuf {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/balancers/usr/sbin/nginx");
    let found = [unpacked, PathBuf::from("/usr/sbin/nginx")].into_iter().find(|path| path.is_file());
    found.expect("nginx is not there: tests/run unpacks it")
}

/// What a person sees and does through the proxy, and that no client does it without one.
fn assert_through(nginx: &Nginx, platform: &Platform, by: &str) {
    let weber = ["--user", "m.weber:right"];
    assert_eq!(nginx.ask(&[], "/").0, 401, "nginx asks who it is");
    assert_eq!(nginx.ask(&["--user", "m.weber:wrong"], "/").0, 401);
    let (status, person) = nginx.ask(&weber, "/api/person");
    assert_eq!(status, 200, "{person}");
    let person: Value = serde_json::from_str(&person).unwrap();
    assert_eq!((&person["name"], &person["way"]), (&"m.weber".into(), &"proxy".into()), "{person}");
    assert_eq!(person["roles"], serde_json::json!(["operator"]));
    let html = [&weber[..], &["--header", "Accept: text/html"]].concat();
    let (status, page) = nginx.ask(&html, "/devices");
    assert!(status == 200 && page.contains("m.weber (operator)") && page.contains(DEVICE), "{page}");
    // The client's own header is overwritten.
    let claims = [&weber[..], &["--header", "X-Forwarded-User: a.dmin"]].concat();
    assert!(nginx.ask(&claims, "/api/person").1.contains("m.weber"));
    let (status, body) = nginx.ask(&["--user", "c.ook:right"], "/api/devices");
    assert_eq!(status, 401, "a name without a role: {body}");
    // A change from a page, with its token and the origin that the person sees.
    let origin = format!("Origin: https://{NAME}:{}", nginx.port);
    let token = format!("csrf={}", person["form-token"].as_str().unwrap());
    let own = format!("x-csrf-token: {}", person["form-token"].as_str().unwrap());
    let link = [&weber[..], &["--header", &origin, "--header", &own, "--request", "POST"]].concat();
    let (status, refused) = nginx.ask(&link, "/api/page-links");
    assert!(status == 409 && !refused.contains("secret"), "no link of the proxy's account: {refused}");
    let form = [&weber[..], &["--header", &origin, "--data", &token]].concat();
    assert_eq!(nginx.ask(&form, &format!("/devices/{DEVICE}/suspend")).0, 303);
    let row = platform.cli().json(&["audit", "list", "--event", "device-suspended"]).remove(0);
    assert_eq!(row["details"]["actor"], format!("m.weber by {by}"), "{row}");
}

fn issue(people: &TestPki, name: &str) -> Issued {
    people.issue(&CertificateOrder::new(name, Role::Device, KeyType::Ecc)).unwrap()
}

#[test]
fn a_person_comes_in_through_nginx_over_the_socket_as_the_documentation_has_it() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let site = Site::new();
    std::fs::set_permissions(site.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let socket = site.path().join("admin.sock").display().to_string();
    let site = site
        .with("admin", &format!("socket = \"{socket}\""))
        .with("admin", "socket-group = \"www-data\"")
        .with("admin", "identity-header = \"X-Forwarded-User\"")
        .with("admin", "identity-proxies = [\"user:www-data\"]")
        .with("admin", &format!("allowed-hosts = [\"{NAME}\"]"))
        .with("admin.roles", "operator = [\"person:m.weber\"]");
    let platform = site.start();
    platform.admit(DEVICE, &[]);
    let pki = TestPki::init(&site.path().join("web"), "http://127.0.0.1:9", &Clock::system()).unwrap();
    let nginx =
        Nginx::start(site.path(), &pki, |server| server.replace("/run/pcd-platform/admin.sock", &socket));
    assert_through(&nginx, &platform, "www-data");
    // Another account of the machine with the same header is what it is.
    let mut curl = tool("curl", "curl");
    curl.args(["--silent", "--unix-socket", &socket, "--header", "X-Forwarded-User: m.weber"]);
    let asked = curl.arg("http://localhost/api/person").output().unwrap();
    let person: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!((&person["name"], &person["way"]), (&"root".into(), &"break-glass".into()), "{person}");
}

#[test]
fn a_person_comes_in_through_nginx_on_another_machine_by_its_certificate() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let site = Site::new();
    std::fs::set_permissions(site.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let people = TestPki::init(&site.path().join("people"), "http://127.0.0.1:9", &Clock::system()).unwrap();
    let order = CertificateOrder {
        sans: vec!["127.0.0.1".to_owned(), NAME.to_owned()],
        ..CertificateOrder::new("web", Role::Platform, KeyType::Ecc)
    };
    let web = people.issue(&order).unwrap();
    let crls = [site.path().join("people/crl"), crate::harness::pki().crl(Authority::RootEcc)];
    let crls = [crls[0].clone(), crls[1].parent().unwrap().to_owned()];
    let site = site
        .with("admin", &format!("trust-anchors = {:?}", people.trust_anchors()))
        .with("admin", &format!("certificate = {{ chain = {:?}, key = {:?} }}", web.chain, web.key))
        .with("admin", "identity-header = \"X-Forwarded-User\"")
        .with("admin", "identity-proxies = [\"CN=sso.example\"]")
        .with("admin", &format!("allowed-hosts = [\"{NAME}\", \"127.0.0.1\"]"))
        .with("revocation", &format!("installed-crls = {crls:?}"))
        .with("admin.roles", "operator = [\"person:m.weber\"]");
    let platform = site.start();
    platform.admit(DEVICE, &[]);
    let own = issue(&people, "sso.example");
    let way = documented("proxy_pass https")
        .replace("10.20.0.5:9575", &platform.admin.to_string())
        .replace("/etc/ssl/sso.pem", &own.chain.display().to_string())
        .replace("/etc/ssl/sso.key", &own.key.display().to_string())
        .replace("/etc/ssl/people-root.pem", &people.trust_anchors()[0].display().to_string());
    let nginx = Nginx::start(site.path(), &people, |server| {
        server.replace("        proxy_pass http://unix:/run/pcd-platform/admin.sock;\n", &way)
    });
    assert_through(&nginx, &platform, "sso.example");
    // A direct client with the same header: with a certificate of its own, and with none.
    let other = issue(&people, "o.ther");
    let chain = other.chain.display().to_string();
    let key = other.key.display().to_string();
    for own in [&["--cert", chain.as_str(), "--key", key.as_str()][..], &[]] {
        let mut curl = tool("curl", "curl");
        curl.args(["--silent", "--write-out", "\n%{http_code}", "--cacert"]).arg(&people.trust_anchors()[0]);
        curl.args(["--header", "X-Forwarded-User: m.weber"]).args(own);
        let output = curl.arg(format!("https://{}/api/devices", platform.admin)).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.ends_with("\n401"), "{text}");
    }
}
