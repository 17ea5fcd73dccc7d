//! Findings about the platform of a gateway.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::Platform;
use crate::finding::facts::{ForwardQueueFull, ForwardRefused, PlatformUnreachable, ResultMissing};
use crate::finding::{Finding, Severity, Subject};
use crate::gateway::{Away, MissingResults, Uplinks};
use crate::store::Store;

/// Whether the platform is reached, and whether there is room for what waits.
pub(super) fn look(platform: &Platform) -> Vec<Finding> {
    let config = platform.config.load();
    let Some(gateway) = &config.gateway else { return Vec::new() };
    let uplinks = platform.gateway.look(&platform.clock);
    let full = uplinks.backlog.messages >= gateway.max_waiting as u64 / 10 * 8;
    let full = full.then(|| {
        let (waiting, allowed) = (uplinks.backlog.messages, gateway.max_waiting as u64);
        Finding::new(Subject::Platform, ForwardQueueFull { waiting, allowed })
    });
    let missing = uplinks.missing.as_ref().map(missing);
    away(&uplinks).into_iter().chain(full).chain(missing).collect()
}

/// An outage, with its length and what waits for its end.
fn away(Uplinks { away, backlog, .. }: &Uplinks) -> Option<Finding> {
    let Away { since, lasted, why } = away.as_ref()?;
    let severity = match *lasted {
        short if short < RESTART => Severity::Info,
        long if long < LONG => Severity::Attention,
        _ => Severity::Urgent,
    };
    let facts =
        PlatformUnreachable { seconds: lasted.as_secs(), waiting: backlog.messages, error: why.clone() };
    Some(Finding::new(Subject::Platform, facts).with_severity(severity).since(*since))
}

/// Application acknowledgements that the platform leaves out.
fn missing(MissingResults { since, messages, last }: &MissingResults) -> Finding {
    let facts = ResultMissing { messages: *messages, last: last.to_string() };
    Finding::new(Subject::Platform, facts).since(*since)
}

/// What the platform has refused in the last day.
pub(super) async fn refused(store: &Store, now: Timestamp) -> Vec<Finding> {
    let since = now.saturating_sub(SignedDuration::from_hours(24)).unwrap_or(now);
    let refused = store.refused_forwards(since, MAX_SHOWN).await.unwrap_or_default();
    let mut found: Vec<Finding> = Vec::new();
    for one in refused {
        let subject = Subject::Device(one.device.to_string());
        // The board has one finding of a code about one subject: the latest.
        if found.iter().any(|known| known.subject == subject) {
            continue;
        }
        let facts = ForwardRefused { message: one.id.to_string(), answer: one.code, reason: one.reason };
        found.push(Finding::new(subject, facts).since(one.at));
    }
    found
}

/// Shorter outages are those of a restart: nothing has to be done.
const RESTART: Duration = Duration::from_secs(10);
/// An outage that needs a person now.
const LONG: Duration = Duration::from_mins(5);
/// Refused messages that are looked at.
const MAX_SHOWN: u32 = 200;
