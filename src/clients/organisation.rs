//! Organisations: to whom clients belong, and from where they may read.

use std::net::IpAddr;

use super::oid::Oid;
use crate::config::Network;

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Its object identifier.
    pub oid: Oid,
    /// What it is called.
    pub name: String,
    /// The networks of its clients; empty: every network.
    pub networks: Vec<Network>,
    /// Whether its clients are refused.
    pub is_suspended: bool,
}

impl Organisation {
    /// Whether its clients may have this address.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(address))
    }
}
