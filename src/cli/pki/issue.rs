//! `pki issue`.

use std::path::PathBuf;

use serde::Serialize;

use super::folder::{Folder, failure};
use super::values::{KeyFamilyValue, RoleValue};
use crate::cli::{Exit, Outcome, Output};
use crate::model::{Clock, DeviceId};
use crate::pki::{CertificateOrder, KeyFamily};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    folder: Folder,
    /// The Common Name: for a device or gateway, the identifier under which it is authorized
    #[arg(long)]
    cn: DeviceId,
    /// What the certificate is for
    #[arg(long)]
    role: RoleValue,
    /// The kind of key to make
    #[arg(long)]
    key: KeyFamilyValue,
    /// A DNS name or IP address for subjectAltName; a platform's has localhost in any case
    #[arg(long = "san", value_name = "NAME")]
    sans: Vec<String>,
    /// How many days the certificate is valid
    #[arg(long, default_value_t = CertificateOrder::DAYS)]
    days: u32,
}

#[derive(Serialize)]
struct Made {
    chain: PathBuf,
    key: PathBuf,
}

pub(super) fn run(arguments: Arguments, output: Output, clock: &Clock) -> Outcome {
    let key = KeyFamily::from(arguments.key).into();
    let order = CertificateOrder {
        sans: arguments.sans,
        days: arguments.days,
        ..CertificateOrder::new(arguments.cn.as_str(), arguments.role.into(), key)
    };
    let issued = arguments.folder.open(clock)?.issue(&order).map_err(failure)?;
    output.print(&Made { chain: issued.chain, key: issued.key }, |made| {
        format!("chain: {}\nkey:   {}", made.chain.display(), made.key.display())
    })?;
    Ok(Exit::Done)
}
