//! OAuth 2.0 for hospital systems: assertions, and what the token endpoint says. Pure.
//!
//! An assertion is a JWT signed with the key of a certificate that it carries (`x5c`): [`Assertion::read`]
//! examines its form, the caller the certificate, [`Assertion::verify`] the signature, the caller whether the
//! certificate is revoked, and [`SignedClaims::check`] the claims. A [`Statement`] by which a client
//! registers itself is examined in the same way. An [`AuthorizationRequest`] asks a person whether an
//! application may read. What a client may read is decided by [`clients`](crate::clients).

mod assertion;
mod authorization_request;
mod b2b;
mod code;
mod jws;
mod redirect_uri;
mod refused;
mod refused_authorization;
mod refused_registration;
mod statement;

pub use assertion::{Assertion, Expected, SignedClaims, Verified};
pub use authorization_request::{Asked, AuthorizationRequest};
pub use b2b::Purpose;
pub use code::{CodeExchange, CodeFault};
pub use redirect_uri::RedirectUri;
pub use refused::{AssertionFault, ErrorCode, RefusedGrant};
pub use refused_authorization::RefusedAuthorization;
pub use refused_registration::RefusedRegistration;
pub use statement::{ClientMetadata, Statement};
