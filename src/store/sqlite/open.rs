//! Opens the store in a file: the lock of a serving process first, then its schema, then the connections.

use sqlx::sqlite::SqlitePool;

use super::location::Location;
use super::writer::Writer;
use super::{pool, schema};
use crate::model::NodeName;
use crate::store::error::StoreError;
use crate::store::instance::file_lock::{FileLock, Purpose};
use crate::store::migration::plan::MigrationPlan;
use crate::store::migration::policy::MigrationPolicy;
use crate::store::own_chain::OwnChain;

/// Opens the store, whose schema is up to date.
pub(in crate::store) fn open(
    location: Location,
    chain: OwnChain,
) -> Result<(Writer, SqlitePool), StoreError> {
    let pool = pool::open(&location);
    Ok((Writer::open(location, chain)?, pool))
}

/// Creates the store or brings its schema up to date, as far as `policy` allows it; what was done.
pub(in crate::store) async fn prepare(
    location: &Location,
    policy: MigrationPolicy,
) -> Result<MigrationPlan, StoreError> {
    if policy == MigrationPolicy::Never {
        schema::read(location).await?.require_current(&location.url())?;
        return Ok(MigrationPlan::default());
    }
    let plan = schema::plan(location).await?;
    policy.require(&plan)?;
    if plan.is_pending() {
        location.create()?;
        schema::migrate(location).await?;
    }
    Ok(plan)
}

/// Takes the lock on the store for a process that serves `node`, or migrates; makes its folder if there is
/// none.
pub(in crate::store) fn lock(
    location: &Location,
    node: &NodeName,
    purpose: Purpose,
) -> Result<FileLock, StoreError> {
    location.require_creatable()?;
    location.create_folder()?;
    location.require_access()?;
    FileLock::acquire(location.path(), node, purpose)
}
