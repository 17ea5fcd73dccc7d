//! `demo`: the platform with SQLite and simulated devices, in one folder.

mod gateway;
mod progress;
mod simulated;
mod site;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use tokio::task::JoinSet;

use super::serve::failure;
use super::{Exit, Outcome, Output};
use crate::app::{Bound, Platform, Signals, telemetry};
use crate::config::{Credential, Revocation};
use crate::http::CommandLine;
use crate::interface_a::PassedSockets;
use crate::model::{Clock, StoreUrl};
use crate::pki::Issued;
use crate::revocation::Engine;
use crate::store::{AuditFilter, MessageFilter, MigrationPolicy, Page, Store};
use crate::tls::{Staples, StatusCheck};
use gateway::Gateway;
use progress::Progress;
use simulated::{Environment, Expected, SimulatedDevice, Tally};
use site::Site;

/// Options of `demo`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder for the certificates, the configuration and the store; created if it is missing
    #[arg(long, default_value = "demo", value_name = "DIR")]
    dir: PathBuf,
    /// TCP port for devices; 0 takes a free port
    #[arg(long, default_value_t = 2575)]
    port: u16,
    /// TCP port of the admin listener; 0 takes a free port
    #[arg(long, default_value_t = 9575)]
    admin_port: u16,
    /// TCP port of the listener for hospital systems; 0 takes a free port
    #[arg(long, default_value_t = 0)]
    api_port: u16,
    /// Put a gateway between the devices and the platform
    #[arg(long)]
    gateway: bool,
    /// Let each device send three messages about each of its devices, print a summary as JSON, and exit
    #[arg(long)]
    once: bool,
}

/// The last line of `--once`: what the devices sent, and what the platform did with it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Summary {
    /// Messages that reached the platform.
    sent: u64,
    /// Messages that were answered with AA or CA.
    acknowledged: u64,
    /// Messages that the store holds as accepted.
    stored: u64,
    /// Refused connections and rejected messages, by reason, from the audit trail and the store.
    refused: BTreeMap<String, u64>,
}

pub(super) async fn run(
    arguments: Arguments,
    output: Output,
    clock: Clock,
    commands: Arc<dyn CommandLine>,
) -> Outcome {
    let progress = Progress::new(output);
    progress.line("creating certificates, a store and a configuration ...")?;
    let site = prepare(&arguments, &clock).await?;
    telemetry::start(&site.config.log)?;
    let since = clock.now();
    let signals = Signals::listen().map_err(failure)?;
    let store_url = site.config.store.url.clone();
    let (socket, responder) = site.responder;
    let ocsp = socket.local_addr().context("the OCSP responder has no address")?;
    // Ends with the runtime; nothing depends on its result.
    let _responding = tokio::spawn(crate::pki::serve(socket, responder));
    let bound = Platform::build(site.config, MigrationPolicy::Always, clock.clone())
        .await
        .and_then(|platform| platform.bind(PassedSockets::default()))
        .map_err(failure)?
        .with_commands(commands);
    let mut environment = Environment {
        platform: bound.addresses().first().copied().context("the platform has no address for devices")?,
        trust_anchors: site.trust_anchors,
        status: StatusCheck {
            engine: Engine::for_client(&Revocation::default(), clock.clone())?,
            missing: Staples::Require,
        },
        clock: clock.clone(),
        progress,
    };
    announce(&bound, &environment, ocsp, arguments.once)?;
    // The responder answers by now: nothing is missing when the platform is examined first.
    bound.fetch_staples().await;
    let gateway = match arguments.gateway {
        true => Some(start_gateway(&arguments.dir, &store_url, &site.devices, &mut environment).await?),
        false => None,
    };
    if arguments.once {
        let beside = Beside { devices: site.devices, gateway, store: store_url, since };
        let summary = once(bound, signals, environment, beside, clock).await?;
        output.line(&serde_json::to_string(&summary)?)?;
        return Ok(if summary == expected_summary() { Exit::Done } else { Exit::Failed });
    }
    let gateway_config = gateway.as_ref().map(|gateway| gateway.file.as_path());
    progress.line(&next_steps(&arguments.dir, &bound, &site.reader, gateway_config))?;
    let mut devices = start(&environment, site.devices, u64::MAX, SEND_INTERVAL);
    bound.run(signals).await.map_err(failure)?;
    devices.shutdown().await;
    Ok(Exit::Done)
}

/// Prints where the demonstration is found.
fn announce(bound: &Bound, environment: &Environment, ocsp: SocketAddr, is_once: bool) -> anyhow::Result<()> {
    let progress = &environment.progress;
    if let Some(link) = bound.page_link().filter(|_| !is_once) {
        progress
            .line(&format!("\nThe pages: {link}\n(once, within a minute; `page` prints another link)\n"))?;
    }
    progress.line(&format!("OCSP responder of the test PKI: http://{ocsp}/ocsp"))?;
    progress.line(&format!(
        "listening for devices on {}, for operators on http://{}\n",
        environment.platform,
        bound.admin_address()
    ))?;
    Ok(())
}

async fn prepare(arguments: &Arguments, clock: &Clock) -> anyhow::Result<Site> {
    let ports = (arguments.admin_port, api_port(arguments.api_port)?);
    Site::prepare(&arguments.dir, arguments.port, ports, clock).await
}

/// Starts a gateway between the devices and the platform.
async fn start_gateway(
    dir: &Path,
    store: &StoreUrl,
    devices: &[(SimulatedDevice, Credential)],
    environment: &mut Environment,
) -> anyhow::Result<Gateway> {
    gateway::prepare(dir, store, &environment.clock).await?;
    let gateway = Gateway::start(dir, environment.platform, devices, &environment.clock).await?;
    environment.platform = gateway.address;
    let (address, file) = (gateway.address, gateway.file.display());
    environment.progress.line(&format!(
        "the gateway listens for devices on {address}, and forwards to the platform; its configuration: {file}\n"
    ))?;
    Ok(gateway)
}

/// What runs beside the platform, and where it is counted.
struct Beside {
    devices: Vec<(SimulatedDevice, Credential)>,
    gateway: Option<Gateway>,
    store: StoreUrl,
    since: Timestamp,
}

/// Runs every device, shuts the platform down, and counts what the store holds.
async fn once(
    bound: Bound,
    signals: Signals,
    environment: Environment,
    Beside { devices, gateway, store, since }: Beside,
    clock: Clock,
) -> anyhow::Result<Summary> {
    let stop = bound.stopper();
    let platform = tokio::spawn(bound.run(signals));
    let tallies = start(&environment, devices, ROUNDS, Duration::ZERO).join_all().await;
    let mut refused = None;
    if let Some(gateway) = gateway {
        let own = gateway.store.clone();
        gateway.finish(&clock).await?;
        refused = Some(Summary::of_store(&own, since, &clock).await?.refused);
    }
    stop.cancel();
    platform.await??;
    let mut summary = Summary::of_store(&store, since, &clock).await?;
    // The gateway refuses what it does not forward.
    summary.refused = refused.unwrap_or(summary.refused);
    for tally in tallies {
        let Tally { sent, acknowledged } = tally?;
        summary.sent += sent;
        summary.acknowledged += acknowledged;
    }
    Ok(summary)
}

fn start(
    environment: &Environment,
    devices: Vec<(SimulatedDevice, Credential)>,
    rounds: u64,
    interval: Duration,
) -> JoinSet<anyhow::Result<Tally>> {
    let mut running = JoinSet::new();
    for (device, credential) in devices {
        running.spawn(device.run(environment.clone(), credential, rounds, interval));
    }
    running
}

impl Summary {
    /// What a store holds of the demonstration.
    async fn of_store(url: &StoreUrl, since: Timestamp, clock: &Clock) -> anyhow::Result<Self> {
        let store = Store::open(url, clock.clone()).await?;
        let mut summary = Self::default();
        summary.count_stored(&store, since).await?;
        store.close().await;
        Ok(summary)
    }

    async fn count_stored(&mut self, store: &Store, since: Timestamp) -> anyhow::Result<()> {
        let messages =
            MessageFilter { since: Some(since), limit: MAX_COUNTED_ROWS, ..MessageFilter::default() };
        for message in store.messages(&messages).await? {
            match message.verdict.rejection() {
                None => self.stored += 1,
                Some(code) => *self.refused.entry(code.to_owned()).or_default() += 1,
            }
        }
        let refusals = AuditFilter {
            event: Some("connection-refused".to_owned()),
            device: None,
            since: Some(since),
            page: Page::Latest,
            limit: MAX_COUNTED_ROWS,
        };
        for row in store.audit_rows(&refusals).await? {
            let details: serde_json::Value = serde_json::from_str(&row.details)?;
            let code = details.get("refusal").and_then(serde_json::Value::as_str).unwrap_or_default();
            *self.refused.entry(code.to_owned()).or_default() += 1;
        }
        Ok(())
    }
}

/// The only summary with which `--once` exits 0.
fn expected_summary() -> Summary {
    let mut summary = Summary::default();
    for device in SimulatedDevice::all() {
        let messages = ROUNDS * device.equipment.len() as u64;
        let mut refuse = |code: &str, count| summary.refused.insert(code.to_owned(), count);
        match device.expected {
            Expected::Acknowledged => {
                summary.sent += messages;
                summary.acknowledged += messages;
                summary.stored += messages;
            }
            Expected::IdentityMismatch => {
                refuse("identity-mismatch", messages);
                summary.sent += messages;
            }
            Expected::Revoked => {
                refuse("revoked", 1);
            }
            Expected::NotInDirectory => {
                refuse("unknown-device", 1);
            }
        }
    }
    summary
}

/// The port, or a free one: links in answers name it, so that it has to be known before the platform starts.
fn api_port(wanted: u16) -> std::io::Result<u16> {
    if wanted != 0 {
        return Ok(wanted);
    }
    std::net::TcpListener::bind("127.0.0.1:0")?.local_addr().map(|address| address.port())
}

/// What to try. With a gateway, devices connect there: what concerns a connection is asked and done there.
fn next_steps(dir: &Path, bound: &Bound, reader: &Issued, gateway: Option<&Path>) -> String {
    let platform = dir.join("platform.toml");
    let near = gateway.unwrap_or(&platform).display();
    let platform = platform.display();
    let pki = dir.join("pki");
    let pki = pki.display();
    let admin = bound.admin_address();
    let api = bound.api_addresses().first().map(ToString::to_string).unwrap_or_default();
    let (chain, key) = (reader.chain.display(), reader.key.display());
    let pages = match gateway {
        None => "Within a minute the pages show: devices that connect, one that is refused and why, an alarm of the
monitor (page of its message), values as plots (page of the monitor, \"Numbers\"), and the pump that
leaves, is missed as silent, and comes back."
            .to_owned(),
        Some(_) => format!(
            "The devices connect to the gateway, and the gateway to the platform. The pages of the platform show
what has come through: messages, an alarm of the monitor (page of its message), values as plots. Those
of the gateway show, within a minute, who connects, who is refused and why, and the pump that leaves:
  pcd-platform page --config {near}"
        ),
    };
    format!(
        "{pages}

Try in another terminal:
  pcd-platform message list --config {platform}
  pcd-platform audit list --config {near}
  pcd-platform device suspend 00A037FFFE000001 --config {near}    (ends its session)
  pcd-platform device resume 00A037FFFE000001 --config {near}     (it connects again within seconds)
  pcd-platform device add 00A037FFFE000004 --config {near}        (the device that is not in the directory)
  pcd-platform pki revoke --dir {pki} --certificate {pki}/device/00A037FFFE000001.ecc.chain.pem
                                                          (ends its session within seconds)
  pcd-platform page --config {platform}                               (a link for the browser)
  pcd-platform status --config {near}
  curl http://{admin}/metrics
  curl --cacert {pki}/root-ecc.pem --cert {chain} --key {key} \\
    \"https://{api}/fhir/Observation?code=150456&_lastUpdated=ge$(date -u -d '10 seconds ago' +%FT%TZ)\"
                                                          (SpO2 of the last seconds, as FHIR)
Press Ctrl-C to end the demonstration.
"
    )
}

/// Messages that each device sends about each piece of equipment with `--once`.
const ROUNDS: u64 = 3;
/// Time between two rounds of one device without `--once`.
const SEND_INTERVAL: Duration = Duration::from_secs(2);
/// Rows of each kind that are counted for the summary; more than `--once` produces.
const MAX_COUNTED_ROWS: u32 = 1000;
