//! Messages by an identity that they name.
//!
//! Nearly every device names itself in each of its messages. These messages are not in the index of
//! identities (`message_identity`): they are found by their sender. So a search by an identity reads two
//! lists, that of the index and that of the sender of this name, and puts them together. Messages of
//! earlier versions are in both.

use crate::model::{DeviceId, MessageId};
use crate::store::error::StoreError;
use crate::store::read::message::{
    Lookup, identity_key, select_contents, select_floor, select_messages, summary,
};
use crate::store::read::reader::Reader;
use crate::store::records::message::{MessageFilter, MessageSummary};
use crate::store::row::{Row, message_id};

/// A message of a list, read with its bytes.
pub(super) trait Listed: Send + Sized {
    fn read(row: &Row) -> Result<Self, StoreError>;

    /// The bytes that it holds.
    fn bytes(&self) -> usize;

    fn id(&self) -> MessageId;
}

impl Reader {
    /// The messages of a filter, newest first, none before `floor`.
    pub(super) async fn listed(
        &self,
        filter: &MessageFilter,
        floor: Option<MessageId>,
    ) -> Result<Vec<MessageSummary>, StoreError> {
        let found = self.fetch(select_messages(filter, floor, Lookup::Named)).await?;
        let found = found.iter().map(summary).collect::<Result<Vec<_>, _>>()?;
        let Some(own) = own(filter) else { return Ok(found) };
        let others = self.fetch(select_messages(&own, floor, Lookup::Sender)).await?;
        let others = others.iter().map(summary).collect::<Result<Vec<_>, _>>()?;
        Ok(merged((found, false), (others, false), |message| message.id, filter.limit).0)
    }

    /// The same with their bytes, until they exceed `max_bytes`, and whether there are more.
    pub(super) async fn listed_contents<T: Listed>(
        &self,
        filter: &MessageFilter,
        floor: Option<MessageId>,
        max_bytes: usize,
    ) -> Result<(Vec<T>, bool), StoreError> {
        let statement = select_contents(filter, floor, Lookup::Named);
        let found = self.fetch_page(statement, max_bytes, T::read, T::bytes).await?;
        let Some(own) = own(filter) else { return Ok(found) };
        let statement = select_contents(&own, floor, Lookup::Sender);
        let others = self.fetch_page(statement, max_bytes, T::read, T::bytes).await?;
        Ok(merged(found, others, T::id, filter.limit))
    }

    /// The last message that a search reads; `None` when it reads all of them.
    pub(super) async fn floor(&self, filter: &MessageFilter) -> Result<Option<MessageId>, StoreError> {
        let named = self.fetch(select_floor(filter)).await?.first().map(message_id).transpose()?;
        let Some(own) = own(filter) else { return Ok(named) };
        let MessageFilter { device, since, before, limit, .. } = own;
        let sent = MessageFilter { device, since, before, limit, ..MessageFilter::default() };
        let sent = self.fetch(select_floor(&sent)).await?.first().map(message_id).transpose()?;
        Ok(named.max(sent))
    }
}

/// The filter of the messages in which a device names itself: none when the filter asks for no identity, or
/// for messages of another sender.
fn own(filter: &MessageFilter) -> Option<MessageFilter> {
    let identity = filter.identity.as_ref().filter(|_| filter.key.is_none())?;
    let sender: DeviceId = identity_key(identity).parse().ok()?;
    let is_sender = filter.device.as_ref().is_none_or(|device| *device == sender);
    is_sender.then(|| MessageFilter { device: Some(sender), ..filter.clone() })
}

/// Puts two pages together, each newest first with whether it was cut: nothing is known of what is older than
/// the end of a page that was cut.
fn merged<T>(
    one: (Vec<T>, bool),
    other: (Vec<T>, bool),
    id: fn(&T) -> MessageId,
    limit: u32,
) -> (Vec<T>, bool) {
    let known = [&one, &other].into_iter().filter(|(_, is_cut)| *is_cut);
    let known = known.filter_map(|(page, _)| page.last().map(id)).max();
    let is_cut = one.1 || other.1;
    let mut page: Vec<T> = one.0.into_iter().chain(other.0).collect();
    page.retain(|message| known.is_none_or(|known| id(message) >= known));
    page.sort_by_key(|message| std::cmp::Reverse(id(message)));
    page.dedup_by_key(|message| id(message));
    page.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    (page, is_cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> MessageId {
        MessageId::from_bytes(number.to_be_bytes())
    }

    #[test]
    fn two_pages_are_one_in_order_without_copies_and_end_where_one_was_cut() {
        let page = |numbers: &[u128]| numbers.iter().copied().map(id).collect::<Vec<_>>();
        for (one, other, limit, expected) in [
            ((&[][..], false), (&[][..], false), 5, (&[][..], false)),
            ((&[9, 7, 5], false), (&[8, 7, 2], false), 5, (&[9, 8, 7, 5, 2], false)),
            ((&[9, 7, 5], false), (&[8, 7, 2], false), 2, (&[9, 8], false)),
            ((&[9, 7, 5], true), (&[8, 7, 2], false), 5, (&[9, 8, 7, 5], true)),
            ((&[9, 7, 5], true), (&[8], true), 5, (&[9, 8], true)),
            ((&[], false), (&[8, 4], true), 5, (&[8, 4], true)),
        ] {
            let (found, is_cut) = merged((page(one.0), one.1), (page(other.0), other.1), |id| *id, limit);
            assert_eq!((found, is_cut), (page(expected.0), expected.1), "{one:?} {other:?}");
        }
    }
}
