//! Access tokens of hospital systems, as they are granted.

use jiff::Timestamp;

use crate::audit::TokenGranted;
use crate::clients::Token;
use crate::model::Fingerprint;

/// A token that is to be granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// SHA-256 of what the client gets.
    pub hash: Fingerprint,
    /// Whose it is, and what it gives.
    pub token: Token,
    /// How many tokens its holder may have at once.
    pub max_tokens: u32,
    /// The assertion by which it is asked for, and until when it would count again.
    pub assertion: Option<(Fingerprint, Timestamp)>,
    /// The row of the audit trail.
    pub granted: TokenGranted,
}

/// Whether a token was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenWrite {
    /// It is stored, and its audit row is written.
    Granted,
    /// The assertion was used already.
    Replayed,
    /// The holder has as many tokens as it may.
    TooMany,
    /// The client, its organisation or its certificate was suspended or removed meanwhile.
    Withdrawn,
}

/// What a change of tokens did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum GrantOutcome {
    Token(TokenWrite),
    /// This number of rows was deleted.
    Deleted(u64),
}
