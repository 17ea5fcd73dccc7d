//! `device`: the directory of devices that may connect (A8).

mod behind;
mod csv;
mod difference;
mod import;
mod import_file;
mod issuer;
mod learn;
mod list;
mod merge;
mod missing;
mod options;
mod propose;
mod seen;
mod shared;
#[cfg(test)]
mod tests;
mod text;
mod why;

pub(in crate::cli) use import::add_all;
pub(in crate::cli) use options::{AboutOptions, OrderOptions, SpeaksFor, kind_parser};

use std::path::PathBuf;

use super::context::failed;
use super::operator::operator;
use super::text::printable;
use super::{Exit, Failure, Outcome, Output};
use crate::authz::{Device, DeviceKind, DeviceStatus};
use crate::config::Config;
use crate::fleet::Fleet;
use crate::hl7::AcknowledgeAs;
use crate::model::DeviceId;
use crate::pcd::PatternList;
use crate::store::{MessageFilter, Store, StoreError};
use crate::view::{DeviceDetails, DeviceView, RemovedDeviceView, StandingView};
use difference::differences;
use issuer::Issuers;
use list::Listed;
use missing::{Shown, has_left, is_missing};
use options::{LivenessOptions, acknowledge_parser};
use why::Asked;

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
        #[command(flatten)]
        orders: OrderOptions,
        #[command(flatten)]
        about: AboutOptions,
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
        /// Add an identity to its list; several times, or a list
        #[arg(long, value_name = "ID", conflicts_with_all = ["speaks_for", "any"])]
        also_speaks_for: Vec<PatternList>,
        /// Clear the list of identities: its messages may carry only its Common Name
        #[arg(long, conflicts_with_all = ["speaks_for", "any", "from_seen", "also_speaks_for"])]
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
        #[command(flatten)]
        orders: OrderOptions,
        #[command(flatten)]
        about: AboutOptions,
        /// A note for operators
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// List all devices and gateways, and how each stands: by what the store knows, some seconds old
    ///
    /// Example: pcd-platform device list --expiring 90d --csv > certificates.csv
    List(Listed),
    /// Why a device, or what is at an address, cannot connect or send: from TCP to messages, and what to do
    ///
    /// Exit 0 when nothing is wrong, 1 otherwise. With --chain a certificate is verified before its device is
    /// connected, by the code of the listener; only that the device has the key is not tested.
    Why(Asked),
    /// Show one entry: connection, last message and refusal, certificate, identities that it may not use
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
    /// Forget identities that a device named without permission, which `device show` lists
    ///
    /// Of a device that was plugged in behind the wrong gateway, or what a device invented.
    ForgetSeen {
        /// The Common Name of its certificate
        cn: DeviceId,
        /// The identity as `device show` lists it; without one all of the device are forgotten
        identity: Option<String>,
    },
    /// Add all devices of a CSV file; if one line is wrong, nothing is added
    ///
    /// The first line names the columns: cn, and any of kind, name, ward, model, serial, owner, speaks-for
    /// (identities separated by semicolons or commas, as the option --speaks-for), issuer (as the option
    /// --issuer, separated by semicolons),
    /// acknowledge, silent-after, expected and receives-orders (yes or no) and note, in upper or lower case.
    /// Fields may be separated by commas, semicolons or tabs. Other columns are named and left out.
    Import {
        /// The CSV file (RFC 4180; UTF-8, or Latin-1 with a warning)
        file: PathBuf,
        /// Change the devices that are there already: to the columns that the file has
        #[arg(long)]
        update: bool,
        /// Show what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
}

impl Command {
    /// Whether it changes nothing.
    pub(super) const fn only_reads(&self) -> bool {
        matches!(
            self,
            Self::List(_)
                | Self::Why(_)
                | Self::Show { .. }
                | Self::Import { dry_run: true, .. }
                | Self::Merge { apply: false, .. }
                | Self::Propose { apply: false, .. }
        )
    }
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
        Command::Add { cn, kind, speaks_for, issuers, acknowledge, liveness, orders, about, note } => {
            let device = new_device(cn, kind, acknowledge, note);
            let device = about.applied_to(orders.applied_to(liveness.applied_to(device)));
            let device = speaks_for.applied_to(device, || is_recorded(config()), store).await?;
            let device = issuers.applied_to(device);
            store.add_device(device.clone(), &actor).await.map_err(failed)?;
            shared::warn(&[&device], store, output).await?;
            confirm(&device, "added", output)?;
        }
        Command::Change {
            cn,
            kind,
            speaks_for,
            also_speaks_for,
            itself_only,
            issuers,
            any_issuer,
            acknowledge,
            liveness,
            orders,
            about,
            note,
        } => {
            let before = find(store, cn).await?;
            let mut device = about.applied_to(orders.applied_to(liveness.applied_to(before.clone())));
            device.kind = kind.unwrap_or(device.kind);
            device.acknowledge = acknowledge.unwrap_or(device.acknowledge);
            device.note = note.unwrap_or(device.note);
            if itself_only {
                device.speaks_for.clear();
            }
            if any_issuer {
                device.issuers.clear();
            }
            for pattern in also_speaks_for.into_iter().flat_map(PatternList::into_patterns) {
                if !device.speaks_for.contains(&pattern) {
                    device.speaks_for.push(pattern);
                }
            }
            let device = speaks_for.applied_to(device, || is_recorded(config()), store).await?;
            let device = issuers.applied_to(device);
            store.describe_device(device.clone(), &actor).await.map_err(failed)?;
            if itself_only {
                store.end_learning(&device.id, &actor).await.map_err(failed)?;
            }
            let device = find(store, device.id).await?;
            shared::warn(&[&device], store, output).await?;
            let changes: Vec<_> = differences(&before, &device).iter().map(ToString::to_string).collect();
            let changes = if changes.is_empty() { "nothing".to_owned() } else { changes.join("; ") };
            confirm(&device, &format!("changed: {changes}"), output)?;
        }
        Command::List(listed) => list::run(&listed, store, output).await?,
        Command::Why(asked) => return Box::pin(why::run(asked, config()?, store, output)).await,
        Command::Show { cn } => show(store, cn, output).await?,
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
            let until = device.learns_until.map_or_else(String::new, |until| output.time(&until.to_string()));
            confirm(&device, &format!("learns identities until {until}"), output)?;
        }
        Command::ForgetSeen { cn, identity } => {
            let device = find(store, cn).await?;
            store.forget_seen(&device.id, identity.as_deref(), &actor).await.map_err(failed)?;
            confirm(&device, "what was seen is forgotten", output)?;
        }
        Command::Import { file, update, dry_run } => {
            import::run(store, &file, import::How { update, dry_run }, &actor, output).await?;
        }
    }
    Ok(Exit::Done)
}

/// An entry as it is without options.
fn new_device(id: DeviceId, kind: DeviceKind, acknowledge: AcknowledgeAs, note: String) -> Device {
    Device { kind, acknowledge, note, ..Device::new(id) }
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

async fn show(store: &Store, cn: DeviceId, output: Output) -> Result<(), Failure> {
    let device = find(store, cn).await?;
    let seen = store.seen_identities(&device.id).await.map_err(failed)?;
    let missing = is_missing(&device, store).await?;
    let left = has_left(&device, store).await?;
    let enforced = device.learns_until == Some(jiff::Timestamp::UNIX_EPOCH);
    let standing = Fleet::read(store).await.map_err(failed)?.standing(&device, None, store.now());
    let behind = behind::of(&device, standing.is_connected, store).await?;
    let standing = StandingView::from(&standing);
    let view = text::Details { entry: DeviceDetails::new(&device, &seen), standing, behind };
    let shown = Shown { view, missing, left, enforced };
    Ok(output.print(&shown, |shown| text::details(shown, output))?)
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
