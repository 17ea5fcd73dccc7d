//! Which identities a device may learn: those that no other entry has.
//!
//! While a device learns, its messages may name devices that are not in its list yet. An identity of another
//! entry is refused as ever: the holder of one enrolled certificate must not learn another device.

use std::fmt;

use jiff::Timestamp;

use super::rules::{self, Violation};
use super::{Device, Directory};
use crate::model::DeviceId;
use crate::pcd::{Claims, DeviceIdentity};

/// The entry of the directory that has an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder<'d> {
    /// It is the Common Name of this entry.
    Name(&'d DeviceId),
    /// The list of this entry has it.
    List(&'d DeviceId),
}

/// Whether the identities in messages of this device are learnt at this time. A device with a list is
/// enforced, and so is one whose time is over.
#[must_use]
pub fn is_learning(device: &Device, at: Timestamp) -> bool {
    device.speaks_for.is_empty() && device.learns_until.is_some_and(|until| at < until)
}

/// The first claim of a device that learns which it may not make all the same: another entry has the
/// identity, or only some readers would find it in the message.
///
/// # Errors
/// With that claim.
pub fn check(device: &Device, directory: &Directory, claims: &Claims) -> Result<(), Violation> {
    let is_open =
        |identity: &DeviceIdentity| claims.identities.iter().any(|claim| claim.identity == *identity);
    let refused = rules::not_allowed(device, directory, claims)
        .find(|claim| !is_open(&claim.identity) || directory.holder(&device.id, &claim.identity).is_some());
    match refused {
        Some(claim) => Err(Violation { claim: claim.clone() }),
        None => Ok(()),
    }
}

impl Directory {
    /// Another entry than `id` that has `identity`, active or suspended. `--any` is not counted: it has every
    /// identity.
    #[must_use]
    pub fn holder(&self, id: &DeviceId, identity: &DeviceIdentity) -> Option<Holder<'_>> {
        self.other_name(id, identity).map(Holder::Name).or_else(|| {
            let wide = self.wide().filter(|(_, pattern)| pattern.allows(identity)).map(|(other, _)| other);
            self.listing(identity).chain(wide).find(|other| *other != id).map(Holder::List)
        })
    }
}

impl fmt::Display for Holder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(id) => write!(f, "it is device {id} of the directory"),
            Self::List(id) => write!(f, "device {id} speaks for it"),
        }
    }
}
