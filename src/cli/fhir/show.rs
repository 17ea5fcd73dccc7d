//! `fhir show`.

use std::path::Path;

use anyhow::{Context as _, anyhow};

use super::text;
use crate::audit::{Event, ViewedAs};
use crate::cli::context::failed;
use crate::cli::operator::operator;
use crate::cli::{Failure, Output, input};
use crate::fhir::{Mapped, Options, Source, map};
use crate::hl7::{Message, with_carriage_returns};
use crate::model::{MessageId, content_fault_point};
use crate::store::{Store, Verdict};

/// Options of `fhir show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The id that `message list` shows, or a file with one HL7 v2 message
    message: String,
    /// Print the resources, one a line, with their values and the patient (PHI)
    #[arg(long)]
    phi: bool,
}

/// A message and where it comes from.
struct Subject {
    id: MessageId,
    sender: String,
    received: jiff::Timestamp,
    bytes: Vec<u8>,
}

/// Shows what a message becomes, with the settings by which hospital systems read it.
pub(super) async fn run(
    arguments: Arguments,
    options: Options,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let Arguments { message, phi } = arguments;
    let subject = match message.parse() {
        Ok(id) => stored(id, phi, store, output).await?,
        Err(_) => in_file(&message, store).await?,
    };
    content_fault_point("fhir", &subject.bytes);
    let parsed = Message::parse(&subject.bytes).map_err(|unreadable| anyhow!("{unreadable}"))?;
    let key = store.patient_key().await;
    let source = Source {
        message: subject.id,
        sender: &subject.sender,
        received: subject.received,
        patient_id: &|patient| key.opaque_id(patient),
    };
    let mapped = map(&parsed, &source, &options);
    show(&mapped, phi, output)
}

/// A stored message; the look at it is recorded first.
async fn stored(id: MessageId, phi: bool, store: &Store, output: Output) -> Result<Subject, Failure> {
    let message = store.message(id).await.map_err(failed)?;
    let message = message.ok_or_else(|| anyhow!("no message has the id {id}"))?;
    if !message.is_intact {
        return Err(anyhow!(
            "the stored bytes of message {id} were changed after they were received: run `store check`"
        )
        .into());
    }
    if message.summary.verdict != Verdict::Accepted {
        output.warn("the message was rejected: it becomes nothing that hospital systems read")?;
    }
    let device = message.summary.device.clone();
    let viewed_as = if phi { ViewedAs::FhirWithPatient } else { ViewedAs::Fhir };
    let viewed = Event::MessageViewed {
        message: id,
        device: device.clone(),
        viewed_as,
        actor: operator(),
        reason: None,
    };
    store.audit(viewed).await.map_err(failed)?;
    Ok(Subject {
        id,
        sender: device.to_string(),
        received: message.summary.received_at,
        bytes: message.raw.to_vec(),
    })
}

/// A message that the operator has in a file; its id is one that no message has.
async fn in_file(file: &str, store: &Store) -> Result<Subject, Failure> {
    let path = Path::new(file);
    let bytes = input::read(path)
        .with_context(|| format!("{file} is no id of a message, and cannot be read as a file"))?;
    let received = store.now();
    Ok(Subject {
        id: MessageId::at(received),
        sender: UNKNOWN_SENDER.to_owned(),
        received,
        bytes: with_carriage_returns(&bytes),
    })
}

fn show(mapped: &Mapped, phi: bool, output: Output) -> Result<(), Failure> {
    if phi {
        for resource in &mapped.resources {
            output.json_line(resource)?;
        }
    } else {
        output.header(&text::header(), mapped.resources.len())?;
        for resource in &mapped.resources {
            output.print(&text::ResourceLine::from(resource), text::ResourceLine::shown)?;
        }
    }
    for unmapped in &mapped.unmapped {
        let line = text::UnmappedLine::from(unmapped);
        if phi {
            // The lines are resources: what is not one goes to stderr.
            output.warn(&line.shown())?;
        } else {
            output.print(&line, text::UnmappedLine::shown)?;
        }
    }
    Ok(())
}

/// The sender of a message in a file.
const UNKNOWN_SENDER: &str = "FILE";
