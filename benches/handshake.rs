//! What a full mutual handshake costs the server: processor time and memory, for each suite, beside rustls
//! with its own provider and beside nginx. Figures and how to read them are in
//! `docs/explanation/benchmarks.md`.
//!
//! Wall-clock time says little on a machine that others use as well; so the processor time of the server's
//! thread (of the worker process, for nginx) is measured, and the variants take turns, round by round.
//!
//! `--rounds N`, `--handshakes N` (of a round), `--only VARIANT`, `--suite SUITE`: the last two for a
//! profiler, whose counts of instructions do not depend on what else the machine does (the server's thread is
//! called `server`).

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

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pcd_platform::authz::DirectoryHandle;
use pcd_platform::metrics::Metrics;
use pcd_platform::model::Clock;
use pcd_platform::pki::KeyType;
use pcd_platform::revocation::ocsp::Request;
use pcd_platform::revocation::{CertIdHash, Engine, IssuedCertificate, Issuer};
use pcd_platform::tls::ChainStaples;
use pcd_platform::tls::provider::{Settings, provider};
use pcd_platform::tls::status_request_v2;
use pcd_platform::tls::{Acceptor, Secured};
use pcd_platform::tls::{PlatformCertificates, PlatformIdentity};
use pcd_platform::x509::CertificateFacts;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateRevocationListDer, ServerName};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, Stream, SupportedProtocolVersion};
use tokio_rustls::TlsAcceptor;

use site::{Site, processor_time};

const SUITES: [&str; 7] = [
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256",
];
const TLS13: &str = "TLS13_AES_256_GCM_SHA384";
/// The suites in which the variants are compared: those that every variant has.
const COMPARED: [&str; 2] = [SUITES[0], TLS13];
/// What is compared with what: processor time for one handshake.
const RATIOS: [(&str, &str); 4] =
    [(PROVIDER, RUSTLS), (STAPLING, PROVIDER), (PLATFORM, RUSTLS), (NGINX, PLATFORM)];

/// The whole of it: from the accepted connection to the authorized device.
const PLATFORM: &str = "platform";
/// Our provider, with rustls' own verifier of clients.
const PROVIDER: &str = "provider";
/// The same with two responses stapled, through the layer under rustls that puts each in its place.
const STAPLING: &str = "stapling";
/// rustls with the provider and the verifier that it comes with.
const RUSTLS: &str = "rustls";
const NGINX: &str = "nginx";

/// Counts what the server's threads allocate.
struct Counting;

thread_local! {
    static COUNTS: Cell<bool> = const { Cell::new(false) };
    static ALLOCATED: Cell<i64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

fn count(allocated: usize, freed: usize) {
    if COUNTS.try_with(Cell::get).unwrap_or(false) {
        let bytes = |size| i64::try_from(size).unwrap_or(i64::MAX);
        ALLOCATED.with(|all| all.set(all.get() + bytes(allocated)));
        LIVE.with(|live| live.set(live.get() + bytes(allocated) - bytes(freed)));
    }
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What one round of handshakes cost.
#[derive(Clone, Copy)]
struct Cost {
    /// Processor time for one handshake.
    time: Duration,
    /// Bytes allocated during one.
    allocated: i64,
    /// Bytes that a connection which is open keeps.
    open: i64,
    /// Bytes that stay when it is closed: its session, for resumption.
    kept: i64,
}

enum Turn {
    Round(u32, mpsc::Sender<Cost>),
}

/// A server on a thread of its own.
struct Server {
    address: SocketAddr,
    requests: mpsc::Sender<Turn>,
}

impl Server {
    /// Ours, from the listening socket to the authorized connection.
    fn ours(site: &Site, revocation: Engine) -> Self {
        let config = site.config();
        let directory: DirectoryHandle = DirectoryHandle::default();
        directory.store(Arc::new(site.directory()));
        let acceptor = Acceptor::build(&config, directory, revocation, Clock::system()).expect("an acceptor");
        let acceptor = Arc::new(acceptor);
        Self::start(move |tcp, from| {
            let acceptor = Arc::clone(&acceptor);
            Box::pin(async move {
                let secured: Secured = acceptor.accept(tcp, from).await.expect("a handshake");
                Box::new(secured) as Box<dyn std::any::Any>
            })
        })
    }

    /// rustls' own verifier under a provider: the same certificates, the same CRLs, and no directory.
    fn plain(site: &Site, provider: CryptoProvider) -> Self {
        let provider = Arc::new(provider);
        let roots = Arc::new(site.roots());
        let crls = site.crls().into_iter().map(CertificateRevocationListDer::from);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .with_crls(crls)
            .build()
            .expect("a verifier");
        let (chain, key) = site.platform("ecc");
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .expect("an identity");
        config.ignore_client_order = true;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::start(move |tcp, _| {
            let acceptor = acceptor.clone();
            Box::pin(async move {
                Box::new(acceptor.accept(tcp).await.expect("a handshake")) as Box<dyn std::any::Any>
            })
        })
    }

    /// The same as the variant `provider`, with two responses stapled. `layered` is the way of the platform,
    /// with every staple in its place; otherwise rustls is left alone with it.
    fn stapling(site: &Site, layered: bool) -> Self {
        let config = stapling_config(site);
        Self::start(move |tcp, _| {
            let config = Arc::clone(&config);
            Box::pin(async move {
                if layered {
                    let done = status_request_v2::accept(config, tcp).await;
                    // A client that only wants to see the flight has gone.
                    Box::new(done.ok()) as Box<dyn std::any::Any>
                } else {
                    Box::new(TlsAcceptor::from(config).accept(tcp).await.ok())
                }
            })
        })
    }

    fn start<F>(accept: F) -> Self
    where
        F: Fn(tokio::net::TcpStream, SocketAddr) -> site::LocalFuture + Send + 'static,
    {
        let (requests, incoming) = mpsc::channel::<Turn>();
        let (ready, address) = mpsc::channel();
        let named = thread::Builder::new().name("server".to_owned());
        let serving = move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
            ready.send(listener.local_addr().expect("an address")).expect("the caller waits");
            while let Ok(Turn::Round(handshakes, answer)) = incoming.recv() {
                let cost = runtime.block_on(round(&listener, &accept, handshakes));
                // The caller may be gone.
                let _ = answer.send(cost);
            }
        };
        named.spawn(serving).expect("a thread");
        Self { address: address.recv().expect("an address"), requests }
    }

    fn measure(&self, client: &Client, handshakes: u32) -> Cost {
        let (answer, cost) = mpsc::channel();
        self.requests.send(Turn::Round(handshakes, answer)).expect("a server");
        let connections: Vec<_> = (0..handshakes).map(|_| client.connect(self.address)).collect();
        drop(connections);
        cost.recv().expect("a cost")
    }

    /// The cost up to the last byte of the server's flight.
    fn measure_flights(&self, hello: &[u8], flights: u32) -> Cost {
        let (answer, cost) = mpsc::channel();
        self.requests.send(Turn::Round(flights, answer)).expect("a server");
        (0..flights).for_each(|_| see_flight(self.address, hello));
        cost.recv().expect("a cost")
    }
}

fn stapling_config(site: &Site) -> Arc<ServerConfig> {
    let provider = Arc::new(provider(Settings::default()));
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(site.roots()), Arc::clone(&provider))
        .with_crls(site.crls().into_iter().map(CertificateRevocationListDer::from))
        .build()
        .expect("a verifier");
    let (chain, key) = site.platform("ecc");
    let certified = CertifiedKey::from_der(chain, key, &provider).expect("a key");
    let identity = PlatformIdentity::new(Some(Arc::new(certified)), None).expect("an identity");
    // As long as a response with the certificate of its signer.
    let staples = ChainStaples::new(vec![Some(vec![0; 1500].into()); 2]);
    identity.ecc().expect("an identity").set_staples(staples);
    let certificates = PlatformCertificates::new(&provider, identity);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(certificates));
    config.ignore_client_order = true;
    Arc::new(config)
}

/// A ClientHello of TLS 1.2 in a record, with ECDHE_ECDSA on P-256 and this extension beside what it needs.
fn hello(extension: &[u8]) -> Vec<u8> {
    let counted = |content: &[u8]| {
        let length = u16::try_from(content.len()).expect("it is short").to_be_bytes();
        [&length[..], content].concat()
    };
    // supported_groups, signature_algorithms
    let necessary = [0, 10, 0, 4, 0, 2, 0, 0x17, 0, 13, 0, 4, 0, 2, 4, 3];
    let extensions = counted(&[&necessary[..], extension].concat());
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0xc0, 0x2c, 1, 0], &extensions].concat();
    [&[22, 3, 1][..], &counted(&[&[1, 0][..], &counted(&body)].concat())].concat()
}

/// Says this, and goes when ServerHelloDone has come.
fn see_flight(of: SocketAddr, hello: &[u8]) {
    let mut tcp = TcpStream::connect(of).expect("a connection");
    tcp.write_all(hello).expect("a hello");
    let mut flight = Vec::new();
    let mut some = [0; 16 * 1024];
    while !flight.ends_with(&[14, 0, 0, 0]) {
        let read = tcp.read(&mut some).expect("a flight");
        assert!(read > 0, "the server has refused the hello");
        flight.extend_from_slice(&some[..read]);
    }
}

/// The path of a device as the verifier makes it.
fn path(site: &Site, own: &site::Credential) -> Arc<[IssuedCertificate]> {
    let read = |der: &[u8]| Arc::new(CertificateFacts::read(der).expect("a certificate"));
    let chain: Vec<_> = own.chain().iter().map(|der| read(der)).collect();
    let roots: Vec<_> = site.root_certificates().iter().map(|der| read(der)).collect();
    let issuer = |certificate: &CertificateFacts| {
        let above = chain.iter().chain(&roots).find(|other| other.subject == certificate.issuer);
        Arc::new(Issuer::from_certificate(above.expect("an issuer")))
    };
    let link = |certificate: &Arc<CertificateFacts>| IssuedCertificate {
        certificate: Arc::clone(certificate),
        issuer: issuer(certificate),
    };
    chain.iter().map(link).collect()
}

/// An engine that has a kept OCSP response for each certificate of these paths: no call waits.
fn warm(site: &Site, paths: &[Arc<[IssuedCertificate]>]) -> Engine {
    let config = site.config().revocation;
    let folder = config.directory.join("ocsp");
    fs::create_dir_all(&folder).expect("a folder");
    let responder = site.responder();
    for link in paths.iter().flat_map(|path| path.iter()) {
        let name: String = link.identity().iter().map(|octet| format!("{octet:02x}")).collect();
        let answer = responder.answer(&Request::for_certificate(link, CertIdHash::Sha1, None).to_der());
        fs::write(folder.join(format!("{name}.der")), answer).expect("a file");
    }
    let metrics = Metrics::new().expect("metrics");
    let engine = Engine::open(&config, metrics, Clock::system()).expect("what is known of revocation");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for path in paths {
        runtime.block_on(engine.check(path));
        assert!(engine.try_check(path).is_some(), "something would have to be asked");
    }
    engine
}

/// What the check of revocation is of a handshake: reading the CA's certificate for it, and looking both
/// links up.
fn revocation(site: &Site, own: &site::Credential, engine: &Engine) -> Duration {
    const TIMES: u32 = 2000;
    let (path, chain) = (path(site, own), own.chain());
    let began = processor_time("thread-self");
    for _ in 0..TIMES {
        let ca = CertificateFacts::read(&chain[1]).expect("a certificate");
        std::hint::black_box(Issuer::from_certificate(&ca));
        std::hint::black_box(engine.try_check(std::hint::black_box(&path)));
    }
    (processor_time("thread-self") - began) / TIMES
}

async fn round<F>(listener: &tokio::net::TcpListener, accept: &F, handshakes: u32) -> Cost
where
    F: Fn(tokio::net::TcpStream, SocketAddr) -> site::LocalFuture,
{
    let mut open = Vec::with_capacity(handshakes as usize);
    let began = processor_time("thread-self");
    COUNTS.set(true);
    let (allocated, live) = (ALLOCATED.get(), LIVE.get());
    for _ in 0..handshakes {
        let (tcp, from) = listener.accept().await.expect("a connection");
        tcp.set_nodelay(true).expect("a socket option");
        open.push(accept(tcp, from).await);
    }
    let time = processor_time("thread-self") - began;
    let each = |bytes: i64| bytes / i64::from(handshakes);
    let allocated = each(ALLOCATED.get() - allocated);
    let opened = LIVE.get() - live;
    drop(open);
    let kept = LIVE.get() - live;
    COUNTS.set(false);
    Cost { time: time / handshakes, allocated, open: each(opened - kept), kept: each(kept) }
}

/// A client with one suite, which never resumes.
struct Client(Arc<ClientConfig>);

impl Client {
    fn new(site: &Site, provider: CryptoProvider, suite: &str, own: &site::Credential) -> Self {
        let mut provider = provider;
        provider.cipher_suites.retain(|known| known.suite().as_str() == Some(suite));
        // The group that rustls' own server would choose as well.
        let version: &[&SupportedProtocolVersion] =
            if suite.starts_with("TLS13") { &[&rustls::version::TLS13] } else { &[&rustls::version::TLS12] };
        provider.kx_groups.retain(|group| group.name() != rustls::NamedGroup::X25519MLKEM768);
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(version)
            .expect("a version")
            .with_root_certificates(site.roots())
            .with_client_auth_cert(own.chain(), own.key())
            .expect("an identity");
        config.resumption = Resumption::disabled();
        Self(Arc::new(config))
    }

    fn connect(&self, to: SocketAddr) -> (TcpStream, ClientConnection) {
        let mut tcp = TcpStream::connect(to).expect("a connection");
        tcp.set_nodelay(true).expect("a socket option");
        let name = ServerName::from(to.ip());
        let mut connection = ClientConnection::new(Arc::clone(&self.0), name).expect("a client");
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp).expect("a handshake");
        }
        (tcp, connection)
    }
}

/// nginx with the same certificates, roots and CRLs; one worker.
struct Nginx {
    child: Child,
    address: SocketAddr,
    worker: u32,
    _folder: tempfile::TempDir,
}

impl Nginx {
    fn start(site: &Site) -> Option<Self> {
        let binary =
            ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].into_iter().find(|path| Path::new(path).exists())?;
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        fs::write(at("roots.pem"), site.roots_pem()).expect("a file");
        fs::write(at("crls.pem"), site.crls_pem()).expect("a file");
        let (chain, key) = site.platform_files("ecc");
        let config = format!(
            "daemon off; user root; worker_processes 1; error_log {log}; pid {pid};\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; client_body_temp_path {tmp}/b; proxy_temp_path {tmp}/p; fastcgi_temp_path {tmp}/f;\n\
             uwsgi_temp_path {tmp}/u; scgi_temp_path {tmp}/s;\n\
             server {{ listen {port} ssl; ssl_certificate {chain}; ssl_certificate_key {key};\n\
             ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384; ssl_session_cache off;\n\
             ssl_session_tickets off; ssl_verify_client on; ssl_verify_depth 3;\n\
             ssl_client_certificate {roots}; ssl_crl {crls}; location / {{ return 204; }} }} }}\n",
            log = at("log"),
            pid = at("pid"),
            tmp = folder.path().display(),
            chain = chain.display(),
            key = key.display(),
            roots = at("roots.pem"),
            crls = at("crls.pem"),
        );
        fs::write(at("nginx.conf"), config).expect("a file");
        let child = Command::new(binary)
            .args(["-c", &at("nginx.conf"), "-p", &folder.path().display().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx");
        let mut nginx = Self { child, address: port, worker: 0, _folder: folder };
        let children = format!("/proc/{0}/task/{0}/children", nginx.child.id());
        for _ in 0..100 {
            thread::sleep(Duration::from_millis(50));
            let worker = fs::read_to_string(&children).unwrap_or_default();
            if let Some(worker) = worker.split_whitespace().next()
                && TcpStream::connect(port).is_ok()
            {
                nginx.worker = worker.parse().expect("a number");
                return Some(nginx);
            }
        }
        println!("nginx did not start");
        None
    }

    fn measure(&self, client: &Client, handshakes: u32) -> Cost {
        let began = processor_time(&self.worker.to_string());
        for _ in 0..handshakes {
            let (mut tcp, mut connection) = client.connect(self.address);
            // Whether the client's certificate is good, nginx says in its answer.
            let mut stream = Stream::new(&mut connection, &mut tcp);
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("a request");
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).expect("an answer");
            assert_eq!(&answer, b"HTTP/1.1 204", "nginx has refused the client");
        }
        let time = (processor_time(&self.worker.to_string()) - began) / handshakes;
        Cost { time, allocated: 0, open: 0, kept: 0 }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            // The master ends its worker; a killed one could not.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

/// Makes so many handshakes; what each of them cost.
type Measure = Box<dyn Fn(&Client, u32) -> Cost>;

/// Something that handshakes are made with.
struct Variant {
    name: &'static str,
    server: Measure,
    /// Whether it has every suite, or those that are compared.
    every_suite: bool,
}

impl Variant {
    fn of(name: &'static str, server: Server, every_suite: bool) -> Self {
        Self {
            name,
            server: Box::new(move |client, handshakes| server.measure(client, handshakes)),
            every_suite,
        }
    }

    fn has(&self, suite: &str) -> bool {
        self.every_suite || COMPARED.contains(&suite)
    }
}

/// What the command line says; cargo adds words of its own.
struct Arguments {
    rounds: usize,
    handshakes: u32,
    only: Option<String>,
    suite: Option<String>,
}

impl Arguments {
    fn read() -> Self {
        let words: Vec<String> = std::env::args().collect();
        let after =
            |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1)).cloned();
        let number = |name: &str, otherwise: u32| {
            after(name).map_or(otherwise, |word| word.parse().expect("a number"))
        };
        Self {
            rounds: number("--rounds", 7) as usize,
            handshakes: number("--handshakes", 60),
            only: after("--only"),
            suite: after("--suite"),
        }
    }
}

fn main() {
    let arguments = Arguments::read();
    let wanted = |name: &str| arguments.only.as_deref().is_none_or(|only| only == name);
    let site = Site::new();
    let [ecc, rsa] = [KeyType::Ecc, KeyType::Rsa].map(|key| site.device("MONITOR", key));
    let engine = warm(&site, &[path(&site, &ecc), path(&site, &rsa)]);
    let mut variants = Vec::new();
    if wanted(PLATFORM) {
        variants.push(Variant::of(PLATFORM, Server::ours(&site, engine.clone()), true));
    }
    if wanted(PROVIDER) {
        variants.push(Variant::of(PROVIDER, Server::plain(&site, provider(Settings::default())), false));
    }
    if wanted(RUSTLS) {
        let own = rustls::crypto::aws_lc_rs::default_provider();
        variants.push(Variant::of(RUSTLS, Server::plain(&site, own), false));
    }
    if wanted(STAPLING) {
        variants.push(Variant::of(STAPLING, Server::stapling(&site, true), false));
    }
    match wanted(NGINX).then(|| Nginx::start(&site)) {
        None => {}
        Some(None) => println!("nginx is not installed (Debian: apt-get install nginx-light)"),
        Some(Some(nginx)) => variants.push(Variant {
            name: NGINX,
            server: Box::new(move |client, handshakes| nginx.measure(client, handshakes)),
            every_suite: false,
        }),
    }
    let suites: Vec<&str> = SUITES.into_iter().chain([TLS13]).collect();
    let of = |suite: &str| if suite.contains("RSA") { &rsa } else { &ecc };
    let client = |suite: &&str| Client::new(&site, provider(Settings::default()), suite, of(suite));
    let clients: Vec<_> = suites.iter().map(client).collect();
    // By variant and suite, one cost for each round.
    let mut costs = vec![vec![Vec::new(); suites.len()]; variants.len()];
    let mut checks = Vec::new();
    for round in 0..=arguments.rounds {
        let check = revocation(&site, &ecc, &engine);
        if round > 0 {
            checks.push(check);
        }
        let measured = |suite: &str| arguments.suite.as_deref().is_none_or(|only| only == suite);
        for (at, (suite, client)) in suites.iter().zip(&clients).enumerate() {
            if !measured(suite) {
                continue;
            }
            for turn in 0..variants.len() {
                // None is always the first, or always behind the same one.
                let which = (turn + round) % variants.len();
                if variants[which].has(suite) {
                    let cost = (variants[which].server)(client, arguments.handshakes);
                    // The first round warms up.
                    if round > 0 {
                        costs[which][at].push(cost);
                    }
                }
            }
        }
    }
    println!(
        "{:10} {:40} {:>9} {:>9} {:>11} {:>9} {:>8}",
        "full mutual handshake", "", "µs", "per s", "allocated B", "open B", "kept B"
    );
    for (variant, costs) in variants.iter().zip(&costs) {
        for (suite, costs) in suites.iter().zip(costs).filter(|(_, costs)| !costs.is_empty()) {
            let mut costs = costs.clone();
            costs.sort_by_key(|cost| cost.time);
            let Cost { time, allocated, open, kept } = costs[costs.len() / 2];
            println!(
                "{:10} {suite:40} {:>9} {:>9.0} {allocated:>11} {open:>9} {kept:>8}",
                variant.name,
                time.as_micros(),
                1.0 / time.as_secs_f64()
            );
        }
    }
    if wanted(STAPLING) && arguments.suite.is_none() {
        flights(&site, &arguments);
    }
    for suite in COMPARED {
        let at = suites.iter().position(|known| *known == suite).expect("a suite");
        let times = |name: &str| {
            let which = variants.iter().position(|variant| variant.name == name)?;
            Some(costs[which][at].iter().map(|cost| cost.time.as_secs_f64()))
        };
        if let Some(whole) = times(PLATFORM) {
            let shares = whole.zip(&checks).map(|(whole, check)| whole / (whole - check.as_secs_f64()));
            let (low, middle, high) = spread(shares);
            let mut sorted = checks.clone();
            sorted.sort();
            println!(
                "{suite}: {PLATFORM} / the same without revocation = {middle:.3} ({low:.3} to {high:.3}); {} µs for a check",
                sorted[sorted.len() / 2].as_micros()
            );
        }
        for (one, other) in RATIOS {
            if let (Some(one_times), Some(other_times)) = (times(one), times(other)) {
                let (low, middle, high) = spread(one_times.zip(other_times).map(|(one, other)| one / other));
                println!("{suite}: {one} / {other} = {middle:.3} ({low:.3} to {high:.3}; processor time)");
            }
        }
    }
}

/// What the layer under rustls costs up to the end of the server's flight, for clients that no TLS library at
/// hand is.
fn flights(site: &Site, arguments: &Arguments) {
    let v2 = [0, 17, 0, 9, 0, 7, 2, 0, 4, 0, 0, 0, 0];
    let hellos = [
        ("offers neither", hello(&[])),
        ("offers 5", hello(&[0, 5, 0, 5, 1, 0, 0, 0, 0])),
        ("offers 17", hello(&v2)),
    ];
    let [with, without] = [true, false].map(|layered| Server::stapling(site, layered));
    for (what, hello) in hellos {
        let mut costs = Vec::new();
        for round in 0..=arguments.rounds {
            let measure =
                |server: &Server| server.measure_flights(&hello, arguments.handshakes).time.as_secs_f64();
            let pair = if round % 2 == 0 {
                let first = measure(&with);
                (first, measure(&without))
            } else {
                let first = measure(&without);
                (measure(&with), first)
            };
            // The first round warms up.
            if round > 0 {
                costs.push(pair);
            }
        }
        let (_, with_layer, _) = spread(costs.iter().map(|cost| cost.0 * 1e6));
        let (_, without_layer, _) = spread(costs.iter().map(|cost| cost.1 * 1e6));
        let (low, middle, high) = spread(costs.iter().map(|(with, without)| (with - without) * 1e6));
        println!(
            "a flight in TLS 1.2, client {what}: {with_layer:.1} µs, {without_layer:.1} µs without the layer; \
             it costs {middle:.1} µs ({low:.1} to {high:.1})"
        );
    }
}

/// The quartiles: rounds of one turn are compared with one another, since the machine has other things to do.
fn spread(ratios: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut sorted: Vec<_> = ratios.collect();
    sorted.sort_by(f64::total_cmp);
    let at = |share: usize| sorted[(sorted.len() - 1) * share / 4];
    (at(1), at(2), at(3))
}
