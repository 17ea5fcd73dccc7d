//! Opens the store on a server: its schema first, then the lease of a serving process, then the connections.

use sqlx::Connection as _;
use sqlx::postgres::{PgConnection, Postgres};

use super::failure::classify;
use super::location::Location;
use super::pool::ReadPool;
use super::schema;
use super::writer::Writer;
use crate::model::{Clock, NodeName};
use crate::store::error::StoreError;
use crate::store::instance::lease::Lease;
use crate::store::instance::process::ProcessId;
use crate::store::migration::plan::MigrationPlan;
use crate::store::migration::policy::MigrationPolicy;
use crate::store::own_chain::OwnChain;
use crate::store::row::Row;
use crate::store::statement::Statement;

/// Opens the store, whose schema is up to date.
pub(in crate::store) async fn open(
    location: Location,
    chain: OwnChain,
    clock: Clock,
) -> Result<(Writer, ReadPool), StoreError> {
    let connection = match location.connect_to_write().await {
        Ok(connection) => Ok(connection),
        // It was opened to read: what is written is refused.
        Err(error @ StoreError::Risky(_)) if location.risks().require_openable().is_ok() => Err(error),
        Err(error) => return Err(error),
    };
    let pool = ReadPool::open(location.clone());
    Ok((Writer::new(location, chain, clock, connection), pool))
}

/// The rows that a statement returns, through a connection of its own.
pub(in crate::store) async fn query(
    location: &Location,
    statement: Statement,
) -> Result<Vec<Row>, StoreError> {
    let mut connection = location.connect().await?;
    let rows = statement.query::<Postgres>().fetch_all(&mut connection).await.map_err(classify);
    let _ = connection.close().await;
    Ok(rows?.into_iter().map(Row::Postgres).collect())
}

/// Brings the schema up to date as far as `policy` allows it; what was done. A role that may not make tables
/// can open a store which is up to date.
pub(in crate::store) async fn prepare(
    location: &Location,
    policy: MigrationPolicy,
) -> Result<MigrationPlan, StoreError> {
    let mut connection = location.connect().await?;
    let plan = prepare_on(&mut connection, location, policy).await;
    let _ = connection.close().await;
    plan
}

async fn prepare_on(
    connection: &mut PgConnection,
    location: &Location,
    policy: MigrationPolicy,
) -> Result<MigrationPlan, StoreError> {
    if policy == MigrationPolicy::Never {
        schema::read(connection, location).await?.require_current(location.url())?;
        return location.require_current(connection).await.map(|()| MigrationPlan::default());
    }
    let plan = schema::plan_on(connection, location).await?;
    policy.require(&plan)?;
    if plan.is_pending() {
        schema::require_create(connection, location, &plan).await?;
        schema::migrate(connection).await?;
        location.require_current(connection).await?;
    }
    Ok(plan)
}

/// Takes the lease on `node`, and brings the schema up to date as far as `policy` allows it.
///
/// A store that had no table of leases before its migration gets the lease afterwards.
pub(in crate::store) async fn prepare_to_serve(
    location: &Location,
    policy: MigrationPolicy,
    node: &NodeName,
    process: ProcessId,
    clock: &Clock,
) -> Result<Lease, StoreError> {
    let acquire = || Lease::acquire(location.clone(), node.clone(), process, clock.clone());
    let mut connection = location.connect().await?;
    let has_leases = schema::has_table(&mut connection, "node_lease").await?;
    let _ = connection.close().await;
    let lease = if has_leases { Some(acquire().await?) } else { None };
    match (prepare(location, policy).await, lease) {
        (Ok(_), Some(lease)) => Ok(lease),
        (Ok(_), None) => acquire().await,
        (Err(error), lease) => {
            if let Some(lease) = lease {
                lease.release().await;
            }
            Err(error)
        }
    }
}
