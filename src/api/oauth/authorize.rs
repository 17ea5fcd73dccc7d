//! The authorization endpoint (RFC 6749 section 3.1): a person lets an application read, or does not.
//!
//! First the application and the address of its answer must be known, then the person, then the rest: until
//! then no answer leaves for an address that the request names.

use axum::body::Body;
use axum::extract::Query;
use axum::http::{Response, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;

use super::form::Form;
use super::pages::{AuthorizationPage, redirect};
use super::people::{Addressee, Failed, fail, person};
use super::respond;
use crate::api::peer::Peer;
use crate::api::state::ApiState;
use crate::audit::AuthorizationDecided;
use crate::clients::{Authorization, AuthorizationStage, Person, Scopes, StoredSecret};
use crate::model::Fingerprint;
use crate::oauth::{AuthorizationRequest, RedirectUri, RefusedAuthorization};
use crate::store::{AuthorizationWrite, Decision, NewAuthorization};
use crate::tls::ApiUser;

/// Answers a request of an application, which the browser of a person brings.
pub(super) async fn ask(state: &ApiState, peer: &Peer, uri: &Uri) -> Response<Body> {
    if !state.config.load().api.has_users() {
        return respond::not_found();
    }
    match asked(state, peer, uri).await {
        Ok(page) => page,
        Err(failed) => fail(state, peer, failed).await,
    }
}

/// Answers the form of the page.
pub(super) async fn decide(state: &ApiState, peer: &Peer, form: &Form) -> Response<Body> {
    if !state.config.load().api.has_users() {
        return respond::not_found();
    }
    match decided(state, peer, form).await {
        Ok(response) => response,
        Err(failed) => fail(state, peer, failed).await,
    }
}

async fn asked(state: &ApiState, peer: &Peer, uri: &Uri) -> Result<Response<Body>, Failed> {
    let form = RefusedAuthorization::Form;
    let is_short = uri.query().is_some_and(|query| query.len() <= MAX_QUERY);
    let query = is_short.then(|| Query::<Vec<(String, String)>>::try_from_uri(uri).ok()).flatten();
    let request = AuthorizationRequest::new(query.ok_or(form)?.0);
    let addressee = Addressee::find(state, request.addressee()?, request.state())?;
    let user = person(state, peer).await?;
    match put(state, &request, &addressee, &user).await {
        Ok(response) => Ok(response),
        Err(Failed::Refused(refused, _)) => Err(Failed::Refused(refused, Some(Box::new(addressee)))),
        Err(failed) => Err(failed),
    }
}

/// The question, as it is stored, and its page.
async fn put(
    state: &ApiState,
    request: &AuthorizationRequest,
    addressee: &Addressee,
    user: &ApiUser,
) -> Result<Response<Body>, Failed> {
    let config = state.config.load_full();
    let asked = request.check(&format!("{}/fhir", config.api.base_url))?;
    let own = &addressee.client.scopes;
    let scopes = asked.scope.map_or_else(|| own.clone(), |asked| own.intersection(&Scopes::known(asked)));
    if scopes.is_empty() {
        return Err(RefusedAuthorization::Scope.into());
    }
    let (value, hash) = StoredSecret::generate().map_err(|_| Failed::Randomness)?;
    let now = state.store.now();
    let authorization = Authorization {
        stage: AuthorizationStage::Asked,
        client: addressee.client.id.clone(),
        redirect_uri: addressee.redirect_uri.clone(),
        state: addressee.state.clone(),
        challenge: asked.challenge.to_owned(),
        scopes,
        person: Person {
            subject: user.subject(),
            certificate: user.fingerprint(),
            chain: user.chain().iter().map(|der| STANDARD.encode(der)).collect(),
        },
        ends: now.saturating_add(PAGE_LIFETIME).unwrap_or(now),
    };
    let allows = authorization.scopes.in_words();
    let new = NewAuthorization { hash, authorization, max_authorizations: config.api.max_authorizations };
    match state.store.ask_person(new).await.map_err(Failed::Store)? {
        AuthorizationWrite::Written => {}
        _ => return Err(RefusedAuthorization::TooMany.into()),
    }
    state.metrics.api.authorization("asked");
    let origin = RedirectUri::parse(&addressee.redirect_uri).map(RedirectUri::origin);
    let page = AuthorizationPage {
        name: &addressee.application.name,
        client: addressee.client.id.as_str(),
        organisation: &addressee.organisation,
        person: &user.subject(),
        allows,
        origin: origin.ok_or(RefusedAuthorization::RedirectUri)?,
        minutes: config.api.token_lifetime.as_secs().div_ceil(60),
        value: &value,
    };
    Ok(page.respond())
}

async fn decided(state: &ApiState, peer: &Peer, form: &Form) -> Result<Response<Body>, Failed> {
    let gone = RefusedAuthorization::Page;
    let user = person(state, peer).await?;
    let allows = match form.get("decision") {
        // One click is never enough: another page may have led the person to it.
        Some("allow") if form.get("agreed") == Some("yes") => true,
        Some("deny") => false,
        _ => return Err(gone.into()),
    };
    // What no other page has, and what counts for no other person: a page of another site sends nothing here.
    let value = form.get("authorization").filter(|value| StoredSecret::has_form(value)).ok_or(gone)?;
    let hash = Fingerprint::sha256(value.as_bytes());
    let known = state.store.authorization(&hash).await.map_err(Failed::Store)?.ok_or(gone)?;
    if known.stage != AuthorizationStage::Asked || known.person.certificate != user.fingerprint() {
        return Err(gone.into());
    }
    let addressee = Addressee::find(state, (known.client.as_str(), &known.redirect_uri), &known.state)?;
    let (code, code_hash) = StoredSecret::generate().map_err(|_| Failed::Randomness)?;
    let lifetime = SignedDuration::try_from(state.config.load().api.code_lifetime).unwrap_or(PAGE_LIFETIME);
    let decision = if allows { "allowed" } else { "denied" };
    let decision = Decision {
        hash,
        code: allows.then_some((code_hash, lifetime)),
        decided: AuthorizationDecided {
            person: user.subject(),
            certificate: user.fingerprint(),
            peer: peer.address.ip(),
            client: known.client.to_string(),
            decision,
            scopes: known.scopes.to_string(),
            redirect_uri: known.redirect_uri,
        },
    };
    let result = decision.decided.decision;
    match state.store.decide_authorization(decision).await.map_err(Failed::Store)? {
        AuthorizationWrite::Written => state.metrics.api.authorization(result),
        _ => return Err(gone.into()),
    }
    if !allows {
        return Err(Failed::Refused(RefusedAuthorization::Denied, Some(Box::new(addressee))));
    }
    let location = addressee.answered(state, &[("code", &code)]).ok_or(RefusedAuthorization::RedirectUri)?;
    Ok(redirect(&location))
}

/// How long a person may look at the page.
const PAGE_LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// Bytes of the query of a request.
const MAX_QUERY: usize = 8 << 10;
