//! Queries of what was seen of devices, of refused peers and of the devices behind gateways.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::{DeviceId, Refusal, RefusalFacts, ShownCertificate};
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::contact::{Contact, Feed, RefusedRoom, RefusedRow};
use crate::store::row::Row;
use crate::store::statement::Statement;

impl Reader {
    pub(in crate::store) async fn contacts(
        &self,
        device: Option<&DeviceId>,
    ) -> Result<Vec<Contact>, StoreError> {
        let mut statement = Statement::new(SELECT_CONTACT);
        if let Some(device) = device {
            statement.push(" WHERE device = ").push_bind(device.as_str());
        }
        statement.push(" ORDER BY device, connected_at DESC");
        self.fetch(statement).await?.iter().map(contact).collect()
    }

    pub(in crate::store) async fn refused(&self) -> Result<Vec<RefusedRow>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_REFUSED)).await?;
        let mut known = Vec::with_capacity(rows.len());
        for row in &rows {
            // A later version may know a reason that this one does not.
            if let Some(refused) = refused(row)? {
                known.push(refused);
            }
        }
        Ok(known)
    }

    /// `of_certificates`: without the devices behind them.
    pub(in crate::store) async fn feeds(&self, of_certificates: bool) -> Result<Vec<Feed>, StoreError> {
        let mut statement = Statement::new(SELECT_FEED);
        if of_certificates {
            statement.push(" WHERE identity = ''");
        }
        statement.push(" ORDER BY via, identity");
        self.fetch(statement).await?.iter().map(feed).collect()
    }
}

fn contact(row: &Row) -> Result<Contact, StoreError> {
    Ok(Contact {
        device: row.parsed("device", "contact.device")?,
        node: row.parsed("node", "contact.node")?,
        is_connected: row.get::<String>("state")? == "connected",
        peer: row.get("peer")?,
        tls_version: row.get("tls_version")?,
        tls_suite: row.get("tls_suite")?,
        connected_at: row.time("connected_at", "contact.connected_at")?,
        disconnected_at: after_never(row.time("disconnected_at", "contact.disconnected_at")?),
        ended_why: row.get("ended_why")?,
        last_message_at: after_never(row.time("last_message_at", "contact.last_message_at")?),
        accepted_at: after_never(row.time("accepted_at", "contact.accepted_at")?),
        rejected_at: after_never(row.time("rejected_at", "contact.rejected_at")?),
        day: row.get("day")?,
        messages_today: row.count("messages_today", "contact.messages_today")?,
        certificate: ShownCertificate {
            fingerprint: row.get("fingerprint")?,
            serial: row.get("serial")?,
            issuer: row.get("issuer")?,
            not_before: row.time("not_before", "contact.not_before")?,
            not_after: row.time("not_after", "contact.not_after")?,
            key: row.get("public_key")?,
        },
    })
}

fn refused(row: &Row) -> Result<Option<RefusedRow>, StoreError> {
    let Some(refusal) = Refusal::from_code(&row.get::<String>("reason")?) else { return Ok(None) };
    let (room, facts) = (row.get::<String>("room")?, row.get::<String>("facts")?);
    let room = RefusedRoom::ALL.into_iter().find(|known| known.code() == room);
    let facts = serde_json::from_str(&facts).map_err(|_| StoreError::unreadable("refused.facts"))?;
    Ok(Some(RefusedRow {
        room: room.ok_or(StoreError::unreadable("refused.room"))?,
        who: row.get("who")?,
        device: row.get::<String>("device")?.parse().ok(),
        refusal,
        node: row.parsed("node", "refused.node")?,
        peer: row.get("peer")?,
        first: row.time("first_at", "refused.first_at")?,
        last: row.time("last_at", "refused.last_at")?,
        count: row.count("count", "refused.count")?,
        facts: RefusalFacts::from_json(&facts),
    }))
}

fn feed(row: &Row) -> Result<Feed, StoreError> {
    let time = |column, place| row.count(column, place).map(Duration::from_micros);
    let known = |time: Duration| (!time.is_zero()).then_some(time);
    Ok(Feed {
        via: row.parsed("via", "feed.via")?,
        identity: Some(row.get::<String>("identity")?).filter(|name| !name.is_empty()),
        node: row.parsed("node", "feed.node")?,
        last: row.time("last_at", "feed.last_at")?,
        pause: known(time("pause", "feed.pause")?),
        heartbeat: known(time("heartbeat", "feed.heartbeat")?),
        is_silent: row.get::<i64>("silent")? == 1,
        has_left: row.get::<i64>("has_left")? == 1,
    })
}

fn after_never(time: Timestamp) -> Option<Timestamp> {
    (time != Timestamp::UNIX_EPOCH).then_some(time)
}

const SELECT_CONTACT: &str = "
SELECT device, node, state, peer, tls_version, tls_suite, connected_at, disconnected_at, last_message_at, day,
    messages_today, fingerprint, serial, issuer, not_before, not_after, public_key, ended_why, accepted_at,
    rejected_at
FROM contact";

const SELECT_REFUSED: &str = "
SELECT room, who, device, reason, node, peer, first_at, last_at, count, facts FROM refused ORDER BY last_at DESC";

const SELECT_FEED: &str = "SELECT via, identity, node, last_at, pause, heartbeat, silent, has_left FROM feed";
