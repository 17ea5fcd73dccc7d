//! What retention removes next.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::audit::MessageKind;
use crate::model::size_text;
use crate::store::{Store, StoreError, Volume};

/// What retention removes next of one kind of messages.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RemovalView {
    /// `accepted`, `rejected`, or `large`.
    pub kind: &'static str,
    /// How long they stay, in seconds; null: forever.
    pub age_seconds: Option<i64>,
    /// The time of the oldest one; null: there is none.
    pub oldest: Option<String>,
    /// When it reaches its age; null: never, or there is none.
    pub next_at: Option<String>,
    /// How many reach it within a day.
    pub within_a_day: u64,
    /// Whether there are more than were counted.
    pub are_more: bool,
    /// The limit by size, in bytes; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// What the messages of the hours that ended take, in bytes; absent without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When the limit is reached at the rate of the last day, so that the oldest go before their age; now, if
    /// it is reached; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_size_at: Option<String>,
}

impl RemovalView {
    /// Of accepted, rejected and large messages, with their ages (`None`: forever) and their limits in bytes
    /// (`None`: there is none).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn all(
        store: &Store,
        ages: [Option<SignedDuration>; 3],
        sizes: [Option<u64>; 3],
        now: Timestamp,
    ) -> Result<Vec<Self>, StoreError> {
        let mut all = Vec::with_capacity(KINDS.len());
        for ((kind, age), size) in KINDS.into_iter().zip(ages).zip(sizes) {
            let by_age = Self::new(store, kind, age, now).await?;
            all.push(match size {
                Some(limit) => by_age.limited(store, kind, limit, now).await?,
                None => by_age,
            });
        }
        Ok(all)
    }

    /// The same with what a limit by size does.
    async fn limited(
        self,
        store: &Store,
        kind: MessageKind,
        limit: u64,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let volumes = store.volumes(now).await?;
        let oldest = store.oldest_message_of(kind, now).await?;
        let oldest_large = store.oldest_message_of(MessageKind::Large, now).await?;
        let volume = Volume::new(&volumes.hours, kind, [oldest, oldest_large], limit, now);
        let at = if volume.cutoff.is_some() { Some(now) } else { volume.reached_at };
        let by_size_at = at.map(|at| at.to_string());
        Ok(Self { max_bytes: Some(limit), bytes: Some(volume.bytes), by_size_at, ..self })
    }

    /// The limit by size in words: how much is taken, and when it decides. `time` shows a time.
    #[must_use]
    pub fn size_in_words(&self, time: impl FnOnce(&str) -> String) -> Option<String> {
        let (bytes, limit) = (size_text(self.bytes?), size_text(self.max_bytes?));
        let at = self.by_size_at.as_deref().map(|at| format!("; the oldest go from {} on", time(at)));
        Some(format!("{bytes} of {limit}{}", at.unwrap_or_default()))
    }

    async fn new(
        store: &Store,
        kind: MessageKind,
        age: Option<SignedDuration>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let none = Self {
            kind: kind.name(),
            age_seconds: age.map(|age| age.as_secs()),
            oldest: None,
            next_at: None,
            within_a_day: 0,
            are_more: false,
            max_bytes: None,
            bytes: None,
            by_size_at: None,
        };
        let Some(age) = age else {
            let oldest = store.oldest_message_of(kind, now).await?;
            return Ok(Self { oldest: oldest.map(|at| at.to_string()), ..none });
        };
        Ok(match store.next_removal(kind, age, now).await? {
            None => none,
            Some(next) => Self {
                oldest: Some(next.oldest.to_string()),
                next_at: Some(next.at.to_string()),
                within_a_day: next.within_a_day,
                are_more: next.are_more,
                ..none
            },
        })
    }
}

const KINDS: [MessageKind; 3] = [MessageKind::Accepted, MessageKind::Rejected, MessageKind::Large];
