//! The clock that retention and identifiers follow.

use std::time::Duration;

use jiff::Timestamp;

use crate::audit::{ChainHead, Event, MessageKind};
use crate::model::MessageId;
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::records::clock::ConfirmedClock;
use crate::store::write::entry::Write;

impl Store {
    /// Up to which time the clock was confirmed; `None` before the first process has served the store.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn confirmed_clock(&self) -> Result<Option<ConfirmedClock>, StoreError> {
        self.reader().confirmed_clock().await
    }

    /// Records that the clock was believed at `at`.
    ///
    /// # Errors
    /// When it was not written.
    pub async fn keep_clock(&self, at: Timestamp) -> Result<(), StoreError> {
        self.write(Write::Clock { at, release_before: None, event: None }).await.map(drop)
    }

    /// Records that an operator confirms the clock, and allows to remove what was received before
    /// `release_before` without the limit of a day's worth at a time. The audit trail has a row about it.
    ///
    /// # Errors
    /// When it was not written.
    pub async fn confirm_clock(
        &self,
        at: Timestamp,
        release_before: Timestamp,
        actor: String,
    ) -> Result<(), StoreError> {
        let event = Event::ClockConfirmed { clock: at, release_before, actor };
        self.write(Write::Clock { at, release_before: Some(release_before), event: Some(event) })
            .await
            .map(drop)
    }

    /// Records that a process of the platform has taken what an operator released. Whatever is configured
    /// later, nothing is released any more.
    ///
    /// # Errors
    /// When it was not written.
    pub async fn take_release(&self, release_before: Timestamp) -> Result<(), StoreError> {
        self.write(Write::ReleaseTaken { release_before }).await.map(drop)
    }

    /// Makes the identifiers of this process follow those in the store. The result is the newest one in the
    /// store if its time is more than `max_ahead` after `now`: the mistake of a clock, which identifiers do
    /// not continue.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn continue_identifiers(
        &self,
        now: Timestamp,
        max_ahead: Duration,
    ) -> Result<Option<MessageId>, StoreError> {
        let until = now.saturating_add(max_ahead).unwrap_or(Timestamp::MAX);
        let newest = self.reader().newest_id().await?;
        Ok(newest.filter(|id| !MessageId::continue_after(*id, until)))
    }

    /// The time of the oldest message of this kind before this time; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn oldest_message_of(
        &self,
        kind: MessageKind,
        before: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.reader().oldest_before(kind, before).await
    }

    /// The time of the oldest row of this node's audit chain; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn oldest_audit_row(&self) -> Result<Option<Timestamp>, StoreError> {
        let begin = self.reader().audit_beginning(self.node()).await?;
        let begin = begin.map_or(ChainHead::START, |beginning| beginning.link);
        let rows = self.own_audit_rows(begin.number, 1).await?;
        Ok(rows.first().map(|row| row.at))
    }
}
