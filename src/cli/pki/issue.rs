//! `pki issue`.

use std::path::PathBuf;

use anyhow::anyhow;
use serde::Serialize;

use super::folder::{Folder, failure};
use super::values::{KeyFamilyValue, RoleValue};
use crate::cli::{Exit, Outcome, Output};
use crate::model::{Clock, DeviceId};
use crate::pki::{CertificateOrder, Issued, KeyFamily};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    folder: Folder,
    /// Common Name; for a device or gateway, the identifier under which it is authorized
    #[arg(long)]
    cn: DeviceId,
    /// Role of the certificate
    #[arg(long)]
    role: RoleValue,
    /// Type of the key to generate
    #[arg(long)]
    key: KeyFamilyValue,
    /// DNS name, IP address or URI for subjectAltName; a platform's certificate always includes localhost
    #[arg(long = "san", value_name = "NAME")]
    sans: Vec<String>,
    /// Validity of the certificate, in days
    #[arg(long, default_value_t = CertificateOrder::DEFAULT_DAYS)]
    days: u32,
    /// Replace the key and the chain of an earlier certificate, which stays valid unless it is revoked
    #[arg(long)]
    replace: bool,
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
    let pki = arguments.folder.open(clock)?;
    if !arguments.replace {
        let Issued { chain, key } = pki.issued_files(&order);
        for file in [chain, key] {
            // The earlier key would be lost, and its certificate stay valid.
            if file.symlink_metadata().is_ok() {
                return Err(
                    anyhow!("{} already exists; revoke it or choose --replace", file.display()).into()
                );
            }
        }
    }
    let issued = pki.issue(&order).map_err(failure)?;
    output.print(&Made { chain: issued.chain, key: issued.key }, |made| {
        format!("chain: {}\nkey:   {}", made.chain.display(), made.key.display())
    })?;
    Ok(Exit::Done)
}
