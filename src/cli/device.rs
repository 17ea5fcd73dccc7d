//! `device`: the directory of who may connect (A8).

mod csv;
mod import;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use serde::Serialize;

use super::store::{failed, printable};
use super::{Exit, Failure, Outcome, Output};
use crate::authz::{Device, DeviceKind, DeviceStatus};
use crate::model::DeviceId;
use crate::pcd::IdentityPattern;
use crate::store::{Store, StoreError, device_kind};

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
        /// A device identity that its messages may carry besides the Common Name, or an EUI-64 prefix (00A037*)
        #[arg(long, value_name = "ID")]
        speaks_for: Vec<IdentityPattern>,
        /// Anything worth remembering
        #[arg(long, default_value = "", value_name = "TEXT")]
        note: String,
    },
    /// Lists all devices and gateways
    List,
    /// Shows one device or gateway
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
    /// The first line names the columns: cn, and any of kind, speaks-for (separated by semicolons) and note.
    Import {
        /// The file
        file: PathBuf,
    },
}

/// Does it, on behalf of the operating system's user.
pub(crate) async fn run(command: Command, store: &Store, output: Output) -> Outcome {
    let actor = operator();
    match command {
        Command::Add { cn, kind, speaks_for, note } => {
            let device = Device { id: cn, kind, status: DeviceStatus::Active, speaks_for, note };
            store.add_device(device.clone(), &actor).await.map_err(failed)?;
            output.print(&View::of(&device), |view| format!("{}: added", printable(view.cn)))?;
        }
        Command::List => {
            for device in store.devices().await.map_err(failed)? {
                output.print(&View::of(&device), View::line)?;
            }
        }
        Command::Show { cn } => {
            let device = known(store, cn).await?;
            output.print(&View::of(&device), View::paragraph)?;
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

/// Who asks, for the audit trail: the user of the operating system, not what the environment claims.
fn operator() -> String {
    let uid = rustix::process::getuid().as_raw();
    let name = fs::read_to_string("/etc/passwd").ok().and_then(|passwd| login_name(&passwd, uid));
    name.unwrap_or_else(|| format!("uid {uid}"))
}

/// The name of the user in a file as passwd(5) describes it.
fn login_name(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let entry: u32 = fields.nth(1)?.parse().ok()?;
        (entry == uid).then(|| name.to_owned())
    })
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct View<'a> {
    cn: &'a str,
    kind: &'static str,
    status: &'static str,
    speaks_for: Vec<String>,
    note: &'a str,
}

impl<'a> View<'a> {
    fn of(device: &'a Device) -> Self {
        Self {
            cn: device.id.as_str(),
            kind: device.kind.as_str(),
            status: device.status.as_str(),
            speaks_for: device.speaks_for.iter().map(ToString::to_string).collect(),
            note: &device.note,
        }
    }

    fn line(&self) -> String {
        let (cn, note) = (printable(self.cn), printable(self.note));
        let speaks_for = printable(&self.speaks_for.join(" "));
        let line = format!("{cn:<24}  {:<7}  {:<9}  {speaks_for}  {note}", self.kind, self.status);
        line.trim_end().to_owned()
    }

    fn paragraph(&self) -> String {
        let speaks_for = match self.speaks_for.as_slice() {
            [] => "itself only".to_owned(),
            patterns => format!("itself and {}", printable(&patterns.join(" "))),
        };
        format!(
            "common name  {}\nkind         {}\nstatus       {}\nspeaks for   {speaks_for}\nnote         {}",
            printable(self.cn),
            self.kind,
            self.status,
            printable(self.note)
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::store::fixtures::Place;
    use crate::store::{AuditFilter, Page};

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    async fn device(store: &Store, line: &[&str]) -> Outcome {
        let line = Line::try_parse_from([&["device"], line].concat())?;
        run(line.command, store, Output::new(true)).await
    }

    #[tokio::test]
    async fn a_device_comes_is_suspended_resumed_and_goes() {
        let place = Place::new();
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
        let actor = format!("{{\"actor\":\"{}\"", operator());
        let rows = store.audit_rows(&trail).await.unwrap();
        assert_eq!(rows.len(), 4);
        assert!(rows.iter().all(|row| row.details.starts_with(&actor)), "{rows:?}");
    }

    #[tokio::test]
    async fn a_name_that_is_not_there_or_there_already_fails_and_is_named() {
        let place = Place::new();
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
            assert!(Line::try_parse_from([&["device"], line].concat()).is_err(), "{line:?}");
        }
    }

    #[tokio::test]
    async fn a_file_is_imported_whole_or_not_at_all() {
        let place = Place::new();
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

    #[test]
    fn the_operator_is_found_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(login_name(passwd, 1000).as_deref(), Some("alice"));
        assert_eq!(login_name(passwd, 7), None);
    }

    #[test]
    fn text_shows_everything_on_record() {
        let device = crate::store::fixtures::gateway("GW-1");
        let view = View::of(&device);
        assert_eq!(
            view.line(),
            "GW-1                      gateway  active     00A037* 0004A30000000001  ward 7"
        );
        assert!(view.paragraph().contains("speaks for   itself and 00A037* 0004A30000000001"));
        let alone = Device { speaks_for: Vec::new(), ..device.clone() };
        assert!(View::of(&alone).paragraph().contains("speaks for   itself only"));
        assert_eq!(
            serde_json::to_string(&view).unwrap(),
            r#"{"cn":"GW-1","kind":"gateway","status":"active","speaks-for":["00A037*","0004A30000000001"],"note":"ward 7"}"#
        );
    }
}
