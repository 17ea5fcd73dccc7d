//! `organisation`: to whom hospital systems belong.

use serde::Serialize;
use uuid::Uuid;

use super::context::failed;
use super::operator::operator;
use super::text::{column, paragraph};
use super::{Exit, Outcome, Output};
use crate::clients::{Oid, Organisation};
use crate::config::Network;
use crate::model::Right;
use crate::store::Store;

/// Subcommands of `organisation`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add an organisation
    ///
    /// Prints its number. An organisation without an object identifier of its own gets one, from a UUID.
    ///
    /// Example: pcd-platform organisation add "St. Mary" --network 10.1.0.0/16
    Add {
        /// What it is called
        name: String,
        /// Its object identifier; without it, the platform assigns one
        #[arg(long)]
        oid: Option<Oid>,
        /// A network of its clients, such as 10.1.0.0/16; several times; without it, every network
        #[arg(long = "network", value_name = "CIDR")]
        networks: Vec<Network>,
    },
    /// List all organisations
    List,
    /// Refuse all clients of an organisation, within a second
    Suspend {
        /// Its object identifier
        oid: Oid,
    },
    /// Admit the clients of an organisation again
    Resume {
        /// Its object identifier
        oid: Oid,
    },
}

/// An organisation, as it is printed.
#[derive(Debug, Serialize)]
struct Line<'a> {
    oid: &'a str,
    name: &'a str,
    status: &'static str,
    networks: Vec<String>,
}

impl<'a> Line<'a> {
    fn new(own: &'a Organisation) -> Self {
        Self {
            oid: own.oid.as_str(),
            name: &own.name,
            status: if own.is_suspended { "suspended" } else { "active" },
            networks: own.networks.iter().map(ToString::to_string).collect(),
        }
    }

    fn shown(&self) -> String {
        let networks = if self.networks.is_empty() { "every".to_owned() } else { self.networks.join(" ") };
        paragraph(&[
            ("oid", self.oid.to_owned()),
            ("name", column(self.name)),
            ("status", self.status.to_owned()),
            ("networks", networks),
        ])
    }
}

impl Command {
    /// The right that a person needs so that the running platform executes it.
    pub(super) const fn right(&self) -> Right {
        match self {
            Self::List => Right::See,
            Self::Add { .. } | Self::Suspend { .. } | Self::Resume { .. } => Right::Administer,
        }
    }
}

/// Runs the subcommand.
pub(super) async fn run(command: Command, store: &Store, output: Output) -> Outcome {
    match command {
        Command::Add { name, oid, networks } => {
            if name.trim().is_empty() || name.chars().count() > MAX_NAME || name.contains(char::is_control) {
                return Err(anyhow::anyhow!(
                    "the name has 1 to {MAX_NAME} characters, and no control characters"
                )
                .into());
            }
            let oid = oid.unwrap_or_else(|| Oid::from_uuid(Uuid::now_v7()));
            let own = Organisation { oid, name, networks, is_suspended: false };
            store.add_organisation(own.clone(), &operator()).await.map_err(failed)?;
            output.print(&Line::new(&own), Line::shown)?;
        }
        Command::List => {
            for own in store.organisations().await.map_err(failed)? {
                output.print(&Line::new(&own), |line| format!("{}\n", line.shown()))?;
            }
        }
        Command::Suspend { oid } => {
            store.suspend_organisation(oid, true, &operator()).await.map_err(failed)?;
        }
        Command::Resume { oid } => {
            store.suspend_organisation(oid, false, &operator()).await.map_err(failed)?;
        }
    }
    Ok(Exit::Done)
}

/// Characters of a name.
const MAX_NAME: usize = 128;
