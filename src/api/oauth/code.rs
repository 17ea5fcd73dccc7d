//! The exchange of an authorization code for a token (RFC 6749 section 4.1.3).
//!
//! A code counts once. A code that comes from a wrong hand, with a wrong verifier or a second time has
//! leaked: it ends, with the token that it gave (RFC 6749 section 4.1.2, RFC 9700 section 4.5).

use jiff::Timestamp;

use super::authentication::Authenticated;
use super::failed::Failed;
use super::form::Form;
use crate::api::gate;
use crate::api::peer::Peer;
use crate::api::state::ApiState;
use crate::audit::TokenRevoked;
use crate::clients::{Authorization, Person, Scopes, StoredSecret};
use crate::model::Fingerprint;
use crate::oauth::{AssertionFault, CodeExchange, CodeFault, RefusedGrant};

/// What a person allowed, as the code says.
pub(super) struct Allowed {
    pub(super) code: Fingerprint,
    pub(super) client: String,
    pub(super) scopes: Scopes,
    pub(super) person: Person,
}

impl Allowed {
    /// The row of the audit trail when the code, and the token that it gave, end because it has leaked.
    pub(super) fn revoked(&self, peer: &Peer) -> TokenRevoked {
        let reason = Some(CodeFault::Used.code());
        TokenRevoked { client: self.client.clone(), peer: peer.address.ip(), reason }
    }
}

/// What the code of a request allows. A fault uses up the assertion: one that was seen once ends no code of
/// its application, and tries no other one.
///
/// # Errors
/// Why it allows nothing.
pub(super) async fn exchange(
    state: &ApiState,
    peer: &Peer,
    form: &Form,
    authenticated: &Authenticated,
) -> Result<Allowed, Failed> {
    let assertion = authenticated.assertion.as_ref().ok_or(RefusedGrant::AssertionNeeded)?;
    let assertion = (assertion.id, assertion.ends);
    // A look-up costs the store something: what cannot be a code of this platform has none.
    let code = Some(form.require("code")?).filter(|code| StoredSecret::has_form(code));
    let code = code.map(|code| Fingerprint::sha256(code.as_bytes()));
    let known = match code {
        None => None,
        Some(code) => state.store.authorization(&code).await.map_err(Failed::Store)?.map(|own| (code, own)),
    };
    let Some((code, known)) = known else { return Err(unknown(state, assertion).await) };
    let exchange = CodeExchange {
        client: authenticated.reader.client(),
        redirect_uri: form.get("redirect_uri").unwrap_or_default(),
        verifier: form.get("code_verifier").unwrap_or_default(),
    };
    let checked = match exchange.check(&known, state.store.now()) {
        Err(fault) => Err(fault),
        Ok(()) => gate::still_counts(state, &known.person).await.map_err(|_| CodeFault::Person),
    };
    let Authorization { client, scopes, person, .. } = known;
    let allowed = Allowed { code, client: client.to_string(), scopes, person };
    match checked {
        Ok(()) => Ok(allowed),
        Err(CodeFault::Unknown) => Err(unknown(state, assertion).await),
        Err(fault) => Err(match end(state, assertion, allowed.code, allowed.revoked(peer)).await? {
            true => RefusedGrant::Code(fault).into(),
            false => replayed(),
        }),
    }
}

async fn unknown(state: &ApiState, (id, ends): (Fingerprint, Timestamp)) -> Failed {
    match state.store.use_assertion(id, ends).await {
        Ok(true) => RefusedGrant::Code(CodeFault::Unknown).into(),
        Ok(false) => replayed(),
        Err(error) => Failed::Store(error),
    }
}

fn replayed() -> Failed {
    RefusedGrant::Assertion(AssertionFault::Replayed).into()
}

/// Ends a code, and the token that it gave, also when the client does not wait for it. Returns whether the
/// assertion was not used before.
async fn end(
    state: &ApiState,
    assertion: (Fingerprint, Timestamp),
    code: Fingerprint,
    revoked: TokenRevoked,
) -> Result<bool, Failed> {
    let store = state.store.clone();
    let ended = tokio::spawn(async move { store.end_code(code, assertion, revoked).await });
    match ended.await {
        Ok(ended) => ended.map_err(Failed::Store),
        Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
        // The process ends.
        Err(_) => Err(RefusedGrant::Code(CodeFault::Unknown).into()),
    }
}
