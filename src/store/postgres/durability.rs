//! What makes a commit of the server durable: the level of the session and of each transaction, and the
//! settings of the server without which no level helps.
//!
//! A session that sets `synchronous_commit` itself no longer follows the server's configuration, its database
//! or its role. Each transaction sets it again, as part of a statement that it needs anyway, because a
//! trigger or a function may have changed the session. Level: `on`, or `remote_apply` where the server asks
//! for that. `fsync` and the like belong to the server; a transaction that finds them changed stores nothing.
//!
//! The tables can be changed like a setting: see [`super::integrity`].
//!
//! What remains: the server applies a new setting to one process after the other. A commit of that moment may
//! have been written by a process that already no longer synchronises.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::address::search_path;
use super::failure::classify;
use super::integrity::{Expected, table_findings};
use crate::model::{FoundRisks, SchemaName, StoreRisk, StoreRisks};
use crate::store::error::StoreError;

/// Sets the level of the session, and returns the risks of the server. The query finds the names of the
/// server only: no function or operator beside the tables can answer it.
pub(in crate::store) async fn examine(
    connection: &mut PgConnection,
    schema: &SchemaName,
    expected: Expected,
) -> Result<FoundRisks, StoreError> {
    let examine = format!(
        "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL jit = off;
        SELECT set_config('synchronous_commit', {}, false), {} AS risks",
        level!(),
        all_risks(schema, expected)
    );
    // Several statements in one message are one transaction.
    let examined = sqlx::raw_sql(AssertSqlSafe(examine)).fetch_all(connection).await.map_err(classify);
    let rows = examined.map_err(|error| match error {
        StoreError::Denied(source) => StoreError::NotGranted(format!("to examine the tables: {source}")),
        error => error,
    })?;
    let row = rows.first().ok_or(StoreError::unreadable("the settings of the server"))?;
    Ok(found_risks(&row.try_get::<String, _>("risks").map_err(classify)?))
}

/// Sets the accepted risks for the transactions of the session.
pub(super) async fn accept(connection: &mut PgConnection, accepted: StoreRisks) -> Result<(), StoreError> {
    let set = format!("SET pcd.accepted_risks = '{}'", accepted.bits());
    connection.execute(AssertSqlSafe(set)).await.map(drop).map_err(classify)
}

/// The risks as the server computes them.
pub(in crate::store) fn risks_from(bits: i32) -> StoreRisks {
    StoreRisks::from_bits(u16::try_from(bits).unwrap_or_default())
}

/// The risks that [`all_risks`] computes: a line for each, of its bit and its object.
fn found_risks(lines: &str) -> FoundRisks {
    let mut found = FoundRisks::default();
    for line in lines.lines() {
        let (bit, object) = line.split_once(' ').unwrap_or((line, ""));
        // An object has a name with a line break: its second line has no bit.
        let Some(bit) = bit.parse().ok() else { continue };
        for risk in StoreRisks::from_bits(bit).iter() {
            found.add(risk, object);
        }
    }
    found
}

/// The expression of the level that a session or a transaction has to have.
macro_rules! level {
    () => {
        "CASE pg_catalog.current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END"
    };
}
pub(in crate::store) use level;

/// The expression that sets the level of the transaction; its value is not NULL.
macro_rules! set_level {
    () => {
        concat!(
            "pg_catalog.set_config('synchronous_commit', ",
            $crate::store::postgres::durability::level!(),
            ", true)"
        )
    };
}
pub(super) use set_level;

/// The expression of the risks that settings are: the bits of [`StoreRisks`].
macro_rules! setting_risks {
    () => {
        "(CASE WHEN pg_catalog.current_setting('fsync') = 'on' THEN 0 ELSE 1 END
        + CASE WHEN pg_catalog.current_setting('full_page_writes') = 'on' THEN 0 ELSE 2 END
        + CASE WHEN pg_catalog.current_setting('data_sync_retry') = 'off' THEN 0 ELSE 4 END
        + CASE WHEN pg_catalog.current_setting('zero_damaged_pages') = 'off'
            AND pg_catalog.current_setting('ignore_checksum_failure') = 'off' THEN 0 ELSE 8 END
        + CASE WHEN pg_catalog.current_setting('session_replication_role') = 'origin' THEN 0 ELSE 16 END)"
    };
}
pub(in crate::store) use setting_risks;

/// The same without those that this session accepts; 0 when it may commit.
macro_rules! unaccepted_risks {
    () => {
        concat!(
            "(",
            $crate::store::postgres::durability::setting_risks!(),
            " & ~coalesce(nullif(pg_catalog.current_setting('pcd.accepted_risks', true), ''), '0')::int)"
        )
    };
}
pub(super) use unaccepted_risks;

/// Whether the session searches what it began with: `$path`. Names of the server only, whatever it searches.
macro_rules! own_path {
    ($path:literal) => {
        concat!(
            "(pg_catalog.current_setting('search_path') OPERATOR(pg_catalog.=) ",
            $path,
            "::pg_catalog.text)"
        )
    };
}
pub(super) use own_path;

/// Whether the session is still as the platform made it. Code of the database that ran in it, even for an
/// instant, can have changed what it searches, or have prepared other statements under the names of the
/// platform's; this one is not prepared.
pub(super) async fn is_own_session(
    connection: &mut PgConnection,
    schema: &SchemaName,
) -> Result<bool, StoreError> {
    let path = search_path(schema);
    let examine = format!(
        "SELECT pg_catalog.current_setting('search_path') OPERATOR(pg_catalog.=) '{path}'::pg_catalog.text
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql) AS is_own"
    );
    let row = sqlx::raw_sql(AssertSqlSafe(examine)).fetch_one(connection).await.map_err(classify)?;
    row.try_get("is_own").map_err(classify)
}

/// The expression of all risks, as a text for [`found_risks`]: of the settings and of the tables in `schema`,
/// which needs no quotes.
fn all_risks(schema: &SchemaName, expected: Expected) -> String {
    let settings = StoreRisk::ALL.map(|risk| risk as u16).map(|bit| format!("({bit})")).join(", ");
    format!(
        "(SELECT coalesce(string_agg(DISTINCT bit::text || ' ' || object, chr(10)), '')
        FROM (
            SELECT bit, '' FROM (VALUES {settings}) AS risk (bit) WHERE bit & {} <> 0
            UNION ALL {}
        ) AS finding (bit, object))",
        setting_risks!(),
        table_findings(schema, expected)
    )
}
