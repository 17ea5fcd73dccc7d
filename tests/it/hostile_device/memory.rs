//! The memory that sessions hold: between messages, and for frames that are not complete.
//!
//! `PCD_IDLE=200` is the size of the requirement:
//!
//!     PCD_IDLE=200 cargo test --all-features --test it hostile_device::memory -- --nocapture
//!
//! `PCD_IDLE_SESSIONS=1000 PCD_IDLE_BATCHES=4` measures sessions after one usual message.

use std::time::{Duration, Instant};

use super::{TICK, admitted, ask, large, requested, resident};
use crate::harness::{Site, Wire, eventually, framed, message, wait_for};

const HELD: &str = "pcd_frame_memory_bytes";
const PAUSED: &str = r#"pcd_read_pauses_total{reason="frame-memory"}"#;
/// Bytes that are not those of sessions; a twelfth of what the messages of 48 sessions have.
const CACHES: usize = 8 << 20;
const ENDED: &str = r#"pcd_connections_total{outcome="frame-memory-limit"}"#;

#[test]
fn an_idle_session_keeps_nothing_of_its_largest_message() {
    let count = requested("PCD_IDLE", 48);
    let site = Site::new().with("interface-a", "sessions-per-device = 1000");
    let platform = site.start();
    let own = admitted(&site, &platform, "LARGE");
    // What the first large messages allocate stays with the process: a session of its own pays for it.
    let mut first = Wire::connect(&site, platform.address, &own);
    for number in 0..40 {
        assert_eq!(ask(&mut first, &large("LARGE", &format!("F{number}"), 1_900_000)), "CA");
    }
    let before = resident(&platform);
    let mut wires: Vec<_> = (0..count).map(|_| Wire::connect(&site, platform.address, &own)).collect();
    let open = resident(&platform);
    for (number, wire) in wires.iter_mut().enumerate() {
        assert_eq!(ask(wire, &large("LARGE", &format!("I{number}"), 1_900_000)), "CA");
    }
    // Caches of the process fill meanwhile, whatever the number of sessions.
    let bound = count * 40 * 1024 + CACHES;
    let grown = || resident(&platform).saturating_sub(before);
    let grown = wait_for("the messages are forgotten", grown, |grown| *grown <= bound);
    let (opened, each) = (open.saturating_sub(before) / count, grown / count);
    println!("{count} idle sessions: {opened} bytes each when open, {each} after a message of 1.9 MB");
}

/// Batches of sessions are opened one after the other, and stay: what a batch adds is that of its sessions.
#[test]
fn an_idle_session_takes_little_memory() {
    let (count, batches) = (requested("PCD_IDLE_SESSIONS", 100), requested("PCD_IDLE_BATCHES", 2));
    let site = Site::new()
        .with("interface-a", "sessions-per-device = 1000000")
        .with("interface-a", "new-sessions-per-device = 1000000")
        .with("log", "level = \"info\"")
        .with_environment("MALLOC_ARENA_MAX", "2".into());
    let platform = site.start();
    let own = admitted(&site, &platform, "IDLE");
    let (mut wires, mut sizes) = (Vec::new(), Vec::new());
    for batch in 0..=batches {
        for number in 0..count {
            let mut wire = Wire::connect(&site, platform.address, &own);
            assert_eq!(ask(&mut wire, &message("IDLE", &format!("{batch}-{number}"))), "CA");
            wires.push(wire);
        }
        std::thread::sleep(Duration::from_secs(1));
        sizes.push(resident(&platform));
    }
    let each: Vec<_> = sizes.windows(2).map(|pair| pair[1].saturating_sub(pair[0]) / count).collect();
    println!("{count} idle sessions in each batch: {each:?} bytes each, {sizes:?} in all");
    // What the first sessions allocate is in the first batch, which does not count.
    let all = || resident(&platform).saturating_sub(sizes[0]) / (count * batches);
    // The memory of a few sessions is mostly what the allocator has not given back.
    let bound = if count < 1000 { 52 } else { 40 };
    wait_for("each takes little", all, |all| *all <= bound * 1024);
}

#[test]
fn incomplete_frames_of_one_device_take_no_memory_from_others() {
    let site = Site::new()
        .with("interface-a", "max-frame = \"512 KiB\"")
        .with("interface-a", "frame-memory = \"1 MiB\"");
    let platform = site.start();
    let (hostile, honest) = (admitted(&site, &platform, "HOSTILE"), admitted(&site, &platform, "HONEST"));
    let half = framed(&large("HOSTILE", "H", 400_000));
    let half = &half[..half.len() - 10];
    let mut stalled: Vec<_> = (0..8).map(|_| Wire::connect(&site, platform.address, &hostile)).collect();
    for wire in &mut stalled {
        // The platform reads only a part of some of them; the rest waits in the sockets.
        let _ = wire.try_write(half);
    }
    eventually("reads are paused", || platform.metric(PAUSED) >= 1.0);
    let mut held: f64 = 0.0;
    let began = Instant::now();
    let mut wire = Wire::connect(&site, platform.address, &honest);
    let mut asked = 0;
    while began.elapsed() < Duration::from_millis(500) {
        // Small messages do not wait.
        let sent = Instant::now();
        assert_eq!(ask(&mut wire, &message("HONEST", &format!("S{asked}"))), "CA");
        assert!(sent.elapsed() < Duration::from_secs(10), "{:?}", sent.elapsed());
        held = held.max(platform.metric(HELD));
        asked += 1;
        std::thread::sleep(TICK);
    }
    assert!(held <= f64::from(1 << 20) + 9.0 * f64::from(64 << 10), "{held} bytes");
    // A large one waits until a stalled one has made way.
    let sent = Instant::now();
    assert_eq!(ask(&mut wire, &large("HONEST", "L", 400_000)), "CA");
    println!("8 stalled frames: a large one was accepted after {:?}", sent.elapsed());
    eventually("a stalled one is refused", || platform.metric(ENDED) >= 1.0);
    let rejected = platform.cli().json(&["message", "list", "--rejected"]);
    assert!(rejected.iter().all(|row| row["device"] == "HOSTILE"), "{rejected:?}");
    assert!(rejected.iter().all(|row| row["rejection"] == "frame-memory-limit"));
    drop(stalled);
    eventually("nothing is held", || platform.metric(HELD) == 0.0);
}

/// PDF reports of many devices at once, at the default limits. Each waits for its turn, and is stored.
#[test]
fn sixteen_of_the_largest_messages_at_once_are_stored_within_the_budget() {
    for site in Site::on_each_store() {
        let platform = site.start();
        let names: Vec<_> = (0..16).map(|number| format!("DEVICE-{number}")).collect();
        let wires: Vec<_> = names
            .iter()
            .map(|name| Wire::connect(&site, platform.address, &admitted(&site, &platform, name)))
            // Twenty seconds on a machine that has nothing else to do.
            .map(|wire| wire.with_answer_timeout(Duration::from_secs(300)))
            .collect();
        let before = resident(&platform);
        let (began, is_over) = (Instant::now(), std::sync::atomic::AtomicBool::new(false));
        let peak = std::thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let mut peak = 0;
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    peak = peak.max(resident(&platform));
                    std::thread::sleep(TICK);
                }
                peak
            });
            let senders: Vec<_> = names
                .iter()
                .zip(wires)
                .map(|(name, mut wire)| scope.spawn(move || ask(&mut wire, &large(name, "L", 16_700_000))))
                .collect();
            for sender in senders {
                assert_eq!(sender.join().unwrap(), "CA");
            }
            is_over.store(true, std::sync::atomic::Ordering::Relaxed);
            watch.join().unwrap()
        });
        let (grown, spent) = (peak.saturating_sub(before), began.elapsed());
        println!("16 messages of 16 MiB at once: {peak} bytes, {grown} more than before, in {spent:?}");
        assert!(grown <= 240 << 20, "{grown} bytes");
        eventually("nothing is held", || platform.metric(HELD) == 0.0);
    }
}
