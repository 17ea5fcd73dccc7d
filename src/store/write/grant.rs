//! Writes access tokens of hospital systems, and what was used to get them. The same on both databases.

use jiff::Timestamp;

use crate::audit::{Event, TokenRevoked};
use crate::clients::{Holder, KnownCertificate, Token};
use crate::model::Fingerprint;
use crate::store::error::StoreError;
use crate::store::records::grant::{
    AuthorizationWrite, Decision, GrantOutcome, NewAuthorization, NewToken, TokenWrite,
};
use crate::store::statement::Statement;
use crate::store::write::authorization;
use crate::store::write::connection::Connection;

/// A change of tokens.
#[derive(Debug)]
pub(in crate::store) enum GrantChange {
    /// A token is granted.
    Grant(Box<NewToken>),
    /// A person is asked whether an application may read.
    Ask(Box<NewAuthorization>),
    /// The person decides.
    Decide(Box<Decision>),
    /// A code ends, with the token that it gave.
    /// What proved the application counts as used; when it was used before, nothing ends.
    EndCode { code: Fingerprint, assertion: (Fingerprint, Timestamp), revoked: TokenRevoked },
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
            (Self::Grant(new), GrantOutcome::Token(TokenWrite::CodeUsed(1..))) => {
                new.code.as_ref().map(|(_, revoked)| Event::TokenRevoked(Box::new(revoked.clone())))
            }
            (Self::Decide(decision), GrantOutcome::Authorization(AuthorizationWrite::Written)) => {
                Some(Event::AuthorizationDecided(Box::new(decision.decided.clone())))
            }
            (Self::Revoke { revoked, .. } | Self::EndCode { revoked, .. }, GrantOutcome::Deleted(1..)) => {
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
        GrantChange::Ask(new) => {
            authorization::ask(connection, now, new).await.map(GrantOutcome::Authorization)
        }
        GrantChange::Decide(decision) => {
            authorization::decide(connection, now, decision).await.map(GrantOutcome::Authorization)
        }
        GrantChange::EndCode { code, assertion: (hash, ends), .. } => {
            match use_once(connection, hash, *ends).await? {
                true => authorization::end_code(connection, code).await.map(GrantOutcome::Deleted),
                false => Ok(GrantOutcome::Token(TokenWrite::Replayed)),
            }
        }
        GrantChange::Revoke { hash, holder, .. } => {
            authorization::end_of_token(connection, hash, &holder.to_string()).await?;
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
            for delete in [DELETE_TOKENS, DELETE_JTIS, DELETE_AUTHORIZATIONS] {
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
    if !stands(connection, &new.token).await? {
        return Ok(TokenWrite::Withdrawn);
    }
    let holder = new.token.holder.to_string();
    // One person does not use up what others may let the application read.
    let has_all = match &new.token.person {
        Some(person) => {
            let given = (&person.certificate, holder.as_str());
            authorization::has_all(connection, now, given, new.max_tokens).await?
        }
        None => {
            let counted = Statement::new(SELECT_OWN).bind(holder.as_str()).bind(now).bind(new.max_tokens);
            connection.count(counted).await? >= u64::from(new.max_tokens)
        }
    };
    if has_all {
        return Ok(TokenWrite::TooMany);
    }
    if let Some((code, _)) = &new.code
        && !authorization::use_code(connection, now, code, new.token.ends).await?
    {
        // Another request was faster: one of the two has stolen the code.
        return authorization::end_code(connection, code).await.map(TokenWrite::CodeUsed);
    }
    let mut statement = Statement::new(INSERT_TOKEN)
        .bind(new.hash.to_string())
        .bind(holder)
        .bind(new.token.certificate.to_string())
        .bind(i64::from(new.token.is_bound))
        .bind(new.token.scopes.to_string())
        .bind(new.token.ends)
        .bind(new.code.as_ref().map(|(code, _)| code.to_string()).unwrap_or_default())
        .bind(new.token.proof.to_string());
    match &new.token.known {
        Some(known) => statement.push_bind(known.to_string()),
        None => statement.push("NULL"),
    };
    statement.push(")");
    connection.execute(statement).await?;
    Ok(TokenWrite::Granted)
}

/// Whether the holder, and the certificates by which it asks, still have what was found when it was admitted.
/// What is found here stays so until the token is there, so that a removal finds the token.
async fn stands<C: Connection>(connection: &mut C, token: &Token) -> Result<bool, StoreError> {
    let (proof, known) = (KnownCertificate::Fingerprint(token.proof).to_string(), token.known.as_ref());
    let shown = KnownCertificate::Fingerprint(token.certificate).to_string();
    let known_text = known.map_or_else(|| proof.clone(), ToString::to_string);
    let is_owned = match &token.holder {
        Holder::Client(id) => {
            is_active(connection, id.as_str()).await? && has(connection, id.as_str(), known).await?
        }
        Holder::Member { .. } => {
            let owned = Statement::new("SELECT 1 FROM api_certificate WHERE known IN ($1, $2)");
            connection.count(owned.bind(proof.as_str()).bind(known_text.as_str())).await? == 0
        }
    };
    let removed = Statement::new("SELECT 1 FROM api_removed WHERE known IN ($1, $2, $3)");
    let removed = removed.bind(proof).bind(shown).bind(known_text);
    Ok(is_owned && connection.count(removed).await? == 0)
}

/// Whether neither the client nor its organisation is suspended; they are not until the transaction ends.
pub(in crate::store) async fn is_active<C: Connection>(
    connection: &mut C,
    client: &str,
) -> Result<bool, StoreError> {
    let mut active = Statement::new(SELECT_ACTIVE).bind(client);
    active.push(C::LOCK_ROWS);
    Ok(connection.count(active).await? > 0)
}

/// Whether the client still has what it is known by. It proves who it is by a secret where that is nothing.
async fn has(
    connection: &mut impl Connection,
    client: &str,
    known: Option<&KnownCertificate>,
) -> Result<bool, StoreError> {
    let select = match known {
        None => return Ok(true),
        Some(KnownCertificate::Uri { community, uri }) => {
            Statement::new(SELECT_REGISTERED).bind(client).bind(community.as_str()).bind(uri.as_str())
        }
        Some(known) => Statement::new("SELECT 1 FROM api_certificate WHERE client = $1 AND known = $2")
            .bind(client)
            .bind(known.to_string()),
    };
    Ok(connection.count(select).await? > 0)
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
    authorization::end_all(connection, client).await?;
    revoke_credentials(connection, CredentialsOf::Client(client)).await?;
    let statement = Statement::new("DELETE FROM api_token WHERE holder = $1").bind(client);
    connection.execute(statement).await.map(drop)
}

/// Which credentials for files end.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum CredentialsOf<'a> {
    Client(&'a str),
    /// Those that were got with it.
    Certificate(Fingerprint),
}

/// Ends credentials for files.
pub(in crate::store) async fn revoke_credentials(
    connection: &mut impl Connection,
    whose: CredentialsOf<'_>,
) -> Result<(), StoreError> {
    let mut statement = Statement::new("DELETE FROM partner_credential WHERE ");
    match whose {
        CredentialsOf::Client(client) => statement.push("client = ").push_bind(client),
        CredentialsOf::Certificate(certificate) => {
            statement.push("certificate = ").push_bind(certificate.as_bytes().as_slice())
        }
    };
    connection.execute(statement).await.map(drop)
}

/// Ends the tokens of all clients of an organisation, and their credentials for files.
pub(in crate::store) async fn revoke_all_of(
    connection: &mut impl Connection,
    organisation: &str,
) -> Result<(), StoreError> {
    authorization::end_all_of(connection, organisation).await?;
    for delete in [DELETE_OF_ORGANISATION, DELETE_CREDENTIALS_OF_ORGANISATION] {
        connection.execute(Statement::new(delete).bind(organisation)).await?;
    }
    Ok(())
}

/// Remembers what an operator has taken from a client: it opens nothing more. Ends what was got by it.
pub(in crate::store) async fn remove(
    connection: &mut impl Connection,
    known: &KnownCertificate,
    whose: &str,
) -> Result<(), StoreError> {
    connection.execute(Statement::new(INSERT_REMOVED).bind(known.to_string()).bind(whose)).await?;
    let KnownCertificate::Fingerprint(fingerprint) = known else { return Ok(()) };
    for column in ["proof", "certificate"] {
        let mut delete = Statement::new("DELETE FROM api_token WHERE ");
        delete.push(column).push(" = ").push_bind(fingerprint.to_string());
        connection.execute(delete).await?;
    }
    revoke_credentials(connection, CredentialsOf::Certificate(*fingerprint)).await
}

/// It may open something again.
pub(in crate::store) async fn forget_removal(
    connection: &mut impl Connection,
    known: &KnownCertificate,
) -> Result<(), StoreError> {
    let delete = Statement::new("DELETE FROM api_removed WHERE known = $1").bind(known.to_string());
    connection.execute(delete).await.map(drop)
}

const INSERT_JTI: &str = "INSERT INTO api_jti (hash, ends) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const SELECT_OWN: &str = "
SELECT 1 FROM api_token WHERE holder = $1 AND code = '' AND ends > $2 LIMIT $3";
const INSERT_TOKEN: &str = "
INSERT INTO api_token (hash, holder, certificate, bound, scopes, ends, code, proof, known)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, ";
const SELECT_ACTIVE: &str = "
SELECT 1 FROM api_client JOIN organisation ON organisation.oid = api_client.organisation
WHERE api_client.id = $1 AND api_client.suspended = 0 AND organisation.suspended = 0";
const SELECT_REGISTERED: &str = "
SELECT 1 FROM api_registration WHERE client = $1 AND approved = 1 AND community = $2 AND issuer = $3";
const INSERT_REMOVED: &str = "
INSERT INTO api_removed (known, client) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const DELETE_TOKENS: &str = "
DELETE FROM api_token WHERE hash IN (SELECT hash FROM api_token WHERE ends <= $1 LIMIT $2)";
const DELETE_JTIS: &str =
    "DELETE FROM api_jti WHERE hash IN (SELECT hash FROM api_jti WHERE ends <= $1 LIMIT $2)";
const DELETE_AUTHORIZATIONS: &str = "
DELETE FROM api_authorization WHERE hash IN (SELECT hash FROM api_authorization WHERE ends <= $1 LIMIT $2)";
const DELETE_REGISTRATIONS: &str = "DELETE FROM api_registration WHERE approved = 0 AND registered_at < $1";
const DELETE_OF_ORGANISATION: &str = "
DELETE FROM api_token WHERE holder IN (SELECT id FROM api_client WHERE organisation = $1)";
const DELETE_CREDENTIALS_OF_ORGANISATION: &str = "
DELETE FROM partner_credential WHERE client IN (SELECT id FROM api_client WHERE organisation = $1)";
