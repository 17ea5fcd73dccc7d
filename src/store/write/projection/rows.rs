//! The rows of a batch: many of them a statement, because on a server each statement is a round trip in which
//! no message is acknowledged.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::store::error::StoreError;
use crate::store::records::message::first_id;
use crate::store::records::projection::{GroupRow, Report, ReportKind, ResourceRow};
use crate::store::statement::{Statement, Value};
use crate::store::write::connection::Connection;

/// Writes resources, with the numbers after `before`.
pub(super) async fn write_resources(
    connection: &mut impl Connection,
    resources: &[ResourceRow],
    before: u64,
    at: Timestamp,
) -> Result<(), StoreError> {
    if resources.is_empty() {
        return Ok(());
    }
    let mut seq = before;
    // A version is written before the next one of the same resource.
    let mut written: BTreeSet<&str> = BTreeSet::new();
    for resource in resources {
        if written.contains(resource.reference.as_str()) {
            write_versions(connection, &std::mem::take(&mut written)).await?;
        }
        written.insert(&resource.reference);
        seq = seq.saturating_add(1);
        connection.execute(upsert(resource, seq, at)).await?;
    }
    write_versions(connection, &written).await?;
    // A content that was replaced is not found by its keys any more: senders may put a number into a name.
    connection.execute(Statement::new(DELETE_FORMER_KEYS).bind(before)).await?;
    let keys = |resource: &ResourceRow| -> Vec<Vec<Value>> {
        let row = |key: &i64| vec![(*key).into(), resource.reference.as_str().into(), resource.hash.into()];
        resource.keys.iter().map(row).collect()
    };
    insert(connection, (INSERT_KEY, OR_KNOWN), resources.iter().flat_map(keys).collect()).await
}

fn upsert(resource: &ResourceRow, seq: u64, at: Timestamp) -> Statement {
    let ResourceRow { reference, message, hash, yields, report, .. } = resource;
    let mut upsert = Statement::new(INSERT_RESOURCE)
        .bind(seq)
        .bind(reference.as_str())
        .bind(message.as_bytes().as_slice())
        .bind(*hash)
        .bind(at);
    let long_ago = message.time().saturating_sub(REFRESHED_AFTER).unwrap_or(Timestamp::MIN);
    let condition = match (yields, report) {
        (true, _) => OR_REFRESH,
        (false, None) => OR_REPLACE,
        (false, Some(_)) => OR_REPORT,
    };
    upsert.push(condition).push_bind(first_id(long_ago).as_slice());
    if let Some(Report { at, kind }) = report {
        upsert.push(UNLESS_OUTLASTED).push_bind(*at).push(match kind {
            ReportKind::Timed => ", excluded.message)))",
            ReportKind::GoesOn => OR_BY_AN_END,
            ReportKind::End => BUT_BY_A_LATER_ONE,
        });
    }
    upsert
}

async fn write_versions(
    connection: &mut impl Connection,
    references: &BTreeSet<&str>,
) -> Result<(), StoreError> {
    let references: Vec<_> = references.iter().collect();
    for chunk in chunks(&references) {
        let mut insert = Statement::new(INSERT_VERSION);
        for (place, reference) in chunk.iter().enumerate() {
            insert.push(if place == 0 { "" } else { ", " }).push_bind(**reference);
        }
        insert.push(OR_NEWER_MESSAGE);
        connection.execute(insert).await?;
    }
    Ok(())
}

/// Writes groups, with the numbers after `seq`.
pub(super) async fn write_groups(
    connection: &mut impl Connection,
    groups: &[GroupRow],
    mut seq: u64,
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut measured = Vec::new();
    for group in groups {
        seq = seq.saturating_add(1);
        let mut row = values(group, seq, at);
        let Some(alert) = &group.alert else {
            // Parts of measurements beside the latest have negative numbers in place of an alert.
            row.push((-i64::from(group.part)).into());
            measured.push(row);
            continue;
        };
        let message = group.message.as_bytes().as_slice();
        let replaced = Statement::new(DELETE_REPORT).bind(alert.as_str()).bind(message);
        connection.execute(replaced).await?;
        let insert = row.into_iter().fold(Statement::new(INSERT_ALERT), Statement::bind);
        connection.execute(insert.bind(alert.as_str())).await?;
    }
    insert(connection, (INSERT_GROUP, OR_CHANGE), measured).await
}

/// What the rows of measurements and of alerts have in common, in the order of the columns.
fn values(group: &GroupRow, seq: u64, at: Timestamp) -> Vec<Value> {
    let GroupRow { message, subject, device, at: measured, hash, version, kind, .. } = group;
    vec![
        seq.into(),
        message.as_bytes().as_slice().into(),
        (*measured).into(),
        (*hash).into(),
        (*version).into(),
        at.into(),
        kind.number().into(),
        subject.as_str().into(),
        device.as_str().into(),
    ]
}

/// Inserts rows between the beginning and the end of a statement with VALUES.
async fn insert(
    connection: &mut impl Connection,
    (begin, end): (&'static str, &'static str),
    rows: Vec<Vec<Value>>,
) -> Result<(), StoreError> {
    let mut rows = rows;
    while !rows.is_empty() {
        let size = if rows.len() < ROWS_OF_A_STATEMENT { 1 } else { ROWS_OF_A_STATEMENT };
        let mut insert = Statement::new(begin);
        for (place, row) in rows.drain(..size).enumerate() {
            insert.push(if place == 0 { "(" } else { ", (" });
            for (column, value) in row.into_iter().enumerate() {
                insert.push(if column == 0 { "" } else { ", " }).push_bind(value);
            }
            insert.push(")");
        }
        insert.push(end);
        connection.execute(insert).await?;
    }
    Ok(())
}

/// In parts of one size, and single ones for the rest: servers prepare two statements, and not one for each
/// number of rows.
fn chunks<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let whole = rows.len() - rows.len() % ROWS_OF_A_STATEMENT;
    let (whole, rest) = rows.split_at(whole);
    whole.chunks(ROWS_OF_A_STATEMENT).chain(rest.chunks(1))
}

/// Rows of one statement.
const ROWS_OF_A_STATEMENT: usize = 32;

/// A resource that does not change is rendered from a newer message after this time: the one that it was
/// rendered from is removed first.
const REFRESHED_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// What was removed and comes back does not begin with version 1 again: a client may still have that. No
/// version was ever as high as the number of the change.
const INSERT_RESOURCE: &str = "
INSERT INTO fhir_resource (number, reference, message, hash, version, seq, projected_at)
VALUES ($1, $2, $3, $4,
    CASE WHEN EXISTS (SELECT 1 FROM fhir_removed WHERE fhir_removed.reference = $2) THEN $1 ELSE 1 END, $1, $5)
ON CONFLICT (reference)";

const OR_REFRESH: &str = " DO UPDATE SET message = excluded.message
WHERE excluded.hash = fhir_resource.hash AND fhir_resource.message < ";

/// A new content is a new version, at a new place in the order of changes.
macro_rules! replace {
    () => {
        " DO UPDATE SET message = excluded.message, hash = excluded.hash,
    version = CASE WHEN fhir_resource.hash = excluded.hash THEN fhir_resource.version ELSE fhir_resource.version + 1 END,
    seq = CASE WHEN fhir_resource.hash = excluded.hash THEN fhir_resource.seq ELSE excluded.seq END,
    projected_at = CASE WHEN fhir_resource.hash = excluded.hash THEN fhir_resource.projected_at ELSE excluded.projected_at END"
    };
}

/// A message before that of the row replaces nothing: nodes are projected one after the other, and a rebuild
/// begins with the oldest.
const OR_REPLACE: &str = concat!(
    replace!(),
    "
WHERE (excluded.message >= fhir_resource.message AND excluded.hash <> fhir_resource.hash)
    OR fhir_resource.message < "
);

/// Reports of an alert come in the order of their own times: devices send again what was not acknowledged,
/// and a message that was rejected may be accepted later.
const OR_REPORT: &str =
    concat!(replace!(), "\nWHERE (excluded.hash <> fhir_resource.hash OR fhir_resource.message < ");

/// As `ReportPlace::outlasts`.
const UNLESS_OUTLASTED: &str = ") AND NOT EXISTS (SELECT 1 FROM fhir_group AS known
    WHERE known.alert <> 0 AND known.alert = fhir_resource.number AND ((known.at, known.message) > (";

const OR_BY_AN_END: &str = ", excluded.message) OR (known.kind = 2 AND known.message > excluded.message)))";

const BUT_BY_A_LATER_ONE: &str =
    ", excluded.message)) AND (known.kind <> 1 OR known.message > excluded.message))";

/// A version is rendered from the last message that has it.
const INSERT_VERSION: &str = "
INSERT INTO fhir_version (resource, version, message, projected_at)
SELECT number, version, message, projected_at FROM fhir_resource WHERE reference IN (";

const OR_NEWER_MESSAGE: &str = ") ON CONFLICT (resource, version) DO UPDATE SET message = excluded.message";

/// Of the resources that got another content in this batch.
const DELETE_FORMER_KEYS: &str =
    "DELETE FROM fhir_key WHERE resource IN (SELECT number FROM fhir_resource WHERE seq > $1)";

/// Those of the present content.
const INSERT_KEY: &str = "
INSERT INTO fhir_key (hash, resource)
SELECT w.column1, w.number
FROM (
    SELECT v.column1,
        (SELECT number FROM fhir_resource WHERE reference = v.column2 AND hash = v.column3) AS number
    FROM (VALUES ";

const OR_KNOWN: &str = ") AS v) AS w WHERE w.number IS NOT NULL ON CONFLICT (hash, resource) DO NOTHING";

/// A changed content is a new version, at a new place in the order of changes.
macro_rules! change {
    () => {
        "
ON CONFLICT (message, subject, device, alert) DO UPDATE SET
    seq = CASE WHEN excluded.hash = fhir_group.hash THEN fhir_group.seq ELSE excluded.seq END,
    at = excluded.at, hash = excluded.hash, kind = excluded.kind,
    projected_at = CASE WHEN excluded.hash = fhir_group.hash THEN fhir_group.projected_at ELSE excluded.projected_at END,
    revision = CASE WHEN excluded.hash = fhir_group.hash THEN fhir_group.revision
        WHEN excluded.revision > fhir_group.revision THEN excluded.revision ELSE fhir_group.revision + 1 END
WHERE excluded.hash <> fhir_group.hash OR excluded.kind <> fhir_group.kind"
    };
}

/// Each reference is looked up by its index, whatever a server knows of the size of the tables.
const INSERT_GROUP: &str = "
INSERT INTO fhir_group (seq, message, at, hash, revision, projected_at, kind, subject, device, alert)
SELECT w.column1, w.column2, w.column3, w.column4, w.column5, w.column6, w.column7, w.subject, w.device, w.column10
FROM (
    SELECT v.*, (SELECT number FROM fhir_resource WHERE reference = v.column8) AS subject,
        (SELECT number FROM fhir_resource WHERE reference = v.column9) AS device
    FROM (VALUES ";

const OR_CHANGE: &str =
    concat!(") AS v) AS w WHERE w.subject IS NOT NULL AND w.device IS NOT NULL", change!());

/// Only of the report that the alert is rendered from.
const INSERT_ALERT: &str = concat!(
    "
INSERT INTO fhir_group (seq, message, at, hash, revision, projected_at, kind, subject, device, alert)
SELECT $1, $2, $3, $4, $5, $6, $7, subject.number, device.number, report.number
FROM fhir_resource AS subject CROSS JOIN fhir_resource AS device CROSS JOIN fhir_resource AS report
WHERE subject.reference = $8 AND device.reference = $9 AND report.reference = $10 AND report.message = $2",
    change!()
);

/// The reports before the one that the alert is rendered from now.
const DELETE_REPORT: &str = "
DELETE FROM fhir_group WHERE alert <> 0 AND message <> $2
    AND alert = (SELECT number FROM fhir_resource WHERE reference = $1 AND message = $2)";
