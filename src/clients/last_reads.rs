//! When each client read last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::reader::Reader;

/// When each client read last from this node, since its start. Clones share it. There are as many entries as
/// clients and communities.
#[derive(Debug, Clone, Default)]
pub struct LastReads(Arc<Mutex<BTreeMap<String, LastRead>>>);

/// The last read of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRead {
    /// When it was admitted.
    pub at: Timestamp,
    /// When the certificate ends with which it came.
    pub certificate_ends: Timestamp,
}

impl LastRead {
    /// Whether the certificate ends soon: it has to be renewed (N000-9).
    #[must_use]
    pub fn ends_soon(&self) -> bool {
        self.is_to_be_renewed(self.at)
    }

    /// The same at this time.
    #[must_use]
    pub fn is_to_be_renewed(&self, now: Timestamp) -> bool {
        self.certificate_ends.duration_since(now) < RENEWAL
    }
}

impl LastReads {
    /// Notes a request that was admitted.
    pub fn note(&self, reader: &Reader, read: LastRead) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() < MAX_CLIENTS || last.contains_key(reader.client()) {
            last.insert(reader.client().to_owned(), read);
        }
    }

    /// The ids of the clients, and when each read last.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, LastRead> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How long before its end a certificate has to be renewed.
const RENEWAL: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Clients that are remembered.
const MAX_CLIENTS: usize = 10_000;
