//! What the configuration decides about certificates of clients.

use std::time::Duration;

use super::chain_limits::ChainLimits;
use crate::config::{Community, Config, ExpiredSessions, Undetermined};
use crate::model::DeviceId;
use crate::x509::{KeyPurpose, PolicyId};

/// The settings of [`PeerVerifier`](super::PeerVerifier).
#[derive(Debug, Clone)]
pub(in crate::tls) struct AdmissionPolicy {
    pub(super) when_undetermined: Undetermined,
    pub(super) rsa_bits: (usize, usize),
    pub(super) limits: ChainLimits,
    /// Tolerated difference between the clocks of CAs and of this machine.
    pub(super) clock_skew: Duration,
    /// Devices whose certificates may have a key usage without digitalSignature.
    pub(super) key_usage_exceptions: Vec<DeviceId>,
    /// What happens to an open session when a certificate of it expires.
    pub(super) expired_sessions: ExpiredSessions,
    /// A path must be valid for one of these certificate policies; empty: for any, or none.
    pub(super) required_policies: Vec<PolicyId>,
    /// The purposes that a certificate must have, besides that of a client.
    pub(super) required_purposes: Vec<KeyPurpose>,
}

impl AdmissionPolicy {
    pub(in crate::tls) fn from_config(config: &Config) -> Self {
        let (tls, revocation) = (&config.tls, &config.revocation);
        Self {
            when_undetermined: revocation.when_undetermined,
            rsa_bits: tls.client_rsa_bits,
            limits: ChainLimits {
                certificates: tls.max_chain_certificates,
                certificate_bytes: tls.max_certificate,
            },
            clock_skew: revocation.clock_skew,
            // The validation of the configuration has refused other names.
            key_usage_exceptions: tls.key_usage_exceptions.iter().flat_map(|name| name.parse()).collect(),
            expired_sessions: revocation.expired_sessions,
            required_policies: Vec::new(),
            required_purposes: Vec::new(),
        }
    }

    /// The same for people: what is tolerated in certificates of devices, or of their sessions, is not.
    pub(in crate::tls) fn of_people(self) -> Self {
        Self { key_usage_exceptions: Vec::new(), expired_sessions: ExpiredSessions::End, ..self }
    }

    /// The same for the members of a trust community.
    pub(in crate::tls) fn of_community(self, community: &Community) -> Self {
        Self {
            // The validation of the configuration has refused what is no object identifier.
            required_policies: community.policies.iter().filter_map(|oid| PolicyId::from_text(oid)).collect(),
            required_purposes: community.ekus.iter().map(|oid| KeyPurpose::from_oid(oid)).collect(),
            ..self.of_people()
        }
    }
}
