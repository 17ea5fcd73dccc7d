//! What access tokens cost: requests for tokens over open connections, each token durable before the answer.
//!
//! - `RS256`: an assertion of RSA 2048 (`private_key_jwt`) over TLS without a client certificate; its `jti`
//!   is a row, in the same transaction;
//! - `certificate`: by the certificate of the connection (`tls_client_auth`).
//!
//! `PCD_BENCH_TOKENS` (8000) is the number of each round, `PCD_BENCH_ROUNDS` (3), `PCD_BENCH_BINARY` the
//! platform. `--only RS256` omits the other one, for a profiler.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark measures the machine's own time, and waits for it"
)]
#![allow(clippy::indexing_slicing, reason = "a benchmark that meets the unexpected stops")]
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on ends; its results are its output"
)]

#[path = "site/mod.rs"]
mod site;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use pcd_platform::model::Clock;
use pcd_platform::pki::{CertificateOrder, KeyType, Role, TestPki};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::json;
use site::{Credential, Platform, Site, process_time};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Clients: each has a connection.
const CLIENTS: usize = 16;
const BASE: &str = "https://127.0.0.1:8443";

fn main() {
    let number = |name: &str, default: usize| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (tokens, rounds) = (number("PCD_BENCH_TOKENS", 8000), number("PCD_BENCH_ROUNDS", 3));
    let words: Vec<String> = std::env::args().collect();
    let only = words.iter().position(|word| word == "--only").map(|at| words[at + 1].clone());
    let hospital = Hospital::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for way in
        ["RS256", "certificate"].into_iter().filter(|way| only.as_deref().is_none_or(|own| own == *way))
    {
        let mut shares: Vec<f64> = Vec::new();
        for _ in 0..rounds {
            let forms = hospital.forms(way, tokens / CLIENTS);
            let before = process_time(hospital.platform.pid());
            let (took, p99) = runtime.block_on(hospital.ask(way, forms));
            let spent = process_time(hospital.platform.pid()).saturating_sub(before);
            let asked = (tokens / CLIENTS * CLIENTS) as f64;
            println!(
                "{way:<12} {:>6.0}/s, p99 {p99:.1} ms; {:>5.0} µs of processor: {:>5.0} a second and core",
                asked / took.as_secs_f64(),
                spent.as_secs_f64() * 1e6 / asked,
                asked / spent.as_secs_f64(),
            );
            shares.push(asked / spent.as_secs_f64());
        }
        shares.sort_by(f64::total_cmp);
        println!("{way:<12} median: {:.0} tokens a second and core", shares[shares.len() / 2]);
    }
}

/// A platform that grants tokens to clients with RSA keys.
struct Hospital {
    site: Site,
    platform: Platform,
    clients: Vec<Credential>,
}

impl Hospital {
    fn new() -> Self {
        let site = Site::new();
        let folder = site.path().join("community");
        let community = TestPki::init(&folder, "http://127.0.0.1:9", &Clock::system()).expect("a PKI");
        let roots = community.trust_anchors();
        site.change(|text| {
            let text = text.replace(
                "installed-crls = [\"pki/crl\"]",
                "installed-crls = [\"pki/crl\", \"community/crl\"]",
            );
            format!(
                "{text}[fhir]\nenabled = true\n[api]\nlisten = [\"127.0.0.1:0\"]\nbase-url = \"{BASE}\"\n\
                 token-requests = 100000\nmax-tokens = 100000\ntoken-lifetime = \"1s\"\n\
                 communities = [{{ name = \"bench\", anchors = {roots:?} }}]\n"
            )
        });
        let platform = Platform::start(&site);
        platform.command(&site, &["organisation", "add", "Bench", "--oid", "1.2.3.4"]);
        let client = |at: usize| {
            let name = format!("client-{at}");
            let order = CertificateOrder::new(&name, Role::Device, KeyType::Rsa);
            let own = community.issue(&order).expect("a certificate");
            let chain = own.chain.display().to_string();
            let words = ["reader", "add", &name, "--organisation", "1.2.3.4", "--certificate", &chain];
            platform.command(&site, &words);
            Credential { chain: own.chain, key: own.key }
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { site, platform, clients }
    }

    /// The forms of each client.
    fn forms(&self, way: &str, count: usize) -> Vec<Vec<Bytes>> {
        let plain = Bytes::from_static(b"grant_type=client_credentials");
        if way == "certificate" {
            return vec![vec![plain; count]; CLIENTS];
        }
        let of_client = |(at, own): (usize, &Credential)| {
            let assertions = Assertions::new(&format!("client-{at}"), own);
            (0..count).map(|_| assertions.next()).collect()
        };
        self.clients.iter().enumerate().map(of_client).collect()
    }

    /// Sends the forms of each client over its connection, all clients at once: how long that takes, and the
    /// time of the 99th percentile in milliseconds.
    async fn ask(&self, way: &str, forms: Vec<Vec<Bytes>>) -> (Duration, f64) {
        let to = self.platform.api.expect("a listener for hospital systems");
        let mut asking = Vec::new();
        for (own, forms) in self.clients.iter().zip(forms) {
            let config = site::client_config(&self.site.path().join("pki"), own);
            let config = if way == "certificate" { config } else { without_certificate(&self.site) };
            asking.push((Asking::connect(to, config).await, forms));
        }
        let began = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for (mut asking, forms) in asking {
            tasks.spawn(async move {
                let mut latencies = Vec::with_capacity(forms.len());
                for form in forms {
                    let asked = Instant::now();
                    asking.token(form).await;
                    latencies.push(asked.elapsed());
                }
                latencies
            });
        }
        let mut latencies = Vec::new();
        while let Some(done) = tasks.join_next().await {
            latencies.extend(done.expect("a client"));
        }
        latencies.sort_unstable();
        (began.elapsed(), latencies[(latencies.len() - 1) * 99 / 100].as_secs_f64() * 1e3)
    }
}

fn without_certificate(site: &Site) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(site.roots())
        .with_no_client_auth()
}

/// An open connection.
struct Asking {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Asking {
    async fn connect(to: SocketAddr, config: ClientConfig) -> Self {
        let tcp = TcpStream::connect(to).await.expect("a connection");
        tcp.set_nodelay(true).expect("no delay");
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(ServerName::from(to.ip()), tcp).await.expect("a session");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(connection);
        Self { sender, host: to.to_string() }
    }

    async fn token(&mut self, form: Bytes) {
        let request = Request::post("/oauth/token")
            .header("Host", &self.host)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(Full::new(form))
            .expect("a request");
        self.sender.ready().await.expect("a connection");
        let answer = self.sender.send_request(request).await.expect("an answer");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        assert!(status == 200, "{status}: {}", String::from_utf8_lossy(&body));
    }
}

/// Signed assertions of a client.
struct Assertions {
    client: String,
    key: RsaKeyPair,
    header: String,
    number: std::cell::Cell<u64>,
}

impl Assertions {
    fn new(client: &str, own: &Credential) -> Self {
        let chain: Vec<_> = own.chain().iter().map(|der| STANDARD.encode(der)).collect();
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "RS256", "x5c": chain }).to_string());
        let key = RsaKeyPair::from_pkcs8(own.key().secret_der()).expect("a key");
        // Those of an earlier round count no more.
        let number = std::cell::Cell::new(Clock::system().now().as_microsecond().unsigned_abs());
        Self { client: client.to_owned(), key, header, number }
    }

    fn next(&self) -> Bytes {
        let now = Clock::system().now().as_second();
        self.number.set(self.number.get() + 1);
        let claims = json!({
            "iss": self.client, "sub": self.client, "aud": format!("{BASE}/oauth/token"),
            "iat": now, "exp": now + 300, "jti": self.number.get().to_string(),
        });
        let signed = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .expect("a signature");
        Bytes::from(format!(
            "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3A\
             client-assertion-type%3Ajwt-bearer&client_assertion={signed}.{}",
            URL_SAFE_NO_PAD.encode(signature)
        ))
    }
}
