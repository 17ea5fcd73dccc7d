//! Where the endpoints are.

use crate::config::Api;
use crate::fhir::TokenEndpoints;

/// The path of the token endpoint.
pub(super) const TOKEN: &str = "/oauth/token";
/// The path of the revocation endpoint.
pub(super) const REVOCATION: &str = "/oauth/revoke";
/// The path of the registration endpoint.
pub(super) const REGISTRATION: &str = "/oauth/register";
/// The path of the authorization endpoint.
pub(super) const AUTHORIZATION: &str = "/oauth/authorize";
/// Where the form of its page goes.
pub(super) const DECISION: &str = "/oauth/decide";

/// Where clients get tokens; `None` where no listener grants them.
pub(in crate::api) fn token_endpoints(api: &Api) -> Option<TokenEndpoints> {
    let at = |path: &str| format!("{}{path}", api.base_url);
    api.is_on().then(|| TokenEndpoints {
        token: at(TOKEN),
        revoke: at(REVOCATION),
        register: api.registration.enabled.then(|| at(REGISTRATION)),
        authorize: api.has_users().then(|| at(AUTHORIZATION)),
    })
}
