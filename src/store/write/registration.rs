//! Writes registrations of clients. The same on both databases.

use crate::clients::{KnownCertificate, Registration, Scopes};
use crate::store::error::{ClientsConflict, StoreError};
use crate::store::statement::{Statement, json};
use crate::store::write::connection::Connection;
use crate::store::write::one_row::one;
use crate::store::write::{authorization, grant};

/// What the configuration may approve.
#[derive(Debug)]
pub(in crate::store) struct AutomaticApproval {
    /// By what the certificate that signed the statement may be known.
    pub(in crate::store) names: Vec<KnownCertificate>,
    /// How many registrations may be approved.
    pub(in crate::store) max: u32,
}

/// Who ended a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Ended {
    Cancelled,
    Rejected,
}

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
    has: Option<&Scopes>,
) -> Result<(), StoreError> {
    let same = Statement::new(
        "SELECT 1 FROM api_registration WHERE client = $1 AND name = $2 AND redirect_uris = $3",
    );
    let same = same.bind(own.client.as_str()).bind(own.name.as_str()).bind(json(&own.redirect_uris));
    if connection.count(same).await? == 0 {
        // People have read another name, or their answers went to other addresses.
        authorization::end_all(connection, own.client.as_str()).await?;
    }
    let statement = Statement::new(UPDATE)
        .bind(own.name.as_str())
        .bind(json(&own.contacts))
        .bind(own.scopes.to_string())
        .bind(own.client.as_str())
        .bind(json(&own.redirect_uris));
    one(connection, statement, ClientsConflict::RegistrationUnknown).await?;
    let Some(has) = has else { return Ok(()) };
    // An operator may have narrowed them meanwhile.
    let statement = Statement::new("UPDATE api_client SET scopes = $1 WHERE id = $2 AND scopes = $3");
    let statement = statement.bind(own.scopes.to_string()).bind(own.client.as_str()).bind(has.to_string());
    one(connection, statement, ClientsConflict::ChangedMeanwhile).await
}

/// Its client is suspended, and its tokens end. A client that cancels is removed, so that it may come again;
/// but what an operator has rejected, or suspended before, comes again only with an operator's approval.
pub(in crate::store) async fn end(
    connection: &mut impl Connection,
    own: &Registration,
    ended: Ended,
) -> Result<(), StoreError> {
    let id = own.client.as_str();
    let suspend = "UPDATE api_client SET suspended = 1 WHERE id = $1 AND suspended = 0";
    let was_active = connection.execute(Statement::new(suspend).bind(id)).await? > 0;
    let client = Statement::new("SELECT 1 FROM api_client WHERE id = $1").bind(id);
    let was_suspended = !was_active && connection.count(client).await? > 0;
    let statement = Statement::new("DELETE FROM api_registration WHERE client = $1").bind(id);
    one(connection, statement, ClientsConflict::RegistrationUnknown).await?;
    grant::revoke_all(connection, id).await?;
    if ended == Ended::Rejected || was_suspended {
        return grant::remove(connection, &own.known(), id).await;
    }
    for delete in [
        "DELETE FROM api_client WHERE id = $1",
        "DELETE FROM api_secret WHERE client = $1",
        "DELETE FROM api_certificate WHERE client = $1",
    ] {
        connection.execute(Statement::new(delete).bind(id)).await?;
    }
    Ok(())
}

/// # Errors
/// When the configuration may not approve it: an operator has rejected or suspended it, its certificate is
/// that of a client or was taken from one, or as many are approved as may.
pub(in crate::store) async fn require_automatic(
    connection: &mut impl Connection,
    own: &Registration,
    AutomaticApproval { names, max }: &AutomaticApproval,
) -> Result<(), StoreError> {
    let needed = || Err(StoreError::Clients(ClientsConflict::ApprovalNeeded));
    for known in names.iter().chain([&own.known()]) {
        for select in
            ["SELECT 1 FROM api_removed WHERE known = $1", "SELECT 1 FROM api_certificate WHERE known = $1"]
        {
            if connection.count(Statement::new(select).bind(known.to_string())).await? > 0 {
                return needed();
            }
        }
    }
    let approved = Statement::new("SELECT 1 FROM api_registration WHERE approved = 1 LIMIT $1").bind(*max);
    if connection.count(approved).await? >= u64::from(*max) { needed() } else { Ok(()) }
}

/// Marks it as approved; the caller adds its client.
pub(in crate::store) async fn approve(
    connection: &mut impl Connection,
    own: &Registration,
) -> Result<(), StoreError> {
    let sql = "SELECT 1 FROM api_registration WHERE client = $1 AND approved = 0";
    if connection.count(Statement::new(sql).bind(own.client.as_str())).await? == 0 {
        return Err(StoreError::Clients(ClientsConflict::RegistrationUnknown));
    }
    // The client may have changed what it says of itself since it was read.
    let statement = Statement::new(APPROVE)
        .bind(own.client.as_str())
        .bind(own.name.as_str())
        .bind(json(&own.contacts))
        .bind(own.scopes.to_string())
        .bind(json(&own.redirect_uris));
    one(connection, statement, ClientsConflict::ChangedMeanwhile).await
}

const INSERT: &str = "
INSERT INTO api_registration (client, community, issuer, name, contacts, scopes, registered_at, approved,
    redirect_uris)
VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8) ON CONFLICT DO NOTHING";
const UPDATE: &str = "
UPDATE api_registration SET name = $1, contacts = $2, scopes = $3, redirect_uris = $5 WHERE client = $4";
const APPROVE: &str = "
UPDATE api_registration SET approved = 1
WHERE client = $1 AND approved = 0 AND name = $2 AND contacts = $3 AND scopes = $4 AND redirect_uris = $5";
