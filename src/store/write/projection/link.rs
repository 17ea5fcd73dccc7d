//! Patients of whom an operator says that they are one.

use jiff::Timestamp;

use crate::store::error::StoreError;
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;

/// Two patients who are one, or are not any more.
#[derive(Debug)]
pub(in crate::store) struct PatientsLink {
    /// `Patient/ID` of the one who is replaced.
    pub(in crate::store) patient: String,
    /// `Patient/ID` of the one who replaces.
    pub(in crate::store) replaced_by: String,
    /// Whether they are one now.
    pub(in crate::store) is_made: bool,
    /// Further patients whose links change with it.
    pub(in crate::store) others: Vec<String>,
    /// The actor.
    pub(in crate::store) actor: String,
}

/// Applies the change. Returns 0 where it was made before.
pub(super) async fn apply(
    connection: &mut impl Connection,
    now: Timestamp,
    PatientsLink { patient, replaced_by, is_made, others, .. }: &PatientsLink,
) -> Result<u64, StoreError> {
    let (own, other) = (patient.as_str(), replaced_by.as_str());
    let change = match is_made {
        true => Statement::new(INSERT).bind(own).bind(other).bind(now),
        false => Statement::new(DELETE).bind(own).bind(other),
    };
    let changed = connection.execute(change).await?;
    if changed == 0 {
        return Ok(0);
    }
    if *is_made {
        connection.execute(Statement::new(MOVE).bind(other).bind(own)).await?;
    }
    // Readers who follow changes get the patients again. The leader finds that the numbers have moved on, and
    // takes the lead again.
    for reference in [own, other].into_iter().chain(others.iter().map(String::as_str)) {
        connection.execute(Statement::new(NEXT).bind(now)).await?;
        connection.execute(Statement::new(CHANGE).bind(reference)).await?;
        connection.execute(Statement::new(INSERT_VERSION).bind(reference)).await?;
    }
    Ok(changed)
}

const INSERT: &str = "
INSERT INTO fhir_link (patient, replaced_by, linked_at) VALUES ($1, $2, $3) ON CONFLICT (patient) DO NOTHING";

const DELETE: &str = "DELETE FROM fhir_link WHERE patient = $1 AND replaced_by = $2";

/// Who was this patient before is the other one now.
const MOVE: &str = "UPDATE fhir_link SET replaced_by = $1 WHERE replaced_by = $2";

const NEXT: &str = "
UPDATE fhir_leader SET last_seq = last_seq + 1, last_at = CASE WHEN last_at < $1 THEN $1 ELSE last_at END";

const CHANGE: &str = "
UPDATE fhir_resource SET version = version + 1, seq = (SELECT last_seq FROM fhir_leader),
    projected_at = (SELECT last_at FROM fhir_leader)
WHERE reference = $1";

const INSERT_VERSION: &str = "
INSERT INTO fhir_version (resource, version, message, projected_at)
SELECT number, version, message, projected_at FROM fhir_resource WHERE reference = $1
ON CONFLICT (resource, version) DO UPDATE SET message = excluded.message";
