//! `device learn`: for some days the identities in messages of a device are accepted and recorded.

use anyhow::anyhow;
use jiff::SignedDuration;

use crate::cli::Failure;
use crate::cli::context::failed;
use crate::config::{Config, Identity};
use crate::model::DeviceId;
use crate::store::Store;

/// Begins it, or prolongs it, until `days` from now.
///
/// # Errors
/// When the platform does not learn, the clock of this machine is not that of the platform, or the device is
/// enforced.
pub(super) async fn run(
    device: &DeviceId,
    days: u8,
    config: &Config,
    actor: &str,
    store: &Store,
) -> Result<(), Failure> {
    if config.devices.identity != Identity::Learn {
        return Err(anyhow!("no device learns: set devices.identity = \"learn\" first").into());
    }
    let now = store.now();
    let max = config.store.max_clock_difference;
    let known = store.confirmed_clock().await.map_err(failed)?;
    // A clock that is ahead would let the device learn for as much longer.
    if let Some(known) = known.filter(|known| now.duration_since(known.at).unsigned_abs() > max) {
        return Err(anyhow!(
            "the clock of this machine says {now:.0}, and the platform believed {:.0} last: correct the clock, or let \
             the platform serve first",
            known.at
        )
        .into());
    }
    let until = now.saturating_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(now);
    store.learn_identities(device, now, until, actor).await.map_err(failed)
}
