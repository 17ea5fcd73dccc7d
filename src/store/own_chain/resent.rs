//! The rows about resends that this process has written: a device that sends one message again and again gets
//! a row at once, and then one in each interval, with the number.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::audit::{ChainHead, Event};
use crate::model::{DeviceId, Fingerprint, MessageId};
use crate::store::records::message::MAX_COPY_AGE;
use crate::store::write::chain::ChainedEvent;

/// The last row about each message, and from when on a copy is old.
#[derive(Debug, Default)]
pub(in crate::store) struct Resent {
    rows: HashMap<MessageId, ResentRow>,
    /// How long messages stay; `None`: forever, or it is not known.
    stay: Option<Duration>,
}

/// A row `message-resent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct ResentRow {
    /// The row.
    pub(in crate::store) head: ChainHead,
    /// How often the message came again since.
    pub(in crate::store) times: u64,
    at: Timestamp,
    device: String,
    digest: String,
}

impl ResentRow {
    /// Whether it says the same, and a further row would come too soon.
    pub(in crate::store) fn covers(&self, at: Timestamp, device: &DeviceId, digest: &Fingerprint) -> bool {
        let age = at.duration_since(self.at);
        let is_recent = !age.is_negative() && age < INTERVAL;
        is_recent && self.device == device.as_str() && self.digest == digest.to_string()
    }
}

impl Resent {
    /// These rows are committed.
    pub(super) fn committed(&mut self, rows: &[ChainedEvent]) {
        for ChainedEvent { head, at, details, .. } in
            rows.iter().filter(|row| row.event == Event::MESSAGE_RESENT)
        {
            if self.rows.len() >= MAX_MESSAGES {
                self.rows.retain(|_, row| at.duration_since(row.at) < INTERVAL);
            }
            if self.rows.len() >= MAX_MESSAGES {
                // Each of them gets a row when it comes again.
                self.rows.clear();
            }
            let Ok(details) = serde_json::from_str::<Value>(details) else { continue };
            let text = |key: &str| details.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let row =
                ResentRow { head: *head, times: 0, at: *at, device: text("device"), digest: text("sha256") };
            self.rows.extend(text("message").parse().ok().map(|message| (message, row)));
        }
    }

    pub(super) fn messages_stay(&mut self, time: Option<Duration>) {
        self.stay = time;
    }

    pub(super) const fn removes_messages(&self) -> bool {
        self.stay.is_some()
    }

    /// Whether the copy is older than [`MAX_COPY_AGE`], or than a tenth of the time that messages stay: by
    /// its identifier, which retention and `store check` go by. A clock that is not believed makes a copy
    /// older, never younger.
    pub(super) fn is_old(&self, copy: MessageId, now: Timestamp) -> bool {
        let tenth = self.stay.and_then(|time| SignedDuration::try_from(time / 10).ok());
        let limit = tenth.map_or(MAX_COPY_AGE, |tenth| tenth.min(MAX_COPY_AGE));
        now.max(MessageId::believed_time(now)).duration_since(copy.time()) > limit
    }

    pub(super) fn row(&self, message: MessageId) -> Option<ResentRow> {
        self.rows.get(&message).cloned()
    }

    /// The message came again, without a row.
    pub(super) fn again(&mut self, message: MessageId) {
        if let Some(row) = self.rows.get_mut(&message) {
            row.times = row.times.saturating_add(1);
        }
    }
}

/// How soon a message that comes again and again gets a further row.
const INTERVAL: SignedDuration = SignedDuration::from_mins(10);
/// Messages that are remembered.
const MAX_MESSAGES: usize = 4_096;
