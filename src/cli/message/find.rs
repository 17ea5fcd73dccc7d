//! `message list` by what stands in messages: a look at content, which is recorded.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};

use super::text;
use crate::cli::context::failed;
use crate::cli::operator::operator;
use crate::cli::{Exit, Failure, Outcome, Output, input};
use crate::model::MessageId;
use crate::store::{MessageFilter, Store};
use crate::view::{ContentQuery, ContentTerms, MessageView};

/// What stands in the messages. The audit trail records who searches and why; the numbers and texts
/// themselves are in no row.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Content {
    /// Only messages with this number of a patient or a visit (PID-3, PID-18, PV1-19, ...); other users of
    /// this machine can see the words of a command: --patient-from avoids that
    #[arg(long, value_name = "NUMBER", requires = "why", conflicts_with = "patient_from")]
    patient: Option<String>,
    /// The same, with the number in a file, such as /dev/stdin
    #[arg(long, value_name = "FILE", requires = "why")]
    patient_from: Option<PathBuf>,
    /// Only messages with this number of an order (ORC-2, ORC-3, OBR-2, OBR-3)
    #[arg(long, value_name = "NUMBER", requires = "why", conflicts_with_all = ["patient", "patient_from"])]
    order: Option<String>,
    /// Only messages with this text, in upper or lower case; reads message by message, so it needs --device,
    /// --since, or a number
    #[arg(long, value_name = "TEXT", requires = "why")]
    text: Option<String>,
    /// With --text: only in segments with this name (OBX)
    #[arg(long, value_name = "NAME", requires = "text")]
    segment: Option<String>,
    /// Why you search, for the audit trail; without names and numbers of patients
    #[arg(long, value_name = "REASON")]
    why: Option<String>,
}

impl Content {
    /// Whether messages are searched by what stands in them.
    pub(super) const fn is_given(&self) -> bool {
        self.patient.is_some() || self.patient_from.is_some() || self.order.is_some() || self.text.is_some()
    }
}

/// Records the search, and lists what is found.
pub(super) async fn run(content: Content, filter: MessageFilter, store: &Store, output: Output) -> Outcome {
    let Content { patient, patient_from, order, text, segment, why } = content;
    let usage = |why: &'static str| Failure::new(Exit::Usage, anyhow!(why));
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let patient = match patient_from {
        Some(file) => Some(first_line(&file)?),
        None => patient,
    };
    let terms = ContentTerms {
        patient: patient.as_deref().unwrap_or_default(),
        order: order.as_deref().unwrap_or_default(),
        segment: segment.as_deref().unwrap_or_default(),
        text: text.as_deref().unwrap_or_default(),
    };
    let why = terms.reason(why.as_deref().unwrap_or_default()).map_err(usage)?;
    let query = ContentQuery::new(terms, filter, &store.patient_key().await).map_err(usage)?;
    let found = query.run(store, operator(), Some(why)).await.map_err(failed)?;
    for message in &found.messages {
        output.print(&MessageView::from(message), |message| text::line(message, output))?;
    }
    match found.stopped_at.filter(|_| found.messages.len() < limit) {
        Some(id) => Err(Failure::new(Exit::Failed, Stopped { id })),
        None => Ok(Exit::Done),
    }
}

fn first_line(file: &std::path::Path) -> Result<String, Failure> {
    let bytes = input::read(file).with_context(|| file.display().to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| anyhow!("{}: not UTF-8", file.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Older messages were not searched.
#[derive(Debug, thiserror::Error)]
#[error("the search stopped at message {id}; go on with --before {id}")]
struct Stopped {
    id: MessageId,
}
