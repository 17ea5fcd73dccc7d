//! `pki revoke`.

use std::path::PathBuf;

use serde::Serialize;

use super::folder::{Folder, failure, read};
use super::values::RevocationReasonValue;
use crate::cli::{Exit, Outcome, Output};
use crate::model::Clock;
use crate::pki::{RevocationReason, TestPki};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    folder: Folder,
    /// The certificate, PEM or DER; the first of a chain
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// Reason of the revocation
    #[arg(long, default_value = "unspecified")]
    reason: RevocationReasonValue,
}

#[derive(Serialize)]
struct Revoked {
    issuer: &'static str,
    serial: String,
    reason: RevocationReason,
    crl: PathBuf,
}

pub(super) fn run(arguments: &Arguments, output: Output, clock: &Clock) -> Outcome {
    let (pki, reason) = (arguments.folder.open(clock)?, arguments.reason.into());
    let revocation = pki.revoke(&read(&arguments.certificate)?, reason).map_err(failure)?;
    pki.publish_crls(TestPki::CRL_DAYS).map_err(failure)?;
    let revoked = Revoked {
        issuer: revocation.issuer.name(),
        serial: revocation.serial.to_string(),
        reason,
        crl: pki.crl(revocation.issuer),
    };
    output.print(&revoked, |revoked| {
        format!(
            "revoked: serial number {} of {}\nCRL:     {}",
            revoked.serial,
            revoked.issuer,
            revoked.crl.display()
        )
    })?;
    Ok(Exit::Done)
}
