//! The peer that a refusal counts for.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;

use super::address_shares::subscriber;
use crate::authz::Directory;
use crate::contact::RefusedConnection;
use crate::model::{DeviceId, Fingerprint};
use crate::store::RefusedRoom;
use crate::tls::HandshakeError;

/// A refused peer. Refusals of one peer for one reason are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum RefusedPeer {
    /// A peer whose certificate chains to an installed root, by that certificate. Anyone can show a copy,
    /// but no stranger can make another one.
    Certificate { fingerprint: Fingerprint, name: Option<String> },
    /// Any other peer, by its address (IPv6: its /64). A certificate that claims the name of a known device
    /// counts separately: many devices may share an address, and strangers cannot add names.
    Address { address: IpAddr, device: Option<DeviceId> },
}

impl RefusedPeer {
    pub(super) fn new(address: IpAddr, refused: &HandshakeError, directory: &Directory) -> Self {
        let name = refused.certificate.as_ref().and_then(|certificate| certificate.common_name.as_deref());
        match &refused.certificate {
            Some(certificate) if refused.is_certificate_trusted() => {
                Self::Certificate { fingerprint: certificate.fingerprint, name: name.map(str::to_owned) }
            }
            _ => {
                let name = name.and_then(|name| name.parse().ok());
                // The spelling of the directory: a stranger could count under many.
                let device =
                    name.and_then(|name: DeviceId| directory.find(&name)).map(|known| known.id.clone());
                Self::Address { address: subscriber(address), device }
            }
        }
    }

    /// The refusal, as the store remembers it. A name that is not proved counts if the directory has it.
    pub(super) fn remembered(
        &self,
        peer: SocketAddr,
        refused: &HandshakeError,
        directory: &Directory,
        at: Timestamp,
    ) -> RefusedConnection {
        let (room, who, device) = match self {
            Self::Certificate { fingerprint, name } => {
                let id = name.as_deref().and_then(|name| name.parse::<DeviceId>().ok());
                // Two spellings of one EUI-64 are one device.
                let id = id.map(|id| directory.find(&id).map_or(id, |known| known.id.clone()));
                let who = id.as_ref().map_or_else(|| fingerprint.to_string(), ToString::to_string);
                (RefusedRoom::Verified, who, id)
            }
            Self::Address { device, .. } => (RefusedRoom::Unverified, self.to_string(), device.clone()),
        };
        let (refusal, facts) = (refused.refusal, refused.facts());
        RefusedConnection { room, who, device, peer, refusal, facts, at }
    }

    /// The Common Name of its certificate, as far as it counts.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Certificate { name, .. } => name.as_deref(),
            Self::Address { device, .. } => device.as_ref().map(DeviceId::as_str),
        }
    }
}

/// The address or the fingerprint.
impl fmt::Display for RefusedPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate { fingerprint, .. } => fingerprint.fmt(f),
            Self::Address { address, .. } if address.is_ipv6() => write!(f, "{address}/64"),
            Self::Address { address, .. } => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Certificate;
    use crate::interface_a::fixtures::{NAME, device};
    use crate::model::Refusal;

    fn refused(refusal: Refusal, name: &str) -> HandshakeError {
        let certificate = Certificate {
            common_name: Some(name.to_owned()),
            issuer: "CN=CA".to_owned(),
            serial: "0a".to_owned(),
            fingerprint: Fingerprint::sha256(name.as_bytes()),
            unfit: None,
        };
        let is_issued = refusal != Refusal::UntrustedIssuer;
        HandshakeError { certificate: Some(Box::new(certificate)), is_issued, ..HandshakeError::new(refusal) }
    }

    // A8
    #[test]
    fn peers_are_known_by_their_address_unless_certificate_or_name_cannot_be_invented() {
        let directory = Directory::from(vec![device()]);
        let peer = |address: &str, refusal, name: &str| {
            RefusedPeer::new(address.parse().unwrap(), &refused(refusal, name), &directory)
        };
        let stranger = |name: &str| peer("2001:db8::1:7", Refusal::UntrustedIssuer, name);
        assert_eq!(stranger("A"), stranger("B"), "a stranger chooses its name");
        assert_eq!(stranger("A"), peer("2001:db8::2:8", Refusal::UntrustedIssuer, "C"));
        assert_eq!(stranger("A").to_string(), "2001:db8::/64");
        assert_ne!(stranger("A"), stranger(NAME));
        assert_eq!(stranger(NAME).name(), Some(NAME));
        let trusted = |address: &str, name: &str| peer(address, Refusal::UnknownDevice, name);
        assert_eq!(trusted("192.0.2.1", "A"), trusted("192.0.2.2", "A"));
        assert_ne!(trusted("192.0.2.1", "A"), trusted("192.0.2.1", "B"));
    }
}
