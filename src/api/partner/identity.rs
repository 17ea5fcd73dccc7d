//! Who makes a request of a partner.

use axum::http::HeaderMap;

use super::contract::REQUEST_ID;
use super::problem::Problem;
use crate::api::gate;
use crate::api::peer::Peer;
use crate::api::state::ApiState;
use crate::audit::PartnerServed;
use crate::clients::{self, Bearer, Oid, Presented, Reader};

/// A partner that was admitted.
pub(super) struct Caller<'a> {
    pub(super) state: &'a ApiState,
    pub(super) reader: Reader,
    pub(super) organisation: Oid,
    /// What it calls its request.
    pub(super) request: &'a str,
    pub(super) peer: &'a Peer,
    pub(super) headers: &'a HeaderMap,
}

impl Caller<'_> {
    /// The same partner with what it may do now: its request has waited.
    ///
    /// # Errors
    /// The answer to one that may not do this any more.
    pub(super) async fn admit_again(&self) -> Result<Self, Problem> {
        let reader = admit(self.state, self.peer, self.headers).await?;
        Ok(Self { reader, organisation: self.organisation.clone(), ..*self })
    }

    /// The audit row of a service.
    pub(super) fn served(&self, service: &'static str, count: u64) -> PartnerServed {
        PartnerServed {
            service,
            client: self.reader.client().to_owned(),
            organisation: self.organisation.to_string(),
            certificate: Some(self.reader.certificate()),
            peer: self.reader.address(),
            request: Some(self.request.to_owned()),
            notification: None,
            count,
            patients: Vec::new(),
        }
    }
}

/// The partner of a request (N003-4).
///
/// # Errors
/// The answer that refuses it.
pub(super) async fn admit(state: &ApiState, peer: &Peer, headers: &HeaderMap) -> Result<Reader, Problem> {
    let certificate =
        gate::presented(state, peer).await.map(|shown| shown.map(|(certificate, _)| certificate));
    let config = state.config.load_full();
    let secret = Some((
        only(headers, "client_id").unwrap_or_default(),
        only(headers, "client_secret").unwrap_or_default(),
    ));
    let presented = Presented {
        certificate,
        address: peer.address.ip(),
        secret,
        bearer: Bearer::None,
        organisation: only(headers, "org_id"),
        environment: config.api.environment.as_str(),
    };
    let registry = state.registry.load_full();
    match clients::admit_partner(&registry, &presented, state.clock.now()) {
        Ok(reader) => {
            peer.tenancy.is_admitted(true);
            Ok(reader)
        }
        Err(refused) => {
            gate::record(state, peer, refused).await;
            Err(Problem::of(refused))
        }
    }
}

/// What the client calls its request (N003-5): 1 to 64 visible characters.
pub(super) fn request_id(headers: &HeaderMap) -> Option<&str> {
    let id = only(headers, REQUEST_ID.as_str())?;
    let is_id = (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    is_id.then_some(id)
}

/// The value of a header that is there once.
pub(super) fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next()?, values.next());
    first.to_str().ok().filter(|_| second.is_none())
}

/// Characters of a request's id.
const MAX_REQUEST_ID: usize = 64;

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn n003_5_a_request_has_an_id_of_visible_characters() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-origin-request-id", HeaderValue::from_str(value).unwrap());
            }
            request_id(&headers).map(str::to_owned)
        };
        assert_eq!(of(&["4711-a!~"]).as_deref(), Some("4711-a!~"));
        let long = "x".repeat(65);
        for wrong in [&[][..], &[""], &["a b"], &["a", "a"], &["ä"], &[long.as_str()]] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
        assert!(of(&[&long[..64]]).is_some());
    }
}
