//! Whether the tables, triggers and indexes of a file are what the migrations made.
//!
//! Who may write the file can put a view in the place of a table, or add a trigger that drops or changes what
//! is stored, and SQLite reports a commit all the same. What is expected is made by the same migrations in
//! memory, and compared with the rows that SQLite keeps of each table, trigger and index: all of them, as a
//! set. SQLite compiles each row by its text; of the other columns it compares as much as it needs, without
//! regard to case and up to the first NUL. So a row that SQLite has not written in exactly this form is code
//! of others, whatever it is. Whether an index has every row is found by reading everything (`store check`).

use std::sync::LazyLock;

use rusqlite::Connection as Sqlite;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::failure::{read_error, write_error};
use super::migrator::MIGRATOR;
use crate::model::{FoundRisks, StoreRisk};
use crate::store::error::StoreError;

/// A row of `sqlite_schema`.
#[derive(PartialEq, Eq)]
pub(super) struct Object {
    kind: String,
    name: String,
    table: String,
    /// The page that its rows begin at. 0: there are no rows, as for a view or a virtual table.
    root: i64,
    /// Empty for the index of a `PRIMARY KEY` or `UNIQUE`.
    sql: String,
}

impl Object {
    /// Whether SQLite writes such rows: what it does not compare exactly is as it writes it.
    fn is_of_sqlite(&self) -> bool {
        let is_begin = |begin: &&str| self.sql.starts_with(*begin);
        let is_of_kind = match self.kind.as_str() {
            "table" => ["CREATE TABLE ", "CREATE VIRTUAL TABLE "].iter().any(is_begin),
            "index" if self.sql.is_empty() => self.name.starts_with(AUTOMATIC_INDEX),
            "index" => ["CREATE INDEX ", "CREATE UNIQUE INDEX "].iter().any(is_begin),
            "view" => self.sql.starts_with("CREATE VIEW "),
            "trigger" => self.sql.starts_with("CREATE TRIGGER "),
            _ => false,
        };
        is_of_kind && !self.name.contains('\0') && !self.table.contains('\0')
    }

    /// For operators: what it is, without line breaks.
    fn shown(&self) -> String {
        let (kind, name, table) = (&self.kind, &self.name, &self.table);
        let shown = if self.is_of_sqlite() {
            format!("{kind} {name} on {table}")
        } else {
            format!("a row of sqlite_schema with the type {kind:?} and the name {name:?}")
        };
        shown.escape_default().to_string()
    }
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

/// Whether the schema in the file is this one: the same comparison for each batch, which copies nothing.
pub(super) fn is_schema(connection: &Sqlite, expected: &[Object]) -> Result<bool, StoreError> {
    has_objects(connection, expected).map_err(write_error)
}

fn has_objects(connection: &Sqlite, expected: &[Object]) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(SELECT_OBJECTS)?;
    let mut rows = statement.query([])?;
    let mut expected = expected.iter();
    while let Some(row) = rows.next()? {
        let Some(Object { kind, name, table, root, sql }) = expected.next() else { return Ok(false) };
        for (column, text) in [(0, kind), (1, name), (2, table), (4, sql)] {
            // Bytes that are no text are shown as others: never the same, and read again.
            if row.get_ref(column)?.as_bytes().ok() != Some(text.as_bytes()) {
                return Ok(false);
            }
        }
        if row.get::<_, i64>(3)? != *root {
            return Ok(false);
        }
    }
    Ok(expected.next().is_none())
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
        let text = |column: usize| row.try_get(column).map(|bytes: Vec<u8>| shown_bytes(&bytes));
        Ok(Object { kind: text(0)?, name: text(1)?, table: text(2)?, root: row.try_get(3)?, sql: text(4)? })
    });
    found.collect::<Result<Vec<_>, _>>().map(|found| risks(&found)).map_err(read_error)
}

fn objects(connection: &Sqlite) -> rusqlite::Result<Vec<Object>> {
    let mut statement = connection.prepare_cached(SELECT_OBJECTS)?;
    let found = statement.query_map([], |row| {
        let text = |column: usize| row.get(column).map(|bytes: Vec<u8>| shown_bytes(&bytes));
        Ok(Object { kind: text(0)?, name: text(1)?, table: text(2)?, root: row.get(3)?, sql: text(4)? })
    })?;
    found.collect()
}

/// As a text, which is another one than that of the migrations if the bytes are none.
fn shown_bytes(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The risks of a file whose schema is that of this program.
pub(super) fn risks(found: &[Object]) -> FoundRisks {
    let mut risks = FoundRisks::default();
    let has_name = |wanted: &Object| found.iter().any(|object| same_name(&object.name, &wanted.name));
    for wanted in EXPECTED.iter().filter(|wanted| !found.iter().any(|object| is_same(object, wanted))) {
        let risk = match wanted.kind.as_str() {
            "table" => StoreRisk::NotATable,
            "trigger" => StoreRisk::TriggersOff,
            // One that is not unique may be missing: then only searches are slow.
            _ if wanted.sql.starts_with("CREATE INDEX") && !has_name(wanted) => continue,
            _ => StoreRisk::ChangedIndex,
        };
        risks.add(risk, format!("{} {}", wanted.kind, wanted.name));
    }
    for object in found.iter().filter(|object| is_foreign(object)) {
        risks.add(StoreRisk::ForeignCode, object.shown());
    }
    risks
}

/// Whether a row can be code that runs when the platform writes, and is none of the migrations.
fn is_foreign(object: &Object) -> bool {
    if EXPECTED.iter().any(|wanted| is_same(object, wanted)) {
        return false;
    }
    let is_table = |wanted: &&Object| wanted.kind == "table" && same_name(&wanted.name, &object.table);
    !object.is_of_sqlite() || object.kind == "trigger" && EXPECTED.iter().any(|wanted| is_table(&wanted))
}

fn is_same(object: &Object, wanted: &Object) -> bool {
    (&object.kind, &object.name, &object.table) == (&wanted.kind, &wanted.name, &wanted.table)
        && (object.root > 0) == (wanted.root > 0)
        && (is_same_text(&object.sql, wanted) || is_free_text(wanted) && object.is_of_sqlite())
}

/// Whether a text is that of `wanted`. SQLite quotes the name of a table that was renamed, where the text
/// names the table that it is about; everything else is compared as it is.
fn is_same_text(text: &str, wanted: &Object) -> bool {
    let Object { table, sql, .. } = wanted;
    let subject = sql.match_indices(table.as_str()).find_map(|(place, _)| {
        let (before, rest) = sql.split_at_checked(place)?;
        let after = rest.strip_prefix(table.as_str())?;
        let (before, after) = match before.strip_suffix('"') {
            Some(before) => (before, after.strip_prefix('"')?),
            None => (before, after),
        };
        let is_subject = before.ends_with("TABLE ") || before.ends_with("ON ");
        is_subject.then_some((before, after))
    });
    let Some((before, after)) = subject else { return text == sql };
    let named = text.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    named.is_some_and(|named| named == table || *named == format!("\"{table}\""))
}

/// The library of the migrations decides the columns of its table.
fn is_free_text(wanted: &Object) -> bool {
    wanted.kind == "table" && wanted.sql.is_empty()
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
    made.push(Object {
        kind: "table".to_owned(),
        name: "_sqlx_migrations".to_owned(),
        table: "_sqlx_migrations".to_owned(),
        root: 1,
        sql: String::new(),
    });
    Ok(made)
}

const AUTOMATIC_INDEX: &str = "sqlite_autoindex_";

/// Every row, also one with another kind of value than SQLite writes: it reads them all as texts.
const SELECT_OBJECTS: &str = "
SELECT CAST(coalesce(type, '') AS BLOB), CAST(coalesce(name, '') AS BLOB), CAST(coalesce(tbl_name, '') AS BLOB),
    CAST(coalesce(rootpage, 0) AS INTEGER), CAST(coalesce(sql, '') AS BLOB)
FROM sqlite_master";

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
            ("CREATE TABLE n (t PRIMARY KEY); CREATE VIEW v AS SELECT * FROM n; ANALYZE; REINDEX; VACUUM", ""),
            ("CREATE VIRTUAL TABLE words USING fts5(word)", ""),
            ("ALTER TABLE probe RENAME TO kept; ALTER TABLE kept RENAME TO probe", ""),
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

    /// SQLite runs the text of each of these rows.
    #[test]
    fn a_row_of_the_schema_that_sqlite_has_not_written_so_is_foreign_code() {
        const CODE: &str = "CREATE TRIGGER mine AFTER INSERT ON probe BEGIN UPDATE probe SET at = 77; END";
        for (kind, name, table) in [
            ("'trigger'", "'mine'", "'probe'"),
            ("'Trigger'", "'mine'", "'probe'"),
            ("'TRIGGER'", "'MINE'", "'PROBE'"),
            ("X'74726967676572'", "'mine'", "'probe'"),
            ("'trigger' || char(0) || 'x'", "'mine'", "'probe'"),
            ("'trigger'", "'mine' || char(0)", "'probe' || char(0)"),
            ("'trigger'", "'mine'", "'probe' || char(0)"),
            ("'trigger'", "'mine'", "X'70726F6265'"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("platform.db");
            let connection = Sqlite::open(&path).unwrap();
            for migration in MIGRATOR.iter() {
                connection.execute_batch(migration.sql.as_str()).unwrap();
            }
            connection.execute_batch("CREATE TABLE _sqlx_migrations (version)").unwrap();
            let insert = format!(
                "PRAGMA writable_schema = ON;
                 INSERT INTO sqlite_schema VALUES ({kind}, {name}, {table}, 0, '{CODE}')"
            );
            connection.execute_batch(&insert).unwrap();
            drop(connection);
            let connection = Sqlite::open(&path).unwrap();
            let found = risks(&schema(&connection).unwrap());
            let codes: Vec<_> = found.iter().map(StoreRisk::code).collect();
            assert_eq!(codes, ["foreign-code"], "{kind} {name} {table}: {found:?}");
            let named = found.objects(StoreRisk::ForeignCode)[0].to_ascii_lowercase();
            assert!(named.contains("mine"), "{named}");
            // It is no row that SQLite ignores.
            connection.execute_batch("INSERT INTO probe VALUES (1, 0)").unwrap();
            let at: i64 = connection.query_row("SELECT at FROM probe", [], |row| row.get(0)).unwrap();
            assert_eq!(at, 77, "{kind} {name} {table}");
        }
    }

    #[test]
    fn only_the_place_of_the_table_may_be_quoted() {
        let wanted = Object {
            kind: "table".to_owned(),
            name: "device".to_owned(),
            table: "device".to_owned(),
            root: 1,
            sql: "CREATE TABLE device (kind TEXT CHECK (kind IN ('device')))".to_owned(),
        };
        for (text, is_same) in [
            ("CREATE TABLE device (kind TEXT CHECK (kind IN ('device')))", true),
            ("CREATE TABLE \"device\" (kind TEXT CHECK (kind IN ('device')))", true),
            ("CREATE TABLE device (kind TEXT CHECK (kind IN ('\"device\"')))", false),
            ("CREATE TABLE \"Device\" (kind TEXT CHECK (kind IN ('device')))", false),
            ("CREATE TABLE devices (kind TEXT CHECK (kind IN ('device')))", false),
        ] {
            assert_eq!(is_same_text(text, &wanted), is_same, "{text}");
        }
    }
}
