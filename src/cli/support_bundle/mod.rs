//! `support-bundle`: one file with what a support needs, without content of messages, names of patients, keys
//! or passwords.

mod log;
mod members;
mod pseudonyms;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use jiff::Timestamp;

use super::config_file::ConfigFile;
use super::located::Wanted;
use super::{Exit, Failure, Outcome, Output, doctor};
use crate::model::{Clock, size_text};
use members::Member;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// The tar archive to write, which must not exist yet
    #[arg(value_name = "FILE", required_unless_present = "show")]
    file: Option<PathBuf>,
    /// Only list what would be in it
    #[arg(long)]
    show: bool,
    /// A log file whose last lines are included; default: the journal of the unit pcd-platform
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Put a pseudonym in the place of each name of a device: of the directory, of devices that were removed
    /// from it, that were refused with a certificate of an installed root, or that send through a gateway
    #[arg(long)]
    redact: bool,
}

pub(super) async fn run(arguments: Arguments, wanted: Wanted<'_>, output: Output, clock: Clock) -> Outcome {
    let target = arguments.file.as_deref().filter(|_| !arguments.show);
    // Before anything is collected.
    if let Some(file) = target.filter(|file| file.exists()) {
        return Err(Failure::new(Exit::Failed, anyhow!("{} exists already", file.display())));
    }
    let subject = doctor::subject(&arguments.config, wanted)?;
    let mut members = members::collect(&arguments.config, &subject, &clock).await?;
    members.push(log::member(arguments.log.as_deref()).await?);
    if arguments.redact {
        let pseudonyms = pseudonyms::Pseudonyms::of(&subject, &clock).await?;
        members.iter_mut().for_each(|member| pseudonyms.apply(&mut member.content));
    }
    let now = clock.now();
    members.insert(0, members::manifest(&members, now));
    for member in &members {
        output.print(&member.view(), |_| {
            format!("{:20} {:>9}  {}", member.name, size_text(member.content.len() as u64), member.what)
        })?;
    }
    let Some(file) = target else { return Ok(Exit::Done) };
    write(file, &members, now).with_context(|| format!("cannot write {}", file.display()))?;
    if !output.is_json() {
        output.line(&format!("{} is written, for the eyes of this account alone", file.display()))?;
    }
    Ok(Exit::Done)
}

/// Writes the archive, which only this account can read. One that is not whole is removed.
fn write(file: &Path, members: &[Member], now: Timestamp) -> anyhow::Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    let written = archive(opened, members, now);
    if written.is_err() {
        let _ = std::fs::remove_file(file);
    }
    written
}

fn archive(file: std::fs::File, members: &[Member], now: Timestamp) -> anyhow::Result<()> {
    let mut archive = tar::Builder::new(file);
    for member in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(member.content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(now.as_second()).unwrap_or_default());
        archive.append_data(&mut header, format!("{FOLDER}/{}", member.name), member.content.as_bytes())?;
    }
    let mut file = archive.into_inner()?;
    file.flush()?;
    Ok(file.sync_all()?)
}

/// The folder that the archive unpacks to.
const FOLDER: &str = "pcd-platform-support";
