//! `pki request`.

use std::path::PathBuf;

use serde::Serialize;

use super::folder::failure;
use super::values::KeyFamilyValue;
use crate::cli::{Exit, Outcome, Output};
use crate::model::DeviceId;
use crate::pki::{RequestOrder, Subject};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Common Name
    #[arg(long)]
    cn: DeviceId,
    /// Type of the key to generate
    #[arg(long)]
    key: KeyFamilyValue,
    /// DNS name, IP address or URI for subjectAltName
    #[arg(long = "san", value_name = "NAME")]
    sans: Vec<String>,
    /// Rest of the subject, such as "O=St. Elsewhere,C=DE"; types: O, OU, L, ST, C, serialNumber
    #[arg(long)]
    subject: Option<Subject>,
    /// Folder for the request and the key
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Serialize)]
struct Made {
    request: PathBuf,
    key: PathBuf,
}

pub(super) fn run(arguments: Arguments, output: Output) -> Outcome {
    let order = RequestOrder {
        common_name: arguments.cn,
        subject: arguments.subject.unwrap_or_default(),
        key: arguments.key.into(),
        sans: arguments.sans,
    };
    let requested = order.make(&arguments.out).map_err(failure)?;
    output.print(&Made { request: requested.request, key: requested.key }, |made| {
        format!(
            "request: {} (send this to the CA)\nkey:     {} (keep this here)",
            made.request.display(),
            made.key.display()
        )
    })?;
    Ok(Exit::Done)
}
