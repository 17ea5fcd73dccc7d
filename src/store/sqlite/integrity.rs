//! Whether the tables, triggers and indexes of a file are what the migrations made.
//!
//! Who may write the file can put a view in the place of a table, or add a trigger that drops or changes what
//! is stored, and SQLite reports a commit all the same. What is expected is made by the same migrations in
//! memory, and compared with the text that SQLite keeps of each table, trigger and index. Whether an index
//! has every row is found by reading everything (`store check`).

use std::sync::LazyLock;

use rusqlite::Connection as Sqlite;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::failure::{read_error, write_error};
use super::migrator::MIGRATOR;
use crate::model::{FoundRisks, StoreRisk};
use crate::store::error::StoreError;

/// A row of `sqlite_master`.
#[derive(PartialEq, Eq)]
pub(super) struct Object {
    kind: String,
    name: String,
    table: String,
    /// The page that its rows begin at. 0: there are no rows, as for a view or a virtual table.
    root: i64,
    sql: String,
}

/// A number that changes with each commit of another connection.
pub(super) fn version(connection: &Sqlite) -> Result<i64, StoreError> {
    let mut statement = connection.prepare_cached("PRAGMA data_version").map_err(write_error)?;
    statement.query_row([], |row| row.get(0)).map_err(write_error)
}

/// The schema in the file now. A connection keeps what it has read of them as long as the number
/// of the schema is the same, which who writes the file can put back.
pub(super) fn schema(connection: &Sqlite) -> Result<Vec<Object>, StoreError> {
    objects(connection).map_err(write_error)
}

/// Has the connection read the schema again: in a transaction, as of its beginning.
pub(super) fn forget_schema(connection: &Sqlite) -> Result<(), StoreError> {
    connection.flush_prepared_statement_cache();
    connection.execute_batch("PRAGMA writable_schema = RESET").map_err(write_error)
}

/// The same, through a connection that reads.
pub(super) async fn examine_reading(connection: &mut SqliteConnection) -> Result<FoundRisks, StoreError> {
    let rows = sqlx::query(SELECT_OBJECTS).fetch_all(connection).await.map_err(read_error)?;
    let found = rows.into_iter().map(|row| {
        Ok(Object {
            kind: row.try_get(0)?,
            name: row.try_get(1)?,
            table: row.try_get(2)?,
            root: row.try_get(3)?,
            sql: row.try_get(4)?,
        })
    });
    found.collect::<Result<Vec<_>, _>>().map(|found| risks(&found)).map_err(read_error)
}

fn objects(connection: &Sqlite) -> rusqlite::Result<Vec<Object>> {
    let mut statement = connection.prepare_cached(SELECT_OBJECTS)?;
    let found = statement.query_map([], |row| {
        Ok(Object {
            kind: row.get(0)?,
            name: row.get(1)?,
            table: row.get(2)?,
            root: row.get(3)?,
            sql: row.get(4)?,
        })
    })?;
    found.collect()
}

/// The risks of a file whose schema is that of this program.
pub(super) fn risks(found: &[Object]) -> FoundRisks {
    let find = |wanted: &Object| found.iter().find(|object| same_name(&object.name, &wanted.name));
    let of = |kind: &str| EXPECTED.iter().filter(|object| object.kind == kind).collect::<Vec<_>>();
    let (tables, triggers, indexes) = (of("table"), of("trigger"), of("index"));
    let is_table = |wanted: &&Object| {
        find(wanted).is_some_and(|object| {
            object.kind == "table" && object.root > 0 && (wanted.sql.is_empty() || same_text(object, wanted))
        })
    };
    // One that is not unique may be missing: then only searches are slow.
    let is_index = |wanted: &&Object| match find(wanted) {
        Some(object) => is_same(object, wanted),
        None => !wanted.sql.starts_with("CREATE UNIQUE"),
    };
    let is_trigger = |wanted: &&Object| find(wanted).is_some_and(|object| is_same(object, wanted));
    let is_foreign = |object: &&Object| {
        object.kind == "trigger"
            && tables.iter().any(|table| same_name(&table.name, &object.table))
            && !triggers.iter().any(|wanted| is_same(object, wanted))
    };
    let of_migrations = |wanted: &[&Object], is_there: &dyn Fn(&&Object) -> bool| {
        let missing = wanted.iter().filter(|object| !is_there(object));
        missing.map(|object| format!("{} {}", object.kind, object.name)).collect::<Vec<_>>()
    };
    let foreign = found.iter().filter(is_foreign);
    let foreign = foreign.map(|object| format!("trigger {} on {}", object.name, object.table)).collect();
    let mut risks = FoundRisks::default();
    for (risk, objects) in [
        (StoreRisk::NotATable, of_migrations(&tables, &is_table)),
        (StoreRisk::TriggersOff, of_migrations(&triggers, &is_trigger)),
        (StoreRisk::ForeignCode, foreign),
        (StoreRisk::ChangedIndex, of_migrations(&indexes, &is_index)),
    ] {
        objects.into_iter().for_each(|object| risks.add(risk, object));
    }
    risks
}

fn is_same(object: &Object, wanted: &Object) -> bool {
    object.kind == wanted.kind
        && same_name(&object.name, &wanted.name)
        && same_name(&object.table, &wanted.table)
        && same_text(object, wanted)
}

/// Whether two objects have the same text. SQLite quotes the name of a table that was renamed.
fn same_text(one: &Object, other: &Object) -> bool {
    let unquoted = |object: &Object| object.sql.replacen(&format!("\"{}\"", other.table), &other.table, 1);
    unquoted(one) == unquoted(other)
}

/// SQLite ignores the case of names.
fn same_name(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// What the migrations make. Empty if they cannot be run in memory, which a test excludes; then each trigger
/// is a foreign one, and nothing is acknowledged.
static EXPECTED: LazyLock<Vec<Object>> = LazyLock::new(|| made_by_migrations().unwrap_or_default());

fn made_by_migrations() -> rusqlite::Result<Vec<Object>> {
    let connection = Sqlite::open_in_memory()?;
    for migration in MIGRATOR.iter() {
        connection.execute_batch(migration.sql.as_str())?;
    }
    let mut made = objects(&connection)?;
    // What SQLite makes by itself, such as the statistics of ANALYZE, has no text.
    made.retain(|object| !object.name.starts_with("sqlite_"));
    // The library of the migrations decides its columns.
    made.push(Object {
        kind: "table".to_owned(),
        name: "_sqlx_migrations".to_owned(),
        table: "_sqlx_migrations".to_owned(),
        root: 0,
        sql: String::new(),
    });
    Ok(made)
}

const SELECT_OBJECTS: &str = "
SELECT type, name, tbl_name, coalesce(rootpage, 0), coalesce(sql, '') FROM sqlite_master
WHERE type IN ('table', 'trigger', 'view', 'index')";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_from_the_migrations_is_a_risk_and_another_index_or_table_is_none() {
        let altered = |sql: &str| {
            let connection = Sqlite::open_in_memory().unwrap();
            for migration in MIGRATOR.iter() {
                connection.execute_batch(migration.sql.as_str()).unwrap();
            }
            connection.execute_batch("CREATE TABLE _sqlx_migrations (version)").unwrap();
            connection.execute_batch(sql).unwrap();
            risks(&schema(&connection).unwrap()).iter().map(StoreRisk::code).collect::<Vec<_>>().join(" ")
        };
        for (sql, risks) in [
            ("", ""),
            ("CREATE INDEX mine ON message (control_id); CREATE TABLE notes (text)", ""),
            ("CREATE TABLE n (t); CREATE TRIGGER t AFTER INSERT ON n BEGIN DELETE FROM n; END", ""),
            ("ALTER TABLE probe RENAME TO kept; CREATE VIEW probe AS SELECT * FROM kept", "not-a-table"),
            ("DROP TABLE probe; CREATE TABLE probe (one INTEGER PRIMARY KEY, at INTEGER)", "not-a-table"),
            ("DROP TABLE seen_identity", "not-a-table"),
            ("DROP TRIGGER audit_no_delete", "triggers-off"),
            ("DROP INDEX message_resend", "changed-index"),
            ("DROP INDEX outbox_control_id", "changed-index"),
            (
                "DROP INDEX message_resend; CREATE UNIQUE INDEX message_resend ON message (device, control_id)
                 WHERE rejection IS NULL",
                "changed-index",
            ),
            ("DROP INDEX message_device; CREATE INDEX message_device ON message (device) WHERE id IS NULL",
                "changed-index"),
            ("DROP INDEX message_device", ""),
            ("CREATE TRIGGER mine BEFORE INSERT ON Message BEGIN SELECT raise(ignore); END", "foreign-code"),
            (
                "DROP TRIGGER audit_no_update;
                 CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT 1; END",
                "triggers-off foreign-code",
            ),
        ] {
            assert_eq!(altered(sql), risks, "{sql}");
        }
    }
}
