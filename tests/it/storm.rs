//! A9: devices that connect at once, each for the first time, while the responder is slow or silent.
//! `PCD_STORM=2000` is the size of the requirement:
//!
//!     PCD_STORM=2000 cargo test --all-features --test it storm:: -- --test-threads 1 --nocapture

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use pcd_platform::model::Clock;
use pcd_platform::pki::{Authority, OcspResponder, OcspSigner, TestPki};

use crate::harness::{Credential, Device, Platform, Server, Site, eventually, message, pki};
use crate::revocation::{certificate, site};

/// How long a device waits for its turn: the devices of a test share two cores with the platform.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(300);
/// Kibibytes of memory that the platform may take.
const MEMORY: u64 = 512 * 1024;

const UNDETERMINED: &str = r#"pcd_handshakes_total{reason="revocation-undetermined",result="refused"}"#;

fn size() -> usize {
    std::env::var("PCD_STORM").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

/// What became of it.
struct Storm {
    good: usize,
    /// Refused because nothing fresh was known.
    undetermined: f64,
    /// What the refused devices have seen.
    seen: BTreeMap<String, usize>,
    memory_kib: u64,
    threads: usize,
}

impl Storm {
    /// Whatever came of it, the platform took no more than it may.
    fn is_bounded(&self) -> &Self {
        assert!(self.memory_kib < MEMORY, "{} KiB", self.memory_kib);
        // A handshake that waits holds a thread, and there are 256 at once; the rest are the platform's own.
        assert!(self.threads < 256 + 128 + 64, "{} threads", self.threads);
        self
    }
}

/// One device's attempt: that its first message was acknowledged, or what it saw.
fn attempt(site: &Site, platform: &Platform, own: &Credential, name: &str) -> Result<(), String> {
    let described = |error: pcd_platform::interface_b::ClientError| {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            text = inner.to_string();
            cause = inner.source();
        }
        text
    };
    let mut device =
        Device::connect_within(site, platform.address, own, None, CONNECT_TIMEOUT).map_err(described)?;
    let answers = device.send(message(name, "1")).map_err(described)?;
    match answers[0].code.as_str() {
        "CA" => Ok(()),
        other => Err(other.to_owned()),
    }
}

fn status(platform: &Platform, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", platform.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

fn storm(delay: Duration, answers: bool, more: &[&str]) -> Storm {
    // All of them connect from one address.
    let site = site(more)
        .with("interface-a", "shared-addresses = [\"127.0.0.0/8\"]")
        // What is decided here is decided about revocation: the devices share two cores with the platform.
        .with("interface-a", "hello-timeout = \"2m\"")
        .with("interface-a", "handshake-timeout = \"5m\"");
    let dir = pki().certificate(Authority::RootEcc).parent().unwrap().parent().unwrap().to_owned();
    let own = TestPki::open(&dir, &Clock::system()).unwrap();
    let responder = OcspResponder::new(own, OcspSigner::Ca, SignedDuration::from_hours(1)).unwrap();
    let responder = Arc::new(responder);
    let prompt = Arc::clone(&responder);
    let server = Server::start(delay, Arc::new(move |request| answers.then(|| responder.answer(&request))));
    let prompt = Server::start(Duration::ZERO, Arc::new(move |request| Some(prompt.answer(&request))));
    // Requests by POST: what a test's server reads most easily.
    let url = |server: &Server| server.url(&"x".repeat(200));
    let names: Vec<String> = (0..size()).map(|number| format!("STORM-{number}")).collect();
    let make = |name: &str, server: &Server| certificate(&site, name, &[url(server)], &[]);
    let devices: Vec<_> = names.iter().map(|name| make(name, &server)).collect();
    let steady = make("STEADY", &prompt);
    let list = site.path().join("devices.csv");
    let rows: String = names.iter().map(|name| format!("{name}\n")).collect();
    std::fs::write(&list, format!("cn\nSTEADY\n{rows}")).unwrap();
    let platform = site.start();
    platform.cli().run(&["device", "import", list.to_str().unwrap()]);
    let all = f64::from(u32::try_from(names.len()).unwrap());
    eventually("the platform knows all of them", || platform.metric("pcd_directory_devices") == all + 1.0);

    let mut connected = None;
    eventually("the session is there that goes on", || {
        let device = Device::connect(&site, platform.address, &steady).ok();
        // In TLS 1.3 the refusal comes after the client's side of the handshake is done.
        let admitted = |mut device: Device| device.send(message("STEADY", "first")).is_ok().then_some(device);
        connected = device.and_then(admitted);
        connected.is_some()
    });
    let mut steady = connected.unwrap();
    let refused_before = platform.metric(UNDETERMINED);
    let over = AtomicBool::new(false);
    let (good, seen) = (Mutex::new(0), Mutex::new(BTreeMap::<String, usize>::new()));
    let (mut threads, mut undisturbed, mut slowest) = (0, 0, Duration::ZERO);
    let began = Instant::now();
    std::thread::scope(|scope| {
        // A session that was there before goes on as if nothing were.
        let session = scope.spawn(|| {
            let (mut sent, mut slowest, mut threads) = (0_u32, Duration::ZERO, 0);
            while !over.load(Ordering::Relaxed) {
                let began = Instant::now();
                assert_eq!(steady.code(message("STEADY", &sent.to_string())), "CA");
                slowest = slowest.max(began.elapsed());
                sent += 1;
                threads = threads.max(status(&platform, "Threads"));
                std::thread::sleep(Duration::from_millis(100));
            }
            (sent, slowest, threads)
        });
        let (site, platform, good, seen) = (&site, &platform, &good, &seen);
        let attempts: Vec<_> = devices
            .iter()
            .zip(&names)
            .map(|(own, name)| {
                scope.spawn(move || match attempt(site, platform, own, name) {
                    Ok(()) => *good.lock().unwrap() += 1,
                    Err(error) => *seen.lock().unwrap().entry(error).or_default() += 1,
                })
            })
            .collect();
        attempts.into_iter().for_each(|attempt| attempt.join().unwrap());
        over.store(true, Ordering::Relaxed);
        (undisturbed, slowest, threads) = session.join().unwrap();
    });
    let took = began.elapsed();
    // A refusal is counted when its peer has had time to read the alert.
    let refused = || platform.metric(UNDETERMINED) - refused_before;
    let good = good.into_inner().unwrap();
    eventually("every attempt is counted", || good as f64 + refused() >= devices.len() as f64);
    let undetermined = refused();
    let storm = Storm {
        good,
        undetermined,
        seen: seen.into_inner().unwrap_or_else(PoisonError::into_inner),
        memory_kib: status(&platform, "VmHWM"),
        threads: usize::try_from(threads).unwrap(),
    };
    println!(
        "{} devices, responder {delay:?}{}: {} accepted and {undetermined} undetermined in {took:?}; {undisturbed} \
         messages of a session beside them, the slowest {slowest:?}; {} KiB, {} threads; {:?}",
        devices.len(),
        if answers { "" } else { " and no answer" },
        storm.good,
        storm.memory_kib,
        storm.threads,
        storm.seen
    );
    assert!(undisturbed > 0);
    storm
}

// A9: a cold cache and a slow responder.
#[test]
fn a_storm_on_a_slow_responder_is_decided_rightly() {
    let storm = storm(Duration::from_millis(200), true, &["deadline = \"2m\"", "fetch-timeout = \"1m\""]);
    assert_eq!((storm.is_bounded().good, storm.undetermined), (size(), 0.0), "{:?}", storm.seen);
}

// A9: the responder takes longer than a handshake may: no device is admitted without an answer, and none
// waits for all of them.
#[test]
fn a_storm_on_a_responder_that_takes_ten_seconds_is_refused_in_time() {
    let storm = storm(Duration::from_secs(10), true, &["deadline = \"2s\""]);
    let all = f64::from(u32::try_from(size()).unwrap());
    assert_eq!((storm.is_bounded().good, storm.undetermined), (0, all), "{:?}", storm.seen);
}

// A9: no responder answers, and nothing is cached: every device is refused, and the platform lives.
#[test]
fn a_storm_on_a_responder_that_never_answers_is_refused() {
    let storm = storm(Duration::from_secs(600), false, &["deadline = \"2s\"", "fetch-timeout = \"1s\""]);
    let all = f64::from(u32::try_from(size()).unwrap());
    assert_eq!((storm.is_bounded().good, storm.undetermined), (0, all), "{:?}", storm.seen);
}

// A9.2: no responder answers, and the installed CRL decides: every device is admitted.
#[test]
fn a_storm_without_a_responder_is_decided_by_the_installed_crl() {
    let crls = pki().crl(Authority::RootEcc);
    let crls = format!("installed-crls = [{:?}]", crls.parent().unwrap());
    let storm =
        storm(Duration::from_secs(600), false, &[&crls, "fetch-timeout = \"1s\"", "deadline = \"2m\""]);
    assert_eq!(storm.is_bounded().good, size(), "{:?}", storm.seen);
}
