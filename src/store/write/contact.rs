//! Writes what was seen of devices, of refused peers and of the devices behind gateways: many rows in one
//! statement, and only rows of this node, so that no node waits for another. The same on both databases.

use jiff::Timestamp;

use crate::model::NodeName;
use crate::store::error::StoreError;
use crate::store::records::contact::{
    Contact, Feed, MAX_REFUSED_PER_ROOM, Observations, RefusedRoom, RefusedRow,
};
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;

/// Records the observations of `node`.
pub(in crate::store) async fn record(
    connection: &mut impl Connection,
    node: &NodeName,
    at: Timestamp,
    observations: &Observations,
) -> Result<(), StoreError> {
    if observations.begins {
        connection.execute(Statement::new(DISCONNECT).bind(at).bind(node.as_str())).await?;
    }
    let Observations { contacts, refused, feeds, .. } = observations;
    upsert(connection, contacts, (INSERT_CONTACT, UPDATE_CONTACT), bind_contact).await?;
    upsert(connection, refused, (INSERT_REFUSED, UPDATE_REFUSED), bind_refused).await?;
    upsert(connection, feeds, (INSERT_FEED, UPDATE_FEED), bind_feed).await?;
    for room in RefusedRoom::ALL {
        if refused.iter().any(|row| row.room == room) {
            let delete = Statement::new(DELETE_EXCESS).bind(room.code()).bind(node.as_str());
            connection.execute(delete.bind(MAX_REFUSED_PER_ROOM)).await?;
        }
    }
    if observations.forgets_removed {
        for delete in [FORGET_CONTACTS, FORGET_FEEDS] {
            connection.execute(Statement::new(delete).bind(node.as_str())).await?;
        }
        let delete = Statement::new(DELETE_EXCESS_FEEDS).bind(node.as_str());
        connection.execute(delete.bind(MAX_FEEDS)).await?;
    }
    Ok(())
}

/// Inserts or replaces rows, with as few different statements as possible: the database prepares each.
async fn upsert<T>(
    connection: &mut impl Connection,
    mut rows: &[T],
    (insert, update): (&str, &str),
    bind: fn(&mut Statement, &T),
) -> Result<(), StoreError> {
    for size in ROWS_PER_STATEMENT {
        while let Some((now, later)) = rows.split_at_checked(size) {
            let mut statement = Statement::new(insert);
            for (at, row) in now.iter().enumerate() {
                statement.push(if at == 0 { " (" } else { ", (" });
                bind(&mut statement, row);
                statement.push(")");
            }
            statement.push(update);
            connection.execute(statement).await?;
            rows = later;
        }
    }
    Ok(())
}

fn bind_contact(statement: &mut Statement, contact: &Contact) {
    let state = if contact.is_connected { "connected" } else { "disconnected" };
    let certificate = &contact.certificate;
    statement.push_bind(contact.device.as_str()).push(", ").push_bind(contact.node.as_str()).push(", ");
    for text in [state, &contact.peer, &contact.tls_version, &contact.tls_suite] {
        statement.push_bind(text).push(", ");
    }
    for time in [Some(contact.connected_at), contact.disconnected_at, contact.last_message_at] {
        statement.push_bind(or_never(time)).push(", ");
    }
    statement.push_bind(contact.day.as_str()).push(", ").push_bind(contact.messages_today).push(", ");
    for text in [&certificate.fingerprint, &certificate.serial, &certificate.issuer] {
        statement.push_bind(text.as_str()).push(", ");
    }
    statement.push_bind(certificate.not_before).push(", ").push_bind(certificate.not_after).push(", ");
    statement.push_bind(certificate.key.as_str()).push(", ");
    statement.push_bind(contact.ended_why.as_str()).push(", ");
    statement.push_bind(or_never(contact.accepted_at)).push(", ");
    statement.push_bind(or_never(contact.rejected_at));
}

fn bind_refused(statement: &mut Statement, row: &RefusedRow) {
    let device = row.device.as_ref().map_or("", |device| device.as_str());
    let facts = row.facts.to_json().to_string();
    for text in [row.room.code(), &row.who, device, row.refusal.code(), row.node.as_str(), &row.peer] {
        statement.push_bind(text).push(", ");
    }
    statement.push_bind(row.first).push(", ").push_bind(row.last).push(", ");
    statement.push_bind(row.count).push(", ").push_bind(facts);
}

fn bind_feed(statement: &mut Statement, feed: &Feed) {
    let micros = |time: Option<std::time::Duration>| {
        time.map_or(0, |time| i64::try_from(time.as_micros()).unwrap_or(0))
    };
    for text in [feed.via.as_str(), feed.identity.as_deref().unwrap_or_default(), feed.node.as_str()] {
        statement.push_bind(text).push(", ");
    }
    statement.push_bind(feed.last).push(", ").push_bind(micros(feed.pause)).push(", ");
    statement.push_bind(micros(feed.heartbeat)).push(", ");
    statement.push_bind(i64::from(feed.is_silent)).push(", ").push_bind(i64::from(feed.has_left));
}

/// 0 stands for a time that did not come yet.
fn or_never(time: Option<Timestamp>) -> Timestamp {
    time.unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Rows of one statement, the largest number first.
const ROWS_PER_STATEMENT: [usize; 3] = [64, 8, 1];

const DISCONNECT: &str = "
UPDATE contact SET state = 'disconnected', disconnected_at = $1 WHERE node = $2 AND state = 'connected'";

const INSERT_CONTACT: &str = "
INSERT INTO contact (device, node, state, peer, tls_version, tls_suite, connected_at, disconnected_at,
    last_message_at, day, messages_today, fingerprint, serial, issuer, not_before, not_after, public_key,
    ended_why, accepted_at, rejected_at)
VALUES";

const UPDATE_CONTACT: &str = "
ON CONFLICT (device, node) DO UPDATE SET state = excluded.state, peer = excluded.peer,
    tls_version = excluded.tls_version, tls_suite = excluded.tls_suite, connected_at = excluded.connected_at,
    disconnected_at = CASE WHEN excluded.disconnected_at > contact.disconnected_at
        THEN excluded.disconnected_at ELSE contact.disconnected_at END,
    last_message_at = CASE WHEN excluded.last_message_at > contact.last_message_at
        THEN excluded.last_message_at ELSE contact.last_message_at END,
    messages_today = excluded.messages_today
        + CASE WHEN contact.day = excluded.day THEN contact.messages_today ELSE 0 END,
    day = excluded.day, fingerprint = excluded.fingerprint, serial = excluded.serial, issuer = excluded.issuer,
    not_before = excluded.not_before, not_after = excluded.not_after, public_key = excluded.public_key,
    ended_why = excluded.ended_why,
    accepted_at = CASE WHEN excluded.accepted_at > contact.accepted_at
        THEN excluded.accepted_at ELSE contact.accepted_at END,
    rejected_at = CASE WHEN excluded.rejected_at > contact.rejected_at
        THEN excluded.rejected_at ELSE contact.rejected_at END";

const INSERT_REFUSED: &str = "
INSERT INTO refused (room, who, device, reason, node, peer, first_at, last_at, count, facts) VALUES";

const UPDATE_REFUSED: &str = "
ON CONFLICT (room, who, device, reason, node) DO UPDATE SET peer = excluded.peer, last_at = excluded.last_at,
    count = refused.count + excluded.count, facts = excluded.facts";

const INSERT_FEED: &str = "
INSERT INTO feed (via, identity, node, last_at, pause, heartbeat, silent, has_left) VALUES";

const UPDATE_FEED: &str = "
ON CONFLICT (via, identity, node) DO UPDATE SET last_at = excluded.last_at, pause = excluded.pause,
    heartbeat = excluded.heartbeat, silent = excluded.silent, has_left = excluded.has_left";

const DELETE_EXCESS: &str = "
DELETE FROM refused WHERE room = $1 AND node = $2 AND last_at <= (
    SELECT last_at FROM refused WHERE room = $1 AND node = $2 ORDER BY last_at DESC LIMIT 1 OFFSET $3
)";

/// Feeds that a node remembers; the oldest ones go. A gateway can invent any number of names.
const MAX_FEEDS: u64 = 100_000;

const DELETE_EXCESS_FEEDS: &str = "
DELETE FROM feed WHERE node = $1 AND last_at <= (
    SELECT last_at FROM feed WHERE node = $1 ORDER BY last_at DESC LIMIT 1 OFFSET $2
)";

const FORGET_CONTACTS: &str = "DELETE FROM contact WHERE node = $1 AND device NOT IN (SELECT id FROM device)";
const FORGET_FEEDS: &str = "DELETE FROM feed WHERE node = $1 AND via NOT IN (SELECT id FROM device)";
