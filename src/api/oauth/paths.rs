//! Where the endpoints are.

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
