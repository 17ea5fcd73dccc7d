//! What retention removes next.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::audit::MessageKind;
use crate::store::{Store, StoreError};

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
}

impl RemovalView {
    /// Of accepted, rejected and large messages, which stay for these ages; `None`: forever.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn all(
        store: &Store,
        ages: [Option<SignedDuration>; 3],
        now: Timestamp,
    ) -> Result<Vec<Self>, StoreError> {
        let mut all = Vec::with_capacity(KINDS.len());
        for (kind, age) in KINDS.into_iter().zip(ages) {
            all.push(Self::new(store, kind, age, now).await?);
        }
        Ok(all)
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
