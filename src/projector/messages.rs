//! The messages of a part of an audit chain.

use std::collections::HashMap;

use crate::model::MessageId;
use crate::store::{ProjectedMessage, Store, StoreError};

/// The messages that were read of some rows.
#[derive(Debug, Default)]
pub(super) struct ReadMessages {
    found: HashMap<MessageId, ProjectedMessage>,
    /// Those with later ids were not read.
    read_to: Option<MessageId>,
    /// It was looked for by itself.
    first: Option<MessageId>,
}

impl ReadMessages {
    /// Reads the messages, as far as they fit. The first one is looked for in any case, so that each batch
    /// has at least one: ids are of the time of arrival and the trail of that of the commit, and lower ids
    /// may stand behind it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) async fn read(store: &Store, ids: &[MessageId]) -> Result<Self, StoreError> {
        let (mut messages, is_cut) = store.projected_messages(ids, MAX_BYTES).await?;
        let read_to = messages.last().map(|message| message.id).filter(|_| is_cut);
        let first = ids.first().copied().filter(|first| read_to.is_some_and(|last| last < *first));
        if let Some(first) = first {
            messages.extend(store.projected_messages(&[first], MAX_BYTES).await?.0);
        }
        let found = messages.into_iter().map(|message| (message.id, message)).collect();
        Ok(Self { found, read_to, first })
    }

    pub(super) fn get(&self, id: MessageId) -> Option<&ProjectedMessage> {
        self.found.get(&id)
    }

    /// Whether the message may be there and was not read. What was looked for and is not there was removed
    /// by retention, not always in the order of the ids.
    pub(super) fn is_unread(&self, id: MessageId) -> bool {
        let is_behind = self.read_to.is_some_and(|last| last < id);
        is_behind && self.first != Some(id) && !self.found.contains_key(&id)
    }
}

/// Bytes of messages that are held for a batch.
const MAX_BYTES: usize = 8 << 20;
