//! A PKI, a configuration and devices for benchmarks that need a whole platform.

#![allow(dead_code, unreachable_pub, reason = "each benchmark uses its own part of this, and has no outside")]

use std::any::Any;
use std::fs;
use std::future::Future;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use pcd_platform::authz::{Device, DeviceKind, DeviceStatus, Directory};
use pcd_platform::config::{Config, Overrides};
use pcd_platform::hl7::AcknowledgeAs;
use pcd_platform::model::{Clock, DeviceId};
use pcd_platform::pki::{CertificateOrder, KeyType, OcspResponder, OcspSigner, Role, TestPki};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tempfile::TempDir;

/// What a server makes of a connection.
pub type LocalFuture = Pin<Box<dyn Future<Output = Box<dyn Any>>>>;

pub struct Site {
    folder: TempDir,
    pki: TestPki,
}

#[derive(Clone)]
pub struct Credential {
    pub chain: PathBuf,
    pub key: PathBuf,
}

impl Site {
    pub fn new() -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let pki =
            TestPki::init(&folder.path().join("pki"), "http://127.0.0.1:9", &Clock::system()).expect("a PKI");
        for key in [KeyType::Ecc, KeyType::Rsa] {
            pki.issue(&CertificateOrder::new("platform", Role::Platform, key)).expect("a certificate");
        }
        let text = "[interface-a]\nlisten = [\"127.0.0.1:0\"]\n\
             [tls]\nclient-trust-anchors = [\"pki/root-ecc.pem\", \"pki/root-rsa.pem\"]\n\
             ecc = { chain = \"pki/platform/platform.ecc.chain.pem\", key = \"pki/platform/platform.ecc.key\" }\n\
             rsa = { chain = \"pki/platform/platform.rsa.chain.pem\", key = \"pki/platform/platform.rsa.key\" }\n\
             [revocation]\ninstalled-crls = [\"pki/crl\"]\n\
             [store]\nurl = \"sqlite:platform.db\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"warn\"\n";
        fs::write(folder.path().join("platform.toml"), text).expect("a file");
        Self { folder, pki }
    }

    /// Another store than the one in the folder.
    pub fn keep_in(&self, url: &str) {
        self.change(|text| text.replace("sqlite:platform.db", url));
    }

    /// Changes the configuration.
    pub fn change(&self, change: impl FnOnce(String) -> String) {
        let file = self.path().join("platform.toml");
        let text = fs::read_to_string(&file).expect("a file");
        fs::write(file, change(text)).expect("a file");
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn config(&self) -> Config {
        Config::load(&self.path().join("platform.toml"), &Overrides::default()).expect("a configuration")
    }

    /// A device with a certificate.
    pub fn device(&self, name: &str, key: KeyType) -> Credential {
        let issued = self.pki.issue(&CertificateOrder::new(name, Role::Device, key)).expect("a certificate");
        Credential { chain: issued.chain, key: issued.key }
    }

    /// A directory in which there is a MONITOR.
    pub fn directory(&self) -> Directory {
        let id = DeviceId::parse("MONITOR").expect("an identifier");
        vec![Device {
            id,
            kind: DeviceKind::Device,
            status: DeviceStatus::Active,
            issuers: Vec::new(),
            speaks_for: Vec::new(),
            silent_after: None,
            expected: false,
            receives_orders: true,
            note: String::new(),
            learns_until: None,
            about: pcd_platform::authz::About::default(),
            acknowledge: AcknowledgeAs::AsAsked,
        }]
        .into()
    }

    pub fn anchors(&self) -> [PathBuf; 2] {
        self.pki.trust_anchors()
    }

    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        for file in self.anchors() {
            roots.add(CertificateDer::from_pem_file(file).expect("a root")).expect("a root");
        }
        roots
    }

    pub fn root_certificates(&self) -> Vec<CertificateDer<'static>> {
        let read = |file: &PathBuf| CertificateDer::from_pem_file(file).expect("a root");
        self.anchors().iter().map(read).collect()
    }

    /// A responder of the CAs themselves.
    pub fn responder(&self) -> OcspResponder {
        let pki = TestPki::open(&self.path().join("pki"), &Clock::system()).expect("a PKI");
        OcspResponder::new(pki, OcspSigner::Ca, jiff::SignedDuration::from_hours(24)).expect("a responder")
    }

    pub fn roots_pem(&self) -> String {
        self.anchors().iter().map(|file| fs::read_to_string(file).expect("a root")).collect()
    }

    fn crl_files(&self) -> impl Iterator<Item = PathBuf> {
        fs::read_dir(self.path().join("pki/crl"))
            .expect("a folder")
            .map(|entry| entry.expect("a file").path())
    }

    pub fn crls(&self) -> Vec<Vec<u8>> {
        self.crl_files().map(|file| fs::read(file).expect("a CRL")).collect()
    }

    /// The CRLs in PEM, converted by OpenSSL.
    pub fn crls_pem(&self) -> String {
        let pem = |file: PathBuf| {
            let output = std::process::Command::new("openssl")
                .args(["crl", "-inform", "DER", "-in"])
                .arg(file)
                .output()
                .expect("openssl");
            String::from_utf8(output.stdout).expect("PEM")
        };
        self.crl_files().map(pem).collect()
    }

    pub fn platform_files(&self, kind: &str) -> (PathBuf, PathBuf) {
        let at = |end: &str| self.path().join(format!("pki/platform/platform.{kind}.{end}"));
        (at("chain.pem"), at("key"))
    }

    pub fn platform(&self, kind: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let (chain, key) = self.platform_files(kind);
        let own = Credential { chain, key };
        (own.chain(), own.key())
    }
}

/// The platform's own process.
pub struct Platform {
    child: Child,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    /// Where hospital systems read.
    pub api: Option<SocketAddr>,
}

fn binary() -> PathBuf {
    std::env::var_os("PCD_BENCH_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_pcd-platform").into(), PathBuf::from)
}

impl Platform {
    pub fn start(site: &Site) -> Self {
        let mut child = Command::new(binary())
            .args(["--json", "serve", "--config"])
            .arg(site.path().join("platform.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the platform");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut line).expect("a line");
        let listening: Value = serde_json::from_str(&line).expect("JSON");
        let address = |value: &Value| value.as_str().expect("an address").parse().expect("an address");
        let api = listening["api"].as_array().and_then(|addresses| addresses.first()).map(address);
        Self {
            child,
            address: address(&listening["interface-a"][0]),
            admin: address(&listening["admin"]),
            api,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it read its configuration again.
    pub fn reload(&self) {
        let pid = i32::try_from(self.pid()).ok().and_then(rustix::process::Pid::from_raw).expect("a process");
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("a signal");
    }

    /// The value of a series of `/metrics`.
    pub fn metric(&self, series: &str) -> f64 {
        let mut stream = TcpStream::connect(self.admin).expect("the admin listener");
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin)
            .expect("a request");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or("0").trim().parse().expect("a number")
    }

    pub fn command(&self, site: &Site, words: &[&str]) {
        let (done, transcript) = self.try_command(site, words);
        assert!(done, "{transcript}");
    }

    /// Whether it succeeded, and its output.
    pub fn try_command(&self, site: &Site, words: &[&str]) -> (bool, String) {
        let output = Command::new(binary())
            .args(words)
            .env("PCD_CONFIG", site.path().join("platform.toml"))
            .output()
            .expect("the command line");
        // The platform looks four times a second.
        std::thread::sleep(Duration::from_millis(600));
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Credential {
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_file_iter(&self.chain)
            .expect("a chain")
            .map(|der| der.expect("a certificate"))
            .collect()
    }

    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_file(&self.key).expect("a key")
    }
}

/// A client of the platform that shows this certificate.
pub fn client_config(pki: &Path, own: &Credential) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for root in ["root-ecc.pem", "root-rsa.pem"] {
        roots.add(CertificateDer::from_pem_file(pki.join(root)).expect("a root")).expect("a root");
    }
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_client_auth_cert(own.chain(), own.key())
        .expect("an identity")
}

/// The processor time of a process and of every thread that it ever had; Linux counts hundredths of a second.
pub fn process_time(process: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).expect("a process");
    // Behind the name, which may hold blanks: proc(5), fields 14 and 15.
    let (_, fields) = text.rsplit_once(')').expect("a name in parentheses");
    let ticks =
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number"));
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// The processor time of a thread or a process (of its first thread), from Linux' scheduler.
pub fn processor_time(whose: &str) -> Duration {
    let text =
        fs::read_to_string(format!("/proc/{whose}/schedstat")).expect("Linux with scheduler statistics");
    let nanoseconds = text.split_whitespace().next().expect("a number").parse().expect("a number");
    Duration::from_nanos(nanoseconds)
}
