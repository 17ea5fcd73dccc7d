//! The decision about a certificate of a partner before it is used: does it lead to a trust community?

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::community::Member;
use super::trust::{Trust, TrustError};
use crate::config::Config;
use crate::model::{Clock, Refusal};
use crate::revocation::Engine;

/// Decides about the chain of a partner's client as the listener for hospital systems does; of revocation,
/// only what is known counts.
///
/// # Errors
/// When the roots of a community cannot be used.
pub fn examine_partner_client(
    config: &Config,
    revocation: &Engine,
    clock: &Clock,
    chain: Vec<Vec<u8>>,
) -> Result<Result<(), Refusal>, TrustError> {
    let members = Member::load_all(config, revocation, clock)?;
    let chain: Vec<_> = chain.into_iter().map(CertificateDer::from).collect();
    Ok(Member::find(&members, &chain, clock).map(drop))
}

/// Decides about the chain of a partner's server with this name: a path to a root of a community, and
/// serverAuth.
///
/// # Errors
/// When the roots of a community cannot be used.
pub fn examine_partner_server(
    config: &Config,
    clock: &Clock,
    name: &str,
    chain: Vec<Vec<u8>>,
) -> Result<Result<(), Refusal>, TrustError> {
    let anchors: Vec<_> =
        config.api.communities.iter().flat_map(|community| community.anchors.iter().cloned()).collect();
    let trust = Trust::load_those_fit(&anchors, clock.now(), config.revocation.clock_skew)?;
    let chain: Vec<CertificateDer<'static>> = chain.into_iter().map(CertificateDer::from).collect();
    let Some((own, others)) = chain.split_first() else { return Ok(Err(Refusal::NoCertificate)) };
    let Ok(own) = EndEntityCert::try_from(own) else { return Ok(Err(Refusal::MalformedCertificate)) };
    let seconds = u64::try_from(clock.now().as_second()).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let algorithms = Arc::new(aws_lc_rs::default_provider()).signature_verification_algorithms;
    let verified = own.verify_for_usage(
        algorithms.all,
        &trust.anchors,
        others,
        now,
        KeyUsage::server_auth(),
        None,
        None,
    );
    let verified = verified.map(drop).map_err(|error| match error {
        webpki::Error::CertExpired { .. } => Refusal::Expired,
        webpki::Error::CertNotValidYet { .. } => Refusal::NotYetValid,
        webpki::Error::RequiredEkuNotFoundContext(_) => Refusal::WrongPurpose,
        _ => Refusal::UntrustedIssuer,
    });
    let has_name = ServerName::try_from(name.to_owned())
        .is_ok_and(|name| own.verify_is_valid_for_subject_name(&name).is_ok());
    Ok(verified.and(if has_name { Ok(()) } else { Err(Refusal::WrongPurpose) }))
}
