//! Writes access tokens of hospital systems, and what was used to get them. The same on both databases.

use jiff::Timestamp;

use crate::audit::{Event, TokenRevoked};
use crate::clients::Holder;
use crate::model::Fingerprint;
use crate::store::error::StoreError;
use crate::store::records::grant::{GrantOutcome, NewToken, TokenWrite};
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;

/// A change of tokens.
#[derive(Debug)]
pub(in crate::store) enum GrantChange {
    /// A token is granted.
    Grant(Box<NewToken>),
    /// Its holder gives a token back.
    Revoke { hash: Fingerprint, holder: Holder, revoked: TokenRevoked },
    /// An assertion is used for something else than a token, and until when it would count again.
    Use(Fingerprint, Timestamp),
    /// Deletes what has ended, at most `limit` rows of each table, and registrations that were not approved.
    Forget { limit: u32, registered_before: Timestamp },
}

impl GrantChange {
    /// The audit row of the change, when it had an effect.
    pub(in crate::store) fn event(&self, outcome: GrantOutcome) -> Option<Event> {
        match (self, outcome) {
            (Self::Grant(new), GrantOutcome::Token(TokenWrite::Granted)) => {
                Some(Event::TokenGranted(Box::new(new.granted.clone())))
            }
            (Self::Revoke { revoked, .. }, GrantOutcome::Deleted(1..)) => {
                Some(Event::TokenRevoked(Box::new(revoked.clone())))
            }
            _ => None,
        }
    }
}

/// Applies the change.
pub(in crate::store) async fn apply(
    connection: &mut impl Connection,
    now: Timestamp,
    change: &GrantChange,
) -> Result<GrantOutcome, StoreError> {
    match change {
        GrantChange::Grant(new) => grant(connection, now, new).await.map(GrantOutcome::Token),
        GrantChange::Revoke { hash, holder, .. } => {
            let statement = Statement::new("DELETE FROM api_token WHERE hash = $1 AND holder = $2");
            let statement = statement.bind(hash.to_string()).bind(holder.to_string());
            connection.execute(statement).await.map(GrantOutcome::Deleted)
        }
        GrantChange::Use(hash, ends) => match use_once(connection, hash, *ends).await? {
            true => Ok(GrantOutcome::Token(TokenWrite::Granted)),
            false => Ok(GrantOutcome::Token(TokenWrite::Replayed)),
        },
        GrantChange::Forget { limit, registered_before } => {
            let waiting = Statement::new(DELETE_REGISTRATIONS).bind(*registered_before);
            let mut deleted = connection.execute(waiting).await?;
            for delete in [DELETE_TOKENS, DELETE_JTIS] {
                deleted += connection.execute(Statement::new(delete).bind(now).bind(*limit)).await?;
            }
            Ok(GrantOutcome::Deleted(deleted))
        }
    }
}

/// The assertion counts as used when the token is refused for another reason, too.
async fn grant(
    connection: &mut impl Connection,
    now: Timestamp,
    new: &NewToken,
) -> Result<TokenWrite, StoreError> {
    if let Some((hash, ends)) = &new.assertion
        && !use_once(connection, hash, *ends).await?
    {
        return Ok(TokenWrite::Replayed);
    }
    let holder = new.token.holder.to_string();
    let counted = Statement::new(SELECT_OWN).bind(holder.as_str()).bind(now).bind(new.max_tokens);
    if connection.count(counted).await? >= u64::from(new.max_tokens) {
        return Ok(TokenWrite::TooMany);
    }
    let statement = Statement::new(INSERT_TOKEN)
        .bind(new.hash.to_string())
        .bind(holder)
        .bind(new.token.certificate.to_string())
        .bind(i64::from(new.token.is_bound))
        .bind(new.token.scopes.to_string())
        .bind(new.token.ends);
    connection.execute(statement).await?;
    Ok(TokenWrite::Granted)
}

/// Whether the assertion was not used before, on any node.
async fn use_once(
    connection: &mut impl Connection,
    hash: &Fingerprint,
    ends: Timestamp,
) -> Result<bool, StoreError> {
    let statement = Statement::new(INSERT_JTI).bind(hash.to_string()).bind(ends);
    connection.execute(statement).await.map(|rows| rows > 0)
}

/// Ends the tokens of a client, and its credentials for files.
pub(in crate::store) async fn revoke_all(
    connection: &mut impl Connection,
    client: &str,
) -> Result<(), StoreError> {
    revoke_credentials(connection, client).await?;
    let statement = Statement::new("DELETE FROM api_token WHERE holder = $1").bind(client);
    connection.execute(statement).await.map(drop)
}

/// Ends the credentials for files of a client.
pub(in crate::store) async fn revoke_credentials(
    connection: &mut impl Connection,
    client: &str,
) -> Result<(), StoreError> {
    let statement = Statement::new("DELETE FROM partner_credential WHERE client = $1").bind(client);
    connection.execute(statement).await.map(drop)
}

/// Ends the tokens of all clients of an organisation, and their credentials for files.
pub(in crate::store) async fn revoke_all_of(
    connection: &mut impl Connection,
    organisation: &str,
) -> Result<(), StoreError> {
    connection.execute(Statement::new(DELETE_CREDENTIALS_OF_ORGANISATION).bind(organisation)).await?;
    connection.execute(Statement::new(DELETE_OF_ORGANISATION).bind(organisation)).await.map(drop)
}

const INSERT_JTI: &str = "INSERT INTO api_jti (hash, ends) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const SELECT_OWN: &str = "SELECT 1 FROM api_token WHERE holder = $1 AND ends > $2 LIMIT $3";
const INSERT_TOKEN: &str = "
INSERT INTO api_token (hash, holder, certificate, bound, scopes, ends) VALUES ($1, $2, $3, $4, $5, $6)";
const DELETE_TOKENS: &str = "
DELETE FROM api_token WHERE hash IN (SELECT hash FROM api_token WHERE ends <= $1 LIMIT $2)";
const DELETE_JTIS: &str =
    "DELETE FROM api_jti WHERE hash IN (SELECT hash FROM api_jti WHERE ends <= $1 LIMIT $2)";
const DELETE_REGISTRATIONS: &str = "DELETE FROM api_registration WHERE approved = 0 AND registered_at < $1";
const DELETE_CREDENTIALS_OF_ORGANISATION: &str = "
DELETE FROM partner_credential WHERE client IN (SELECT id FROM api_client WHERE organisation = $1)";
const DELETE_OF_ORGANISATION: &str = "
DELETE FROM api_token WHERE holder IN (SELECT id FROM api_client WHERE organisation = $1)";
