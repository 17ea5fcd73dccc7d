//! `simulate`: devices by the thousand, for a platform under test.

mod arguments;
mod enrolment;
mod live;
mod responder;
mod text;

use std::time::Duration;

use anyhow::anyhow;
use tokio_util::sync::CancellationToken;

pub(super) use super::client::destination;
use super::{Exit, Failure, Outcome, Output, remote};
use crate::model::Clock;
use crate::pki::TestPki;
use crate::simulate::{Fault, Simulation, Summary};
pub(super) use arguments::Arguments;
use live::Display;

/// Prepares the devices, adds them to the directory if that is asked for, and lets them send.
pub(super) async fn run(
    arguments: Arguments,
    connection: &remote::Connection,
    output: Output,
    clock: Clock,
) -> Outcome {
    let settings = arguments.settings()?;
    let pki = own_pki(&arguments, &clock)?;
    let display = Display::new(output);
    display.note(&format!("issuing {} certificates ...", settings.devices));
    let responding = settings.faults.contains_key(&Fault::Revoked).then(|| pki.clone());
    let preparing = {
        let clock = clock.clone();
        tokio::task::spawn_blocking(move || Simulation::prepare(settings, &pki, &clock))
    };
    let simulation = preparing.await?.map_err(|error| Failure::new(Exit::Failed, error))?;
    if arguments.list {
        output.bytes(simulation.fleet().directory().as_bytes())?;
        return Ok(Exit::Done);
    }
    if arguments.enrol {
        let added =
            enrolment::enrol(&arguments.config, connection, simulation.fleet(), &clock, output).await?;
        display.note(&format!("{added} devices are in the directory"));
    }
    let responding = match responding {
        Some(pki) => responder::respond(pki).await?,
        None => None,
    };
    let stop = CancellationToken::new();
    let length = arguments.length.and_then(|length| Duration::try_from(length).ok());
    let stopping = tokio::spawn(stop_later(stop.clone(), length));
    let mut display = display.for_devices(simulation.fleet().devices.len());
    let summary = simulation.run(stop, |at, counters| display.show(at, counters)).await;
    stopping.abort();
    if let Some(task) = responding {
        task.abort();
    }
    display.clear();
    output.print(&summary, text::summary)?;
    Ok(exit(&summary))
}

/// The PKI, if this program made it: the devices of a hospital have certificates of another one.
fn own_pki(arguments: &Arguments, clock: &Clock) -> Result<TestPki, Failure> {
    let dir = arguments.pki();
    let pki = TestPki::open(&dir, clock)?;
    if !arguments.i_know && !pki.is_made_here()? {
        return Err(anyhow!(
            "the CAs in {} were not made by `pki init` or `init`: a platform that trusts them may serve patients, \
             and simulated values would stand beside real ones; if it does not, repeat the command with --i-know",
            dir.display()
        )
        .into());
    }
    Ok(pki)
}

/// Ends the simulation after its time, or at Ctrl-C or SIGTERM.
async fn stop_later(stop: CancellationToken, length: Option<Duration>) {
    let ended = async {
        match length {
            Some(length) => tokio::time::sleep(length).await,
            None => std::future::pending().await,
        }
    };
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut terminated) => drop(terminated.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = ended => {}
        () = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    stop.cancel();
}

fn exit(summary: &Summary) -> Exit {
    if summary.handshakes == 0 {
        return Exit::Unavailable;
    }
    if summary.is_success() { Exit::Done } else { Exit::Failed }
}
