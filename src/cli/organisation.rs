//! `organisation`: to whom hospital systems belong.

use serde::Serialize;
use uuid::Uuid;

use super::context::failed;
use super::operator::operator;
use super::text::{column, paragraph};
use super::{Exit, Failure, Outcome, Output};
use crate::clients::{Oid, Organisation};
use crate::config::Network;
use crate::model::Right;
use crate::store::{ClientsConflict, Store, StoreError};

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
    /// Change the name or the networks of an organisation, within a second
    ///
    /// Example: pcd-platform organisation change 2.25.1 --network 10.1.0.0/16 --network 10.2.0.0/16
    Change {
        /// Its object identifier
        oid: Oid,
        /// What it is called from now on
        #[arg(long)]
        name: Option<String>,
        /// A network of its clients; several times; these replace the former ones
        #[arg(long = "network", value_name = "CIDR")]
        networks: Vec<Network>,
        /// Its clients may read from every network
        #[arg(long, conflicts_with = "networks")]
        every_network: bool,
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
            _ => Right::Administer,
        }
    }
}

/// Runs the subcommand.
pub(super) async fn run(command: Command, store: &Store, output: Output) -> Outcome {
    match command {
        Command::Add { name, oid, networks } => {
            check_name(&name)?;
            let oid = oid.unwrap_or_else(|| Oid::from_uuid(Uuid::now_v7()));
            let own = Organisation { oid, name, networks, is_suspended: false };
            store.add_organisation(own.clone(), &operator()).await.map_err(failed)?;
            output.print(&Line::new(&own), Line::shown)?;
        }
        Command::Change { oid, name, networks, every_network } => {
            let known = store.organisations().await.map_err(failed)?.into_iter().find(|own| own.oid == oid);
            let unknown = || failed(StoreError::Clients(ClientsConflict::OrganisationUnknown));
            let mut own = known.ok_or_else(unknown)?;
            if let Some(name) = name {
                check_name(&name)?;
                own.name = name;
            }
            if every_network || !networks.is_empty() {
                own.networks = networks;
            }
            store.change_organisation(own.clone(), &operator()).await.map_err(failed)?;
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

fn check_name(name: &str) -> Result<(), Failure> {
    if name.trim().is_empty() || name.chars().count() > MAX_NAME || name.contains(char::is_control) {
        let what = format!("the name has 1 to {MAX_NAME} characters, and no control characters");
        return Err(anyhow::anyhow!(what).into());
    }
    Ok(())
}

/// Characters of a name.
const MAX_NAME: usize = 128;
