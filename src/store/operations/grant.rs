//! Access tokens of hospital systems.

use jiff::Timestamp;

use crate::audit::TokenRevoked;
use crate::clients::{Holder, Token};
use crate::model::Fingerprint;
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::records::grant::{GrantOutcome, NewToken, TokenWrite};
use crate::store::write::entry::Write;
use crate::store::write::grant::GrantChange;
use crate::store::write::incoming::WriteOutcome;

impl Store {
    /// The token with this hash, ended or not.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn token(&self, hash: &Fingerprint) -> Result<Option<Token>, StoreError> {
        self.reader().token(hash).await
    }

    /// Grants a token: it is durable, and counts on every node, when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn grant_token(&self, new: NewToken) -> Result<TokenWrite, StoreError> {
        match self.change_grants(GrantChange::Grant(Box::new(new))).await? {
            GrantOutcome::Token(write) => Ok(write),
            GrantOutcome::Deleted(_) => Err(StoreError::unreadable("api_token")),
        }
    }

    /// Uses an assertion for something else than a token. Returns whether it was not used before, on any
    /// node.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn use_assertion(&self, hash: Fingerprint, ends: Timestamp) -> Result<bool, StoreError> {
        let outcome = self.change_grants(GrantChange::Use(hash, ends)).await?;
        Ok(outcome == GrantOutcome::Token(TokenWrite::Granted))
    }

    /// Ends a token of this holder; returns whether there was one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn revoke_token(
        &self,
        hash: Fingerprint,
        holder: Holder,
        revoked: TokenRevoked,
    ) -> Result<bool, StoreError> {
        let outcome = self.change_grants(GrantChange::Revoke { hash, holder, revoked }).await?;
        Ok(matches!(outcome, GrantOutcome::Deleted(1..)))
    }

    /// Deletes tokens, and records of assertions, that have ended: at most `limit` of each; and registrations
    /// before a time that were not approved. Returns how many.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn forget_ended_grants(
        &self,
        limit: u32,
        registered_before: Timestamp,
    ) -> Result<u64, StoreError> {
        match self.change_grants(GrantChange::Forget { limit, registered_before }).await? {
            GrantOutcome::Deleted(rows) => Ok(rows),
            GrantOutcome::Token(_) => Ok(0),
        }
    }

    async fn change_grants(&self, change: GrantChange) -> Result<GrantOutcome, StoreError> {
        match self.write(Write::Grant(Box::new(change))).await? {
            WriteOutcome::Grant(outcome) => Ok(outcome),
            _ => Err(StoreError::unreadable("api_token")),
        }
    }
}
