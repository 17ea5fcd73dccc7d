//! The content of one message, for `message show` and `order show`.

mod tree;

use anyhow::anyhow;
use jiff::tz::TimeZone;

use super::context::failed;
use super::operator::operator;
use super::{Failure, Output};
use crate::audit::{Event, ViewedAs};
use crate::hl7::Message;
use crate::model::{DeviceId, MessageId, Right, content_fault_point};
use crate::store::Store;
use crate::view::{Tree, TreeOptions};

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
    /// With --tree: show long values as a whole; with --phi also documents
    #[arg(long, requires = "tree")]
    full: bool,
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

/// How content is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    viewed_as: ViewedAs,
    full: bool,
}

impl Content {
    /// The right that a person needs: of metadata, or of content.
    pub(super) fn right(self) -> Right {
        if self.form().is_some() { Right::Content } else { Right::See }
    }

    /// The form that was asked for; `None` when no content was asked for.
    pub(super) fn form(self) -> Option<Form> {
        let viewed_as = match (self.raw, self.tree, self.phi) {
            (true, ..) => ViewedAs::Raw,
            (false, true, true) => ViewedAs::TreeWithPatient,
            (false, true, false) => ViewedAs::Tree,
            (false, false, _) => return None,
        };
        Some(Form { viewed_as, full: self.full })
    }
}

/// Records the look at the content, then shows it. `assumed_zone` is that of times which state none.
pub(super) async fn show(
    subject: Subject<'_>,
    form: Form,
    assumed_zone: TimeZone,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let Subject { id, device, bytes, command } = subject;
    // IHE ATNA: each look at a patient's record is recorded; without the row nothing is shown.
    let Form { viewed_as, full } = form;
    let viewed = Event::MessageViewed {
        message: id,
        device: device.clone(),
        viewed_as,
        actor: operator(),
        reason: None,
    };
    store.audit(viewed).await.map_err(failed)?;
    if viewed_as == ViewedAs::Raw {
        return Ok(output.bytes(bytes)?);
    }
    content_fault_point("content", bytes);
    let message = Message::parse(bytes)
        .map_err(|unreadable| anyhow!("{unreadable}; `{command} show {id} --raw` writes its bytes"))?;
    let with_patient = viewed_as == ViewedAs::TreeWithPatient;
    let options = TreeOptions { with_patient, full, zone: output.zone(), assumed_zone };
    let tree = Tree::new(&message, &options);
    if output.is_json() {
        return Ok(output.json_line(&tree)?);
    }
    let strikes = output.is_terminal();
    for line in tree::lines(&tree) {
        output.line(&line.shown(strikes))?;
    }
    Ok(())
}
