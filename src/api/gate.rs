//! Who makes a request, and whether it is answered.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONNECTION};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::outcome::{INVALID_TOKEN, final_outcome, outcome, with_token_error};
use super::peer::Peer;
use super::state::ApiState;
use crate::audit::Event;
use crate::clients::{
    self, Bearer, LastRead, Person, Presented, PresentedCertificate, Reader, RefusedReader, StoredSecret,
    Token, Unregistered,
};
use crate::config::ApiRead;
use crate::model::{Fingerprint, Refusal, steps_beside_tasks};
use crate::tls::Membership;

/// A client that was admitted.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) reader: Reader,
    /// When its certificate ends, if it has to be renewed.
    pub(super) renewal: Option<Timestamp>,
    /// Whether it came with an access token.
    pub(super) has_token: bool,
}

/// The client of a request. Decided for each request: the certificate, the token, the client and its
/// organisation may have lost their rights since the last one.
///
/// # Errors
/// The answer that refuses it.
pub(super) async fn admit(
    state: &ApiState,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<Admitted, Response<Body>> {
    let token = match bearer(headers) {
        None => None,
        // A look-up costs the store something: what cannot be a token of this platform has none.
        Some(given) if !StoredSecret::has_form(&given) => Some(None),
        // What is read is the present state: a token that was revoked on another node counts on none.
        Some(given) => {
            Some(state.look_ups.token(&Fingerprint::sha256(given.as_bytes())).await.map_err(|_| {
                let text = "the access token could not be looked up now; try again";
                outcome(StatusCode::SERVICE_UNAVAILABLE, "transient", "store-unavailable", text)
            })?)
        }
    };
    let shown = Shown {
        secret: if token.is_some() { None } else { basic(headers) },
        bearer: match &token {
            None => Bearer::None,
            Some(None) => Bearer::Unknown,
            Some(Some(token)) => Bearer::Known(token),
        },
        organisation: organisation(headers),
    };
    let (certificate, ends) = certificate(state, peer).await;
    let decided = match decide(state, peer, certificate, &shown).and_then(Reader::with_person_where_needed) {
        Err(refused) => Err(refused),
        Ok(reader) => person_of(state, token.as_ref().and_then(Option::as_ref)).await.map(|()| reader),
    };
    match decided {
        Ok(reader) => {
            peer.tenancy.is_admitted(true);
            let read = LastRead { at: state.clock.now(), certificate_ends: ends };
            state.last_reads.note(&reader, read);
            let renewal = read.ends_soon().then_some(ends);
            Ok(Admitted { reader, renewal, has_token: token.is_some() })
        }
        Err(refused) => {
            record(state, peer, refused).await;
            let mut answer = answer(refused);
            if peer.certificate.is_none() {
                // A stranger looks up one token for a handshake.
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Err(if refused.is_of_token() { with_token_error(answer, INVALID_TOKEN) } else { answer })
        }
    }
}

/// Checks that the person counts who let an application read: the token ends with the certificate of the
/// person.
///
/// # Errors
/// When the certificate does not count any more.
async fn person_of(state: &ApiState, token: Option<&Token>) -> Result<(), RefusedReader> {
    match token.and_then(|token| token.person.as_ref()) {
        None => Ok(()),
        Some(person) => still_counts(state, person).await.map_err(|_| RefusedReader::PersonLost),
    }
}

/// Checks that the certificate of a person counts now.
///
/// # Errors
/// Why it does not count.
pub(super) async fn still_counts(state: &ApiState, person: &Person) -> Result<(), Refusal> {
    let chain: Option<Vec<Vec<u8>>> = person.chain.iter().map(|text| STANDARD.decode(text).ok()).collect();
    let chain = chain.ok_or(Refusal::UntrustedIssuer)?;
    steps_beside_tasks(state.acceptor.user_of_chain(&chain)).await.map(drop)
}

/// What a request shows of its client, besides the certificate of the connection.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    /// `ID:SECRET`.
    pub(super) secret: Option<Zeroizing<String>>,
    pub(super) bearer: Bearer<'a>,
    pub(super) organisation: Option<&'a str>,
}

/// Who it is that shows this, and what it may read.
///
/// # Errors
/// Why it is refused.
pub(super) fn decide(
    state: &ApiState,
    peer: &Peer,
    certificate: Option<Result<PresentedCertificate, Refusal>>,
    shown: &Shown<'_>,
) -> Result<Reader, RefusedReader> {
    let config = state.config.load_full();
    let presented = Presented {
        certificate,
        address: peer.address.ip(),
        secret: shown.secret.as_ref().map(|pair| pair.split_once(':').unwrap_or_default()),
        bearer: shown.bearer,
        organisation: shown.organisation,
        environment: config.api.environment.as_str(),
    };
    let unregistered = match config.api.read {
        ApiRead::Registered => Unregistered::Refused,
        ApiRead::Community => Unregistered::Members,
    };
    clients::admit(&state.registry.load_full(), &presented, unregistered, state.store.now())
}

/// The certificate of the connection, or why it does not count; and when it ends.
pub(super) async fn certificate(
    state: &ApiState,
    peer: &Peer,
) -> (Option<Result<PresentedCertificate, Refusal>>, Timestamp) {
    match presented(state, peer).await {
        None => (None, Timestamp::MAX),
        Some(Ok((certificate, ends))) => (Some(Ok(certificate)), ends),
        Some(Err(refusal)) => (Some(Err(refusal)), Timestamp::MAX),
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
    peer.tenancy.is_admitted(false);
    state.metrics.api.refuse(refused.code());
    let certificate = peer.certificate.as_ref().map(|certificate| certificate.recorded());
    let (who, max) = ((refused.reason(), peer.address.ip()), state.config.load().api.max_refusal_rows);
    state.refusals.record(&state.store, max, who, certificate, Event::ReadRefused).await;
}

/// What admission needs of a certificate that counts.
pub(super) fn presented_certificate(member: &Membership) -> PresentedCertificate {
    // Of several Common Names each states one: a certificate for two environments is for neither.
    let stated: BTreeSet<_> =
        member.common_names().filter_map(PresentedCertificate::stated_environment).collect();
    let stated: Vec<_> = stated.into_iter().collect();
    PresentedCertificate {
        community: member.community().to_owned(),
        fingerprint: member.fingerprint(),
        subject: member.subject(),
        environment: (!stated.is_empty()).then(|| stated.join(" ")),
        uris: member.uris().to_vec(),
    }
}

fn answer(refused: RefusedReader) -> Response<Body> {
    let (code, text) = (refused.reason(), refused.text());
    match refused {
        // Another certificate needs another handshake.
        RefusedReader::NoCertificate => final_outcome(StatusCode::UNAUTHORIZED, "login", code, text),
        RefusedReader::Unread => outcome(StatusCode::SERVICE_UNAVAILABLE, "transient", code, text),
        RefusedReader::Certificate(_) => final_outcome(StatusCode::UNAUTHORIZED, "security", code, text),
        refused if refused.is_unauthenticated() => outcome(StatusCode::UNAUTHORIZED, "login", code, text),
        _ => outcome(StatusCode::FORBIDDEN, "forbidden", code, text),
    }
}

/// `ID:SECRET` of HTTP Basic authentication (RFC 7617); what is no such header proves nothing, and is
/// refused as a wrong secret.
pub(super) fn basic(headers: &HeaderMap) -> Option<Zeroizing<String>> {
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

/// The access token of a request (RFC 6750 section 2.1). It stands in this header alone: a token in an
/// address would be logged.
fn bearer(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (first, second) = (values.next()?, values.next());
    let (scheme, token) = first.to_str().ok()?.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer") && second.is_none();
    is_bearer.then(|| Zeroizing::new(token.trim().to_owned()))
}

/// The organisation that a request names; one that names several names none that there is.
pub(super) fn organisation(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(ORGANISATION).iter();
    let (first, second) = (values.next()?, values.next());
    Some(second.map_or(first.to_str().unwrap_or_default(), |_| ""))
}

/// The header in which a request names its organisation.
const ORGANISATION: &str = "org_id";

#[cfg(test)]
mod tests {
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
            [&["Digest ZWhyOm9wZW4="][..], &["Basic ?"], &["Basic"], &["Basic ZWhyOm9wZW4=", "Basic x"]]
        {
            assert_eq!(of(wrong).as_deref(), Some(""), "{wrong:?}");
        }
    }

    #[test]
    fn n001_4_a_token_comes_in_one_header() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers).map(|token| token.to_string())
        };
        assert_eq!(of(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(of(&["bearer abc"]).as_deref(), Some("abc"));
        for other in [&[][..], &["Bearer"], &["Basic abc"], &["Bearer abc", "Bearer def"]] {
            assert_eq!(of(other), None, "{other:?}");
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
