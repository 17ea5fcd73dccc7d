//! Where the endpoints are.

/// The path of the token endpoint.
pub(super) const TOKEN: &str = "/oauth/token";
/// The path of the revocation endpoint.
pub(super) const REVOCATION: &str = "/oauth/revoke";
/// The path of the registration endpoint.
pub(super) const REGISTRATION: &str = "/oauth/register";
