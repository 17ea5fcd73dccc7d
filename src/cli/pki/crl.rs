//! `pki crl`.

use std::path::PathBuf;

use serde::Serialize;

use super::folder::{Folder, failure};
use crate::cli::{Exit, Outcome, Output};
use crate::model::Clock;
use crate::pki::TestPki;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    folder: Folder,
    /// Days until the next CRLs are due
    #[arg(long, default_value_t = TestPki::CRL_DAYS)]
    days: u32,
}

#[derive(Serialize)]
struct Published {
    crl: PathBuf,
}

pub(super) fn run(arguments: &Arguments, output: Output, clock: &Clock) -> Outcome {
    for crl in arguments.folder.open(clock)?.publish_crls(arguments.days).map_err(failure)? {
        output.print(&Published { crl }, |published| published.crl.display().to_string())?;
    }
    Ok(Exit::Done)
}
