//! `device`: the directory of devices that may connect (A8).

mod csv;
mod import;
mod issuer;
mod learn;
mod merge;
mod missing;
mod options;
mod propose;
mod seen;
#[cfg(test)]
mod tests;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use super::context::failed;
use super::operator::operator;
use super::text::printable;
use super::{Exit, Failure, Outcome, Output};
use crate::authz::{Device, DeviceKind, DeviceStatus, Directory};
use crate::config::Config;
use crate::hl7::AcknowledgeAs;
use crate::model::DeviceId;
use crate::store::{MessageFilter, Store, StoreError};
use crate::view::{DeviceDetails, DeviceView, RemovedDeviceView};
use issuer::Issuers;
use missing::{Shown, is_missing};
use options::{LivenessOptions, SpeaksFor, acknowledge_parser, kind_parser};

/// Subcommands of `device`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add a device or gateway to the directory; it may connect within a second
    ///
    /// Example: pcd-platform device add GW-1 --kind gateway --speaks-for '00A037*' --note "ward 7"
    Add {
        /// The Common Name of its certificate
        cn: DeviceId,
        /// A device, or a gateway for several devices
        #[arg(long, default_value = "device", value_parser = kind_parser())]
        kind: DeviceKind,
        #[command(flatten)]
        speaks_for: SpeaksFor,
        #[command(flatten)]
        issuers: Issuers,
        /// Which acknowledgements it gets
        #[arg(long, default_value = "as-asked", value_name = "HOW", value_parser = acknowledge_parser())]
        acknowledge: AcknowledgeAs,
        #[command(flatten)]
        liveness: LivenessOptions,
        /// A note for operators
        #[arg(long, default_value = "", value_name = "TEXT")]
        note: String,
    },
    /// Change an entry; options that are not given keep their value
    Change {
        /// The Common Name of its certificate
        cn: DeviceId,
        /// A device, or a gateway for several devices
        #[arg(long, value_parser = kind_parser())]
        kind: Option<DeviceKind>,
        #[command(flatten)]
        speaks_for: SpeaksFor,
        /// Clear the list of identities: its messages may carry only its Common Name
        #[arg(long, conflicts_with_all = ["speaks_for", "any", "from_seen"])]
        itself_only: bool,
        #[command(flatten)]
        issuers: Issuers,
        /// Clear the list of CAs: every installed root may certify the device
        #[arg(long, conflicts_with = "issuer")]
        any_issuer: bool,
        /// Which acknowledgements it gets
        #[arg(long, value_name = "HOW", value_parser = acknowledge_parser())]
        acknowledge: Option<AcknowledgeAs>,
        #[command(flatten)]
        liveness: LivenessOptions,
        /// A note for operators
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// List all devices and gateways
    List,
    /// Show one entry, and the identities in rejected messages of the device that it may not use
    Show {
        /// The Common Name of its certificate
        cn: DeviceId,
    },
    /// End the sessions of a device and refuse new connections
    Suspend {
        /// The Common Name of its certificate
        cn: DeviceId,
    },
    /// Allow a suspended device to connect again
    Resume {
        /// The Common Name of its certificate
        cn: DeviceId,
    },
    /// Remove a device from the directory and end its sessions
    Remove {
        /// The Common Name of its certificate
        cn: DeviceId,
    },
    /// Unite two entries whose names are spellings of one EUI-64; shows what it would do
    ///
    /// The entry KEPT may speak for what either may. It is suspended, and bound to CAs, if one of them is.
    /// Identities that were seen move to it; orders that wait for OTHER are withdrawn. Messages, alerts and
    /// the audit trail stay under the name under which they came.
    Merge {
        /// The entry that stays
        kept: DeviceId,
        /// The entry that goes
        other: DeviceId,
        /// Do it
        #[arg(long)]
        apply: bool,
    },
    /// Show the identities that a device named without permission, and the command that allows them
    ///
    /// An identity that is another device of the directory, or for which another device speaks, is not
    /// proposed.
    Propose {
        /// The Common Name of its certificate
        cn: DeviceId,
        /// Allow them
        #[arg(long)]
        apply: bool,
    },
    /// Accept the identities that a device names, for some days, so that `device propose` can list them
    ///
    /// Needs devices.identity = "learn". Only for an entry that is not enforced yet: without a list, and only
    /// once. Identities that another entry has are refused as ever. `device propose CN --apply` ends it, as
    /// does every list.
    ///
    /// Example: pcd-platform device learn GW-1 --days 7
    Learn {
        /// The Common Name of its certificate
        cn: DeviceId,
        /// For how many days from now; also to prolong it
        #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=30))]
        days: u8,
        /// End it now: the entry is enforced for good
        #[arg(long, conflicts_with = "days")]
        stop: bool,
    },
    /// Add all devices of a CSV file; if one line is wrong, nothing is added
    ///
    /// The first line names the columns: cn, and any of kind, speaks-for (identities separated by
    /// semicolons), issuer (as the option --issuer, separated by semicolons), acknowledge and note.
    Import {
        /// The CSV file (RFC 4180, UTF-8)
        file: PathBuf,
    },
}

/// Runs the subcommand. The audit trail names the user of the operating system.
pub(super) async fn run(
    command: Command,
    config: impl FnOnce() -> Result<Config, Failure>,
    store: &Store,
    output: Output,
) -> Outcome {
    let actor = operator();
    let is_recorded =
        |config: Result<Config, Failure>| Ok(config?.devices.identity == crate::config::Identity::Record);
    match command {
        Command::Add { cn, kind, speaks_for, issuers, acknowledge, liveness, note } => {
            let device = liveness.applied_to(new_device(cn, kind, acknowledge, note));
            let device = speaks_for.applied_to(device, || is_recorded(config()), store).await?;
            let device = issuers.applied_to(device);
            store.add_device(device.clone(), &actor).await.map_err(failed)?;
            confirm(&device, "added", output)?;
        }
        Command::Change {
            cn,
            kind,
            speaks_for,
            itself_only,
            issuers,
            any_issuer,
            acknowledge,
            liveness,
            note,
        } => {
            let mut device = liveness.applied_to(find(store, cn).await?);
            device.kind = kind.unwrap_or(device.kind);
            device.acknowledge = acknowledge.unwrap_or(device.acknowledge);
            device.note = note.unwrap_or(device.note);
            if itself_only {
                device.speaks_for.clear();
            }
            if any_issuer {
                device.issuers.clear();
            }
            let device = speaks_for.applied_to(device, || is_recorded(config()), store).await?;
            let device = issuers.applied_to(device);
            store.describe_device(device.clone(), &actor).await.map_err(failed)?;
            if itself_only {
                store.end_learning(&device.id, &actor).await.map_err(failed)?;
            }
            let device = find(store, device.id).await?;
            confirm(&device, "changed", output)?;
        }
        Command::List => list(store, output).await?,
        Command::Show { cn } => {
            let device = find(store, cn).await?;
            let seen = store.seen_identities(&device.id).await.map_err(failed)?;
            let missing = is_missing(&device, store).await?;
            let shown = Shown { view: DeviceDetails::new(&device, &seen), missing };
            output.print(&shown, |shown| text::details(&shown.view, missing, output))?;
        }
        Command::Suspend { cn } => set_status(store, cn, DeviceStatus::Suspended, &actor, output).await?,
        Command::Resume { cn } => set_status(store, cn, DeviceStatus::Active, &actor, output).await?,
        Command::Remove { cn } => {
            let device = find(store, cn).await?;
            store.remove_device(&device.id, &actor).await.map_err(failed)?;
            let view = RemovedDeviceView { entry: DeviceView::from(&device), removed: true };
            output.print(&view, |view| format!("{}: removed", printable(view.entry.cn)))?;
        }
        Command::Merge { kept, other, apply } => {
            merge::run(kept, other, apply, &actor, store, output).await?
        }
        Command::Propose { cn, apply } => {
            let device = find(store, cn).await?;
            propose::run(device, apply, is_recorded(config())?, &actor, store, output).await?;
        }
        Command::Learn { cn, stop: true, .. } => {
            let device = find(store, cn).await?;
            store.end_learning(&device.id, &actor).await.map_err(failed)?;
            confirm(&find(store, device.id).await?, "enforced", output)?;
        }
        Command::Learn { cn, days, stop: false } => {
            let device = find(store, cn).await?;
            learn::run(&device.id, days, &config()?, &actor, store).await?;
            let device = find(store, device.id).await?;
            let until = device.learns_until.map_or_else(String::new, |until| until.to_string());
            confirm(&device, &format!("learns identities until {until}"), output)?;
        }
        Command::Import { file } => import_file(store, &file, &actor, output).await?,
    }
    Ok(Exit::Done)
}

/// An entry as it is without options.
fn new_device(id: DeviceId, kind: DeviceKind, acknowledge: AcknowledgeAs, note: String) -> Device {
    Device {
        id,
        kind,
        status: DeviceStatus::Active,
        speaks_for: Vec::new(),
        issuers: Vec::new(),
        acknowledge,
        silent_after: None,
        expected: false,
        note,
        learns_until: None,
    }
}

/// Prints the entry, or as text `CN: what was done`.
fn confirm(device: &Device, done: &str, output: Output) -> Result<(), Failure> {
    Ok(output.print(&DeviceView::from(device), |view| format!("{}: {done}", printable(view.cn)))?)
}

/// The name under which the store has what belongs to this device: that of the directory, which may spell its
/// EUI-64 in another way.
pub(super) async fn name_in_store(store: &Store, cn: Option<DeviceId>) -> Result<Option<DeviceId>, Failure> {
    let Some(cn) = cn else { return Ok(None) };
    let known = store.device(&cn).await.map_err(failed)?;
    let Some(known) = known.filter(|known| known.id != cn) else { return Ok(Some(cn)) };
    // Before it was united with another spelling, messages came under this one.
    let filter = MessageFilter { device: Some(cn.clone()), limit: 1, ..MessageFilter::default() };
    let is_own = !store.messages(&filter).await.map_err(failed)?.is_empty();
    Ok(Some(if is_own { cn } else { known.id }))
}

async fn find(store: &Store, cn: DeviceId) -> Result<Device, Failure> {
    let device = store.device(&cn).await.map_err(failed)?;
    device.ok_or_else(|| failed(StoreError::DeviceUnknown(cn)))
}

async fn list(store: &Store, output: Output) -> Result<(), Failure> {
    let devices = store.devices().await.map_err(failed)?;
    for device in &devices {
        let missing = is_missing(device, store).await?;
        let shown = Shown { view: DeviceView::from(device), missing };
        output.print(&shown, |shown| text::line(&shown.view, missing))?;
    }
    for spellings in Directory::from(devices).spelled_twice() {
        let names: Vec<_> = spellings.iter().map(DeviceId::as_str).collect();
        output.warn(&format!("{} are spellings of one EUI-64", names.join(" and ")))?;
    }
    Ok(())
}

async fn set_status(
    store: &Store,
    cn: DeviceId,
    status: DeviceStatus,
    actor: &str,
    output: Output,
) -> Result<(), Failure> {
    let Device { id, .. } = find(store, cn).await?;
    store.set_device_status(&id, status, actor).await.map_err(failed)?;
    let device = find(store, id).await?;
    confirm(&device, device.status.as_str(), output)
}

async fn import_file(store: &Store, file: &Path, actor: &str, output: Output) -> Result<(), Failure> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let nothing_imported = || format!("nothing was imported from {}", file.display());
    let entries = import::parse(&text).with_context(nothing_imported)?;
    let devices: Vec<Device> = entries.iter().map(|entry| entry.device.clone()).collect();
    match store.add_devices(devices, actor).await {
        Ok(()) => {}
        Err(
            ref error @ (StoreError::DeviceExists(ref cn) | StoreError::DeviceSpelled { device: ref cn, .. }),
        ) => {
            let line = entries.iter().find(|entry| entry.device.id == *cn).map_or(0, |entry| entry.line);
            return Err(anyhow!("line {line}: {error}").context(nothing_imported()).into());
        }
        Err(error) => return Err(failed(error)),
    }
    for entry in &entries {
        confirm(&entry.device, "added", output)?;
    }
    Ok(())
}
