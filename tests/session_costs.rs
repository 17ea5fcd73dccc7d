//! What a session holds while it waits, and what a message costs: bytes and allocations of the whole
//! platform. Unlike resident memory and time, they do not depend on the machine, so they cannot grow unseen.
//!
//! What C libraries allocate (the keys of a TLS connection in AWS-LC, SQLite) is not counted.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test of its own process")]
#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test waits for other threads by the machine's clock, and stops where it meets the unexpected"
)]

#[path = "../benches/site/mod.rs"]
mod site;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use pcd_platform::app::{Platform, Signals};
use pcd_platform::interface_a::PassedSockets;
use pcd_platform::interface_b::Observation;
use pcd_platform::model::Clock;
use pcd_platform::pki::KeyType;
use pcd_platform::store::MigrationPolicy;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, StreamOwned, SupportedProtocolVersion};
use tokio_util::sync::CancellationToken;

use site::Site;

/// Counts what every thread but those of the clients allocates.
struct Counting;

static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);
static ALLOCATIONS: AtomicI64 = AtomicI64::new(0);

thread_local! {
    static IS_CLIENT: Cell<bool> = const { Cell::new(false) };
}

fn count(allocations: i64, allocated: usize, freed: usize) {
    if !IS_CLIENT.try_with(Cell::get).unwrap_or(false) {
        let bytes = |size| i64::try_from(size).unwrap_or(i64::MAX);
        LIVE_BYTES.fetch_add(bytes(allocated) - bytes(freed), Ordering::Relaxed);
        ALLOCATIONS.fetch_add(allocations, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), 0);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, 0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The counts are those of the process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

type Session = StreamOwned<ClientConnection, TcpStream>;

/// A platform in this process, and the devices that it knows.
struct Ward {
    site: Site,
    names: Vec<String>,
    address: SocketAddr,
    admin: SocketAddr,
    stopper: CancellationToken,
    serving: Option<thread::JoinHandle<()>>,
}

impl Ward {
    fn new(devices: usize) -> Self {
        let site = Site::new();
        let names: Vec<_> = (0..devices).map(|number| format!("PUMP-{number}")).collect();
        for name in &names {
            site.device(name, KeyType::Ecc);
        }
        let list = site.path().join("devices.csv");
        std::fs::write(
            &list,
            names.iter().fold("cn,kind\n".to_owned(), |csv, name| csv + name + ",device\n"),
        )
        .unwrap();
        for words in [&["store", "migrate"][..], &["device", "import", list.to_str().unwrap()]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_pcd-platform"));
            let output =
                command.args(words).env("PCD_CONFIG", site.path().join("platform.toml")).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let (config, (bound, listening)) = (site.config(), mpsc::channel());
        let serving = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.unwrap().block_on(async {
                let platform =
                    Platform::build(config, MigrationPolicy::Never, Clock::system()).await.unwrap();
                let signals = Signals::listen().unwrap();
                let serves = platform.bind(PassedSockets::default()).unwrap();
                bound.send((serves.addresses()[0], serves.admin_address(), serves.stopper())).unwrap();
                serves.run(signals).await.unwrap();
            });
        });
        let (address, admin, stopper) = listening.recv().expect("a platform");
        Self { site, names, address, admin, stopper, serving: Some(serving) }
    }

    /// Opens the sessions of these devices and has `with` do something with them. The clients live on a
    /// thread of their own.
    fn with_sessions<T: Send>(
        &self,
        names: &[String],
        version: &'static SupportedProtocolVersion,
        with: impl FnOnce(&mut [Session]) -> T + Send,
    ) -> T {
        thread::scope(|scope| {
            let client = scope.spawn(|| {
                IS_CLIENT.set(true);
                let mut sessions: Vec<_> = names.iter().map(|name| self.open(name, version)).collect();
                with(&mut sessions)
            });
            client.join().expect("the clients")
        })
    }

    fn open(&self, name: &str, version: &'static SupportedProtocolVersion) -> Session {
        let at = |end: &str| self.site.path().join("pki/device").join(format!("{name}.ecc.{end}"));
        let own = site::Credential { chain: at("chain.pem"), key: at("key") };
        let config =
            ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(self.site.roots())
                .with_client_auth_cert(own.chain(), own.key())
                .unwrap();
        let connection =
            ClientConnection::new(Arc::new(config), ServerName::from(self.address.ip())).unwrap();
        let tcp = TcpStream::connect(self.address).unwrap();
        tcp.set_nodelay(true).unwrap();
        let mut session = StreamOwned::new(connection, tcp);
        while session.conn.is_handshaking() {
            session.conn.complete_io(&mut session.sock).unwrap();
        }
        session
    }

    /// Waits until so many sessions are open.
    fn await_sessions(&self, sessions: usize) {
        let expected = format!("\npcd_connections_active {sessions}\n");
        eventually("the sessions are open", || self.metrics().contains(&expected));
    }

    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Ward {
    fn drop(&mut self) {
        self.stopper.cancel();
        if let Some(serving) = self.serving.take() {
            let ended = serving.join();
            assert!(ended.is_ok() || thread::panicking(), "the platform has failed");
        }
    }
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !is_so() {
        assert!(Instant::now() < end, "{what}: not within a minute");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The bytes that are allocated while nothing happens: the least of some seconds, because the tasks of the
/// platform allocate now and then.
fn quiet_bytes() -> i64 {
    let sample = |_| {
        thread::sleep(Duration::from_millis(20));
        LIVE_BYTES.load(Ordering::Relaxed)
    };
    (0..100).map(sample).min().unwrap_or_default()
}

/// Sends a message and reads its acknowledgement.
fn exchange(session: &mut Session, device: &str, number: u32) {
    let control_id = format!("N{number}");
    let observation = Observation {
        sender: device,
        equipment: device,
        control_id: &control_id,
        at: Clock::system().now(),
        saturation: 97,
        pulse: 71,
    };
    let frame = [b"\x0B", observation.to_message().as_ref(), b"\x1C\r"].concat();
    session.write_all(&frame).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x1C\r") {
        let mut part = [0; 4096];
        let read = session.read(&mut part).unwrap();
        assert!(read > 0, "the platform has closed");
        answer.extend_from_slice(&part[..read]);
    }
    assert!(String::from_utf8_lossy(&answer).contains(&format!("MSA|CA|{control_id}")));
}

/// Of sessions alone: what the platform knows of their devices is there before.
#[test]
fn an_idle_session_holds_a_bounded_number_of_bytes() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let ward = Ward::new(FEW + MANY);
    let (few, many) = ward.names.split_at(FEW);
    let mut number = 0;
    let mut use_sessions = |sessions: &mut [Session], names: &[String]| {
        number += 1;
        for (session, name) in sessions.iter_mut().zip(names) {
            exchange(session, name, number);
        }
    };
    for version in [&TLS13, &TLS12] {
        ward.with_sessions(&ward.names, version, |sessions| use_sessions(sessions, &ward.names));
        ward.await_sessions(0);
        let held = ward.with_sessions(few, version, |_| {
            ward.await_sessions(FEW);
            let before = quiet_bytes();
            ward.with_sessions(many, version, |sessions| {
                use_sessions(sessions, many);
                ward.await_sessions(FEW + MANY);
                let (mut held, mut seen) = (i64::MAX, Vec::new());
                let end = Instant::now() + Duration::from_mins(1);
                while held > MAX_IDLE_BYTES && Instant::now() < end {
                    held = (quiet_bytes() - before) / i64::try_from(MANY).unwrap();
                    seen.push(held);
                }
                assert!(held <= MAX_IDLE_BYTES, "{version:?}: {seen:?} bytes");
                held
            })
        });
        println!("{version:?}: an idle session holds {held} bytes");
        ward.await_sessions(0);
    }
}

#[test]
fn a_message_costs_a_bounded_number_of_allocations() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let ward = Ward::new(1);
    let name = ward.names[0].as_str();
    let spent = ward.with_sessions(&ward.names, &TLS13, |sessions| {
        (0..MESSAGES).for_each(|number| exchange(&mut sessions[0], name, number));
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        (MESSAGES..2 * MESSAGES).for_each(|number| exchange(&mut sessions[0], name, number));
        (ALLOCATIONS.load(Ordering::Relaxed) - before) / i64::from(MESSAGES)
    });
    println!("a message costs {spent} allocations");
    assert!(spent <= MAX_ALLOCATIONS, "{spent} allocations");
}

/// Sessions that are open before the others, so that what is allocated once does not count.
const FEW: usize = 16;
/// Sessions that are measured.
const MANY: usize = 64;
/// Bytes of an idle session in an unoptimised build, its place in the cache of TLS sessions included.
const MAX_IDLE_BYTES: i64 = 16 * 1024;
/// Messages in a row, each sent when the one before was acknowledged.
const MESSAGES: u32 = 300;
/// Allocations of the whole platform for a message: TLS, HL7, store, audit, acknowledgement.
const MAX_ALLOCATIONS: i64 = 500;
