//! The schema of the store on a server, and what a migration would do to it.

use sqlx::migrate::{Migrate as _, MigrateError, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::failure::classify;
use super::location::Location;
use crate::store::error::StoreError;
use crate::store::instance::process::Holder;
use crate::store::migration::pending::Pending;
use crate::store::migration::plan::{MigrationPlan, Volume};
use crate::store::migration::state::{Applied, Schema};

/// The schema of the store, compared with the one of this program.
///
/// # Errors
/// When it cannot be read, or a later version has migrated it.
pub(in crate::store) async fn read(
    connection: &mut PgConnection,
    location: &Location,
) -> Result<Schema, StoreError> {
    if !has_table(connection, "_sqlx_migrations").await? {
        // Again within one statement: another node may be creating the store.
        let is_foreign = sqlx::query_scalar(IS_FOREIGN).fetch_one(connection).await.map_err(classify)?;
        return if is_foreign { Err(StoreError::Foreign(location.url().clone())) } else { Ok(Schema::Empty) };
    }
    let applied = connection.list_applied_migrations("_sqlx_migrations").await.map_err(migration_failure)?;
    let applied: Vec<_> =
        applied.into_iter().map(|one| Applied { version: one.version, checksum: one.checksum }).collect();
    if applied.is_empty() { Ok(Schema::Empty) } else { Schema::compare(&applied, &MIGRATOR) }
}

/// What a migration would do to the store.
pub(in crate::store) async fn plan(location: &Location) -> Result<MigrationPlan, StoreError> {
    let mut connection = location.connect().await?;
    let plan = plan_on(&mut connection, location).await?;
    if plan.is_pending() {
        require_create(&mut connection).await?;
    }
    Ok(plan)
}

/// The migrations create tables.
async fn require_create(connection: &mut PgConnection) -> Result<(), StoreError> {
    let missing: Option<String> =
        sqlx::query_scalar(SELECT_NO_CREATE).fetch_optional(connection).await.map_err(classify)?;
    missing.map_or(Ok(()), |missing| Err(StoreError::NotGranted(missing)))
}

/// The same, through this connection.
pub(super) async fn plan_on(
    connection: &mut PgConnection,
    location: &Location,
) -> Result<MigrationPlan, StoreError> {
    let (pending, creates) = match read(connection, location).await? {
        Schema::Empty => (Schema::everything(&MIGRATOR), true),
        Schema::Current => (Pending::none(&MIGRATOR), false),
        Schema::Outdated(pending) => (pending, false),
    };
    let mut plan = MigrationPlan::new(pending, creates, volume(connection).await?);
    plan.serving = serving(connection).await?;
    plan.risks = location.risks().observed();
    Ok(plan)
}

/// Brings the schema up to date. Several nodes may do so at once: the library takes an advisory lock.
pub(super) async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    MIGRATOR.run_direct(None, connection, false).await.map_err(migration_failure)
}

pub(super) async fn has_table(connection: &mut PgConnection, name: &str) -> Result<bool, StoreError> {
    let found: Option<String> = sqlx::query_scalar("SELECT to_regclass($1)::text")
        .bind(name)
        .fetch_one(&mut *connection)
        .await
        .map_err(classify)?;
    Ok(found.is_some())
}

fn migration_failure(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => classify(error),
        error => StoreError::Schema(std::sync::Arc::new(error)),
    }
}

async fn volume(connection: &mut PgConnection) -> Result<Volume, StoreError> {
    let bytes: i64 = sqlx::query_scalar("SELECT pg_database_size(current_database())")
        .fetch_one(&mut *connection)
        .await
        .map_err(classify)?;
    Ok(Volume {
        messages: rows(connection, "message").await?,
        audit_rows: rows(connection, "audit").await?,
        bytes: u64::try_from(bytes).unwrap_or_default(),
    })
}

/// Rows of a table: counted up to a bound, and beyond it what the server's statistics say.
async fn rows(connection: &mut PgConnection, table: &str) -> Result<u64, StoreError> {
    if !has_table(connection, table).await? {
        return Ok(0);
    }
    let count = format!("SELECT count(*) FROM (SELECT FROM {table} LIMIT {MAX_COUNTED}) AS counted");
    let counted: i64 =
        sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut *connection).await.map_err(classify)?;
    if counted < MAX_COUNTED {
        return Ok(u64::try_from(counted).unwrap_or_default());
    }
    let estimate: f32 = sqlx::query_scalar("SELECT reltuples FROM pg_class WHERE oid = $1::regclass")
        .bind(table)
        .fetch_one(&mut *connection)
        .await
        .map_err(classify)?;
    Ok((estimate as u64).max(u64::try_from(counted).unwrap_or_default()))
}

/// The processes that hold a lease now, by the server's clock.
async fn serving(connection: &mut PgConnection) -> Result<Vec<Holder>, StoreError> {
    if !has_table(connection, "node_lease").await? {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(SELECT_SERVING).fetch_all(connection).await.map_err(classify)?;
    rows.into_iter()
        .map(|row| {
            let node: String = row.try_get("node").map_err(classify)?;
            let pid: i64 = row.try_get("pid").map_err(classify)?;
            Ok(Holder {
                node: node.parse().map_err(|_| StoreError::unreadable("node_lease.node"))?,
                host: row.try_get("host").map_err(classify)?,
                pid: u32::try_from(pid).unwrap_or_default(),
            })
        })
        .collect()
}

pub(in crate::store) static MIGRATOR: Migrator = sqlx::migrate!("migrations/postgres");

/// Whether the schema has tables, and none of this program. Tables of extensions do not count.
const IS_FOREIGN: &str = "
SELECT count(*) > 0 AND NOT coalesce(bool_or(relname = '_sqlx_migrations'), false) FROM pg_class
WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind IN ('r', 'p') AND NOT EXISTS (
    SELECT FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
)";

/// Rows that are counted one by one.
const MAX_COUNTED: i64 = 2_000_000;

const SELECT_NO_CREATE: &str = "
SELECT format('CREATE on schema %s for role %s', coalesce(current_schema(), 'public'), current_user)
WHERE NOT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)";

const SELECT_SERVING: &str = "
SELECT node, host, pid FROM node_lease
WHERE renewed_at > (extract(epoch FROM clock_timestamp() - interval '10 seconds') * 1000000)::bigint
ORDER BY node";
