//! Whether an expected device is missing, as the store knows it.

use std::ops::Not;

use serde::Serialize;

use crate::authz::{Device, DeviceStatus};
use crate::cli::Failure;
use crate::cli::context::failed;
use crate::hl7::Message;
use crate::liveness::{Heartbeat, SignOfLife};
use crate::model::SilentAfter;
use crate::store::{MessageFilter, Store};

/// A view of an entry, with what the store says.
#[derive(Debug, Serialize)]
pub(super) struct Shown<T> {
    #[serde(flatten)]
    pub(super) view: T,
    /// Whether nothing came of a device that is expected.
    #[serde(skip_serializing_if = "Not::not")]
    pub(super) missing: bool,
    /// Whether it has left monitoring with its latest message.
    #[serde(skip_serializing_if = "Not::not")]
    pub(super) left: bool,
    /// Whether an operator has ended its learning: it never begins again.
    #[serde(skip)]
    pub(super) enforced: bool,
}

/// Whether the latest accepted message of the device says that it leaves monitoring. What devices behind a
/// gateway sent is known to the serving platform only.
pub(super) async fn has_left(device: &Device, store: &Store) -> Result<bool, Failure> {
    let filter = MessageFilter { device: Some(device.id.clone()), limit: 16, ..MessageFilter::default() };
    let latest = store.messages(&filter).await.map_err(failed)?;
    let Some(latest) = latest.into_iter().find(|message| message.verdict.rejection().is_none()) else {
        return Ok(false);
    };
    let Some(stored) = store.message(latest.id).await.map_err(failed)? else { return Ok(false) };
    let Ok(message) = Message::parse(&stored.raw) else { return Ok(false) };
    let sign = SignOfLife::read(&message, device, &store.patient_key().await);
    Ok(sign.heartbeat == Some(Heartbeat::Leaves) && sign.devices.is_empty())
}

/// Whether the device is expected, may connect, and no message of it is stored. The serving platform waits
/// for its `silent-after` besides, before it reports that.
pub(super) async fn is_missing(device: &Device, store: &Store) -> Result<bool, Failure> {
    let is_awaited = device.expected
        && device.status == DeviceStatus::Active
        && device.silent_after != Some(SilentAfter::Never);
    if !is_awaited {
        return Ok(false);
    }
    let filter = MessageFilter { device: Some(device.id.clone()), limit: 1, ..MessageFilter::default() };
    Ok(store.messages(&filter).await.map_err(failed)?.is_empty())
}
