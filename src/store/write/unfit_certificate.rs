//! Devices whose certificates are not issued for what devices do: what `check` lists. It follows from the
//! audit rows of a batch, in its transaction. The same on both databases.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::audit::{Certificate, Event};
use crate::model::DeviceId;
use crate::store::error::StoreError;
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;

/// Whether the row says something of the certificate of a known device.
pub(in crate::store) fn concerns(event: &Event) -> bool {
    seen(event).is_some()
}

/// Records what these audit rows say of the certificates of devices: the last word counts. At most one row
/// for each device of the directory stays.
pub(in crate::store) async fn record<C: Connection>(
    connection: &mut C,
    trail: &[(Timestamp, Event)],
) -> Result<(), StoreError> {
    // In the order of their names, so that two nodes never wait for each other.
    let mut last = BTreeMap::new();
    for (at, event) in trail {
        if let Some((device, certificate)) = seen(event) {
            let admitted = matches!(event, Event::ConnectionAccepted { .. });
            last.insert(device.as_str(), (certificate, admitted, *at));
        }
    }
    let fit: Vec<&str> =
        last.iter().filter(|(_, (seen, ..))| seen.unfit.is_none()).map(|(device, _)| *device).collect();
    for devices in fit.chunks(FORGOTTEN_AT_ONCE) {
        forget(connection, devices).await?;
    }
    for (device, (certificate, admitted, at)) in last {
        let Some(unfit) = &certificate.unfit else { continue };
        let mut insert = Statement::new(INSERT)
            .bind(device)
            .bind(certificate.fingerprint.to_string())
            .bind(unfit.field.code())
            .bind(unfit.uses.as_str())
            .bind(i64::from(admitted))
            .bind(at);
        insert.push(C::LOCK_KEY).push(REPLACE);
        connection.execute(insert).await?;
    }
    Ok(())
}

/// Forgets what is known of devices: of a removed one, or of one with another certificate.
pub(in crate::store) async fn forget(
    connection: &mut impl Connection,
    devices: &[&str],
) -> Result<(), StoreError> {
    let Some(first) = devices.first() else { return Ok(()) };
    // Always the same statement, which the server has prepared.
    let filled = devices.iter().chain(std::iter::repeat(first)).take(FORGOTTEN_AT_ONCE);
    let statement = filled.fold(Statement::new(DELETE), |statement, device| statement.bind(*device));
    connection.execute(statement).await.map(drop)
}

/// The device and its certificate, if the row is about a known device.
fn seen(event: &Event) -> Option<(&DeviceId, &Certificate)> {
    match event {
        Event::ConnectionAccepted { device, certificate, .. } => Some((device, certificate)),
        Event::ConnectionRefused { certificate: Some(certificate), .. } => {
            Some((&certificate.unfit.as_ref()?.device, certificate))
        }
        _ => None,
    }
}

/// As many as [`DELETE`] has parameters.
const FORGOTTEN_AT_ONCE: usize = 8;

const DELETE: &str = "DELETE FROM unfit_certificate WHERE device IN ($1, $2, $3, $4, $5, $6, $7, $8)";

/// For a device of the directory only, whose row is locked against its removal.
const INSERT: &str = "
INSERT INTO unfit_certificate (device, fingerprint, field, uses, admitted, at)
SELECT device.id, $2, $3, $4, $5, $6 FROM device WHERE device.id = $1";

const REPLACE: &str = "
ON CONFLICT (device) DO UPDATE SET fingerprint = excluded.fingerprint, field = excluded.field, uses = excluded.uses,
    admitted = excluded.admitted, at = excluded.at";
