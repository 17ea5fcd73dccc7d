//! What the browser of a person asks: the addressee of the answer, the person, and a refusal.

use axum::body::Body;
use axum::http::Response;

use super::pages;
use crate::api::peer::Peer;
use crate::api::state::ApiState;
use crate::audit::Event;
use crate::clients::{Application, Client, ClientId};
use crate::oauth::{RedirectUri, RefusedAuthorization};
use crate::store::StoreError;
use crate::tls::ApiUser;

/// An application that is known, with the address to which it may get an answer.
pub(super) struct Addressee {
    pub(super) client: Client,
    pub(super) application: Application,
    /// The name of its organisation.
    pub(super) organisation: String,
    pub(super) redirect_uri: String,
    /// What comes back to it.
    pub(super) state: String,
}

/// Why a person is not asked, or the answer is not taken.
pub(super) enum Failed {
    /// With the addressee of the error, where one is known and a person is there.
    Refused(RefusedAuthorization, Option<Box<Addressee>>),
    Store(StoreError),
    /// The machine has no randomness.
    Randomness,
}

impl From<RefusedAuthorization> for Failed {
    fn from(refused: RefusedAuthorization) -> Self {
        Self::Refused(refused, None)
    }
}

impl Addressee {
    /// The application with this id, and its address.
    ///
    /// # Errors
    /// When they are not known, do not belong together, or the application may not read now.
    pub(super) fn find(
        state: &ApiState,
        (client, redirect_uri): (&str, &str),
        given_state: &str,
    ) -> Result<Self, RefusedAuthorization> {
        let registry = state.registry.load_full();
        let unknown = RefusedAuthorization::Application;
        let client =
            client.parse::<ClientId>().ok().and_then(|id| registry.client(&id)).ok_or(unknown)?.clone();
        let application = client.application.clone().ok_or(unknown)?;
        if !application.redirect_uris.iter().any(|own| own == redirect_uri) {
            return Err(RefusedAuthorization::RedirectUri);
        }
        let organisation = registry.organisation(&client.organisation).filter(|own| !own.is_suspended);
        match organisation {
            Some(organisation) if !client.is_suspended => Ok(Self {
                organisation: organisation.name.clone(),
                client,
                application,
                redirect_uri: redirect_uri.to_owned(),
                state: given_state.to_owned(),
            }),
            _ => Err(RefusedAuthorization::Suspended),
        }
    }

    /// The address with the answer (RFC 6749 section 4.1.2), and who gives it (RFC 9207).
    pub(super) fn answered(&self, state: &ApiState, answer: &[(&str, &str)]) -> Option<String> {
        let config = state.config.load_full();
        let mut parameters = answer.to_vec();
        if !self.state.is_empty() {
            parameters.push(("state", &self.state));
        }
        parameters.push(("iss", &config.api.base_url));
        RedirectUri::parse(&self.redirect_uri).map(|uri| uri.with(&parameters))
    }
}

/// The person with the certificate of the connection.
///
/// # Errors
/// When there is none, or it is none of a person, or does not count.
pub(super) async fn person(state: &ApiState, peer: &Peer) -> Result<ApiUser, RefusedAuthorization> {
    let certificate = peer.certificate.as_ref().ok_or(RefusedAuthorization::NoCertificate)?;
    let user = state.acceptor.user(certificate).await;
    // A person keeps the place of the connection.
    peer.tenancy.is_admitted(user.is_ok());
    user.map_err(RefusedAuthorization::Certificate)
}

/// Counts and records what failed, and answers it: to the application, or with a page.
pub(super) async fn fail(state: &ApiState, peer: &Peer, failed: Failed) -> Response<Body> {
    match failed {
        Failed::Refused(refused, addressee) => refuse(state, peer, refused, addressee).await,
        Failed::Store(error) => {
            state.store_failed(&error);
            pages::unavailable("What you decide could not be stored.")
        }
        Failed::Randomness => {
            tracing::error!(
                "the operating system provides no random bytes; no authorization code is granted"
            );
            pages::unavailable("The platform has no randomness.")
        }
    }
}

async fn refuse(
    state: &ApiState,
    peer: &Peer,
    refused: RefusedAuthorization,
    addressee: Option<Box<Addressee>>,
) -> Response<Body> {
    // A person who declines is recorded as one.
    if refused != RefusedAuthorization::Denied {
        state.metrics.api.refuse(refused.code());
        let certificate = peer.certificate.as_ref().map(|certificate| certificate.recorded());
        let (who, max) = ((refused.reason(), peer.address.ip()), state.config.load().api.max_refusal_rows);
        state.refusals.record(&state.store, max, who, certificate, Event::ReadRefused).await;
    }
    let description = format!("{}: {}", refused.code(), refused.text());
    let location = refused.error().zip(addressee).and_then(|(error, addressee)| {
        addressee.answered(state, &[("error", error), ("error_description", &description)])
    });
    location.map_or_else(|| pages::refused(refused), |location| pages::redirect(&location))
}
