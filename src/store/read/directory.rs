//! Queries of the device directory.

use crate::authz::{About, Device, DeviceStatus};
use crate::model::{DeviceId, explained};
use crate::pcd::IdentityPattern;
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::directory::{SeenIdentity, device_kind, device_status};
use crate::store::row::Row;
use crate::store::statement::Statement;

impl Reader {
    pub(in crate::store) async fn devices(&self) -> Result<Vec<Device>, StoreError> {
        let mut statement = Statement::new(SELECT_DEVICE);
        statement.push(" ORDER BY id");
        Ok(self.fetch(statement).await?.iter().filter_map(entry).collect())
    }

    /// The names of the entries that cannot be read, and which column of each.
    pub(in crate::store) async fn damaged_devices(&self) -> Result<Vec<(String, String)>, StoreError> {
        let mut statement = Statement::new(SELECT_DEVICE);
        statement.push(" ORDER BY id");
        let damaged = |row: &Row| {
            let error = device(row).err()?;
            Some((row.get("id").unwrap_or_default(), explained(&error)))
        };
        Ok(self.fetch(statement).await?.iter().filter_map(damaged).collect())
    }

    pub(in crate::store) async fn device(&self, id: &DeviceId) -> Result<Option<Device>, StoreError> {
        let mut statement = Statement::new(SELECT_DEVICE);
        statement.push(" WHERE id = ").push_bind(id.as_str());
        self.fetch(statement).await?.first().map(device).transpose()
    }

    pub(in crate::store) async fn seen_identities(
        &self,
        device: &DeviceId,
    ) -> Result<Vec<SeenIdentity>, StoreError> {
        let statement = Statement::new(
            "SELECT identity, messages, first_at, last_at FROM seen_identity WHERE device = $1 ORDER BY identity",
        );
        self.fetch(statement.bind(device.as_str())).await?.iter().map(seen_identity).collect()
    }

    pub(in crate::store) async fn identities_seen_of_others(
        &self,
        device: &DeviceId,
    ) -> Result<Vec<(DeviceId, String)>, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_RIVALS).bind(device.as_str())).await?;
        rows.iter()
            .map(|row| Ok((row.parsed("device", "seen_identity.device")?, row.get("identity")?)))
            .collect()
    }

    pub(in crate::store) async fn device_revision(&self) -> Result<u64, StoreError> {
        let rows = self.fetch(Statement::new("SELECT value FROM device_revision")).await?;
        let row = rows.first().ok_or(StoreError::unreadable("device_revision"))?;
        row.count("value", "device_revision.value")
    }
}

/// One row that cannot be read must not keep all other devices from connecting: its device may not connect.
/// `None` where not even its name can be read, which no device has.
fn entry(row: &Row) -> Option<Device> {
    device(row).ok().or_else(|| {
        let id: DeviceId = row.parsed("id", "device.id").ok()?;
        Some(Device { status: DeviceStatus::Damaged, ..Device::new(id) })
    })
}

fn device(row: &Row) -> Result<Device, StoreError> {
    let speaks_for = row.list("speaks_for", "device.speaks_for")?;
    let issuers = row.list("issuers", "device.issuers")?;
    Ok(Device {
        id: row.parsed("id", "device.id")?,
        kind: device_kind(&row.get::<String>("kind")?).ok_or(StoreError::unreadable("device.kind"))?,
        status: device_status(&row.get::<String>("status")?)
            .ok_or(StoreError::unreadable("device.status"))?,
        speaks_for: speaks_for
            .iter()
            .map(|pattern| {
                IdentityPattern::from_stored(pattern).map_err(|_| StoreError::unreadable("device.speaks_for"))
            })
            .collect::<Result<_, _>>()?,
        issuers: issuers
            .iter()
            .map(|issuer| issuer.parse().map_err(|_| StoreError::unreadable("device.issuers")))
            .collect::<Result<_, _>>()?,
        acknowledge: row.parsed("acknowledge", "device.acknowledge")?,
        silent_after: row
            .get::<Option<String>>("silent_after")?
            .map(|text| text.parse().map_err(|_| StoreError::unreadable("device.silent_after")))
            .transpose()?,
        expected: row.get::<i64>("expected")? != 0,
        receives_orders: row.get::<i64>("receives_orders")? != 0,
        note: row.get("note")?,
        learns_until: row
            .get::<Option<i64>>("learn_until")?
            .map(|_| row.time("learn_until", "device.learn_until"))
            .transpose()?,
        about: About {
            name: row.get("name")?,
            ward: row.get("ward")?,
            model: row.get("model")?,
            serial: row.get("serial")?,
            owner: row.get("owner")?,
        },
    })
}

fn seen_identity(row: &Row) -> Result<SeenIdentity, StoreError> {
    Ok(SeenIdentity {
        identity: row.get("identity")?,
        messages: row.count("messages", "seen_identity.messages")?,
        first: row.time("first_at", "seen_identity.first_at")?,
        last: row.time("last_at", "seen_identity.last_at")?,
    })
}

const SELECT_RIVALS: &str = "
SELECT other.device AS device, other.identity AS identity FROM seen_identity AS other
WHERE other.device <> $1 AND other.device IN (SELECT id FROM device)
    AND other.identity IN (SELECT identity FROM seen_identity WHERE device = $1)
ORDER BY other.identity, other.device";

const SELECT_DEVICE: &str = "
SELECT id, kind, status, speaks_for, issuers, acknowledge, silent_after, CAST(expected AS BIGINT) AS expected, note,
    learn_until, name, ward, model, serial, owner, CAST(receives_orders AS BIGINT) AS receives_orders
FROM device";
