//! `pki sign`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use super::folder::{Folder, failure, read};
use super::values::RoleValue;
use crate::cli::{Exit, Outcome, Output};
use crate::model::Clock;
use crate::pki::CertificateOrder;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    folder: Folder,
    /// PKCS#10 request, PEM or DER
    #[arg(long, value_name = "FILE")]
    csr: PathBuf,
    /// Role of the certificate
    #[arg(long)]
    role: RoleValue,
    /// Validity of the certificate, in days
    #[arg(long, default_value_t = CertificateOrder::DEFAULT_DAYS)]
    days: u32,
    /// File for the certificate and its issuing CA, PEM
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Serialize)]
struct Made<'a> {
    chain: &'a Path,
}

pub(super) fn run(arguments: &Arguments, output: Output, clock: &Clock) -> Outcome {
    let pki = arguments.folder.open(clock)?;
    let request = read(&arguments.csr)?;
    let chain = pki.sign(&request, arguments.role.into(), arguments.days).map_err(failure)?;
    std::fs::write(&arguments.out, chain)
        .with_context(|| format!("cannot write {}", arguments.out.display()))?;
    output.print(&Made { chain: &arguments.out }, |made| format!("chain: {}", made.chain.display()))?;
    Ok(Exit::Done)
}
