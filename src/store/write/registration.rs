//! Writes registrations of clients. The same on both databases.

use crate::clients::Registration;
use crate::store::error::{ClientsConflict, StoreError};
use crate::store::statement::{Statement, json};
use crate::store::write::connection::Connection;
use crate::store::write::grant;
use crate::store::write::one_row::one;

/// A new registration, which waits for approval. At most `max` do.
pub(in crate::store) async fn register(
    connection: &mut impl Connection,
    own: &Registration,
    max: u32,
) -> Result<(), StoreError> {
    let waiting = Statement::new("SELECT 1 FROM api_registration WHERE approved = 0 LIMIT $1").bind(max);
    if connection.count(waiting).await? >= u64::from(max) {
        return Err(StoreError::Clients(ClientsConflict::TooManyRegistrations));
    }
    let statement = Statement::new(INSERT)
        .bind(own.client.as_str())
        .bind(own.community.as_str())
        .bind(own.issuer.as_str())
        .bind(own.name.as_str())
        .bind(json(&own.contacts))
        .bind(own.scopes.to_string())
        .bind(own.registered_at)
        .bind(json(&own.redirect_uris));
    one(connection, statement, ClientsConflict::RegistrationExists).await
}

/// Another name, other contacts, other scopes. A client that was approved has what an operator approved, as
/// far as it still asks for it.
pub(in crate::store) async fn change(
    connection: &mut impl Connection,
    own: &Registration,
) -> Result<(), StoreError> {
    let statement = Statement::new(UPDATE)
        .bind(own.name.as_str())
        .bind(json(&own.contacts))
        .bind(own.scopes.to_string())
        .bind(own.client.as_str())
        .bind(json(&own.redirect_uris));
    one(connection, statement, ClientsConflict::RegistrationUnknown).await?;
    if !own.is_approved {
        return Ok(());
    }
    let statement = Statement::new("UPDATE api_client SET scopes = $1 WHERE id = $2");
    let statement = statement.bind(own.scopes.to_string()).bind(own.client.as_str());
    one(connection, statement, ClientsConflict::ClientUnknown).await
}

/// Its client is suspended, and its tokens end.
pub(in crate::store) async fn end(
    connection: &mut impl Connection,
    own: &Registration,
) -> Result<(), StoreError> {
    let id = own.client.as_str();
    let statement = Statement::new("DELETE FROM api_registration WHERE client = $1").bind(id);
    one(connection, statement, ClientsConflict::RegistrationUnknown).await?;
    let suspend = Statement::new("UPDATE api_client SET suspended = 1 WHERE id = $1").bind(id);
    connection.execute(suspend).await?;
    grant::revoke_all(connection, id).await
}

/// Marks it as approved; the caller adds its client.
pub(in crate::store) async fn approve(
    connection: &mut impl Connection,
    own: &Registration,
) -> Result<(), StoreError> {
    let sql = "UPDATE api_registration SET approved = 1 WHERE client = $1 AND approved = 0";
    one(connection, Statement::new(sql).bind(own.client.as_str()), ClientsConflict::RegistrationUnknown).await
}

const INSERT: &str = "
INSERT INTO api_registration (client, community, issuer, name, contacts, scopes, registered_at, approved,
    redirect_uris)
VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8) ON CONFLICT DO NOTHING";
const UPDATE: &str = "
UPDATE api_registration SET name = $1, contacts = $2, scopes = $3, redirect_uris = $5 WHERE client = $4";
