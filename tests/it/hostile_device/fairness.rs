//! One device sends the most expensive messages that it can; how long do others wait?
//!
//! `PCD_FAIRNESS=10` measures for so many seconds each, without and with the attack in turn:
//!
//!     PCD_FAIRNESS=10 cargo test --all-features --test it hostile_device::fairness -- --nocapture

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{ask, large, requested};
use crate::harness::{Credential, Platform, Site, Wire, framed, message};
use pcd_platform::pki::KeyType;

/// What the hostile device sends.
#[derive(Debug, Clone, Copy)]
enum Attack {
    /// 2 MiB that name as many devices as a message may, and are accepted.
    Identities,
    /// 2 MiB that name more, and are rejected.
    TooManyIdentities,
    /// 2 MiB without anything else.
    Large,
    /// The largest messages by default: 16 MiB.
    Largest,
    /// The smallest messages that are accepted.
    Tiny,
}

impl Attack {
    const ALL: [Self; 5] =
        [Self::Identities, Self::TooManyIdentities, Self::Large, Self::Largest, Self::Tiny];

    fn message(self, id: &str) -> Vec<u8> {
        let named = |count: usize| {
            let mut text = String::from_utf8(message("HOSTILE", id).to_vec()).unwrap();
            for number in 0..count {
                let _ = write!(
                    text,
                    "OBX|{number}|ST|1^X|1.0.0.{number}|1||||||R|||||||M^^{number:016X}^EUI-64\r"
                );
            }
            let missing = 1_990_000_usize.saturating_sub(text.len());
            text + &format!("NTE|1||{}\r", "x".repeat(1000)).repeat(missing / 1010)
        };
        match self {
            Self::Identities => named(1000).into_bytes(),
            Self::TooManyIdentities => named(24_000).into_bytes(),
            Self::Large => large("HOSTILE", id, 1_990_000),
            Self::Largest => large("HOSTILE", id, 16_700_000),
            Self::Tiny => message("HOSTILE", id).to_vec(),
        }
    }

    /// Sends on one session until `is_over`, some messages ahead of the answers.
    fn run(
        self,
        site: &Site,
        platform: &Platform,
        own: &Credential,
        name: usize,
        is_over: &AtomicBool,
    ) -> usize {
        let mut wire = Wire::connect(site, platform.address, own);
        let ahead = if matches!(self, Self::Tiny) { 64 } else { 2 };
        let (mut sent, mut answered) = (0, 0);
        // Made once: the attacker's own work is not to be measured.
        let template = String::from_utf8(self.message("@@@@@@@@@@@@")).unwrap();
        while !is_over.load(Ordering::Relaxed) {
            while sent - answered < ahead {
                let id = format!("{name:04}{sent:08}");
                if wire.try_write(&framed(template.replacen("@@@@@@@@@@@@", &id, 1).as_bytes())).is_err() {
                    return sent;
                }
                sent += 1;
            }
            match wire.try_answer() {
                Ok(Some(_)) => {}
                ended => panic!("{self:?}: {ended:?}"),
            }
            answered += 1;
        }
        answered
    }
}

/// How long the honest devices wait for their answers, in milliseconds: sorted.
fn latencies(wires: &mut [Wire], during: Duration, run: &AtomicUsize) -> Vec<f64> {
    let run = run.fetch_add(1, Ordering::Relaxed);
    let all = std::thread::scope(|scope| {
        let devices: Vec<_> = wires
            .iter_mut()
            .enumerate()
            .map(|(at, wire)| {
                scope.spawn(move || {
                    let (began, mut spent) = (Instant::now(), Vec::new());
                    while began.elapsed() < during {
                        let name = format!("HONEST-{at}");
                        let sent = Instant::now();
                        assert_eq!(ask(wire, &message(&name, &format!("{run}-{}", spent.len()))), "CA");
                        spent.push(sent.elapsed().as_secs_f64() * 1000.0);
                        std::thread::sleep(Duration::from_millis(50));
                    }
                    spent
                })
            })
            .collect();
        devices.into_iter().map(|device| device.join().unwrap()).collect::<Vec<_>>()
    });
    let mut all = all.concat();
    all.sort_by(f64::total_cmp);
    all
}

fn at(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

#[test]
fn a_hostile_device_delays_its_own_messages() {
    let seconds = requested("PCD_FAIRNESS", 0);
    let (during, rounds) =
        if seconds == 0 { (Duration::from_secs(1), 1) } else { (Duration::from_secs(seconds as u64), 3) };
    for site in Site::on_each_store() {
        let kind = if site.database().is_some() { "postgres" } else { "sqlite" };
        let site = site.with("devices", "max-violations = 1000000");
        let platform = site.start();
        platform.admit("HOSTILE", &["--any"]);
        let hostile = site.certificate("HOSTILE", KeyType::Ecc);
        let mut wires: Vec<_> = (0..8)
            .map(|number| {
                let name = format!("HONEST-{number}");
                platform.admit(&name, &[]);
                Wire::connect(&site, platform.address, &site.certificate(&name, KeyType::Ecc))
            })
            .collect();
        let run = AtomicUsize::new(0);
        latencies(&mut wires, during / 2, &run);
        for attack in Attack::ALL {
            for _ in 0..rounds {
                let quiet = latencies(&mut wires, during, &run);
                let is_over = AtomicBool::new(false);
                let (attacked, count) = std::thread::scope(|scope| {
                    let session = |name: usize| attack.run(&site, &platform, &hostile, name, &is_over);
                    let base = run.load(Ordering::Relaxed) * 10;
                    let sessions: Vec<_> = (0..4).map(|at| scope.spawn(move || session(base + at))).collect();
                    std::thread::sleep(Duration::from_millis(300));
                    let attacked = latencies(&mut wires, during, &run);
                    is_over.store(true, Ordering::Relaxed);
                    (attacked, sessions.into_iter().map(|session| session.join().unwrap()).sum::<usize>())
                });
                println!(
                    "{kind} {attack:?}: p50 {:.1} -> {:.1} ms, p99 {:.1} -> {:.1} ms ({:.1} x); {count} hostile messages",
                    at(&quiet, 0.5),
                    at(&attacked, 0.5),
                    at(&quiet, 0.99),
                    at(&attacked, 0.99),
                    at(&attacked, 0.99) / at(&quiet, 0.99),
                );
                // Two seconds, and more where nothing is fast.
                let bound = 2000.0 + 20.0 * at(&quiet, 0.5);
                assert!(at(&attacked, 0.5) < bound, "others wait {} ms", at(&attacked, 0.5));
            }
        }
    }
}
