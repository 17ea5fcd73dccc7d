//! `enrol`: certificates that partners and devices ask for.

mod decide;
mod invite;
mod line;
mod revoke;

use std::path::PathBuf;

use anyhow::anyhow;

use super::context::failed;
use super::operator::operator;
use super::{Exit, Failure, Outcome, Output};
use crate::config::Config;
use crate::enrol::{Enrolment, EnrolmentId, Role, State};
use crate::model::Right;
use crate::store::Store;
use line::Line;

/// Subcommands of `enrol`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Invite a partner or a device to ask for a certificate
    ///
    /// Prints an id and a code. The code is shown this once; the store has only a hash. With both, as user
    /// and password, the partner sends one certificate request to /.well-known/est/simpleenroll of the
    /// listener for hospital systems. A device gets its entry of the directory when the request is approved.
    ///
    /// Example: pcd-platform enrol invite PUMP-7 --role device --name "Pump 7" --ward ICU
    Invite(Box<invite::Arguments>),
    /// List invitations, requests and certificates, the last invitation first
    List {
        /// Only those in this state: invited, pending, issued, rejected or revoked
        #[arg(long)]
        state: Option<State>,
    },
    /// Show one: what is asked for, and what became of it
    Show {
        /// Its id
        id: EnrolmentId,
    },
    /// Approve a request: the test PKI issues the certificate
    ///
    /// The test PKI is enrol.client-authority or enrol.device-authority of the configuration. Where there is
    /// none, `enrol export` prints the request for the CA of the hospital, and `enrol import` takes the
    /// certificate that it issues.
    Approve {
        /// Its id
        id: EnrolmentId,
        /// How long the certificate is valid; without it, enrol.days of the configuration
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: Option<u32>,
    },
    /// Reject a request, or withdraw an invitation
    Reject {
        /// Its id
        id: EnrolmentId,
        /// Why; the partner sees it
        #[arg(long, default_value = "", value_name = "TEXT", value_parser = reason)]
        reason: String,
    },
    /// Print the certificate request of an enrolment, in PEM
    Export {
        /// Its id
        id: EnrolmentId,
    },
    /// Approve a request with the certificate that another CA has issued for it
    ///
    /// The file has the certificate and its CAs, in PEM or PKCS#7. It must be for the key and the subject of
    /// the request, and lead to a root of devices, or of a trust community.
    Import {
        /// Its id
        id: EnrolmentId,
        /// The certificate and its CAs
        file: PathBuf,
    },
    /// Revoke an issued certificate, and those that renew it
    ///
    /// Within a second the platform refuses them on every node, and ends their sessions. The test PKI revokes
    /// a certificate that it has issued, and publishes its CRLs; another CA has to revoke its own. The
    /// command may be repeated: what failed is done then.
    Revoke {
        /// Its id
        id: EnrolmentId,
        /// Why
        #[arg(long, default_value = "", value_name = "TEXT", value_parser = reason)]
        reason: String,
    },
}

impl Command {
    /// The right that a person needs so that the running platform executes it: who looks after devices
    /// invites devices, and decides about what was invited.
    pub(super) fn right(&self) -> Right {
        match self {
            Self::List { .. } | Self::Show { .. } | Self::Export { .. } => Right::See,
            Self::Invite(arguments) if arguments.role != Role::Device => Right::Administer,
            _ => Right::Operate,
        }
    }
}

/// Runs the subcommand.
pub(super) async fn run(command: Command, config: &Config, store: &Store, output: Output) -> Outcome {
    let actor = operator();
    match command {
        Command::Invite(arguments) => invite::run(*arguments, config, store, &actor, output).await?,
        Command::List { state } => {
            for enrolment in store.enrolments().await.map_err(failed)? {
                if state.is_none_or(|state| enrolment.state == state) {
                    output.print(&Line::new(&enrolment, store.now()), |line| line.short(output))?;
                }
            }
        }
        Command::Show { id } => print(&find(store, &id).await?, store, output)?,
        Command::Approve { id, days } => {
            let enrolment = find(store, &id).await?;
            let enrolment = decide::approve(enrolment, days, config, store, &actor).await?;
            print(&enrolment, store, output)?;
        }
        Command::Reject { id, reason } => {
            let enrolment = find(store, &id).await?;
            let enrolment = decide::reject(enrolment, reason, store, &actor).await?;
            print(&enrolment, store, output)?;
        }
        Command::Export { id } => {
            let enrolment = find(store, &id).await?;
            let exported = decide::Exported::new(&enrolment)?;
            output.print(&exported, |exported| exported.request.trim_end().to_owned())?;
        }
        Command::Import { id, file } => {
            let enrolment = find(store, &id).await?;
            let enrolment = decide::import(enrolment, &file, config, store, &actor).await?;
            print(&enrolment, store, output)?;
        }
        Command::Revoke { id, reason } => {
            let enrolment = find(store, &id).await?;
            let revoked = revoke::revoke(enrolment, reason, config, store, &actor).await?;
            for ended in &revoked.ended {
                let line = Line::new(ended, store.now());
                let line = if revoked.foreign.contains(&ended.id) { line.with_foreign_ca() } else { line };
                output.print(&line, |line| line.whole(output))?;
            }
            revoked.require_published()?;
        }
    }
    Ok(Exit::Done)
}

async fn find(store: &Store, id: &EnrolmentId) -> Result<Enrolment, Failure> {
    let found = store.enrolment(id).await.map_err(failed)?;
    found.ok_or_else(|| anyhow!("there is no enrolment {id}; `enrol list` shows all").into())
}

fn print(enrolment: &Enrolment, store: &Store, output: Output) -> Result<(), Failure> {
    Ok(output.print(&Line::new(enrolment, store.now()), |line| line.whole(output))?)
}

/// A reason for the partner.
fn reason(text: &str) -> Result<String, &'static str> {
    let is_usable = text.chars().count() <= MAX_REASON && !text.contains(char::is_control);
    if is_usable {
        Ok(text.trim().to_owned())
    } else {
        Err("a reason has at most 200 characters, in one line")
    }
}

/// Characters of a reason.
const MAX_REASON: usize = 200;
