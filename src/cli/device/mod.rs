//! `device`: the directory of who may connect (A8).

mod csv;
mod import;
mod seen;
mod view;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::context::{failed, printable};
use super::operator::operator;
use super::{Exit, Failure, Outcome, Output};
use crate::authz::{Device, DeviceKind, DeviceStatus};
use crate::hl7::AcknowledgeAs;
use crate::model::DeviceId;
use crate::pcd::IdentityPattern;
use crate::store::{Store, StoreError, device_kind};
use view::{Details, View};

/// What to do with the directory.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Lets a device or gateway connect
    Add {
        /// The Common Name of its certificate
        cn: DeviceId,
        /// What it is
        #[arg(long, default_value = "device", value_parser = kind_parser())]
        kind: DeviceKind,
        #[command(flatten)]
        speaks_for: SpeaksFor,
        /// How its messages are acknowledged, if not as their MSH-15 and MSH-16 say
        #[arg(long, default_value = "as-asked", value_name = "HOW", value_parser = acknowledge_parser())]
        acknowledge: AcknowledgeAs,
        /// Anything worth remembering
        #[arg(long, default_value = "", value_name = "TEXT")]
        note: String,
    },
    /// Changes what is known of a device; what is not named stays as it is
    Change {
        /// The Common Name of its certificate
        cn: DeviceId,
        /// What it is
        #[arg(long, value_parser = kind_parser())]
        kind: Option<DeviceKind>,
        #[command(flatten)]
        speaks_for: SpeaksFor,
        /// It speaks for itself only from now on
        #[arg(long, conflicts_with_all = ["speaks_for", "any", "from_seen"])]
        itself_only: bool,
        /// How its messages are acknowledged, if not as their MSH-15 and MSH-16 say
        #[arg(long, value_name = "HOW", value_parser = acknowledge_parser())]
        acknowledge: Option<AcknowledgeAs>,
        /// Anything worth remembering
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Lists all devices and gateways
    List,
    /// Shows one device or gateway, with the identities that came in its messages and are not allowed
    Show {
        /// The Common Name of its certificate
        cn: DeviceId,
    },
    /// Ends the device's connections and refuses new ones
    Suspend {
        /// The Common Name of its certificate
        cn: DeviceId,
    },
    /// Lets a suspended device connect again
    Resume {
        /// The Common Name of its certificate
        cn: DeviceId,
    },
    /// Takes a device out of the directory
    Remove {
        /// The Common Name of its certificate
        cn: DeviceId,
    },
    /// Adds all devices of a CSV file, or none
    ///
    /// The first line names the columns: cn, and any of kind, speaks-for (separated by semicolons), acknowledge
    /// and note.
    Import {
        /// The file
        file: PathBuf,
    },
}

/// Whom a device speaks for besides itself.
#[derive(Debug, clap::Args)]
pub(crate) struct SpeaksFor {
    /// A device identity that its messages may carry besides the Common Name, or an EUI-64 prefix (00A037*)
    #[arg(long, value_name = "ID")]
    speaks_for: Vec<IdentityPattern>,
    /// It may speak for every device there is
    #[arg(long, conflicts_with = "speaks_for")]
    any: bool,
    /// Allow in addition what came in its messages and was not allowed until now
    #[arg(long)]
    from_seen: bool,
}

/// Does it, on behalf of the operating system's user.
pub(crate) async fn run(command: Command, store: &Store, output: Output) -> Outcome {
    let actor = operator();
    match command {
        Command::Add { cn, kind, speaks_for, acknowledge, note } => {
            let status = DeviceStatus::Active;
            let device = Device { id: cn, kind, status, speaks_for: Vec::new(), acknowledge, note };
            let device = speaks_for.applied_to(device, store).await?;
            store.add_device(device.clone(), &actor).await.map_err(failed)?;
            output.print(&View::of(&device), |view| format!("{}: added", printable(view.cn)))?;
        }
        Command::Change { cn, kind, speaks_for, itself_only, acknowledge, note } => {
            let mut device = known(store, cn).await?;
            device.kind = kind.unwrap_or(device.kind);
            device.acknowledge = acknowledge.unwrap_or(device.acknowledge);
            device.note = note.unwrap_or(device.note);
            if itself_only {
                device.speaks_for.clear();
            }
            let device = speaks_for.applied_to(device, store).await?;
            store.describe_device(device.clone(), &actor).await.map_err(failed)?;
            output.print(&View::of(&device), |view| format!("{}: changed", printable(view.cn)))?;
        }
        Command::List => {
            for device in store.devices().await.map_err(failed)? {
                output.print(&View::of(&device), View::line)?;
            }
        }
        Command::Show { cn } => {
            let device = known(store, cn).await?;
            let seen = store.seen_identities(&device.id).await.map_err(failed)?;
            output.print(&Details::of(&device, &seen), Details::paragraph)?;
        }
        Command::Suspend { cn } => set_status(store, cn, DeviceStatus::Suspended, &actor, output).await?,
        Command::Resume { cn } => set_status(store, cn, DeviceStatus::Active, &actor, output).await?,
        Command::Remove { cn } => {
            let device = known(store, cn).await?;
            store.remove_device(&device.id, &actor).await.map_err(failed)?;
            output.print(&View::of(&device), |view| format!("{}: removed", printable(view.cn)))?;
        }
        Command::Import { file } => import(store, &file, &actor, output).await?,
    }
    Ok(Exit::Done)
}

impl SpeaksFor {
    /// What is named takes the place of what was there; what was seen comes in addition.
    async fn applied_to(self, device: Device, store: &Store) -> Result<Device, Failure> {
        let mut device = device;
        if self.any {
            device.speaks_for = vec![IdentityPattern::any()];
        } else if !self.speaks_for.is_empty() {
            device.speaks_for = self.speaks_for;
        }
        if self.from_seen {
            let seen = store.seen_identities(&device.id).await.map_err(failed)?;
            let accepted = seen::acceptable(&device, &seen)?;
            device.speaks_for.extend(accepted);
        }
        Ok(device)
    }
}

async fn known(store: &Store, cn: DeviceId) -> Result<Device, Failure> {
    let device = store.device(&cn).await.map_err(failed)?;
    device.ok_or_else(|| failed(StoreError::DeviceUnknown(cn)))
}

async fn set_status(
    store: &Store,
    cn: DeviceId,
    status: DeviceStatus,
    actor: &str,
    output: Output,
) -> Result<(), Failure> {
    store.set_device_status(&cn, status, actor).await.map_err(failed)?;
    let device = known(store, cn).await?;
    output.print(&View::of(&device), |view| format!("{}: {}", printable(view.cn), view.status))?;
    Ok(())
}

async fn import(store: &Store, file: &Path, actor: &str, output: Output) -> Result<(), Failure> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let entries =
        import::devices(&text).with_context(|| format!("nothing of {} was imported", file.display()))?;
    let devices: Vec<Device> = entries.iter().map(|entry| entry.device.clone()).collect();
    match store.add_devices(devices, actor).await {
        Ok(()) => {}
        Err(StoreError::DeviceExists(cn)) => {
            let line = entries.iter().find(|entry| entry.device.id == cn).map_or(0, |entry| entry.line);
            let existing = anyhow!("line {line}: device {cn} is in the directory already");
            return Err(existing.context(format!("nothing of {} was imported", file.display())).into());
        }
        Err(error) => return Err(failed(error)),
    }
    for entry in &entries {
        output.print(&View::of(&entry.device), |view| format!("{}: added", printable(view.cn)))?;
    }
    Ok(())
}

fn kind_parser() -> impl clap::builder::TypedValueParser<Value = DeviceKind> {
    let words = [DeviceKind::Device, DeviceKind::Gateway].map(DeviceKind::as_str);
    PossibleValuesParser::new(words).try_map(|word| device_kind(&word).ok_or("neither device nor gateway"))
}

fn acknowledge_parser() -> impl clap::builder::TypedValueParser<Value = AcknowledgeAs> {
    let all =
        [AcknowledgeAs::AsAsked, AcknowledgeAs::Original, AcknowledgeAs::Accept, AcknowledgeAs::Application];
    PossibleValuesParser::new(all.map(AcknowledgeAs::as_str)).try_map(|word| word.parse::<AcknowledgeAs>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures::parse_command;
    use crate::store::fixtures::TestStore;
    use crate::store::{AuditFilter, MessageRecord, Page};

    async fn device(store: &Store, line: &[&str]) -> Outcome {
        run(parse_command("device", line)?, store, Output::new(true)).await
    }

    #[tokio::test]
    async fn a_device_comes_is_suspended_resumed_and_goes() {
        let place = TestStore::new();
        let store = place.open().await;
        let add = [
            "add",
            "GW-1",
            "--kind",
            "gateway",
            "--speaks-for",
            "00A037*",
            "--speaks-for",
            "B",
            "--note",
            "x",
        ];
        assert_eq!(device(&store, &add).await.unwrap(), Exit::Done);
        let stored = store.device(&"GW-1".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!((stored.kind, stored.status), (DeviceKind::Gateway, DeviceStatus::Active));
        assert_eq!(stored.note, "x");
        assert_eq!(stored.speaks_for.len(), 2);

        assert_eq!(device(&store, &["suspend", "GW-1"]).await.unwrap(), Exit::Done);
        assert_eq!(store.devices().await.unwrap()[0].status, DeviceStatus::Suspended);
        assert_eq!(device(&store, &["resume", "GW-1"]).await.unwrap(), Exit::Done);
        assert_eq!(store.devices().await.unwrap()[0].status, DeviceStatus::Active);
        assert_eq!(device(&store, &["show", "GW-1"]).await.unwrap(), Exit::Done);
        assert_eq!(device(&store, &["list"]).await.unwrap(), Exit::Done);
        assert_eq!(device(&store, &["remove", "GW-1"]).await.unwrap(), Exit::Done);
        assert!(store.devices().await.unwrap().is_empty());

        let trail = AuditFilter { event: None, since: None, page: Page::After(0), limit: 10 };
        let actor = format!("\"actor\":\"{}\"", operator());
        let rows = store.audit_rows(&trail).await.unwrap();
        assert_eq!(rows.len(), 4);
        assert!(rows.iter().all(|row| row.details.contains(&actor)), "{rows:?}");
    }

    #[tokio::test]
    async fn a_name_that_is_not_there_or_there_already_fails_and_is_named() {
        let place = TestStore::new();
        let store = place.open().await;
        for verb in ["show", "suspend", "resume", "remove"] {
            let failure = device(&store, &[verb, "NOBODY"]).await.unwrap_err();
            assert_eq!(failure.exit, Exit::Failed);
            assert_eq!(failure.error.to_string(), "device NOBODY is not in the directory");
        }
        device(&store, &["add", "A"]).await.unwrap();
        let failure = device(&store, &["add", "A"]).await.unwrap_err();
        assert_eq!(failure.error.to_string(), "device A is in the directory already");
    }

    #[test]
    fn a_wrong_kind_or_name_is_wrong_usage() {
        for line in [&["add", "A", "--kind", "printer"][..], &["add", " A"], &["add"]] {
            assert!(parse_command::<Command>("device", line).is_err(), "{line:?}");
        }
    }

    #[tokio::test]
    async fn a_file_is_imported_whole_or_not_at_all() {
        let place = TestStore::new();
        let store = place.open().await;
        let file = place.path().with_extension("csv");
        let path = file.to_str().unwrap();
        device(&store, &["add", "C"]).await.unwrap();

        fs::write(&file, "cn,kind\nA,device\n\nB,gateway\nC,device\n").unwrap();
        let failure = device(&store, &["import", path]).await.unwrap_err();
        assert_eq!(failure.exit, Exit::Failed);
        assert!(format!("{:#}", failure.error).ends_with("line 5: device C is in the directory already"));
        assert_eq!(store.devices().await.unwrap().len(), 1);

        fs::write(&file, "cn,kind\nA,printer\n").unwrap();
        let failure = device(&store, &["import", path]).await.unwrap_err();
        assert!(format!("{:#}", failure.error).contains("line 2: "), "{:#}", failure.error);

        fs::write(&file, "cn,kind,speaks-for\nA,device,\nB,gateway,00A037*; D\n").unwrap();
        device(&store, &["import", path]).await.unwrap();
        assert_eq!(store.devices().await.unwrap().len(), 3);
    }

    fn seen(place: &TestStore, control_id: &'static str, identities: &[&str]) -> MessageRecord {
        let not_allowed = identities.iter().map(|&identity| identity.to_owned()).collect();
        MessageRecord { not_allowed, ..place.rejected(control_id, b"MSH|") }
    }

    #[tokio::test]
    async fn what_was_seen_can_be_accepted_and_is_not_shown_afterwards() {
        let place = TestStore::new();
        let store = place.open().await;
        device(&store, &["add", "PUMP-1", "--speaks-for", "B"]).await.unwrap();
        for record in
            [seen(&place, "1", &["00A037EB2175780F", "00A037*"]), seen(&place, "2", &["00A037EB2175780F"])]
        {
            store.record(record).await.unwrap();
        }
        let pump = store.device(&"PUMP-1".parse().unwrap()).await.unwrap().unwrap();
        let known = store.seen_identities(&pump.id).await.unwrap();
        let shown = serde_json::to_value(Details::of(&pump, &known)).unwrap();
        assert_eq!(shown["seen"][1]["identity"], "00A037EB2175780F");
        assert_eq!((shown["seen"][1]["messages"].as_u64(), shown["cn"].as_str()), (Some(2), Some("PUMP-1")));
        assert!(Details::of(&pump, &known).paragraph().contains("\nseen         00A037EB2175780F"));

        // A device must not get a prefix allowed by naming itself like one.
        let refused = device(&store, &["change", "PUMP-1", "--from-seen"]).await.unwrap_err();
        assert!(refused.error.to_string().contains("00A037*"), "{:#}", refused.error);
        let known: Vec<_> = known.into_iter().filter(|seen| seen.identity != "00A037*").collect();
        let accepted = seen::acceptable(&pump, &known).unwrap();
        let pump = Device { speaks_for: [pump.speaks_for.clone(), accepted].concat(), ..pump };
        assert!(Details::of(&pump, &known).seen().is_empty());
        let patterns: Vec<_> = pump.speaks_for.iter().map(ToString::to_string).collect();
        assert_eq!(patterns, ["B", "00A037EB2175780F"]);
    }

    #[tokio::test]
    async fn a_change_keeps_what_it_does_not_name() {
        let place = TestStore::new();
        let store = place.open().await;
        device(&store, &["add", "A", "--acknowledge", "accept", "--speaks-for", "B", "--note", "x"])
            .await
            .unwrap();
        let stored = async || {
            let entry = store.device(&"A".parse().unwrap()).await.unwrap().unwrap();
            let patterns: Vec<_> = entry.speaks_for.iter().map(ToString::to_string).collect();
            format!(
                "{} [{}] {} {}",
                entry.kind.as_str(),
                patterns.join(" "),
                entry.acknowledge.as_str(),
                entry.note
            )
        };
        assert_eq!(stored().await, "device [B] accept x");
        device(&store, &["suspend", "A"]).await.unwrap();
        device(&store, &["change", "A", "--kind", "gateway", "--any"]).await.unwrap();
        assert_eq!(stored().await, "gateway [*] accept x");
        device(&store, &["change", "A", "--acknowledge", "as-asked", "--note", "y"]).await.unwrap();
        assert_eq!(stored().await, "gateway [*] as-asked y");
        device(&store, &["change", "A", "--itself-only"]).await.unwrap();
        assert_eq!(stored().await, "gateway [] as-asked y");
        assert_eq!(store.devices().await.unwrap()[0].status, DeviceStatus::Suspended);
        let unknown = device(&store, &["change", "B", "--note", "y"]).await.unwrap_err();
        assert_eq!(unknown.error.to_string(), "device B is not in the directory");
        for wrong in
            [&["--acknowledge", "AL"][..], &["--any", "--speaks-for", "B"], &["--itself-only", "--any"]]
        {
            assert!(
                parse_command::<Command>("device", &[&["change", "A"], wrong].concat()).is_err(),
                "{wrong:?}"
            );
        }
    }
}
