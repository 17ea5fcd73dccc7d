//! `demo`: the main job on the embedded default, in one folder, with simulated devices.

mod actor;
mod site;
mod telling;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use tokio::task::JoinSet;

use super::serve::failure;
use super::{Exit, Outcome, Output};
use crate::app::{Bound, Platform, Signals, telemetry};
use crate::config::Credential;
use crate::model::{Clock, StoreUrl};
use crate::store::{AuditFilter, MessageFilter, Page, Store};
use actor::{Actor, Part, Stage, Tally};
use site::Site;
use telling::Telling;

/// Where the demonstration happens, and for how long.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The folder for certificates, configuration and store
    #[arg(long, default_value = "demo", value_name = "DIR")]
    dir: PathBuf,
    /// The port for devices; 0 takes a free one
    #[arg(long, default_value_t = 2575)]
    port: u16,
    /// The port for operators; 0 takes a free one
    #[arg(long, default_value_t = 9575)]
    admin_port: u16,
    /// Let each device send its messages once, print a summary, and exit
    #[arg(long)]
    once: bool,
}

/// Messages that each device sends about each piece of equipment with `--once`.
const ROUNDS: u64 = 3;
/// Between two messages of one device otherwise.
const PAUSE: Duration = Duration::from_secs(2);
/// How many rows are read back for the summary; more than `--once` makes.
const READ_BACK: u32 = 1000;

/// The last line of `--once`: what the devices sent, and what the platform made of it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Summary {
    /// Messages that reached the platform.
    sent: u64,
    /// Messages that were answered with AA or CA.
    acknowledged: u64,
    /// Messages that the store holds as accepted.
    stored: u64,
    /// Connections and messages refused, by reason, as the audit trail and the store tell it.
    refused: BTreeMap<String, u64>,
}

pub(super) async fn run(arguments: Arguments, output: Output, clock: Clock) -> Outcome {
    let telling = Telling::new(output);
    telling.line("making certificates, a store and a configuration ...")?;
    let site = Site::prepare(&arguments.dir, arguments.port, arguments.admin_port, &clock).await?;
    telemetry::start(&site.config.log)?;
    let since = clock.now();
    let signals = Signals::listen().map_err(failure)?;
    let store_url = site.config.store_url.clone();
    let (socket, responder) = site.responder;
    let ocsp = socket.local_addr().context("no address for the OCSP responder")?;
    // Ends with the runtime; nothing depends on how.
    let _responding = tokio::spawn(crate::http::respond(socket, responder));
    let bound =
        Platform::build(site.config, clock.clone()).await.and_then(Platform::bind).map_err(failure)?;
    let stage = Stage {
        platform: bound.addresses().first().copied().context("no address to connect to")?,
        trust_anchors: site.trust_anchors,
        clock: clock.clone(),
        telling,
    };
    telling.line(&format!("the PKI answers at http://{ocsp}/ocsp"))?;
    telling.line(&format!(
        "the platform listens for devices on {}, for operators on http://{}\n",
        stage.platform,
        bound.admin_address()
    ))?;
    if arguments.once {
        let summary = once(bound, signals, stage, site.actors, &store_url, since, clock).await?;
        output.line(&serde_json::to_string(&summary)?)?;
        let expected = expected();
        return Ok(if summary == expected { Exit::Done } else { Exit::Failed });
    }
    telling.line(&what_next(&arguments.dir, &bound))?;
    let mut actors = start(&stage, site.actors, u64::MAX, PAUSE);
    bound.run(signals).await.map_err(failure)?;
    actors.shutdown().await;
    Ok(Exit::Done)
}

/// Every device sends its messages, the platform stops in good order, and the books are compared.
async fn once(
    bound: Bound,
    signals: Signals,
    stage: Stage,
    actors: Vec<(Actor, Credential)>,
    store_url: &StoreUrl,
    since: Timestamp,
    clock: Clock,
) -> anyhow::Result<Summary> {
    let stop = bound.stopper();
    let platform = tokio::spawn(bound.run(signals));
    let played = start(&stage, actors, ROUNDS, Duration::ZERO).join_all().await;
    stop.cancel();
    platform.await??;
    let mut summary = Summary::default();
    for tally in played {
        let Tally { sent, acknowledged } = tally?;
        summary.sent += sent;
        summary.acknowledged += acknowledged;
    }
    let store = Store::open(store_url, clock).await?;
    summary.read_back(&store, since).await?;
    store.close().await;
    Ok(summary)
}

fn start(
    stage: &Stage,
    actors: Vec<(Actor, Credential)>,
    rounds: u64,
    pause: Duration,
) -> JoinSet<anyhow::Result<Tally>> {
    let mut playing = JoinSet::new();
    for (actor, credential) in actors {
        playing.spawn(actor.play(stage.clone(), credential, rounds, pause));
    }
    playing
}

impl Summary {
    async fn read_back(&mut self, store: &Store, since: Timestamp) -> anyhow::Result<()> {
        let messages = MessageFilter { since: Some(since), limit: READ_BACK, ..MessageFilter::default() };
        for message in store.messages(&messages).await? {
            match message.verdict.rejection() {
                None => self.stored += 1,
                Some(code) => *self.refused.entry(code.to_owned()).or_default() += 1,
            }
        }
        let refusals = AuditFilter {
            event: Some("connection-refused".to_owned()),
            since: Some(since),
            page: Page::Latest,
            limit: READ_BACK,
        };
        for row in store.audit_rows(&refusals).await? {
            let details: serde_json::Value = serde_json::from_str(&row.details)?;
            let code = details.get("refusal").and_then(serde_json::Value::as_str).unwrap_or_default();
            *self.refused.entry(code.to_owned()).or_default() += 1;
        }
        Ok(())
    }
}

/// What must have happened with `--once`.
fn expected() -> Summary {
    let mut summary = Summary::default();
    for actor in Actor::cast() {
        let messages = ROUNDS * actor.equipment.len() as u64;
        let mut refuse = |code: &str, count| summary.refused.insert(code.to_owned(), count);
        match actor.part {
            Part::Welcome => {
                summary.sent += messages;
                summary.acknowledged += messages;
                summary.stored += messages;
            }
            Part::Impostor => {
                refuse("identity-mismatch", messages);
                summary.sent += messages;
            }
            Part::Revoked => {
                refuse("revoked", 1);
            }
            Part::Unknown => {
                refuse("unknown-device", 1);
            }
        }
    }
    summary
}

fn what_next(dir: &Path, bound: &Bound) -> String {
    let config = dir.join("platform.toml");
    let config = config.display();
    let pki = dir.join("pki");
    let pki = pki.display();
    let admin = bound.admin_address();
    format!(
        "What to try in another terminal:
  pcd-platform message list --config {config}
  pcd-platform audit list --config {config}
  pcd-platform device suspend 00A037FFFE000001 --config {config}    (its session ends)
  pcd-platform device resume 00A037FFFE000001 --config {config}
  pcd-platform pki revoke --dir {pki} --certificate {pki}/device/00A037FFFE000001.ecc.chain.pem
                                                          (its session ends within seconds)
  curl http://{admin}/metrics
  curl http://{admin}/api/certificates
Ctrl-C ends the demonstration.
"
    )
}
