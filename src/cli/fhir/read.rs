//! `fhir read`.

use std::collections::BTreeSet;

use anyhow::anyhow;

use super::text::{self, ResourceLine};
use crate::audit::{Event, ViewedAs};
use crate::cli::context::failed;
use crate::cli::operator::operator;
use crate::cli::{Failure, Output};
use crate::config::Config;
use crate::fhir::Resource;
use crate::model::MessageId;
use crate::render::{Found, Renderer, mapping_options};
use crate::store::Store;

/// Options of `fhir read`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// TYPE/ID: of a Device, a DeviceMetric, a Patient or an Observation
    reference: String,
    /// The newest observations of this Patient, or of this Device (an MDS), at most COUNT
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1000))]
    newest: Option<u16>,
    /// Print the resources, one a line, with their values and the patient (PHI)
    #[arg(long)]
    phi: bool,
}

/// Reads from the index.
pub(super) async fn run(
    arguments: Arguments,
    config: &Config,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let Arguments { reference, newest, phi } = arguments;
    let renderer = Renderer::new(store, mapping_options(config)).await.map_err(failed)?;
    let found = match newest {
        Some(count) => renderer.newest(&reference, usize::from(count)).await.map_err(failed)?,
        None => match renderer.read(&reference).await.map_err(failed)? {
            Found::Resource(seen) => vec![(seen.resource, seen.message)],
            Found::Gone => {
                return Err(anyhow!("{reference} is gone: its message was removed, or has it no more").into());
            }
            Found::Nothing => return Err(anyhow!("the index has no {reference}").into()),
        },
    };
    record(&found, phi, store).await?;
    if !phi {
        output.header(&text::header(), found.len())?;
    }
    for (resource, _) in &found {
        if phi {
            output.json_line(resource)?;
        } else {
            output.print(&ResourceLine::from(resource), ResourceLine::shown)?;
        }
    }
    Ok(())
}

/// Records the look at each of the messages, before anything of them is shown.
async fn record(found: &[(Resource, MessageId)], phi: bool, store: &Store) -> Result<(), Failure> {
    let messages: BTreeSet<_> = found.iter().map(|(_, message)| *message).collect();
    let viewed_as = if phi { ViewedAs::FhirWithPatient } else { ViewedAs::Fhir };
    for message in messages {
        let Some(stored) = store.message(message).await.map_err(failed)? else { continue };
        let device = stored.summary.device.clone();
        let viewed = Event::MessageViewed { message, device, viewed_as, actor: operator(), reason: None };
        store.audit(viewed).await.map_err(failed)?;
    }
    Ok(())
}
