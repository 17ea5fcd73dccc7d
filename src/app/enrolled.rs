//! The decision about a certificate that another CA has issued for an enrolment.

use super::chain::examine_chain;
use super::error::PlatformError;
use crate::authz::{Device, Directory};
use crate::config::Config;
use crate::enrol::Role;
use crate::metrics::Metrics;
use crate::model::{Clock, Refusal};
use crate::revocation::{Engine, WithdrawnCertificates};
use crate::tls::{self, AcceptorError};

/// Whose certificate it is.
#[derive(Debug, Clone, Copy)]
pub struct ExaminedPartner<'a> {
    /// What the certificate is for.
    pub role: Role,
    /// The name in the invitation.
    pub name: &'a str,
}

/// Decides about a chain, the partner's certificate first, as the listeners with this configuration and
/// these devices do. Whether it is revoked need not be known yet: its CA may have published nothing.
///
/// # Errors
/// When the roots, or what is known about revocation, cannot be used; inside, the code of the refusal.
pub fn examine_enrolled(
    config: &Config,
    partner: ExaminedPartner<'_>,
    devices: Vec<Device>,
    chain: Vec<Vec<u8>>,
    clock: &Clock,
) -> Result<Result<(), &'static str>, PlatformError> {
    let examined = match partner.role {
        Role::Device => {
            let examined = examine_chain(
                config,
                Directory::from(devices),
                WithdrawnCertificates::default(),
                chain,
                clock,
            )?;
            examined.map(drop).map_err(|(refusal, _)| refusal)
        }
        Role::Client => {
            let engine = Engine::open_to_read(&config.revocation, Metrics::new()?, clock.clone())?;
            tls::examine_partner_client(config, &engine, clock, chain).map_err(AcceptorError::from)?
        }
        Role::Server => {
            tls::examine_partner_server(config, clock, partner.name, chain).map_err(AcceptorError::from)?
        }
    };
    Ok(match examined {
        Ok(()) | Err(Refusal::RevocationUndetermined) => Ok(()),
        Err(refusal) => Err(refusal.code()),
    })
}
