//! `device merge`: unites two entries whose names are spellings of one EUI-64.

use anyhow::anyhow;
use serde::Serialize;

use crate::authz::{About, Device, DeviceStatus, eui64};
use crate::cli::context::failed;
use crate::cli::text::paragraph;
use crate::cli::{Failure, Output};
use crate::model::DeviceId;
use crate::store::{OutboxFilter, Store, StoreError};
use crate::view::DeviceView;

/// The entry that stays, as it becomes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Merged<'a> {
    #[serde(flatten)]
    entry: DeviceView<'a>,
    /// The Common Name of the entry that goes.
    removed: &'a str,
    /// Orders that wait for the entry that goes: they are withdrawn.
    withdrawn_orders: usize,
    /// Whether it was done.
    applied: bool,
}

/// Shows what becomes of both, and does it if `apply`.
pub(super) async fn run(
    kept: DeviceId,
    other: DeviceId,
    apply: bool,
    actor: &str,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let devices = store.devices().await.map_err(failed)?;
    // The exact spellings: the store finds an entry by any.
    let find = |cn: &DeviceId| devices.iter().find(|device| device.id == *cn).cloned();
    let unknown = |cn: &DeviceId| failed(StoreError::DeviceUnknown(cn.clone()));
    let (kept, other) =
        (find(&kept).ok_or_else(|| unknown(&kept))?, find(&other).ok_or_else(|| unknown(&other))?);
    if kept.id == other.id {
        return Err(anyhow!("{} is one entry: name the one that stays and the one that goes", kept.id).into());
    }
    if eui64(&kept.id).is_none() || eui64(&kept.id) != eui64(&other.id) {
        return Err(anyhow!("{} and {} are not two spellings of one EUI-64", kept.id, other.id).into());
    }
    if let Some(damaged) = [&kept, &other].into_iter().find(|device| device.status == DeviceStatus::Damaged) {
        return Err(anyhow!(
            "the entry of {} cannot be read: `store check` names the column; remove the entry and add it again",
            damaged.id
        )
        .into());
    }
    let suspends = kept.status == DeviceStatus::Active && other.status == DeviceStatus::Suspended;
    let united = united(kept, &other);
    let waiting = OutboxFilter {
        device: Some(other.id.clone()),
        waiting: true,
        limit: MAX_SHOWN_ORDERS,
        ..OutboxFilter::default()
    };
    let withdrawn_orders = store.outbox(&waiting).await.map_err(failed)?.len();
    if apply {
        store.merge_devices(united.clone(), &other.id, suspends, actor).await.map_err(failed)?;
    }
    let merged = Merged {
        entry: DeviceView::from(&united),
        removed: other.id.as_str(),
        withdrawn_orders,
        applied: apply,
    };
    output.print(&merged, Merged::text)?;
    if !apply {
        output.warn("nothing was changed: --apply does it")?;
    }
    Ok(())
}

/// The entry that replaces both. It may do what either may, and is suspended or bound if one of them is.
fn united(kept: Device, other: &Device) -> Device {
    let mut united = kept;
    let missing = |pattern: &&_| !united.speaks_for.contains(pattern);
    let patterns: Vec<_> = other.speaks_for.iter().filter(missing).cloned().collect();
    united.speaks_for.extend(patterns);
    // A binding that one of them has holds for both; of two bindings each certificate keeps its own CA.
    let keys: Vec<_> = other.issuers.iter().filter(|key| !united.issuers.contains(key)).copied().collect();
    united.issuers.extend(keys);
    if other.status == DeviceStatus::Suspended {
        united.status = DeviceStatus::Suspended;
    }
    united.learns_until = united.learns_until.or(other.learns_until);
    united.silent_after = united.silent_after.or(other.silent_after);
    united.expected |= other.expected;
    united.receives_orders &= other.receives_orders;
    if united.note.is_empty() {
        united.note.clone_from(&other.note);
    }
    let About { name, ward, model, serial, owner } = &mut united.about;
    for (own, text) in [name, ward, model, serial, owner].into_iter().zip(other.about.fields()) {
        if own.is_empty() {
            text.1.clone_into(own);
        }
    }
    united
}

impl Merged<'_> {
    fn text(&self) -> String {
        let Self { entry, removed, withdrawn_orders, applied } = self;
        let list =
            |list: &[String], none: &str| if list.is_empty() { none.to_owned() } else { list.join(" ") };
        paragraph(&[
            (if *applied { "merged into" } else { "would be" }, entry.cn.to_owned()),
            ("removed", (*removed).to_owned()),
            ("kind", entry.kind.to_owned()),
            ("status", entry.status.to_owned()),
            ("speaks for", list(&entry.speaks_for, "itself only")),
            ("issuers", list(&entry.issuers, "any installed root")),
            ("acknowledge", entry.acknowledge.to_owned()),
            ("note", entry.note.to_owned()),
            ("withdrawn", format!("{withdrawn_orders} order(s) that wait for {removed}")),
        ])
    }
}

/// Orders that are counted; more are withdrawn all the same.
const MAX_SHOWN_ORDERS: u32 = 1000;
