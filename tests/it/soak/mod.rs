//! All attacks of strangers, of hostile responders and of broken devices at once, beside honest devices:
//! phases without and with attacks alternate. In the suite it runs for some seconds, and nothing may be lost.
//!
//! `PCD_SOAK_MINUTES=30` is the length of the requirement, with a hundred devices; the bounds on latency,
//! memory and disk are asserted then too. The release build gives the figures that count:
//!
//!     PCD_SOAK_MINUTES=30 cargo test --release --all-features --test it soak:: -- --nocapture
//!
//! `PCD_SOAK_ATTACKS="silent,long MSH-10"` makes these attacks only, to find the one that breaks a bound.
//!
//! The attackers run on this machine. They have a lower priority, because their own work is not the
//! platform's.

mod attack;
mod honest;
mod insiders;
mod measure;
mod phase;
mod report;
mod responders;
mod strangers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use pcd_platform::model::Clock;
use pcd_platform::pki::{Authority, OcspResponder, OcspSigner, TestPki};
use sqlx::{Connection as _, Row as _, SqliteConnection};
use tokio::runtime::{Builder, Runtime};

use self::attack::Target;
use self::measure::{Disk, Observed, memory_kib};
use self::phase::{Clockwork, Phase};
use self::report::Report;
use crate::harness::{Platform, Server, Site, eventually, pki};

/// How long the soak takes.
struct Plan {
    devices: usize,
    quiet: Duration,
    attacked: Duration,
    settling: Duration,
    cycles: u32,
    is_full: bool,
}

impl Plan {
    fn from_environment() -> Self {
        let minutes: Option<f64> = std::env::var("PCD_SOAK_MINUTES").ok().and_then(|text| text.parse().ok());
        let seconds = Duration::from_secs;
        match minutes {
            None => Self {
                devices: 20,
                quiet: seconds(3),
                attacked: seconds(4),
                settling: seconds(1),
                cycles: 1,
                is_full: false,
            },
            Some(minutes) => {
                // Two minutes.
                let (quiet, attacked, settling) = (seconds(20), seconds(90), seconds(5));
                let cycle = quiet + attacked + settling * 2;
                let total = Duration::from_secs_f64(minutes * 60.0);
                let cycles = u32::try_from(total.as_secs() / cycle.as_secs()).unwrap().max(1);
                Self { devices: 100, quiet, attacked, settling, cycles, is_full: true }
            }
        }
    }
}

#[test]
fn honest_devices_lose_nothing_beside_all_attacks_at_once() {
    let plan = Plan::from_environment();
    let site = crate::revocation::site(&[])
        .with_limited_refusals()
        // The honest devices have one address. The attackers have 20 others.
        .with("interface-a", "shared-addresses = [\"127.0.0.1/32\"]")
        .with("log", "level = \"info\"")
        // As docs/reference/operations.md recommends.
        .with_environment("MALLOC_ARENA_MAX", "2".into());
    let prompt = prompt_responder();
    // Requests by POST: what a test's server reads most easily.
    let url = prompt.url(&"x".repeat(200));
    let devices = honest::devices(&site, plan.devices, &url);
    let insiders = insiders::devices(&site, &url);
    let strangers = strangers::Certificates::create(site.path());
    let responders = responders::Responders::start(&site);
    let platform = site.start();
    import(&site, &platform, plan.devices);

    let clockwork = Arc::new(Clockwork::new());
    let target = Arc::new(Target {
        address: platform.address,
        clockwork: Arc::clone(&clockwork),
        counts: Mutex::default(),
        only: std::env::var("PCD_SOAK_ATTACKS")
            .map(|names| names.split(',').map(str::to_owned).collect())
            .unwrap_or_default(),
    });
    let attackers = runtime(2, 10);
    strangers::start(attackers.handle(), &target, strangers);
    let servers = responders.attack(attackers.handle(), &target);
    insiders::start(attackers.handle(), &target, insiders);
    let (experience, observed) = std::thread::scope(|scope| {
        let honest =
            scope.spawn(|| runtime(1, 0).block_on(honest::run(devices, &platform, Arc::clone(&clockwork))));
        let observed = alternate(&plan, &site, &platform, &clockwork);
        (honest.join().unwrap(), observed)
    });
    attackers.shutdown_timeout(Duration::from_secs(10));
    drop(servers);
    let outcomes = outcomes(&platform);
    let stopped = platform.stop();
    assert!(stopped.status.success(), "{:?}", stopped.status);
    let stored = stored(&site);
    let lost = experience.acknowledged.iter().filter(|message| !stored.contains(*message)).count();
    let counts = target.counts.lock().unwrap().clone();
    let report = Report { experience, observed, lost, counts, outcomes };
    println!("{report}");
    report.check(plan.is_full);
}

/// Runs the phases.
fn alternate(plan: &Plan, site: &Site, platform: &Platform, clockwork: &Clockwork) -> Observed {
    let mut observed = Observed::default();
    for _ in 0..plan.cycles {
        for phase in [Phase::Quiet, Phase::Attacked] {
            let is_quiet = phase == Phase::Quiet;
            clockwork.attack(!is_quiet);
            clockwork.enter(Phase::Settling);
            let (began, before, messages) = (Instant::now(), Disk::of(site.path()), accepted(platform));
            std::thread::sleep(plan.settling);
            clockwork.enter(phase);
            let duration = plan.settling + if is_quiet { plan.quiet } else { plan.attacked };
            while began.elapsed() < duration {
                std::thread::sleep(Duration::from_millis(500));
                if is_quiet {
                    observed.quiet_kib = observed.quiet_kib.max(memory_kib(platform, "VmRSS"));
                }
            }
            let growth = if is_quiet { &mut observed.quiet } else { &mut observed.attacked };
            let messages = accepted(platform).saturating_sub(messages);
            growth.add(before, Disk::of(site.path()), began.elapsed(), messages);
        }
    }
    clockwork.enter(Phase::Over);
    observed.peak_kib = memory_kib(platform, "VmHWM");
    observed
}

/// Messages that were accepted so far: those of the honest devices.
fn accepted(platform: &Platform) -> u64 {
    let (_, text) = platform.get("/metrics");
    let is_accepted =
        |line: &&str| line.starts_with("pcd_messages_total{") && line.contains("acknowledgement=\"CA\"");
    let values =
        text.lines().filter(is_accepted).filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    values.sum()
}

/// Connections by outcome.
fn outcomes(platform: &Platform) -> BTreeMap<String, u64> {
    let (_, text) = platform.get("/metrics");
    let counted = |line: &str| {
        let rest = line.strip_prefix("pcd_connections_total{outcome=\"")?;
        let (outcome, rest) = rest.split_once('"')?;
        let count = rest.rsplit(' ').next()?.parse().ok()?;
        (count > 0).then(|| (outcome.to_owned(), count))
    };
    text.lines().filter_map(counted).collect()
}

/// Devices and control ids of the stored messages.
fn stored(site: &Site) -> BTreeSet<(String, String)> {
    let database = site.path().join("platform.db");
    runtime(1, 0).block_on(async {
        let url = format!("sqlite://{}?mode=ro", database.display());
        let mut store = SqliteConnection::connect(&url).await.unwrap();
        let rows = sqlx::query("SELECT device, control_id FROM message WHERE rejection IS NULL");
        let rows = rows.fetch_all(&mut store).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    })
}

fn prompt_responder() -> Server {
    let dir = pki().certificate(Authority::RootEcc).parent().unwrap().parent().unwrap().to_owned();
    let own = TestPki::open(&dir, &Clock::system()).unwrap();
    let responder = OcspResponder::new(own, OcspSigner::Ca, SignedDuration::from_hours(1)).unwrap();
    Server::start(Duration::ZERO, Arc::new(move |request| Some(responder.answer(&request))))
}

fn import(site: &Site, platform: &Platform, devices: usize) {
    let names: Vec<String> = (0..devices)
        .map(honest::name)
        .chain((0..responders::VICTIMS).map(responders::name))
        .chain(insiders::NAMES.map(str::to_owned))
        .collect();
    let list = site.path().join("devices.csv");
    std::fs::write(&list, format!("cn\n{}\n", names.join("\n"))).unwrap();
    platform.cli().run(&["device", "import", list.to_str().unwrap()]);
    let all = f64::from(u32::try_from(names.len()).unwrap());
    eventually("the platform knows all devices", || platform.metric("pcd_directory_devices") == all);
}

/// A runtime with this nice value.
fn runtime(threads: usize, nice: i32) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads).enable_all().on_thread_start(move || {
        let _ = rustix::process::setpriority_process(None, nice);
    });
    builder.build().unwrap()
}
