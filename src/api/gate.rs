//! Who makes a request, and whether it is answered.

use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::outcome::{final_outcome, outcome};
use super::peer::Peer;
use super::state::ApiState;
use crate::clients::{self, LastRead, Presented, PresentedCertificate, Reader, RefusedReader, Unregistered};
use crate::config::ApiRead;
use crate::model::Refusal;
use crate::tls::Membership;

/// A client that was admitted.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) reader: Reader,
    /// When its certificate ends, if it has to be renewed.
    pub(super) renewal: Option<Timestamp>,
}

/// The client of a request. Decided for each request: the certificate, the client and its organisation may
/// have lost their rights since the last one.
///
/// # Errors
/// The answer that refuses it.
pub(super) async fn admit(
    state: &ApiState,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<Admitted, Response<Body>> {
    let mut ends = Timestamp::MAX;
    let certificate = presented(state, peer).await.map(|shown| {
        shown.map(|(certificate, until)| {
            ends = until;
            certificate
        })
    });
    let basic = basic(headers);
    let organisation = organisation(headers);
    let secret = basic.as_ref().map(|pair| pair.split_once(':').unwrap_or_default());
    let config = state.config.load_full();
    let (address, environment) = (peer.address.ip(), config.api.environment.as_str());
    let presented = Presented { certificate, address, secret, organisation, environment };
    let unregistered = match config.api.read {
        ApiRead::Registered => Unregistered::Refused,
        ApiRead::Community => Unregistered::Members,
    };
    let registry = state.registry.load_full();
    match clients::admit(&registry, &presented, unregistered, state.clock.now()) {
        Ok(reader) => {
            let read = LastRead { at: state.clock.now(), certificate_ends: ends };
            state.last_reads.note(&reader, read);
            Ok(Admitted { reader, renewal: read.ends_soon().then_some(ends) })
        }
        Err(refused) => {
            record(state, peer, refused).await;
            Err(answer(refused))
        }
    }
}

/// The certificate of a connection and its end, or why it does not count; `None`: there is none.
pub(super) async fn presented(
    state: &ApiState,
    peer: &Peer,
) -> Option<Result<(PresentedCertificate, Timestamp), Refusal>> {
    let member = state.acceptor.membership(peer.certificate.as_ref()?).await;
    Some(member.map(|member| (presented_certificate(&member), member.ends())))
}

/// Counts and records a refused request.
pub(super) async fn record(state: &ApiState, peer: &Peer, refused: RefusedReader) {
    state.metrics.api.refuse(refused.code());
    let certificate = peer.certificate.as_ref().map(|certificate| certificate.recorded());
    let (who, max) = ((refused, peer.address.ip()), state.config.load().api.max_refusal_rows);
    state.refusals.record(&state.store, max, who, certificate).await;
}

fn presented_certificate(member: &Membership) -> PresentedCertificate {
    PresentedCertificate {
        community: member.community().to_owned(),
        fingerprint: member.fingerprint(),
        subject: member.subject(),
        environment: member.common_name().and_then(PresentedCertificate::stated_environment),
    }
}

fn answer(refused: RefusedReader) -> Response<Body> {
    let (code, text) = (refused.reason(), refused.text());
    match refused {
        // Another certificate needs another handshake.
        RefusedReader::NoCertificate => final_outcome(StatusCode::UNAUTHORIZED, "login", code, text),
        RefusedReader::Certificate(_) => final_outcome(StatusCode::UNAUTHORIZED, "security", code, text),
        refused if refused.is_unauthenticated() => outcome(StatusCode::UNAUTHORIZED, "login", code, text),
        _ => outcome(StatusCode::FORBIDDEN, "forbidden", code, text),
    }
}

/// `ID:SECRET` of HTTP Basic authentication (RFC 7617); what is no such header proves nothing, and is
/// refused as a wrong secret.
fn basic(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (first, second) = (values.next()?, values.next());
    let decode = || {
        let (scheme, credentials) = first.to_str().ok()?.split_once(' ')?;
        let is_basic = scheme.eq_ignore_ascii_case("basic") && second.is_none();
        let decoded = is_basic.then(|| STANDARD.decode(credentials.trim()).ok()).flatten()?;
        String::from_utf8(decoded).ok()
    };
    Some(Zeroizing::new(decode().unwrap_or_default()))
}

/// The organisation that a request names; one that names several names none that there is.
fn organisation(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(ORGANISATION).iter();
    let (first, second) = (values.next()?, values.next());
    Some(second.map_or(first.to_str().unwrap_or_default(), |_| ""))
}

/// The header in which a request names its organisation.
const ORGANISATION: &str = "org_id";

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn n000_2_an_id_and_a_secret_come_by_basic_authentication() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            basic(&headers).map(|pair| pair.to_string())
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["Basic ZWhyOm9wZW4="]).as_deref(), Some("ehr:open"));
        assert_eq!(of(&["basic ZWhyOm9wZW4="]).as_deref(), Some("ehr:open"));
        for wrong in
            [&["Bearer ZWhyOm9wZW4="][..], &["Basic ?"], &["Basic"], &["Basic ZWhyOm9wZW4=", "Basic x"]]
        {
            assert_eq!(of(wrong).as_deref(), Some(""), "{wrong:?}");
        }
    }

    #[test]
    fn n000_1_a_request_names_one_organisation() {
        let mut headers = HeaderMap::new();
        assert_eq!(organisation(&headers), None);
        headers.append(ORGANISATION, HeaderValue::from_static("1.2.3"));
        assert_eq!(organisation(&headers), Some("1.2.3"));
        headers.append(ORGANISATION, HeaderValue::from_static("1.2.4"));
        assert_eq!(organisation(&headers), Some(""));
    }
}
