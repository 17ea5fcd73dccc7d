//! Removes messages from the index of FHIR resources.
//!
//! A resource is rendered from one message, and observations of many others refer to it. It stays as long as
//! one of these is stored: then it is rendered from the newest of them.

use jiff::{SignedDuration, Timestamp};

use crate::model::MessageId;
use crate::store::error::StoreError;
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;
use crate::store::write::retention::{delete_rows_of, push_ids};

/// Removes the messages from the index, in the transaction that deletes them. What is left without a message
/// is remembered for as long as the oldest of them was stored: a read of it says that it was there.
pub(in crate::store) async fn remove(
    connection: &mut impl Connection,
    now: Timestamp,
    messages: &[MessageId],
) -> Result<(), StoreError> {
    let Some(oldest) = messages.iter().min() else { return Ok(()) };
    delete_rows_of(connection, DELETE_GROUPS, messages).await?;
    delete_rows_of(connection, DELETE_VERSIONS, messages).await?;
    // This locks the rows. Another node that writes groups of them has committed before, or waits for the end
    // of this transaction: the statements after it see all groups.
    if connection.execute(mark(messages)).await? == 0 {
        return Ok(());
    }
    let stored_for = now.duration_since(oldest.time()).max(SignedDuration::ZERO);
    let until = now.saturating_add(stored_for).unwrap_or(Timestamp::MAX);
    for statement in [
        marked(RENDER_FROM_ANOTHER),
        marked(REMEMBER).bind(until),
        marked(DELETE_KEYS),
        marked(DELETE_RESOURCES),
        Statement::new(FORGET).bind(now),
    ] {
        connection.execute(statement).await?;
    }
    Ok(())
}

fn mark(messages: &[MessageId]) -> Statement {
    let mut mark = marked(MARK);
    push_ids(&mut mark, messages);
    mark
}

fn marked(sql: &str) -> Statement {
    Statement::new(sql).bind(NO_MESSAGE.as_slice())
}

/// The id of no message: it marks the resources whose message is removed, within the transaction.
const NO_MESSAGE: [u8; 16] = [0; 16];

const DELETE_GROUPS: &str = "DELETE FROM fhir_group WHERE message IN (";

const DELETE_VERSIONS: &str = "DELETE FROM fhir_version WHERE message IN (";

const MARK: &str = "UPDATE fhir_resource SET message = $1 WHERE message IN (";

/// The newest message with observations of the patient, of the device, or of the alert; of what has no
/// observations of its own, such as a metric, the message of its latest version. The former version of an
/// alert is not its present state.
const RENDER_FROM_ANOTHER: &str = "
UPDATE fhir_resource SET message = coalesce(
    (SELECT found.message FROM fhir_group AS found WHERE found.subject = fhir_resource.number
        ORDER BY found.at DESC, found.seq DESC LIMIT 1),
    (SELECT found.message FROM fhir_group AS found WHERE found.device = fhir_resource.number
        ORDER BY found.at DESC, found.seq DESC LIMIT 1),
    (SELECT found.message FROM fhir_group AS found WHERE found.alert <> 0 AND found.alert = fhir_resource.number
        LIMIT 1),
    (SELECT version.message FROM fhir_version AS version WHERE version.resource = fhir_resource.number
        AND substr(fhir_resource.reference, 1, 12) <> 'Observation/' ORDER BY version.version DESC LIMIT 1),
    message)
WHERE message = $1";

const REMEMBER: &str = "
INSERT INTO fhir_removed (reference, until) SELECT reference, $2 FROM fhir_resource WHERE message = $1
ON CONFLICT (reference) DO UPDATE SET until = excluded.until";

const DELETE_KEYS: &str =
    "DELETE FROM fhir_key WHERE resource IN (SELECT number FROM fhir_resource WHERE message = $1)";

const DELETE_RESOURCES: &str = "DELETE FROM fhir_resource WHERE message = $1";

/// In steps: senders wait for the transaction.
const FORGET: &str = "
DELETE FROM fhir_removed WHERE reference IN
    (SELECT reference FROM fhir_removed WHERE until < $1 ORDER BY until LIMIT 2000)";

/// The statements, for the tests of their plans.
#[cfg(test)]
pub(in crate::store) fn statements(messages: &[MessageId]) -> Vec<Statement> {
    use crate::store::write::retention::rows_of;

    vec![
        rows_of(DELETE_GROUPS, messages),
        rows_of(DELETE_VERSIONS, messages),
        mark(messages),
        marked(RENDER_FROM_ANOTHER),
        marked(REMEMBER).bind(Timestamp::UNIX_EPOCH),
        marked(DELETE_KEYS),
        marked(DELETE_RESOURCES),
        Statement::new(FORGET).bind(Timestamp::UNIX_EPOCH),
    ]
}
