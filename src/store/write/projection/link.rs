//! Patients of whom an operator says that they are one.
//!
//! Each link stays as the operator made it, so that one that was a mistake can be taken back without the
//! others. Who is replaced is no target of a further link: reads follow the links to the last patient.

use jiff::Timestamp;

use crate::store::error::StoreError;
use crate::store::records::projection::PatientLink;
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
    /// The actor.
    pub(in crate::store) actor: String,
}

/// Applies the change. Returns 0 where it was made before, or is not possible any more.
pub(super) async fn apply(
    connection: &mut impl Connection,
    now: Timestamp,
    PatientsLink { patient, replaced_by, is_made, .. }: &PatientsLink,
) -> Result<u64, StoreError> {
    let (own, other) = (patient.as_str(), replaced_by.as_str());
    if own == other {
        return Ok(0);
    }
    // Of two commands at once, the second one sees the link of the first.
    connection.execute(Statement::new(LOCK)).await?;
    let change = match is_made {
        true => Statement::new(INSERT).bind(own).bind(other).bind(now).bind(PatientLink::MAX_LINKED),
        false => Statement::new(DELETE).bind(own).bind(other),
    };
    let changed = connection.execute(change).await?;
    if changed == 0 {
        return Ok(0);
    }
    // Readers who follow changes get the patients again. The leader finds that the numbers have moved on, and
    // takes the lead again.
    let of = |sql| Statement::new(sql).bind(own).bind(other);
    let affected = connection.count(of(SELECT_AFFECTED)).await?;
    connection.execute(Statement::new(NEXT).bind(affected).bind(now)).await?;
    connection.execute(of(CHANGE)).await?;
    connection.execute(of(INSERT_VERSION)).await?;
    Ok(changed)
}

const LOCK: &str = "UPDATE fhir_leader SET last_seq = last_seq";

/// Who is replaced replaces no other one: so there is no circle.
const INSERT: &str = "
WITH RECURSIVE below(patient) AS (
    SELECT patient FROM fhir_link WHERE replaced_by IN ($1, $2)
    UNION
    SELECT link.patient FROM fhir_link AS link, below WHERE link.replaced_by = below.patient
)
INSERT INTO fhir_link (patient, replaced_by, linked_at)
SELECT $1, $2, $3
WHERE NOT EXISTS (SELECT 1 FROM fhir_link WHERE patient IN ($1, $2)) AND (SELECT count(*) FROM below) + 2 <= $4";

const DELETE: &str = "DELETE FROM fhir_link WHERE patient = $1 AND replaced_by = $2";

/// Whose links readers see otherwise: the former patient, all whom that one replaces, and the one who
/// replaces all of them.
macro_rules! affected {
    ($statement:literal) => {
        concat!(
            "
WITH RECURSIVE below(patient) AS (
    SELECT patient FROM fhir_link WHERE replaced_by = $1
    UNION
    SELECT link.patient FROM fhir_link AS link, below WHERE link.replaced_by = below.patient
), above(patient) AS (
    SELECT replaced_by FROM fhir_link WHERE patient = $2
    UNION
    SELECT link.replaced_by FROM fhir_link AS link, above WHERE link.patient = above.patient
), affected AS (
    SELECT reference FROM fhir_resource
    WHERE reference = $1 OR reference IN (SELECT patient FROM below)
        OR (reference = $2 OR reference IN (SELECT patient FROM above))
            AND NOT EXISTS (SELECT 1 FROM fhir_link WHERE patient = reference)
)",
            $statement
        )
    };
}

const SELECT_AFFECTED: &str = affected!(" SELECT reference FROM affected");

const NEXT: &str = "
UPDATE fhir_leader SET last_seq = last_seq + $1, last_at = CASE WHEN last_at < $2 THEN $2 ELSE last_at END";

/// Each at a place of its own in the order of changes.
const CHANGE: &str = affected!(
    "
UPDATE fhir_resource SET version = version + 1,
    seq = (SELECT last_seq FROM fhir_leader)
        - (SELECT count(*) FROM affected WHERE affected.reference > fhir_resource.reference),
    projected_at = (SELECT last_at FROM fhir_leader)
WHERE reference IN (SELECT reference FROM affected)"
);

const INSERT_VERSION: &str = affected!(
    "
INSERT INTO fhir_version (resource, version, message, projected_at)
SELECT number, version, message, projected_at FROM fhir_resource
WHERE reference IN (SELECT reference FROM affected)
ON CONFLICT (resource, version) DO UPDATE SET message = excluded.message"
);
