//! Who asks for a token: by the certificate of the connection, or by an assertion.

use axum::http::HeaderMap;
use zeroize::Zeroizing;

use super::form::Form;
use super::paths::TOKEN;
use crate::api::gate::{self, Shown, basic, organisation};
use crate::api::peer::Peer;
use crate::api::state::ApiState;
use crate::audit::Certificate;
use crate::clients::{Bearer, PresentedCertificate, Reader, RefusedReader};
use crate::model::{Fingerprint, Refusal};
use crate::oauth::{Assertion, AssertionFault, Expected, RefusedGrant, Verified};

/// A client that has proved who it is.
#[derive(Debug)]
pub(super) struct Authenticated {
    pub(super) reader: Reader,
    /// The certificate of the connection.
    pub(super) connection: Option<Fingerprint>,
    /// The assertion, which counts once; `None` without one.
    pub(super) assertion: Option<Verified>,
}

/// What is known of a request for a token, for metrics and the audit trail.
#[derive(Debug, Default)]
pub(in crate::api) struct Attempt {
    /// How the client proves who it is; `None` while that is not known.
    pub(super) method: Option<&'static str>,
    /// The certificate of an assertion.
    pub(super) certificate: Option<Certificate>,
}

/// The client of a request.
///
/// # Errors
/// Why it is refused.
pub(super) async fn authenticate(
    state: &ApiState,
    peer: &Peer,
    headers: &HeaderMap,
    form: &Form,
    attempt: &mut Attempt,
) -> Result<Authenticated, RefusedGrant> {
    let secret = secret(headers, form)?;
    let is_assertion = form.get("client_assertion").is_some() || form.get("client_assertion_type").is_some();
    attempt.method = Some(match (is_assertion, &secret) {
        (true, None) => "private_key_jwt",
        (false, None) => "tls_client_auth",
        (false, Some(_)) => "client_secret_basic",
        (true, Some(_)) => return Err(RefusedGrant::SeveralMethods),
    });
    let (certificate, _) = gate::certificate(state, peer).await;
    let organisation = organisation(headers);
    let authenticated = if is_assertion {
        by_assertion(state, peer, form, (certificate, organisation), attempt).await?
    } else {
        let connection = fingerprint(certificate.as_ref());
        let shown = Shown { secret, bearer: Bearer::None, organisation };
        let reader = gate::decide(state, peer, certificate, &shown).map_err(RefusedGrant::Client)?;
        Authenticated { reader, connection, assertion: None }
    };
    // RFC 6749 section 2.3.1, RFC 7521 section 4.2: it may be omitted, and must not be another one.
    if form.get("client_id").is_some_and(|id| id != authenticated.reader.client()) {
        return Err(RefusedGrant::OtherClient);
    }
    Ok(authenticated)
}

/// Size, form and algorithm, then the certificate and what is known of its revocation, then the signature;
/// only then the responders are asked, and whose the certificate is. Then the claims.
async fn by_assertion(
    state: &ApiState,
    peer: &Peer,
    form: &Form,
    (certificate, organisation): (Option<Result<PresentedCertificate, Refusal>>, Option<&str>),
    attempt: &mut Attempt,
) -> Result<Authenticated, RefusedGrant> {
    let fault = RefusedGrant::Assertion;
    if form.get("client_assertion_type") != Some(JWT_BEARER) {
        return Err(fault(AssertionFault::Type));
    }
    let text = form.get("client_assertion").ok_or(fault(AssertionFault::Type))?;
    let assertion = Assertion::read(text).map_err(fault)?;
    let of_assertion = |refused| fault(AssertionFault::Certificate(refused));
    let of_path = |refusal| of_assertion(RefusedReader::Certificate(refusal));
    // As handshakes do: what strangers let the platform compute leaves a processor to devices.
    let turns = &state.handshaking;
    let claimed = turns.steps(async { state.acceptor.claimed(assertion.chain()) }).await.map_err(of_path)?;
    let claims = turns.steps(async { assertion.verify() }).await.map_err(fault)?;
    // A copied certificate stands in no row: its owner has signed this.
    attempt.certificate = Some(claimed.recorded());
    let member = state.acceptor.membership(&claimed).await.map_err(of_path)?;
    let own = gate::presented_certificate(&member);
    let shown = Shown { secret: None, bearer: Bearer::None, organisation };
    let reader = gate::decide(state, peer, Some(Ok(own)), &shown).map_err(of_assertion)?;
    let config = state.config.load_full();
    let endpoint = format!("{}{TOKEN}", config.api.base_url);
    let audiences = [endpoint.as_str(), config.api.base_url.as_str()];
    let (client, owner) = (reader.client(), reader.holder().to_string());
    let expected = Expected { client, owner: &owner, audiences, now: state.clock.now() };
    let verified = claims.check(&expected).map_err(fault)?;
    // A token is bound to the certificate of the connection, if there is one: then it has to count.
    if let Some(Err(refusal)) = certificate {
        return Err(RefusedGrant::Client(RefusedReader::Certificate(refusal)));
    }
    Ok(Authenticated { reader, connection: fingerprint(certificate.as_ref()), assertion: Some(verified) })
}

fn fingerprint(certificate: Option<&Result<PresentedCertificate, Refusal>>) -> Option<Fingerprint> {
    certificate?.as_ref().ok().map(|certificate| certificate.fingerprint)
}

/// `ID:SECRET` of the header, or of the form (RFC 6749 section 2.3.1).
fn secret(headers: &HeaderMap, form: &Form) -> Result<Option<Zeroizing<String>>, RefusedGrant> {
    let posted = form
        .get("client_secret")
        .map(|secret| Zeroizing::new(format!("{}:{secret}", form.get("client_id").unwrap_or_default())));
    match (basic(headers), posted) {
        (Some(_), Some(_)) => Err(RefusedGrant::SeveralMethods),
        (header, posted) => Ok(header.or(posted)),
    }
}

/// RFC 7523 section 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
