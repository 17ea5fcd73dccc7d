//! Access tokens of hospital systems, as they are granted.

use jiff::{SignedDuration, Timestamp};

use crate::audit::{AuthorizationDecided, TokenGranted, TokenRevoked};
use crate::clients::{Authorization, Token};
use crate::model::Fingerprint;

/// A token that is to be granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// SHA-256 of what the client gets.
    pub hash: Fingerprint,
    /// Whose it is, and what it gives.
    pub token: Token,
    /// How many tokens its holder may have at once; where a person lets it read, how many for this person.
    pub max_tokens: u32,
    /// The hash of the authorization code that it is granted for: it counts once. And the row of the audit
    /// trail, if it came a second time and the token ends that it gave.
    pub code: Option<(Fingerprint, TokenRevoked)>,
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
    /// The holder, or the person who let it read, has as many tokens as may be.
    TooMany,
    /// The client, its organisation or its certificate was suspended or removed meanwhile.
    Withdrawn,
    /// The authorization code was used already, or has ended. It is ended, and with it this number of tokens
    /// that it gave.
    CodeUsed(u64),
}

/// A person is asked whether an application may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAuthorization {
    /// SHA-256 of what the page has.
    pub hash: Fingerprint,
    /// What is asked.
    pub authorization: Authorization,
    /// How many authorizations of one person may wait at once.
    pub max_authorizations: u32,
}

/// What a person decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// SHA-256 of what the page had.
    pub hash: Fingerprint,
    /// SHA-256 of the code that the application gets, and how long it counts; `None`: the person declines.
    pub code: Option<(Fingerprint, SignedDuration)>,
    /// The row of the audit trail, with the certificate of the person.
    pub decided: AuthorizationDecided,
}

/// What became of an authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizationWrite {
    /// It is stored; a decision has its audit row.
    Written,
    /// The person has as many as may wait.
    TooMany,
    /// There is none to decide: it has ended, was decided, or is another person's.
    Gone,
}

/// What a change of tokens did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum GrantOutcome {
    Token(TokenWrite),
    Authorization(AuthorizationWrite),
    /// This number of rows was deleted.
    Deleted(u64),
}
