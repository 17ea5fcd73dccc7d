//! Writes what people let applications read. The same on both databases.

use jiff::Timestamp;

use crate::clients::Authorization;
use crate::model::Fingerprint;
use crate::store::error::StoreError;
use crate::store::records::grant::{AuthorizationWrite, Decision, NewAuthorization};
use crate::store::statement::{Statement, json};
use crate::store::write::connection::Connection;

/// A person is asked. A bounded number of one person waits, for the person or for the application.
pub(in crate::store) async fn ask(
    connection: &mut impl Connection,
    now: Timestamp,
    new: &NewAuthorization,
) -> Result<AuthorizationWrite, StoreError> {
    let Authorization { client, redirect_uri, state, challenge, scopes, person, ends, .. } =
        &new.authorization;
    let max = new.max_authorizations;
    let waiting = Statement::new(SELECT_WAITING).bind(person.certificate.to_string()).bind(now).bind(max);
    if connection.count(waiting).await? >= u64::from(max) {
        return Ok(AuthorizationWrite::TooMany);
    }
    let statement = Statement::new(INSERT)
        .bind(new.hash.to_string())
        .bind(client.as_str())
        .bind(redirect_uri.as_str())
        .bind(state.as_str())
        .bind(challenge.as_str())
        .bind(scopes.to_string())
        .bind(person.subject.as_str())
        .bind(person.certificate.to_string())
        .bind(json(&person.chain))
        .bind(*ends);
    connection.execute(statement).await?;
    Ok(AuthorizationWrite::Written)
}

/// The person decides: once, and with the certificate to which the page was shown.
pub(in crate::store) async fn decide(
    connection: &mut impl Connection,
    now: Timestamp,
    decision: &Decision,
) -> Result<AuthorizationWrite, StoreError> {
    let asked = decision.hash.to_string();
    let certificate = decision.decided.certificate.to_string();
    let statement = match &decision.code {
        None => Statement::new(DELETE_ASKED).bind(asked).bind(certificate).bind(now),
        Some((code, lifetime)) => {
            // By the clock that decides whether it has ended.
            let ends = now.saturating_add(*lifetime).unwrap_or(now);
            let statement = Statement::new(UPDATE_TO_CODE).bind(asked).bind(certificate).bind(now);
            statement.bind(code.to_string()).bind(ends)
        }
    };
    match connection.execute(statement).await? {
        0 => Ok(AuthorizationWrite::Gone),
        _ => Ok(AuthorizationWrite::Written),
    }
}

/// Uses a code for a token that ends then. Returns whether it counted: on all nodes together it does once.
pub(in crate::store) async fn use_code(
    connection: &mut impl Connection,
    now: Timestamp,
    code: &Fingerprint,
    ends: Timestamp,
) -> Result<bool, StoreError> {
    let statement = Statement::new(UPDATE_TO_TOKEN).bind(code.to_string()).bind(now).bind(ends);
    connection.execute(statement).await.map(|rows| rows > 0)
}

/// Ends what a person allowed with the token that is given back.
pub(in crate::store) async fn end_of_token(
    connection: &mut impl Connection,
    token: &Fingerprint,
    holder: &str,
) -> Result<(), StoreError> {
    let statement = Statement::new(DELETE_OF_TOKEN).bind(token.to_string()).bind(holder);
    connection.execute(statement).await.map(drop)
}

/// Whether a person lets an application have as many tokens as may be.
pub(in crate::store) async fn has_all(
    connection: &mut impl Connection,
    now: Timestamp,
    (person, client): (&Fingerprint, &str),
    max: u32,
) -> Result<bool, StoreError> {
    let statement = Statement::new(SELECT_GIVEN).bind(person.to_string()).bind(client).bind(now).bind(max);
    Ok(connection.count(statement).await? >= u64::from(max))
}

/// Ends a code that came from a wrong hand, or a second time, and the token that it gave. Returns how many
/// tokens ended.
pub(in crate::store) async fn end_code(
    connection: &mut impl Connection,
    code: &Fingerprint,
) -> Result<u64, StoreError> {
    let tokens =
        Statement::new("DELETE FROM api_token WHERE code = $1 AND code <> ''").bind(code.to_string());
    let ended = connection.execute(tokens).await?;
    connection.execute(Statement::new(DELETE_CODE).bind(code.to_string())).await?;
    Ok(ended)
}

/// Ends what people let an application read.
pub(in crate::store) async fn end_all(
    connection: &mut impl Connection,
    client: &str,
) -> Result<(), StoreError> {
    let statement = Statement::new("DELETE FROM api_authorization WHERE client = $1").bind(client);
    connection.execute(statement).await.map(drop)
}

/// Ends what people let all applications of an organisation read.
pub(in crate::store) async fn end_all_of(
    connection: &mut impl Connection,
    organisation: &str,
) -> Result<(), StoreError> {
    connection.execute(Statement::new(DELETE_OF_ORGANISATION).bind(organisation)).await.map(drop)
}

const SELECT_WAITING: &str = "
SELECT 1 FROM api_authorization WHERE certificate = $1 AND stage IN (0, 1) AND ends > $2 LIMIT $3";
const SELECT_GIVEN: &str = "
SELECT 1 FROM api_authorization WHERE certificate = $1 AND stage = 2 AND client = $2 AND ends > $3 LIMIT $4";
const DELETE_OF_TOKEN: &str = "
DELETE FROM api_authorization
WHERE hash IN (SELECT code FROM api_token WHERE hash = $1 AND holder = $2 AND code <> '')";
const INSERT: &str = "
INSERT INTO api_authorization (hash, stage, client, redirect_uri, state, challenge, scopes, person, certificate,
    chain, ends)
VALUES ($1, 0, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const DELETE_ASKED: &str = "
DELETE FROM api_authorization WHERE hash = $1 AND stage = 0 AND certificate = $2 AND ends > $3";
const UPDATE_TO_CODE: &str = "
UPDATE api_authorization SET hash = $4, stage = 1, ends = $5
WHERE hash = $1 AND stage = 0 AND certificate = $2 AND ends > $3";
const UPDATE_TO_TOKEN: &str = "
UPDATE api_authorization SET stage = 2, ends = $3 WHERE hash = $1 AND stage = 1 AND ends > $2";
/// What the page has is no code.
const DELETE_CODE: &str = "DELETE FROM api_authorization WHERE hash = $1 AND stage <> 0";
const DELETE_OF_ORGANISATION: &str = "
DELETE FROM api_authorization WHERE client IN (SELECT id FROM api_client WHERE organisation = $1)";
