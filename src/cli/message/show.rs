//! `message show`: one message, whichever way it went.

use std::io::{self, Write as _};

use anyhow::anyhow;
use bytes::Bytes;

use super::outbox;
use super::tree::Tree;
use super::{Details, alert};
use crate::audit::{Event, ViewedAs};
use crate::cli::context::failed;
use crate::cli::operator::operator;
use crate::cli::{Failure, Output};
use crate::hl7::Message;
use crate::http::OutboxView;
use crate::model::{DeviceId, MessageId};
use crate::store::{OutboxEntry, Store, StoredMessage};

/// A message of a device, or one for a device.
enum Found {
    Received(StoredMessage),
    Outbox(OutboxEntry, Bytes),
}

/// Shows what is known of a message, or what it says in one of the ways of [`ViewedAs`].
pub(super) async fn run(
    id: MessageId,
    content: Option<ViewedAs>,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let found = find(id, store).await?;
    let Some(viewed_as) = content else {
        return match found {
            Found::Received(message) => {
                let alerts = alert::of(&message, store).await?;
                Ok(output.print(&Details::of(&message, &alerts), Details::paragraph)?)
            }
            Found::Outbox(entry, _) => Ok(output.print(&OutboxView::of(&entry), outbox::paragraph)?),
        };
    };
    // ATNA wants each look at a patient's record accounted for; nobody sees what was not written down.
    let device = found.device().clone();
    store
        .audit(Event::MessageViewed { message: id, device, viewed_as, actor: operator() })
        .await
        .map_err(failed)?;
    let bytes = found.bytes();
    if viewed_as == ViewedAs::Raw {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        return Ok(stdout.flush()?);
    }
    let message = Message::parse(bytes)
        .map_err(|unreadable| anyhow!("{unreadable}; `message show {id} --raw` writes its bytes"))?;
    Ok(output.print(&Tree::of(&message, viewed_as == ViewedAs::TreeWithPatient), Tree::text)?)
}

async fn find(id: MessageId, store: &Store) -> Result<Found, Failure> {
    if let Some(message) = store.message(id).await.map_err(failed)? {
        return Ok(Found::Received(message));
    }
    let entry = store.outbox_entry(id).await.map_err(failed)?;
    let (entry, raw) = entry.ok_or_else(|| anyhow!("no message has the id {id}"))?;
    Ok(Found::Outbox(entry, raw))
}

impl Found {
    const fn device(&self) -> &DeviceId {
        match self {
            Self::Received(message) => &message.summary.device,
            Self::Outbox(entry, _) => &entry.device,
        }
    }

    const fn bytes(&self) -> &Bytes {
        match self {
            Self::Received(message) => &message.raw,
            Self::Outbox(_, raw) => raw,
        }
    }
}
