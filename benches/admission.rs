//! Do running sessions notice that others arrive? A hundred busy sessions of the real platform, and beside
//! them nothing, or two hundred handshakes per second with finite-field Diffie-Hellman and RSA, the dearest
//! of the profile.
//!
//! `PCD_BENCH_BINARY` names another binary to measure, so that two builds can be compared. `--phase SECONDS`
//! and `--rounds N` make it shorter. The clients that arrive must not take the time that they measure: theirs
//! is the cheap side of each handshake (see [`Cheap`]), and what both sides cost is printed.

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

mod site;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use pcd_platform::config::{Credential, TlsVersion};
use pcd_platform::interface_b::{Client, Observation};
use pcd_platform::model::Clock;
use pcd_platform::pki::KeyType;
use pcd_platform::tls::provider::{Settings, provider};
use pcd_platform::tls::{Connector, ConnectorSettings};
use rustls::client::Resumption;
use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::{self, FfdheGroup};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, NamedGroup};
use tokio_rustls::TlsConnector;

use site::{Platform, Site, process_time};

const SESSIONS: usize = 100;
/// Between two messages of a session.
const PAUSE: Duration = Duration::from_millis(200);
const ARRIVALS: u32 = 200;
const SUITE: &str = "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--arrive") {
        let [address, folder] = [1, 2].map(|next| arguments[at + next].clone());
        let phase = Duration::from_secs(u64::from(number(&arguments, "--phase", 6)));
        return arrive(address.parse().expect("an address"), &PathBuf::from(folder), phase);
    }
    let phase = Duration::from_secs(u64::from(number(&arguments, "--phase", 6)));
    let rounds = number(&arguments, "--rounds", 3) as usize;
    let site = Site::new();
    let busy = site.device("BUSY", KeyType::Ecc);
    // Another process reads it: the clients that arrive take no time from those that measure.
    site.device("ARRIVING", KeyType::Ecc);
    let platform = Platform::start(&site);
    for name in ["BUSY", "ARRIVING"] {
        platform.command(&site, &["device", "add", name]);
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let sessions = connect(&site, &busy, platform.address).await;
        let mut sessions = Some(sessions);
        let (mut quiet, mut loaded) = (Vec::new(), Vec::new());
        for round in 0..=rounds {
            for arriving in [false, true] {
                let generator = arriving.then(|| Generator::start(&site, platform.address, phase));
                let (began, before) = (Instant::now(), process_time(platform.pid()));
                let (open, latencies) = talk(sessions.take().expect("sessions"), phase).await;
                let platform_time = process_time(platform.pid()) - before;
                sessions = Some(open);
                let figures = Figures::of(latencies);
                let arrived = generator.map(Generator::finish);
                println!(
                    "{} {:>6} messages, p50 {:>6} µs, p99 {:>6} µs, max {:>7} µs, platform {:>5} ms{}",
                    if arriving { "arrivals" } else { "quiet   " },
                    figures.count,
                    figures.p50.as_micros(),
                    figures.p99.as_micros(),
                    figures.max.as_micros(),
                    platform_time.as_millis(),
                    arrived.map_or(String::new(), |(count, spent)| {
                        let rate = f64::from(count) / began.elapsed().as_secs_f64();
                        format!(", arrivals {:>5} ms, {rate:.0} handshakes/s", spent.as_millis())
                    })
                );
                // The first round warms up.
                if round > 0 {
                    if arriving { &mut loaded } else { &mut quiet }.push(figures.p99);
                }
            }
        }
        quiet.sort();
        loaded.sort();
        let (quiet, loaded) = (quiet[rounds / 2], loaded[rounds / 2]);
        println!(
            "p99 quiet {} µs, with arrivals {} µs: {:.2} times",
            quiet.as_micros(),
            loaded.as_micros(),
            loaded.as_secs_f64() / quiet.as_secs_f64()
        );
    });
}

async fn connect(site: &Site, own: &site::Credential, to: SocketAddr) -> Vec<Client> {
    let settings = ConnectorSettings {
        credential: Credential { chain: own.chain.clone(), key: own.key.clone().into(), passphrase: None },
        trust_anchors: site.anchors().to_vec(),
        versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
        suite: None,
        status: None,
    };
    let connector = Connector::build(&settings, &Clock::system()).expect("a client");
    let mut clients = Vec::with_capacity(SESSIONS);
    let host = to.ip().to_string();
    for _ in 0..SESSIONS {
        let client = Client::connect(&connector, &host, to.port(), Duration::from_secs(30));
        clients.push(client.await.expect("a session"));
    }
    clients
}

/// Every session sends and waits, for a phase; how long each acknowledgement took.
async fn talk(sessions: Vec<Client>, phase: Duration) -> (Vec<Client>, Vec<Duration>) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let end = Instant::now() + phase;
    let mut tasks = tokio::task::JoinSet::new();
    for (index, mut client) in sessions.into_iter().enumerate() {
        tasks.spawn(async move {
            // Not all at once.
            tokio::time::sleep(PAUSE * u32::try_from(index).unwrap_or(0) / 100).await;
            let mut latencies = Vec::new();
            while Instant::now() < end {
                let message = Observation {
                    sender: "BUSY",
                    equipment: "BUSY",
                    control_id: &NUMBER.fetch_add(1, Ordering::Relaxed).to_string(),
                    at: Clock::system().now(),
                    saturation: 97,
                    pulse: 71,
                }
                .to_message();
                let began = Instant::now();
                let answers = client.send(message).await.expect("an answer");
                latencies.push(began.elapsed());
                assert!(answers.iter().all(|answer| answer.code.is_positive()));
                tokio::time::sleep(PAUSE).await;
            }
            (client, latencies)
        });
    }
    let (mut clients, mut all) = (Vec::new(), Vec::new());
    while let Some(done) = tasks.join_next().await {
        let (client, latencies) = done.expect("a session");
        clients.push(client);
        all.extend(latencies);
    }
    (clients, all)
}

struct Figures {
    count: usize,
    p50: Duration,
    p99: Duration,
    max: Duration,
}

impl Figures {
    fn of(mut latencies: Vec<Duration>) -> Self {
        latencies.sort();
        let at = |share: usize| latencies[(latencies.len() - 1) * share / 100];
        Self { count: latencies.len(), p50: at(50), p99: at(99), max: at(100) }
    }
}

/// The process from which handshakes come.
struct Generator(Child);

impl Generator {
    fn start(site: &Site, to: SocketAddr, phase: Duration) -> Self {
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--arrive", &to.to_string()])
            .arg(site.path())
            .args(["--phase", &phase.as_secs().to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program");
        Self(child)
    }

    /// How many have arrived, and the processor time that they took.
    fn finish(self) -> (u32, Duration) {
        let output = self.0.wait_with_output().expect("its output");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut words = text.split_whitespace().map(|word| word.parse::<u32>().expect("a number"));
        let mut next = || words.next().expect("a number");
        (next(), Duration::from_millis(u64::from(next())))
    }
}

/// Finite-field Diffie-Hellman with one for a private exponent: the public value is the generator, the shared
/// secret is what the server sent. The server does all of its own work, and no other code may use this for
/// anything.
#[derive(Debug)]
struct Cheap;

impl SupportedKxGroup for Cheap {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, rustls::Error> {
        let mut generator = vec![0; ffdhe_groups::FFDHE2048.p.len()];
        generator.splice(generator.len() - 1.., ffdhe_groups::FFDHE2048.g.iter().copied());
        Ok(Box::new(CheapExchange(generator)))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        Some(ffdhe_groups::FFDHE2048)
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::FFDHE2048
    }
}

struct CheapExchange(Vec<u8>);

impl ActiveKeyExchange for CheapExchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, rustls::Error> {
        Ok(SharedSecret::from(peer))
    }

    fn pub_key(&self) -> &[u8] {
        &self.0
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        Some(ffdhe_groups::FFDHE2048)
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::FFDHE2048
    }
}

/// Begins a handshake every 1/200 s for a phase; prints how many succeeded, and milliseconds of processor
/// time.
fn arrive(to: SocketAddr, folder: &std::path::Path, phase: Duration) {
    let at = |end: &str| folder.join("pki/device").join(format!("ARRIVING.ecc.{end}"));
    let own = site::Credential { chain: at("chain.pem"), key: at("key") };
    let mut provider = provider(Settings::default());
    provider.cipher_suites.retain(|suite| suite.suite().as_str() == Some(SUITE));
    provider.kx_groups = vec![&Cheap];
    let mut roots = rustls::RootCertStore::empty();
    for root in ["root-ecc.pem", "root-rsa.pem"] {
        let file = folder.join("pki").join(root);
        use rustls::pki_types::pem::PemObject as _;
        roots.add(rustls::pki_types::CertificateDer::from_pem_file(file).expect("a root")).expect("a root");
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("a version")
        .with_root_certificates(roots)
        .with_client_auth_cert(own.chain(), own.key())
        .expect("an identity");
    config.resumption = Resumption::disabled();
    let connector = TlsConnector::from(Arc::new(config));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (arrived, refused) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    runtime.block_on(async {
        let end = Instant::now() + phase;
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / ARRIVALS);
        let mut tasks = tokio::task::JoinSet::new();
        while Instant::now() < end {
            ticks.tick().await;
            let (connector, arrived, refused) =
                (connector.clone(), Arc::clone(&arrived), Arc::clone(&refused));
            tasks.spawn(async move {
                let Ok(tcp) = tokio::net::TcpStream::connect(to).await else { return };
                let outcome = connector.connect(ServerName::from(to.ip()), tcp).await;
                if outcome.is_ok() { &arrived } else { &refused }.fetch_add(1, Ordering::Relaxed);
            });
        }
        tasks.shutdown().await;
    });
    assert_eq!(refused.load(Ordering::Relaxed), 0, "a device that may connect was refused");
    println!("{} {}", arrived.load(Ordering::Relaxed), process_time(std::process::id()).as_millis());
}

fn number(arguments: &[String], name: &str, otherwise: u32) -> u32 {
    let word = arguments.iter().position(|word| word == name).and_then(|at| arguments.get(at + 1));
    word.map_or(otherwise, |word| word.parse().expect("a number"))
}
