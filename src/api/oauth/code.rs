//! The exchange of an authorization code for a token (RFC 6749 section 4.1.3).
//!
//! A code counts once. A code that comes from a wrong hand, with a wrong verifier or a second time has
//! leaked: it ends, with the token that it gave (RFC 6749 section 4.1.2, RFC 9700 section 4.5).

use super::authentication::Authenticated;
use super::failed::Failed;
use super::form::Form;
use crate::api::gate;
use crate::api::peer::Peer;
use crate::api::state::ApiState;
use crate::audit::TokenRevoked;
use crate::clients::{Authorization, Person, Scopes, StoredSecret};
use crate::model::Fingerprint;
use crate::oauth::{CodeExchange, CodeFault, RefusedGrant};

/// What a person allowed, as the code says.
pub(super) struct Allowed {
    pub(super) code: Fingerprint,
    pub(super) client: String,
    pub(super) scopes: Scopes,
    pub(super) person: Person,
}

/// What the code of a request allows.
///
/// # Errors
/// Why it allows nothing.
pub(super) async fn exchange(
    state: &ApiState,
    peer: &Peer,
    form: &Form,
    authenticated: &Authenticated,
) -> Result<Allowed, Failed> {
    if authenticated.assertion.is_none() {
        return Err(RefusedGrant::AssertionNeeded.into());
    }
    let unknown = RefusedGrant::Code(CodeFault::Unknown);
    // A look-up costs the store something: what cannot be a code of this platform has none.
    let code = Some(form.require("code")?).filter(|code| StoredSecret::has_form(code)).ok_or(unknown)?;
    let code = Fingerprint::sha256(code.as_bytes());
    let known = state.store.authorization(&code).await.map_err(Failed::Store)?;
    let known = known.ok_or(unknown)?;
    let exchange = CodeExchange {
        client: authenticated.reader.client(),
        redirect_uri: form.get("redirect_uri").unwrap_or_default(),
        verifier: form.get("code_verifier").unwrap_or_default(),
    };
    let checked = match exchange.check(&known, state.clock.now()) {
        Err(fault) => Err(fault),
        Ok(()) => gate::still_counts(state, &known.person).await.map_err(|_| CodeFault::Person),
    };
    let Authorization { client, scopes, person, .. } = known;
    let allowed = Allowed { code, client: client.to_string(), scopes, person };
    match checked {
        Ok(()) => Ok(allowed),
        Err(CodeFault::Unknown) => Err(unknown.into()),
        Err(fault) => {
            end(state, peer, &allowed).await?;
            Err(RefusedGrant::Code(fault).into())
        }
    }
}

/// Ends a code, and the token that it gave.
pub(super) async fn end(state: &ApiState, peer: &Peer, allowed: &Allowed) -> Result<(), Failed> {
    let revoked = TokenRevoked {
        client: allowed.client.clone(),
        peer: peer.address.ip(),
        reason: Some(CodeFault::Used.code()),
    };
    state.store.end_code(allowed.code, revoked).await.map(drop).map_err(Failed::Store)
}
