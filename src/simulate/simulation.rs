//! Puts the devices together, and runs them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::{NoContext, Uuid};

use super::certificates::Certificates;
use super::device::{Device, Shared};
use super::error::SimulationError;
use super::orders::Orders;
use super::outage::Outages;
use super::reconnect::Reconnect;
use super::traffic::{Schedule, Vendor};
use super::{Counters, Fault, Fleet, OrderPolicy, Summary};
use crate::model::Clock;
use crate::pki::TestPki;
use crate::tls::{Connector, Staples};

/// What is simulated, and where.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Devices and gateways.
    pub devices: u32,
    /// Equipment behind each gateway.
    pub behind: u32,
    /// Whose shapes the messages have.
    pub vendor: Vendor,
    /// What is sent, and how often.
    pub schedule: Schedule,
    /// How many devices have which fault.
    pub faults: BTreeMap<Fault, u32>,
    /// How pumps answer orders.
    pub orders: OrderPolicy,
    /// How devices connect again.
    pub reconnect: Reconnect,
    /// Handshakes at once, except after an outage with [`Reconnect::AtOnce`].
    pub handshakes: usize,
    /// Where the platform listens.
    pub address: SocketAddr,
    /// The name that its certificate must show.
    pub host: String,
    /// Bounds a connection attempt, and each wait for an acknowledgement.
    pub timeout: Duration,
    /// What a missing stapled status means.
    pub staples: Staples,
    /// Decides about values: the same seed makes the same patients.
    pub seed: u64,
}

/// Devices that have certificates and are ready to connect.
pub struct Simulation {
    settings: Settings,
    fleet: Fleet,
    connectors: Vec<Connector>,
    clock: Clock,
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Simulation {
    /// Issues the certificates; that takes a millisecond for each RSA certificate, and blocks.
    ///
    /// # Errors
    /// When the PKI cannot be used, or the limit of open files is too low.
    pub fn prepare(settings: Settings, pki: &TestPki, clock: &Clock) -> Result<Self, SimulationError> {
        allow_files(settings.devices)?;
        let Settings { devices, vendor, behind, faults, seed, staples, .. } = &settings;
        let fleet = Fleet::new(*devices, *vendor, *behind, faults, *seed);
        let connectors = Certificates::new(pki, *staples, clock)?.connectors(&fleet.devices)?;
        Ok(Self { settings, fleet, connectors, clock: clock.clone() })
    }

    /// Its devices.
    #[must_use]
    pub const fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Runs until `stop`, which ends it gracefully: alarms end, and messages in flight are acknowledged.
    /// `abort` ends it at once. `observe` is called a few times each second.
    pub async fn run(
        self,
        stop: CancellationToken,
        abort: CancellationToken,
        mut observe: impl FnMut(Duration, &Counters),
    ) -> Summary {
        let Self { settings, fleet, connectors, clock } = self;
        let counters = Arc::new(Counters::default());
        let started = clock.instant();
        let sound = fleet.sound().count() as u64;
        let mut outages = Outages::new(sound);
        let mut stopped = None;
        let (faults, devices) = (settings.faults.clone(), settings.devices);
        let shared = Arc::new(shared(settings, &counters, &clock, stop));
        let mut running = JoinSet::new();
        for ((device, connector), number) in fleet.devices.into_iter().zip(connectors).zip(0..) {
            let fault = device.fault;
            let device = Device::new(Arc::clone(&shared), device, number, connector);
            match fault {
                None => running.spawn(device.run()),
                Some(fault) => running.spawn(device.run_faulty(fault)),
            };
        }
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = abort.cancelled() => break,
                ended = running.join_next() => if ended.is_none() { break },
                _ = look.tick() => {
                    let at = clock.instant().duration_since(started);
                    if shared.stop.is_cancelled() {
                        stopped.get_or_insert(at);
                    } else {
                        outages.look(at, counters.live());
                    }
                    observe(at, &counters);
                }
            }
        }
        // What a device has in flight is counted when it ends.
        running.shutdown().await;
        let elapsed = clock.instant().duration_since(started);
        let first = outages.first_connection();
        let sending = stopped.unwrap_or(elapsed);
        let outages = outages.into_found(sending);
        Summary::new((devices.into(), sound), (elapsed, sending), first, &counters, outages, &faults)
    }
}

fn shared(settings: Settings, counters: &Arc<Counters>, clock: &Clock, stop: CancellationToken) -> Shared {
    let orders = |is_of_pumps| {
        let (policy, counters, clock) = (settings.orders, Arc::clone(counters), clock.clone());
        Arc::new(Orders { is_of_pumps, policy, counters, clock })
    };
    let (of_pumps, of_others) = (orders(true), orders(false));
    Shared {
        address: settings.address,
        host: settings.host,
        timeout: settings.timeout,
        reconnect: settings.reconnect,
        handshakes: Semaphore::new(settings.handshakes.max(1)),
        schedule: settings.schedule,
        vendor: settings.vendor,
        run: name_of_run(clock),
        devices: settings.devices,
        counters: Arc::clone(counters),
        orders: of_pumps,
        other_orders: of_others,
        clock: clock.clone(),
        started: clock.instant(),
        stop,
        stopped: OnceLock::new(),
    }
}

/// Part of control ids and of the numbers of alarms, which differ from run to run, also where two runs begin
/// at the same time: the second of the start, and a random number.
fn name_of_run(clock: &Clock) -> String {
    let random = Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, 0, 0));
    let [.., a, b, c, d] = random.into_bytes();
    format!("{:X}{:08X}", clock.now().as_second(), u32::from_be_bytes([a, b, c, d]))
}

/// Raises the limit of open files to what the devices need.
fn allow_files(devices: u32) -> Result<(), SimulationError> {
    let needed = u64::from(devices) + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // A failure shows in the limit that is left.
    let _ = setrlimit(Resource::Nofile, raised);
    match getrlimit(Resource::Nofile).current {
        Some(allowed) if allowed < needed => Err(SimulationError::OpenFiles { devices, needed, allowed }),
        _ => Ok(()),
    }
}

/// Open files besides the connections.
const OTHER_FILES: u64 = 64;
/// Between two looks at the counts.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_that_begin_at_the_same_time_have_different_names() {
        let clock = Clock::system();
        let names: std::collections::HashSet<_> = (0..8).map(|_| name_of_run(&clock)).collect();
        assert_eq!(names.len(), 8, "{names:?}");
    }
}
