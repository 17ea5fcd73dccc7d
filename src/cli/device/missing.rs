//! Whether an expected device is missing, as the store knows it.

use std::ops::Not;

use serde::Serialize;

use crate::authz::{Device, DeviceStatus};
use crate::cli::Failure;
use crate::cli::context::failed;
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
