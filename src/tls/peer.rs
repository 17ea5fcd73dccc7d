//! The peer of a completed handshake, as proof of its admission.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::{CommonState, HandshakeKind};

use super::refusal::{presented_certificate, shown_certificate, unfit_uses};
use super::verifier::Admission;
use crate::audit::Certificate;
use crate::authz::Device;
use crate::model::ShownCertificate;
use crate::revocation::{IssuedCertificate, Status};

/// The peer of a [`Secured`](super::Secured) connection.
///
/// A value of this type proves that the handshake is complete, that the certificate chains to an installed
/// root and is not revoked, and that the directory admits its device. Only the acceptor constructs one. It
/// cannot be cloned, so one handshake opens one session.
#[derive(Debug)]
pub struct Peer {
    device: Arc<Device>,
    address: SocketAddr,
    balancer: Option<IpAddr>,
    certificate: Certificate,
    shown: ShownCertificate,
    version: &'static str,
    suite: &'static str,
    is_resumed: bool,
    path: Arc<[IssuedCertificate]>,
    revocation: Arc<Vec<Status>>,
}

impl Peer {
    pub(super) fn new(admission: &Admission, address: SocketAddr, connection: &CommonState) -> Self {
        let suite = connection.negotiated_cipher_suite();
        Self {
            device: Arc::clone(&admission.device),
            address,
            balancer: None,
            certificate: Certificate {
                // Admitted all the same: an exception of the configuration.
                unfit: unfit_uses(&admission.facts, &admission.device.id),
                ..presented_certificate(&admission.facts)
            },
            shown: shown_certificate(&admission.facts),
            version: connection.protocol_version().and_then(|version| version.as_str()).unwrap_or(""),
            suite: suite.and_then(|suite| suite.suite().as_str()).unwrap_or(""),
            is_resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            path: Arc::clone(&admission.path),
            revocation: Arc::clone(&admission.statuses),
        }
    }

    /// A peer without a handshake, for the tests of what comes after it.
    #[cfg(test)]
    pub(crate) fn for_tests(device: Device, address: SocketAddr) -> Self {
        let certificate = Certificate {
            common_name: Some(device.id.as_str().to_owned()),
            issuer: "CN=Issuing CA".to_owned(),
            serial: "0a1b".to_owned(),
            fingerprint: crate::model::Fingerprint::sha256(b"certificate"),
            unfit: None,
        };
        Self {
            device: Arc::new(device),
            address,
            balancer: None,
            certificate,
            shown: crate::model::ShownCertificate {
                fingerprint: crate::model::Fingerprint::sha256(b"certificate").to_string(),
                serial: "0a1b".to_owned(),
                issuer: "CN=Issuing CA".to_owned(),
                not_before: jiff::Timestamp::UNIX_EPOCH,
                not_after: jiff::Timestamp::MAX,
                key: "ECC P-256".to_owned(),
            },
            version: "TLSv1_3",
            suite: "TLS13_AES_256_GCM_SHA384",
            is_resumed: false,
            path: Arc::default(),
            revocation: Arc::default(),
        }
    }

    /// The directory entry under which the peer was admission.
    #[must_use]
    pub const fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// The address from which it connected.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The load balancer that relays the connection, if one does.
    #[must_use]
    pub const fn balancer(&self) -> Option<IpAddr> {
        self.balancer
    }

    pub(super) const fn set_balancer(&mut self, balancer: Option<IpAddr>) {
        self.balancer = balancer;
    }

    /// Its certificate, as the audit trail records it.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its certificate, with its validity and its key.
    #[must_use]
    pub const fn shown_certificate(&self) -> &ShownCertificate {
        &self.shown
    }

    /// The negotiated version, as `TLSv1.2`.
    #[must_use]
    pub const fn version(&self) -> &'static str {
        self.version
    }

    /// The negotiated cipher suite, by its IANA name.
    #[must_use]
    pub const fn suite(&self) -> &'static str {
        self.suite
    }

    /// Whether the handshake resumed an earlier TLS session.
    #[must_use]
    pub const fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// The certificates of its path with their issuers, for later revocation checks.
    #[must_use]
    pub const fn path(&self) -> &Arc<[IssuedCertificate]> {
        &self.path
    }

    /// The revocation status of each certificate of the path at the handshake (A9).
    #[must_use]
    pub fn revocation(&self) -> &[Status] {
        &self.revocation
    }
}
