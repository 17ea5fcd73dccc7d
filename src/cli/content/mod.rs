//! The content of one message, for `message show` and `order show`.

mod tree;

use std::io::{self, Write as _};

use anyhow::anyhow;

use super::context::failed;
use super::operator::operator;
use super::{Failure, Output};
use crate::audit::{Event, ViewedAs};
use crate::hl7::Message;
use crate::model::{DeviceId, MessageId};
use crate::store::Store;
use crate::view::Tree;

/// The content to show, if any. Each look at the content is recorded in the audit trail.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Content {
    /// Write the bytes of the message to stdout instead
    #[arg(long)]
    raw: bool,
    /// Show the content instead: the device tree with its values, the facets of an alert
    #[arg(long, conflicts_with = "raw")]
    tree: bool,
    /// With --tree: show the patient as well (PHI)
    #[arg(long, requires = "tree")]
    phi: bool,
}

/// A message whose content is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) id: MessageId,
    pub(super) device: &'a DeviceId,
    pub(super) bytes: &'a [u8],
    /// The command that shows it, for hints.
    pub(super) command: &'static str,
}

impl Content {
    /// The form that was asked for; `None` when no content was asked for.
    pub(super) const fn form(self) -> Option<ViewedAs> {
        match (self.raw, self.tree, self.phi) {
            (true, ..) => Some(ViewedAs::Raw),
            (false, true, true) => Some(ViewedAs::TreeWithPatient),
            (false, true, false) => Some(ViewedAs::Tree),
            (false, false, _) => None,
        }
    }
}

/// Records the look at the content, then shows it.
pub(super) async fn show(
    subject: Subject<'_>,
    form: ViewedAs,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let Subject { id, device, bytes, command } = subject;
    // IHE ATNA: each look at a patient's record is recorded; without the row nothing is shown.
    let viewed =
        Event::MessageViewed { message: id, device: device.clone(), viewed_as: form, actor: operator() };
    store.audit(viewed).await.map_err(failed)?;
    if form == ViewedAs::Raw {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        return Ok(stdout.flush()?);
    }
    let message = Message::parse(bytes)
        .map_err(|unreadable| anyhow!("{unreadable}; `{command} show {id} --raw` writes its bytes"))?;
    Ok(output.print(&Tree::new(&message, form == ViewedAs::TreeWithPatient), tree::text)?)
}
