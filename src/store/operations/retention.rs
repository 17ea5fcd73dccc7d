//! Retention: deletes old messages and audit rows.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::audit::{
    Beginning, ChainHead, Event, MessageKind, Permit, RemovedMessages, RowHash, Signer, begin_bytes,
};
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::read::due::MAX_COUNTED;
use crate::store::records::message::MessageWeight;
use crate::store::records::removals::NextRemoval;
use crate::store::write::entry::Write;
use crate::store::write::incoming::WriteOutcome;

impl Store {
    /// Deletes messages (accepted and rejected) that were received before `before`, by their time of receipt
    /// and by their identifier, and outbox entries that were settled before it. Deletes the oldest first, and
    /// at most [`Store::PRUNED_AT_ONCE`] of each: fewer of messages that are large or name many devices.
    /// Returns their number, 0 when none is left. The deletion is durable on return and recorded in the audit
    /// trail, with a permit that `signer` signs: without it the removal would count for nothing.
    ///
    /// # Errors
    /// When nothing was deleted.
    pub async fn prune_messages(&self, before: Timestamp, signer: &dyn Signer) -> Result<u64, StoreError> {
        self.prune_messages_of(MessageKind::Any, None, before, signer).await
    }

    /// The same for messages of this kind, with identifiers of `from` or later. Accepted and rejected ones
    /// have ages of their own; `from` spares each batch the search past those of the other kind, which stay.
    ///
    /// # Errors
    /// When nothing was deleted.
    pub async fn prune_messages_of(
        &self,
        kind: MessageKind,
        from: Option<Timestamp>,
        before: Timestamp,
        signer: &dyn Signer,
    ) -> Result<u64, StoreError> {
        let weights = self.reader().oldest_message_weights(kind, from, before, Self::PRUNED_AT_ONCE).await?;
        let limit = within_work(&weights).unwrap_or(Self::PRUNED_AT_ONCE);
        let first = weights.first().map(|weight| weight.id);
        let permit = Box::new(Permit::sign(signer, self.node(), kind, before)?);
        self.prune(Write::PruneMessages { first, permit, limit }).await
    }

    /// What retention removes next of the messages of this kind, which stay for `age`. `None`: there is none
    /// of them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn next_removal(
        &self,
        kind: MessageKind,
        age: SignedDuration,
        now: Timestamp,
    ) -> Result<Option<NextRemoval>, StoreError> {
        let Some(oldest) = self.reader().oldest_before(kind, now).await? else { return Ok(None) };
        let within = now.saturating_sub(age).and_then(|before| before.saturating_add(DAY)).unwrap_or(now);
        let within_a_day = self.reader().messages_before(kind, within).await?;
        Ok(Some(NextRemoval {
            oldest,
            at: oldest.saturating_add(age).unwrap_or(Timestamp::MAX).max(now),
            within_a_day: within_a_day.min(MAX_COUNTED),
            are_more: within_a_day > MAX_COUNTED,
        }))
    }

    /// Writes a permit for messages that were received before `before`, if an earlier version, which signed
    /// none, wrote the last row about a removal. A permit covers all older removals.
    ///
    /// # Errors
    /// When the row cannot be read or written.
    pub async fn permit_former_removals(
        &self,
        before: Timestamp,
        signer: &dyn Signer,
    ) -> Result<(), StoreError> {
        let rows = self.reader().newest_pruned_rows(u64::MAX, 1).await?;
        if rows.iter().all(|row| row.permit.is_some()) {
            return Ok(());
        }
        let permit = Box::new(Permit::sign(signer, self.node(), MessageKind::Any, before)?);
        let removed = Box::new(RemovedMessages::default());
        self.audit(Event::MessagesPruned { removed, orders: 0, permit }).await
    }

    /// Deletes rows of this node's audit chain that were written before `before`, the oldest first: none
    /// after the row number `up_to`, never the last row of the chain, and at most [`Store::PRUNED_AT_ONCE`].
    /// Returns their number. `signer` signs the new beginning of the chain.
    ///
    /// # Errors
    /// When nothing was deleted.
    pub async fn prune_audit(
        &self,
        before: Timestamp,
        up_to: u64,
        signer: &dyn Signer,
    ) -> Result<u64, StoreError> {
        let (node, reader) = (self.node(), self.reader());
        let begin = reader.audit_beginning(node).await?.map_or(ChainHead::START, |beginning| beginning.link);
        let end = reader.audit_end(node).await?;
        // The row that this node remembers proves that the chain is its own.
        let last = self.own_chain().first_needed().map_or(end.number, |needed| needed.min(end.number));
        let after = i64::try_from(begin.number).unwrap_or(i64::MAX);
        let rows = reader.audit_chain(node, Some(after), Self::PRUNED_AT_ONCE).await?;
        let old = rows
            .iter()
            .take_while(|row| row.at < before.as_microsecond())
            .filter_map(|row| u64::try_from(row.number).ok().zip(RowHash::from_bytes(&row.hash)))
            .take_while(|(number, _)| *number < last && *number <= up_to);
        let Some((number, hash)) = old.last() else { return Ok(0) };
        let link = ChainHead { number, hash };
        let signature = signer.sign(&begin_bytes(node, &link))?;
        let beginning = Box::new(Beginning { link, signature, at: self.clock().now() });
        self.prune(Write::PruneAudit { beginning, before }).await
    }

    /// Accepted messages stay for this time; `None`: forever. What is acknowledged as a resend stays as long,
    /// but for a tenth of it and at most a day: a message whose copy is older is stored again.
    pub fn messages_stay(&self, time: Option<Duration>) {
        self.own_chain().messages_stay(time);
    }

    async fn prune(&self, write: Write) -> Result<u64, StoreError> {
        match self.write(write).await? {
            WriteOutcome::Rows(rows) => Ok(rows),
            WriteOutcome::Applied
            | WriteOutcome::Grant(_)
            | WriteOutcome::Replaced(_)
            | WriteOutcome::Renewed(_)
            | WriteOutcome::Resend { .. } => Ok(0),
        }
    }

    /// Rows that are deleted in one transaction. It takes some milliseconds, in which senders wait.
    pub const PRUNED_AT_ONCE: u32 = 200;
}

/// How many of these messages may be deleted at once, in their order; at least one. `None` without messages.
fn within_work(weights: &[MessageWeight]) -> Option<u32> {
    let mut work = 0;
    let fits = |weight: &&MessageWeight| {
        work += weight.work();
        work <= MAX_PRUNED_WORK
    };
    let number = weights.iter().take_while(fits).count().max(1);
    (!weights.is_empty()).then(|| u32::try_from(number).unwrap_or(u32::MAX))
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The work of one deletion: that of so many small messages.
const MAX_PRUNED_WORK: u64 = 400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MessageId;

    #[test]
    fn fewer_messages_are_deleted_at_once_when_they_are_expensive() {
        let id = MessageId::from_bytes([0; 16]);
        let weights =
            |number, bytes, identity_bytes| vec![MessageWeight { id, bytes, identity_bytes }; number];
        assert_eq!(within_work(&[]), None);
        assert_eq!(within_work(&weights(200, 1000, 60)), Some(200));
        let gateway = within_work(&weights(200, 100_000, 1024 * 64)).unwrap();
        assert!((2..8).contains(&gateway), "{gateway}");
        let large = within_work(&weights(200, 2 << 20, 60)).unwrap();
        assert!((2..8).contains(&large), "{large}");
        assert_eq!(within_work(&weights(2, 64 << 20, 0)), Some(1));
    }
}
