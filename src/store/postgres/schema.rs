//! The schema of the store on a server, and what a migration would do to it.

use std::sync::LazyLock;

use sqlx::Connection as _;
use sqlx::migrate::{Migrate as _, MigrateError, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::failure::classify;
use super::location::Location;
use crate::store::error::StoreError;
use crate::store::instance::process::Holder;
use crate::store::migration::embedded::{POSTGRES, migrator};
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
        let is_foreign =
            sqlx::query_scalar(IS_FOREIGN).fetch_one(&mut *connection).await.map_err(classify)?;
        if is_foreign {
            return Err(StoreError::Foreign(location.url().clone()));
        }
        require_no_other_schema(connection, location).await?;
        return Ok(Schema::Empty);
    }
    let existing: Vec<String> =
        sqlx::query_scalar(SELECT_NAMES).fetch_all(&mut *connection).await.map_err(classify)?;
    let applied = connection.list_applied_migrations("_sqlx_migrations").await.map_err(migration_failure)?;
    let applied: Vec<_> =
        applied.into_iter().map(|one| Applied { version: one.version, checksum: one.checksum }).collect();
    Schema::compare(&existing, &applied, &MIGRATOR)
}

/// A store in another schema would be forgotten if this one were created.
async fn require_no_other_schema(
    connection: &mut PgConnection,
    location: &Location,
) -> Result<(), StoreError> {
    let configured = location.schema();
    let found: Option<String> = sqlx::query_scalar(SELECT_OTHER_SCHEMA)
        .bind(configured.as_str())
        .fetch_optional(connection)
        .await
        .map_err(classify)?;
    match found {
        Some(found) => Err(StoreError::OtherSchema { configured: configured.clone(), found }),
        None => Ok(()),
    }
}

/// What a migration would do to the store.
pub(in crate::store) async fn plan(location: &Location) -> Result<MigrationPlan, StoreError> {
    let mut connection = location.connect().await?;
    let plan = plan_on(&mut connection, location).await?;
    if plan.is_pending() {
        require_create(&mut connection, location, &plan).await?;
    }
    Ok(plan)
}

/// The migrations of `plan` create tables. In a schema that is not there they would be temporary ones.
pub(super) async fn require_create(
    connection: &mut PgConnection,
    location: &Location,
    plan: &MigrationPlan,
) -> Result<(), StoreError> {
    let missing: Option<String> = sqlx::query_scalar(SELECT_NO_CREATE)
        .bind(location.schema().as_str())
        .fetch_optional(connection)
        .await
        .map_err(classify)?;
    match missing {
        Some(missing) if plan.creates && missing.starts_with("CREATE") => {
            Err(StoreError::NoTables(location.url().clone()))
        }
        Some(missing) => Err(StoreError::NotGranted(missing)),
        None => Ok(()),
    }
}

/// The same, through this connection.
pub(super) async fn plan_on(
    connection: &mut PgConnection,
    location: &Location,
) -> Result<MigrationPlan, StoreError> {
    let (pending, creates) = match read(connection, location).await? {
        Schema::Empty => (Schema::everything(&MIGRATOR), true),
        Schema::Current => {
            location.require_current(connection).await?;
            (Pending::none(&MIGRATOR), false)
        }
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

/// Whether the database has no tables of the platform.
pub(in crate::store) async fn is_missing(location: &Location) -> Result<bool, StoreError> {
    let mut connection = location.connect().await?;
    let has_tables = has_table(&mut connection, "_sqlx_migrations").await;
    let _ = connection.close().await;
    has_tables.map(|has_tables| !has_tables)
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

pub(in crate::store) static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| migrator(POSTGRES));

/// Whether the schema has tables, and none of this program. Tables of extensions do not count.
const IS_FOREIGN: &str = "
SELECT count(*) > 0 AND NOT coalesce(bool_or(relname = '_sqlx_migrations'), false) FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = split_part(current_setting('search_path'), ',', 1)) AND relkind IN ('r', 'p') AND NOT EXISTS (
    SELECT FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
)";

const SELECT_NAMES: &str = "
SELECT relname::text FROM pg_class
WHERE relkind IN ('r', 'p', 'i') AND relnamespace =
    (SELECT oid FROM pg_namespace WHERE nspname = split_part(current_setting('search_path'), ',', 1))";

/// Rows that are counted one by one.
const MAX_COUNTED: i64 = 2_000_000;

/// A schema that has been migrated by this program, and is not $1.
const SELECT_OTHER_SCHEMA: &str = "
SELECT nspname::text FROM pg_namespace
WHERE nspname <> $1 AND (
    SELECT count(*) FROM pg_class
    WHERE relnamespace = pg_namespace.oid AND relkind = 'r' AND relname IN ('_sqlx_migrations', 'message', 'audit')
) = 3
ORDER BY nspname LIMIT 1";

/// Why this role cannot create tables in the schema $1; no row: it can.
const SELECT_NO_CREATE: &str = "
SELECT CASE WHEN oid IS NULL THEN format('the schema %s, which is not there', wanted)
    WHEN NOT has_schema_privilege(oid, 'USAGE') THEN format('USAGE on schema %s for role %s', wanted, current_user)
    ELSE format('CREATE on schema %s for role %s', wanted, current_user) END
FROM (VALUES ($1)) AS asked (wanted) LEFT JOIN pg_namespace ON nspname = wanted
WHERE NOT coalesce(has_schema_privilege(oid, 'CREATE') AND has_schema_privilege(oid, 'USAGE'), false)";

const SELECT_SERVING: &str = "
SELECT node, host, pid FROM node_lease
WHERE renewed_at > (extract(epoch FROM clock_timestamp() - interval '10 seconds') * 1000000)::bigint
ORDER BY node";
