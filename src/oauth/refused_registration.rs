//! Why a registration is refused.

use super::refused::{AssertionFault, RefusedGrant};

/// Why a registration is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedRegistration {
    /// The request is not JSON with a software statement.
    Form,
    /// The statement is not accepted.
    Statement(AssertionFault),
    /// Its issuer is no URI of its certificate.
    Issuer,
    /// What it says of the client is not what is needed.
    Metadata,
    /// It asks for a grant that is not offered.
    GrantType,
    /// It has redirect URIs that its grant does not use, or not those that it needs.
    Redirect,
    /// Nothing that it asks for may be registered.
    Scope,
    /// Its certificate is given to a client by itself.
    Registered,
    /// An operator has changed the client at the same time.
    Changed,
    /// There is nothing to cancel.
    Unknown,
    /// As many registrations wait for approval as may.
    TooMany,
    /// There are too many requests.
    TooFast,
}

impl RefusedRegistration {
    /// Every reason of its own, for metrics that start at zero.
    pub const CODES: [&'static str; 10] = [
        "registration-form",
        "registration-issuer",
        "registration-metadata",
        "registration-grant-type",
        "registration-redirect",
        "registration-scope",
        "registration-registered",
        "registration-changed",
        "registration-unknown",
        "too-many-registrations",
    ];

    /// The stable code of the kind, in metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Form => "registration-form",
            Self::Statement(fault) => RefusedGrant::Assertion(fault).code(),
            Self::Issuer => "registration-issuer",
            Self::Metadata => "registration-metadata",
            Self::GrantType => "registration-grant-type",
            Self::Redirect => "registration-redirect",
            Self::Scope => "registration-scope",
            Self::Registered => "registration-registered",
            Self::Changed => "registration-changed",
            Self::Unknown => "registration-unknown",
            Self::TooMany => "too-many-registrations",
            Self::TooFast => RefusedGrant::TooFast.code(),
        }
    }

    /// The code of the reason, in the audit trail and in answers: what is wrong with a certificate too.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Statement(fault) => RefusedGrant::Assertion(fault).reason(),
            other => other.code(),
        }
    }

    /// The error (RFC 7591 section 3.2.2).
    #[must_use]
    pub const fn error(self) -> &'static str {
        match self {
            Self::Statement(AssertionFault::Certificate(_)) => "unapproved_software_statement",
            Self::Statement(_) | Self::Issuer => "invalid_software_statement",
            Self::Redirect => "invalid_redirect_uri",
            Self::TooMany | Self::TooFast | Self::Changed => "temporarily_unavailable",
            Self::Registered => "unapproved_software_statement",
            Self::Form | Self::Metadata | Self::GrantType | Self::Scope | Self::Unknown => {
                "invalid_client_metadata"
            }
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::TooMany | Self::TooFast | Self::Changed => 429,
            _ => 400,
        }
    }

    /// What happened and what to do, for the people who run the client.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Form => {
                "the request is JSON with software_statement and udap 1; send it as application/json"
            }
            Self::Statement(AssertionFault::Issuer | AssertionFault::Subject) | Self::Issuer => {
                "iss and sub are one URI of the subjectAltName of the certificate"
            }
            Self::Statement(AssertionFault::Audience) => {
                "aud is the address of the registration endpoint, as the metadata of the server has it"
            }
            Self::Statement(fault) => RefusedGrant::Assertion(fault).text(),
            Self::Metadata => {
                "client_name, contacts with a mailto address, grant_types and \
                 token_endpoint_auth_method private_key_jwt are needed, each of at most 256 characters"
            }
            Self::GrantType => {
                "grant_types is client_credentials alone, or authorization_code alone where that is offered, or empty to \
                 cancel; another kind of client is another registration: cancel this one first"
            }
            Self::Redirect => {
                "redirect_uris are 1 to 8 addresses that begin with https, without a fragment, for authorization_code; \
                 omit them with client_credentials"
            }
            Self::Scope => "nothing that was asked for may be registered; see scopes_supported",
            Self::Registered => {
                "the certificate is registered for a client already, which needs no registration; ask the operator of the \
                 platform for its id"
            }
            Self::Changed => "an operator has changed the client at the same time; send the statement again",
            Self::Unknown => "there is no registration of this issuer that could be cancelled",
            Self::TooMany => {
                "as many registrations wait for approval as may; ask the operator of the platform to decide them"
            }
            Self::TooFast => RefusedGrant::TooFast.text(),
        }
    }
}
