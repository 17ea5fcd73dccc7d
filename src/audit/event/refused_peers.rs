//! Refusals that share a row.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::certificate::Certificate;
use crate::model::{DeviceId, Refusal};

/// The peers whose refusals one row counts, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusedPeers {
    /// One address, for one reason.
    Address {
        /// The address; the first one of an IPv6 /64.
        address: IpAddr,
        /// The Common Name that the certificates claimed, if the directory has it.
        device: Option<DeviceId>,
        /// The reason.
        refusal: Refusal,
    },
    /// One certificate that chains to an installed root, for one reason.
    Certificate {
        /// The certificate. A peer that was refused may have shown a copy of it.
        certificate: Certificate,
        /// The last peer that showed it.
        peer: SocketAddr,
        /// The reason.
        refusal: Refusal,
    },
    /// Any peers.
    Others {
        /// How many for each reason.
        refusals: BTreeMap<Refusal, u64>,
    },
}

/// How many refusals, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusalCount {
    /// The number.
    pub count: u64,
    /// When the first of them happened.
    pub first: Timestamp,
    /// When the last of them happened.
    pub last: Timestamp,
}

impl RefusalCount {
    /// One refusal.
    #[must_use]
    pub const fn one(at: Timestamp) -> Self {
        Self { count: 1, first: at, last: at }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }
}

pub(super) fn fields(peers: &RefusedPeers, count: &RefusalCount) -> Value {
    let mut fields = Map::new();
    match peers {
        RefusedPeers::Address { address, device, refusal } => {
            let network = if address.is_ipv6() { format!("{address}/64") } else { address.to_string() };
            fields.insert("address".to_owned(), network.into());
            if let Some(device) = device {
                fields.insert("common-name".to_owned(), device.as_str().into());
            }
            fields.insert("refusal".to_owned(), refusal.code().into());
        }
        RefusedPeers::Certificate { certificate, peer, refusal } => {
            fields.insert("certificate".to_owned(), certificate.fields());
            fields.insert("peer".to_owned(), peer.to_string().into());
            fields.insert("refusal".to_owned(), refusal.code().into());
        }
        RefusedPeers::Others { refusals } => {
            let refusals: Map<_, _> =
                refusals.iter().map(|(refusal, count)| (refusal.code().to_owned(), json!(count))).collect();
            fields.insert("refusals".to_owned(), refusals.into());
        }
    }
    fields.insert("count".to_owned(), count.count.into());
    fields.insert("first".to_owned(), count.first.to_string().into());
    fields.insert("last".to_owned(), count.last.to_string().into());
    fields.into()
}
