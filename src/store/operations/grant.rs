//! Access tokens of hospital systems.

use jiff::Timestamp;

use crate::audit::TokenRevoked;
use crate::clients::{Authorization, Holder, Token};
use crate::model::Fingerprint;
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::records::grant::{
    AuthorizationWrite, Decision, GrantOutcome, NewAuthorization, NewToken, TokenWrite,
};
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
            _ => Err(StoreError::unreadable("api_token")),
        }
    }

    /// The authorization with this hash, ended or not.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn authorization(&self, hash: &Fingerprint) -> Result<Option<Authorization>, StoreError> {
        self.reader().authorization(hash).await
    }

    /// Asks a person whether an application may read; any node takes the answer.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn ask_person(&self, new: NewAuthorization) -> Result<AuthorizationWrite, StoreError> {
        self.change_authorization(GrantChange::Ask(Box::new(new))).await
    }

    /// What the person decided: it counts once, and its audit row is durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn decide_authorization(&self, decision: Decision) -> Result<AuthorizationWrite, StoreError> {
        self.change_authorization(GrantChange::Decide(Box::new(decision))).await
    }

    /// Ends an authorization code, and the token that it gave; the assertion that came with it is used.
    /// Returns whether it was not used before: otherwise nothing has ended.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn end_code(
        &self,
        code: Fingerprint,
        assertion: (Fingerprint, Timestamp),
        revoked: TokenRevoked,
    ) -> Result<bool, StoreError> {
        let outcome = self.change_grants(GrantChange::EndCode { code, assertion, revoked }).await?;
        Ok(matches!(outcome, GrantOutcome::Deleted(_)))
    }

    async fn change_authorization(&self, change: GrantChange) -> Result<AuthorizationWrite, StoreError> {
        match self.change_grants(change).await? {
            GrantOutcome::Authorization(write) => Ok(write),
            _ => Err(StoreError::unreadable("api_authorization")),
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
            _ => Ok(0),
        }
    }

    async fn change_grants(&self, change: GrantChange) -> Result<GrantOutcome, StoreError> {
        match self.write(Write::Grant(Box::new(change))).await? {
            WriteOutcome::Grant(outcome) => Ok(outcome),
            _ => Err(StoreError::unreadable("api_token")),
        }
    }
}
