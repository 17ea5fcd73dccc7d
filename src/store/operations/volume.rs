//! How many bytes the messages of each hour take.
//!
//! Each hour is measured once, after it has ended, by queries of a reader: nothing is added to the writing of
//! messages, no row is updated with each batch, and messages of earlier versions are measured as well.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::records::volume::{HOUR, HourVolume, MAX_HOURS, beginning_of_hour};
use crate::store::write::entry::Write;

/// What is known of the hours of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Volumes {
    /// Measured hours, in their order.
    pub hours: Vec<HourVolume>,
    /// Hours with messages that are not measured yet: a limit of bytes removes nothing before they are.
    pub unmeasured: usize,
}

impl Store {
    /// What is measured of the messages of the store. The present hour is not, nor the one before it in the
    /// minutes after its end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn volumes(&self, now: Timestamp) -> Result<Volumes, StoreError> {
        let Some(first) = self.first_hour(now).await? else { return Ok(Volumes::default()) };
        let hours = self.reader().volumes(first).await?;
        let unmeasured = missing(&hours, first, now).count();
        Ok(Volumes { hours, unmeasured })
    }

    /// Measures at most `limit` hours that have ended and are not measured yet, the newest first. The pause
    /// after each part of an hour is as long as it took. Returns what was measured.
    ///
    /// # Errors
    /// When they cannot be read, or the result is not written.
    pub async fn measure_volumes(&self, now: Timestamp, limit: usize) -> Result<Vec<HourVolume>, StoreError> {
        let Some(first) = self.first_hour(now).await? else { return Ok(Vec::new()) };
        let known = self.reader().volumes(first).await?;
        let missing: Vec<_> = missing(&known, first, now).take(limit).collect();
        self.measure_hours(&missing, first).await
    }

    /// Measures these hours, whatever is known of them, and records that. What is known of hours before
    /// `first` is forgotten.
    ///
    /// # Errors
    /// When they cannot be read, or the result is not written.
    pub async fn measure_hours(
        &self,
        hours: &[Timestamp],
        first: Timestamp,
    ) -> Result<Vec<HourVolume>, StoreError> {
        if hours.is_empty() {
            return Ok(Vec::new());
        }
        let mut measured = Vec::with_capacity(hours.len());
        for hour in hours {
            measured.push(self.measure_hour(*hour).await?);
        }
        self.write(Write::Volumes { measured: measured.clone(), forget: first }).await?;
        Ok(measured)
    }

    async fn measure_hour(&self, hour: Timestamp) -> Result<HourVolume, StoreError> {
        let mut volume = HourVolume { hour, accepted: 0, rejected: 0, large: 0 };
        let mut from = hour;
        for _ in 0..PARTS {
            let to = from.saturating_add(HOUR / PARTS).unwrap_or(Timestamp::MAX);
            let began = self.clock().instant();
            let [accepted, rejected, large] = self.reader().measure(from, to).await?;
            volume.accepted = volume.accepted.saturating_add(accepted);
            volume.rejected = volume.rejected.saturating_add(rejected);
            volume.large = volume.large.saturating_add(large);
            from = to;
            let took = self.clock().instant().saturating_duration_since(began);
            tokio::time::sleep(took).await;
        }
        Ok(volume)
    }

    /// The hour of the oldest message; not before the hours of which something is kept. The clock of a
    /// machine may have been in 1970 when it stored its first message.
    async fn first_hour(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.reader().oldest_message().await?.map(|oldest| beginning(oldest, now)))
    }
}

fn beginning(oldest: Timestamp, now: Timestamp) -> Timestamp {
    let kept = SignedDuration::from_hours(i64::from(MAX_HOURS));
    beginning_of_hour(oldest.max(now.saturating_sub(kept).unwrap_or(Timestamp::MIN)))
}

/// The hours from `first` on that have ended and are not known, the newest first. An hour is measured some
/// minutes after its end: messages of its last seconds may still be written, and clocks of nodes differ.
fn missing(known: &[HourVolume], first: Timestamp, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    let known: BTreeSet<_> = known.iter().map(|volume| volume.hour).collect();
    let ended = now.saturating_sub(HOUR + SETTLING).unwrap_or(Timestamp::MIN);
    let newest = beginning_of_hour(ended);
    let hours = std::iter::successors(Some(newest), |hour| hour.checked_sub(HOUR).ok());
    hours.take_while(move |hour| *hour >= first).filter(move |hour| !known.contains(hour))
}

/// The time after the end of an hour in which its messages may still be written.
const SETTLING: SignedDuration = SignedDuration::from_mins(5);
/// Queries that measure one hour.
const PARTS: i32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_1970_does_not_make_the_measuring_endless() {
        let now: Timestamp = "2026-11-29T12:34:56Z".parse().unwrap();
        let hours = missing(&[], beginning(Timestamp::UNIX_EPOCH, now), now).count();
        assert_eq!(hours, MAX_HOURS as usize);
    }

    #[test]
    fn each_hour_that_has_ended_is_measured_once() {
        let hour = |number: i64| Timestamp::from_second(1_700_000_000 / 3600 * 3600 + number * 3600).unwrap();
        let volume = |number| HourVolume { hour: hour(number), accepted: 1, rejected: 0, large: 0 };
        let at = |now| missing(&[volume(1)], hour(0), now).collect::<Vec<_>>();
        assert_eq!(at(hour(4) + SETTLING), [hour(3), hour(2), hour(0)]);
        assert_eq!(at(hour(4)), [hour(2), hour(0)], "the last one has not settled");
        assert_eq!(at(hour(0)), []);
    }
}
