//! `device import`: adds the devices of a file, and changes those that are there.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use serde::Serialize;

use super::difference::{FieldChange, differences};
use super::import_file::{Entry, Parsed, decode, parse, updated};
use super::shared;
use crate::authz::Device;
use crate::cli::context::failed;
use crate::cli::input;
use crate::cli::text::printable;
use crate::cli::{Failure, Output};
use crate::store::{Store, StoreError};
use crate::view::DeviceView;

/// The options.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    /// Changes the devices that are there already.
    pub(super) update: bool,
    /// Does nothing.
    pub(super) dry_run: bool,
}

/// An entry, and what is done with it.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Done<'a> {
    #[serde(flatten)]
    entry: DeviceView<'a>,
    /// `added`, `changed` or `unchanged`.
    import: &'static str,
    /// What differs from the entry in the directory; of a new one with `--dry-run`, what the file says of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<FieldChange>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// What the file means for the directory.
struct Plan {
    added: Vec<Device>,
    /// Each as it is, and as it will be.
    changed: Vec<(Device, Device)>,
    unchanged: Vec<Device>,
}

pub(super) async fn run(
    store: &Store,
    file: &Path,
    how: How,
    actor: &str,
    output: Output,
) -> Result<(), Failure> {
    let bytes = input::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let nothing_imported = || format!("nothing was imported from {}", file.display());
    let (text, latin) = decode(&bytes).with_context(nothing_imported)?;
    if let Some(line) = latin {
        output.warn(&format!("line {line} is not UTF-8; the file is read as Latin-1"))?;
    }
    let parsed = parse(&text).with_context(nothing_imported)?;
    if !parsed.ignored.is_empty() {
        output.warn(&format!("these columns are left out: {}", parsed.ignored.join(", ")))?;
    }
    let plan = plan(store, &parsed, how.update).await?;
    if !how.dry_run {
        if !plan.added.is_empty() {
            add(store, &plan.added, &parsed.entries, actor, &nothing_imported()).await?;
        }
        for (_, device) in &plan.changed {
            store.describe_device(device.clone(), actor).await.map_err(failed)?;
        }
    }
    let Plan { added, changed, unchanged } = &plan;
    let present = added.iter().chain(changed.iter().map(|(_, new)| new));
    shared::warn(&present.collect::<Vec<_>>(), store, output).await?;
    // What an entry of the file would be: what it says beyond an entry that says nothing.
    let stated = |device: &Device| {
        if how.dry_run { differences(&Device::new(device.id.clone()), device) } else { Vec::new() }
    };
    let all = added.iter().map(|device| (device, "added", stated(device)));
    let all = all.chain(changed.iter().map(|(old, new)| (new, "changed", differences(old, new))));
    for (device, import, changes) in
        all.chain(unchanged.iter().map(|device| (device, "unchanged", Vec::new())))
    {
        let done = Done { entry: DeviceView::from(device), import, changes, dry_run: how.dry_run };
        output.print(&done, shown)?;
    }
    Ok(())
}

/// Adds the devices of a file that another command made, and changes those that are there.
pub(in crate::cli) async fn add_all(store: &Store, text: &str, actor: &str) -> Result<(), Failure> {
    let parsed = parse(text)?;
    let plan = plan(store, &parsed, true).await?;
    if !plan.added.is_empty() {
        store.add_devices(plan.added, actor).await.map_err(failed)?;
    }
    for (_, device) in plan.changed {
        store.describe_device(device, actor).await.map_err(failed)?;
    }
    Ok(())
}

fn shown(done: &Done<'_>) -> String {
    let would = if done.dry_run && done.import != "unchanged" { "would be " } else { "" };
    let changes: Vec<_> = done.changes.iter().map(ToString::to_string).collect();
    let changes = if changes.is_empty() { String::new() } else { format!(": {}", changes.join("; ")) };
    printable(&format!("{}: {would}{}{changes}", done.entry.cn, done.import))
}

/// Which devices are new, and which change. Without `update` all are new, and the store refuses the others.
async fn plan(store: &Store, parsed: &Parsed, update: bool) -> Result<Plan, Failure> {
    let mut plan = Plan { added: Vec::new(), changed: Vec::new(), unchanged: Vec::new() };
    let ids: Vec<_> = parsed.entries.iter().map(|entry| &entry.device.id).collect();
    let known = if update { store.devices_named(&ids).await.map_err(failed)? } else { vec![None; ids.len()] };
    for (Entry { device, .. }, known) in parsed.entries.iter().zip(known) {
        match known {
            None => plan.added.push(device.clone()),
            Some(known) => {
                let new = updated(&known, &parsed.columns, device);
                if new == known {
                    plan.unchanged.push(new);
                } else {
                    plan.changed.push((known, new));
                }
            }
        }
    }
    Ok(plan)
}

async fn add(
    store: &Store,
    devices: &[Device],
    entries: &[Entry],
    actor: &str,
    nothing_imported: &str,
) -> Result<(), Failure> {
    match store.add_devices(devices.to_vec(), actor).await {
        Ok(()) => Ok(()),
        Err(
            ref error @ (StoreError::DeviceExists(ref cn) | StoreError::DeviceSpelled { device: ref cn, .. }),
        ) => {
            let line = entries.iter().find(|entry| entry.device.id == *cn).map_or(0, |entry| entry.line);
            let hint = anyhow!("line {line}: {error}");
            Err(hint.context(format!("{nothing_imported} (--update changes what is there)")).into())
        }
        Err(error) => Err(failed(error)),
    }
}
