//! `device learn`: for some days the identities in messages of a device are accepted and recorded.

use anyhow::anyhow;
use jiff::SignedDuration;

use crate::authz::eui64;
use crate::cli::Failure;
use crate::cli::context::failed;
use crate::config::{Config, Identity};
use crate::model::DeviceId;
use crate::store::{AuditFilter, AuditRow, Page, Store};

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
    if let Some(row) = enforced_before(device, store).await? {
        return Err(anyhow!(
            "device {device} was enforced before it was removed from the directory (row {row} of the audit trail): it does \
             not learn again; allow identities with `device propose` or --speaks-for"
        )
        .into());
    }
    let until = now.saturating_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(now);
    store.learn_identities(device, now, until, actor).await.map_err(failed)
}

/// The row of the trail which says that an entry of this name, in any spelling of its EUI-64, had a list or
/// learnt before the present one was added.
async fn enforced_before(device: &DeviceId, store: &Store) -> Result<Option<u64>, Failure> {
    let number = eui64(device);
    let is_own = |name: &str| {
        name == device.as_str()
            || number.is_some() && name.parse::<DeviceId>().is_ok_and(|name| eui64(&name) == number)
    };
    let mut enforced: Option<u64> = None;
    let mut added: Option<u64> = None;
    for event in [ADDED, "device-changed", "device-learning-started", "device-learning-ended"] {
        let mut after = 0;
        loop {
            let filter = AuditFilter {
                event: Some(event.to_owned()),
                device: None,
                since: None,
                page: Page::After(after),
                limit: PAGE_ROWS,
            };
            let rows = store.audit_rows(&filter).await.map_err(failed)?;
            let Some(last) = rows.last() else { break };
            after = last.sequence;
            for row in &rows {
                let Some((name, has_list)) = entry(row) else { continue };
                if !is_own(&name) {
                    continue;
                }
                if event == ADDED {
                    added = added.max(Some(row.sequence));
                }
                let is_evidence = has_list || event.starts_with("device-learning");
                if is_evidence && enforced.is_none_or(|known| row.sequence < known) {
                    enforced = Some(row.sequence);
                }
            }
        }
    }
    Ok(enforced.filter(|row| added.is_some_and(|added| *row < added)))
}

/// The entry that a row is about, and whether it had a list then.
fn entry(row: &AuditRow) -> Option<(String, bool)> {
    let details: serde_json::Value = serde_json::from_str(&row.details).ok()?;
    let list = details.get("speaks-for").and_then(serde_json::Value::as_array);
    Some((details.get("device")?.as_str()?.to_owned(), list.is_some_and(|list| !list.is_empty())))
}

const ADDED: &str = "device-added";
/// Rows that are read at once.
const PAGE_ROWS: u32 = 1_000;
