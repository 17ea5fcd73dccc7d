//! `simulate`: devices by the thousand, for a platform under test.

mod arguments;
mod ending;
mod enrolment;
mod live;
mod responder;
mod text;

use std::time::Duration;

use anyhow::anyhow;

pub(super) use super::client::destination;
use super::{Exit, Failure, Outcome, Output, remote};
use crate::model::Clock;
use crate::pki::TestPki;
use crate::simulate::{Counters, Fault, Simulation, Summary};
pub(super) use arguments::Arguments;
use ending::Ending;
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
    if arguments.enrol && !arguments.i_know {
        enrolment::demand_trust(&arguments.config, &pki)?;
    }
    let (address, timeout) = (settings.address, settings.timeout);
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
        enrolment::demand_platform(address, timeout).await?;
        let added =
            enrolment::enrol(&arguments.config, connection, simulation.fleet(), &clock, output).await?;
        display.note(&format!("{added} devices are in the directory"));
    }
    let responding = match responding {
        Some(pki) => responder::respond(pki).await?,
        None => None,
    };
    let length = arguments.length.and_then(|length| Duration::try_from(length).ok());
    let mut ending = Ending::after(length, arguments.grace())?;
    let (stop, abort) = ending.tokens();
    let mut display = display.for_devices(simulation.fleet().devices.len());
    let observe = |at, counters: &Counters| {
        display.show(at, counters);
        ending.look(at, counters.live());
    };
    let summary = simulation.run(stop, abort, observe).await;
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

fn exit(summary: &Summary) -> Exit {
    if summary.handshakes == 0 {
        return Exit::Unavailable;
    }
    if summary.is_success() { Exit::Done } else { Exit::Failed }
}
