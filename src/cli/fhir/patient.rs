//! `fhir patient`: from the number of a patient to the id in the audit trail.

use serde::Serialize;

use super::merge::{opaque_id, refused};
use crate::cli::{Failure, Output};
use crate::model::DeviceId;
use crate::store::Store;

/// Options of `fhir patient`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// SYSTEM|NUMBER, as in the identifier of the patient; with --device the number alone
    #[arg(value_name = "NUMBER")]
    number: String,
    /// The sender within which the number counts, by the Common Name of its certificate
    #[arg(long, value_name = "CN")]
    device: Option<DeviceId>,
}

/// A patient.
#[derive(Debug, Serialize)]
struct Line {
    id: String,
}

/// Shows the id.
pub(super) async fn run(
    Arguments { number, device }: Arguments,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let parts = match (&device, number.split_once('|')) {
        (Some(device), _) => ["", device.as_str(), &number].to_vec(),
        (None, Some((system, number))) if !system.is_empty() && !number.is_empty() => {
            [system, number].to_vec()
        }
        (None, _) => {
            return Err(refused(
                "a number is SYSTEM|NUMBER such as urn:oid:1.2.3|4711, or counts within a sender: --device CN"
                    .to_owned(),
            ));
        }
    };
    let line = Line { id: opaque_id(&parts, store).await? };
    output.print(&line, |line| line.id.clone())?;
    Ok(())
}
