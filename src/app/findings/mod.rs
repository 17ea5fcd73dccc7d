//! What an operator should know of the running platform, examined every few seconds.
//!
//! The functions of this folder look at one thing each and are used by `check` as well, so that a start and a
//! running platform report the same.

mod admin;
mod configuration;
mod devices;
mod disk;
mod enrol;
mod fhir;
mod gateway;
mod limits;
mod notifications;
mod orders;
mod partners;
mod readers;
mod sizes;
mod store;
mod stranded;
mod trust;
mod upkeep;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Platform;
use super::live::LiveView;
use super::removals::removals;
use super::trend;
use crate::authz::Device;
use crate::finding::facts::{ClockUnconfirmed, NotAccepting, ShuttingDown, TaskFailed};
use crate::finding::{Changes, Code, Facts, Finding, Severity, Subject};
use crate::fleet::Fleet;
use crate::http::Live as _;
use crate::model::explained;
use crate::tls::leaf;

pub use admin::{admin_certificate, unfit_people_anchor};
pub use gateway::gateway_certificate;
pub use notifications::unknown_wards;
pub use store::of_error;
pub use trust::{
    api_certificate, authority, installed_crl, platform_certificate, staple, unfit_anchor,
    unfit_community_anchor, unfit_user_anchor,
};

/// Examines the platform.
#[derive(Debug, Clone)]
pub(super) struct Examiner {
    pub(super) platform: Arc<Platform>,
    pub(super) live: Arc<LiveView>,
    pub(super) drain: CancellationToken,
}

/// What one examination remembers for the next.
#[derive(Debug, Default)]
struct State {
    limits: limits::Limits,
    upkeep: upkeep::Upkeep,
    partners: partners::Partners,
    stranded: stranded::Stranded,
}

impl Examiner {
    /// Examines the platform until `done`.
    pub(super) async fn run(self, done: CancellationToken) {
        let mut state = State::default();
        let interval = |every| {
            let mut ticks = tokio::time::interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let (mut ticks, mut of_gateway) = (interval(INTERVAL), interval(GATEWAY_INTERVAL));
        let mut progress = Progress::default();
        let mut found = Vec::new();
        // An alert needs a series that is there before it changes.
        devices::publish(&Vec::new(), self.platform.clock.now(), &self.platform.metrics);
        loop {
            tokio::select! {
                () = done.cancelled() => return,
                _ = ticks.tick() => {}
                // People who look at an outage want to see it begin and end.
                _ = of_gateway.tick(), if self.platform.config.load().gateway.is_some() => {
                    self.show(&found);
                    continue;
                }
            }
            found = tokio::select! {
                () = done.cancelled() => return,
                found = self.examine(&mut state, &mut progress, &found) => found,
                // Each read of a server that is gone takes seconds, and there are many.
                outage = self.outage() => without_store(&found).chain([outage]).collect(),
            };
            self.publish_readiness(&found);
            let now = self.platform.clock.now();
            self.live.note(now, || trend::minute(&self.platform, now));
            self.show(&found);
        }
    }

    /// Shows what was found, and how the platform of a gateway is reached now.
    fn show(&self, found: &[Finding]) {
        let found = found.iter().cloned().chain(gateway::look(&self.platform)).collect();
        let changes = self.live.board.replace(found, self.platform.clock.now());
        log(&changes);
        for (code, count) in self.live.board.counts() {
            let gauge = self.platform.metrics.housekeeping.findings.with_label_values(&[code.code()]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Waits until the server of the store is away.
    async fn outage(&self) -> Finding {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let store = &self.platform.store;
            if store.is_on_server()
                && let Err(error) = store.check().await
            {
                return of_error(&error);
            }
        }
    }

    /// While the server of the store is away, what was found before stays.
    async fn examine(&self, state: &mut State, progress: &mut Progress, before: &[Finding]) -> Vec<Finding> {
        let Platform { store, directory, config, clock, .. } = &*self.platform;
        let of_store = store::store(store, removals(&config.load().store)).await;
        if store.is_on_server() && store::is_away(&of_store) {
            return without_store(before).chain(of_store).collect();
        }
        let mut found = self.process();
        found.extend(self.trust());
        found.extend(devices::silent(&directory.load(), &self.live.liveness, clock.now()));
        found.extend(devices::left(&directory.load(), &self.live.liveness));
        found.extend(devices::missing(&directory.load(), &self.live.liveness));
        found.extend(self.fleet(progress).await);
        found.extend(configuration::look(&self.platform));
        found.extend(state.limits.look(&self.platform, &self.live.accepting));
        // The board has one finding of a code about one subject.
        let unknown = || notifications::unknown_wards(&config.load().notify, &directory.load());
        found.extend(notifications::failing(&self.platform.notifications).or_else(unknown));
        found.extend(orders::failed(store).await);
        found.extend(sizes::near(&self.platform.sizes.known(), clock.now()));
        found.extend(fhir::look(&self.platform));
        found.extend(enrol::look(&self.platform).await);
        found.extend(readers::look(&self.platform));
        found.extend(state.partners.look(&self.platform).await);
        found.extend(state.stranded.look(&self.platform).await);
        found.extend(gateway::refused(store, clock.now()).await);
        found.extend(gateway::left_behind(store, config.load().gateway.as_ref(), clock.now()).await);
        found.extend(of_store);
        let is_broken = found.iter().any(|finding| finding.code() == Code::AuditChainBroken);
        let upkeep = state.upkeep.look(&self.platform, &self.live).await;
        // The board has one finding of a code about one subject.
        found.extend(upkeep.into_iter().filter(|one| !is_broken || one.code() != Code::AuditChainBroken));
        found
    }

    /// The checks of `/readyz`, as metrics.
    fn publish_readiness(&self, found: &[Finding]) {
        let fails = |finding: &Finding| match finding.code() {
            Code::StoreUnavailable | Code::StoreRightMissing => true,
            Code::StoreRisk => finding.severity == Severity::Urgent,
            _ => false,
        };
        let is_intact = self.platform.store.own_chain().refused().is_none();
        let ready = &self.platform.metrics.operation.ready;
        let set = |check: &str, passes: bool| ready.with_label_values(&[check]).set(passes.into());
        set("accepting", !self.drain.is_cancelled() && self.live.shortage().is_none());
        set("store", is_intact && !found.iter().any(fails));
        set("audit", is_intact);
        set("tasks", self.live.failed_tasks().is_empty());
    }

    /// How the devices stand, by what the store remembers: read less often than the rest.
    async fn fleet(&self, progress: &mut Progress) -> Vec<Finding> {
        let Platform { store, directory, clock, metrics, .. } = &*self.platform;
        let (now, instant) = (clock.now(), clock.instant());
        let is_due = |read: Instant| instant.saturating_duration_since(read) >= FLEET_INTERVAL;
        if progress.read.is_none_or(is_due) {
            match Fleet::read(store).await {
                Ok(fleet) => (progress.fleet, progress.read) = (fleet, Some(instant)),
                // What is wrong with the store is a finding of its own.
                Err(error) => tracing::debug!(error = %explained(&error), "devices are not examined"),
            }
        }
        let directory = directory.load();
        let standing = |device: &Arc<Device>| {
            let live = self.live.device(&device.id);
            (Arc::clone(device), progress.fleet.standing(device, Some(&live), now))
        };
        let standings: Vec<_> = directory.devices().map(standing).collect();
        devices::publish(&standings, now, metrics);
        devices::refused_and_ending(&directory, &progress.fleet, &standings, now)
    }

    /// The process: whether it accepts connections, and whether its parts run.
    fn process(&self) -> Vec<Finding> {
        let draining = self.drain.is_cancelled().then(|| Facts::from(ShuttingDown {}));
        let shortage = self.live.shortage().map(|shortage| NotAccepting { shortage }.into());
        let tasks: Vec<_> = self.live.failed_tasks().into_iter().map(str::to_owned).collect();
        let failed = (!tasks.is_empty()).then(|| TaskFailed { tasks }.into());
        let unconfirmed = self.platform.metrics.housekeeping.clock_confirmed.get() == 0;
        let unconfirmed = unconfirmed.then(|| ClockUnconfirmed {}.into());
        let found = [draining, shortage, failed, unconfirmed].into_iter().flatten();
        found.map(|facts| Finding::new(Subject::Platform, facts)).collect()
    }

    /// Certificates, roots, staples and lists.
    fn trust(&self) -> Vec<Finding> {
        let Platform { acceptor, people, api, revocation, config, clock, .. } = &*self.platform;
        let (now, config) = (clock.now(), config.load());
        let own = acceptor.configured_certificates();
        let own = own.iter().filter_map(|facts| platform_certificate(facts, now).err());
        let admin = people.certificate();
        let admin = admin.iter().filter_map(|facts| admin_certificate(facts, &config.admin, now).err());
        let gateway = config.gateway.as_ref().and_then(|gateway| leaf(&gateway.certificate));
        let gateway = gateway.iter().filter_map(|facts| gateway_certificate(facts, now).err());
        let hospital = api.certificate();
        let hospital = hospital.iter().filter_map(|facts| api_certificate(facts, now).err());
        let authorities = [acceptor.authorities(), people.authorities(), api.authorities()].concat();
        let authorities = authorities.iter().filter_map(|known| authority(known, now)?.1.err());
        let anchors = acceptor.unfit_anchors();
        let of_people = people.unfit_anchors();
        let of_people = of_people.iter().map(unfit_people_anchor);
        let of_communities = api.unfit_anchors();
        let of_communities = of_communities.iter().map(unfit_community_anchor);
        let of_users = api.unfit_user_anchors();
        let of_users = of_users.iter().map(unfit_user_anchor);
        let staples = self.live.staples();
        let crls = revocation.installed_crls();
        let undetermined = config.revocation.when_undetermined;
        let crls = crls.iter().filter_map(|crl| installed_crl(crl, undetermined, now));
        let staples = staples.iter().filter_map(|known| staple(known).err());
        let anchors = anchors.iter().map(unfit_anchor).chain(of_people).chain(of_communities).chain(of_users);
        let shown = own.chain(admin).chain(hospital).chain(gateway);
        shown.chain(authorities).chain(anchors).chain(staples).chain(crls).collect()
    }
}

/// What else was found than that the store cannot be used.
fn without_store(found: &[Finding]) -> impl Iterator<Item = Finding> {
    let is_of_check = |code| {
        matches!(
            code,
            Code::StoreUnavailable | Code::StoreRightMissing | Code::StoreRisk | Code::AuditChainBroken
        )
    };
    found.iter().filter(move |finding| !is_of_check(finding.code())).cloned()
}

/// One line for each finding that begins or ends, as long as they are few.
fn log(changes: &Changes) {
    for finding in changes.begun.iter().take(MAX_LINES) {
        let Finding { severity, subject, .. } = finding;
        let (code, what) = (finding.code(), finding.what());
        let to_do = finding.what_to_do();
        let to_do = &*to_do;
        match severity {
            Severity::Urgent => tracing::error!(%code, %subject, what, to_do, "finding"),
            Severity::Attention => tracing::warn!(%code, %subject, what, to_do, "finding"),
            Severity::Info => tracing::info!(%code, %subject, what, to_do, "finding"),
        }
    }
    for finding in changes.ended.iter().take(MAX_LINES) {
        tracing::info!(code = %finding.code(), subject = %finding.subject, "finding ended");
    }
    let more = changes.begun.len().saturating_sub(MAX_LINES) + changes.ended.len().saturating_sub(MAX_LINES);
    if more > 0 {
        tracing::warn!(more, "further findings began or ended; `pcd-platform status` lists them");
    }
}

/// What one run of the task knows.
#[derive(Debug, Default)]
struct Progress {
    fleet: Fleet,
    /// When it was read.
    read: Option<Instant>,
}

/// How often what the store remembers of devices is read.
const FLEET_INTERVAL: Duration = Duration::from_secs(10);
/// How often the platform is examined.
const INTERVAL: Duration = Duration::from_secs(5);
/// How often the state of a gateway is shown.
const GATEWAY_INTERVAL: Duration = Duration::from_secs(1);
/// Lines about findings that begin, and about those that end, in one examination.
const MAX_LINES: usize = 20;
