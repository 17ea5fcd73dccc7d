//! Why a request for a token is refused: the error of OAuth 2.0, and the platform's own reason.

use super::code::CodeFault;
use crate::clients::RefusedReader;

/// An error code of OAuth 2.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// RFC 6749 section 5.2.
    InvalidRequest,
    /// RFC 6749 section 5.2: 401.
    InvalidClient,
    /// RFC 6749 section 5.2.
    UnauthorizedClient,
    /// RFC 6749 section 5.2.
    UnsupportedGrantType,
    /// RFC 6749 section 5.2.
    InvalidScope,
    /// Try again later; 429 or 503 with Retry-After. RFC 6749 section 4.1.2.1 has the word.
    TemporarilyUnavailable,
    /// RFC 7009 section 2.2.1.
    UnsupportedTokenType,
    /// RFC 6749 section 5.2.
    InvalidGrant,
}

/// Why a request for a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedGrant {
    /// The request is not a form.
    Form,
    /// A parameter is there twice (RFC 6749 section 3.2).
    RepeatedParameter,
    /// A parameter is missing.
    MissingParameter,
    /// The grant type is none that is offered.
    GrantType,
    /// The client proves who it is in two ways (RFC 6749 section 2.3).
    SeveralMethods,
    /// `client_id` is not the client that has proved who it is.
    OtherClient,
    /// Nothing that was asked for can be granted.
    Scope,
    /// The client may not read, or has not proved who it is.
    Client(RefusedReader),
    /// The assertion is not accepted.
    Assertion(AssertionFault),
    /// The client has as many tokens as it may have.
    TooManyTokens,
    /// There are too many requests.
    TooFast,
    /// The client proves who it is in another way than this grant needs.
    AssertionNeeded,
    /// The authorization code is not accepted.
    Code(CodeFault),
}

/// What is wrong with an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssertionFault {
    /// `client_assertion_type` is not that of a JWT.
    Type,
    /// It is too large.
    Size,
    /// It is not a signed JWT.
    Form,
    /// Its algorithm is not accepted.
    Algorithm,
    /// It has no certificates, too many, or ones that cannot be read.
    Certificates,
    /// Its algorithm does not fit the key of the certificate.
    Key,
    /// The certificate does not count, by the code of the reason.
    Certificate(RefusedReader),
    /// The signature is wrong.
    Signature,
    /// The claims cannot be read, or one is missing.
    Claims,
    /// It is from another client.
    Issuer,
    /// It is about another client.
    Subject,
    /// It is for another audience.
    Audience,
    /// It has ended.
    Expired,
    /// It may be used for too long.
    Lifetime,
    /// It is from the future.
    IssuedAt,
    /// `jti` is missing or too long.
    Id,
    /// It was used already.
    Replayed,
    /// The extension `hl7-b2b` is not as the guide says.
    Extension,
}

impl ErrorCode {
    /// The word in an answer.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::InvalidGrant => "invalid_grant",
        }
    }
}

impl RefusedGrant {
    /// Every reason that is not one of a client, for metrics that start at zero.
    pub const CODES: [&'static str; 33] = [
        "token-form",
        "repeated-parameter",
        "missing-parameter",
        "grant-type",
        "several-methods",
        "other-client",
        "token-scope",
        "too-many-tokens",
        "token-rate",
        "assertion-type",
        "assertion-size",
        "assertion-form",
        "assertion-algorithm",
        "assertion-certificates",
        "assertion-key",
        "assertion-signature",
        "assertion-claims",
        "assertion-issuer",
        "assertion-subject",
        "assertion-audience",
        "assertion-expired",
        "assertion-lifetime",
        "assertion-issued-at",
        "assertion-id",
        "assertion-replayed",
        "assertion-extension",
        "assertion-needed",
        "code-unknown",
        "code-used",
        "code-of-other",
        "code-redirect-uri",
        "code-verifier",
        "code-person",
    ];

    /// The stable code of the kind, in metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Form => "token-form",
            Self::RepeatedParameter => "repeated-parameter",
            Self::MissingParameter => "missing-parameter",
            Self::GrantType => "grant-type",
            Self::SeveralMethods => "several-methods",
            Self::OtherClient => "other-client",
            Self::Scope => "token-scope",
            Self::Client(refused) | Self::Assertion(AssertionFault::Certificate(refused)) => refused.code(),
            Self::Assertion(fault) => fault.code(),
            Self::TooManyTokens => "too-many-tokens",
            Self::TooFast => "token-rate",
            Self::AssertionNeeded => "assertion-needed",
            Self::Code(fault) => fault.code(),
        }
    }

    /// The code of the reason, in the audit trail and in answers: what is wrong with a certificate too.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Client(refused) | Self::Assertion(AssertionFault::Certificate(refused)) => refused.reason(),
            other => other.code(),
        }
    }

    /// The error of OAuth 2.0.
    #[must_use]
    pub const fn error(self) -> ErrorCode {
        match self {
            Self::Form | Self::RepeatedParameter | Self::MissingParameter | Self::SeveralMethods => {
                ErrorCode::InvalidRequest
            }
            Self::GrantType => ErrorCode::UnsupportedGrantType,
            Self::Scope => ErrorCode::InvalidScope,
            Self::Client(
                RefusedReader::OtherNetwork
                | RefusedReader::OtherOrganisation
                | RefusedReader::Scope
                | RefusedReader::PersonNeeded,
            )
            | Self::Assertion(AssertionFault::Certificate(
                RefusedReader::OtherNetwork | RefusedReader::OtherOrganisation | RefusedReader::Scope,
            )) => ErrorCode::UnauthorizedClient,
            Self::Client(RefusedReader::Unread)
            | Self::Assertion(AssertionFault::Certificate(RefusedReader::Unread)) => {
                ErrorCode::TemporarilyUnavailable
            }
            Self::OtherClient | Self::Client(_) | Self::Assertion(_) => ErrorCode::InvalidClient,
            Self::AssertionNeeded => ErrorCode::InvalidClient,
            Self::Code(_) => ErrorCode::InvalidGrant,
            Self::TooManyTokens | Self::TooFast => ErrorCode::TemporarilyUnavailable,
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self.error() {
            _ if self.is_unread() => 503,
            ErrorCode::InvalidClient => 401,
            ErrorCode::TemporarilyUnavailable => 429,
            _ => 400,
        }
    }

    const fn is_unread(self) -> bool {
        matches!(
            self,
            Self::Client(RefusedReader::Unread)
                | Self::Assertion(AssertionFault::Certificate(RefusedReader::Unread))
        )
    }

    /// What happened and what to do, for the people who run the client.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Form => {
                "the request is not a form; send its parameters as application/x-www-form-urlencoded"
            }
            Self::RepeatedParameter => "a parameter is there twice; send each once",
            Self::MissingParameter => "a parameter that is needed is missing; see the metadata of the server",
            Self::GrantType => "the grant type is none that is offered; see the metadata of the server",
            Self::SeveralMethods => "the client proves who it is in two ways; send an assertion or a secret",
            Self::OtherClient => {
                "client_id is not the client that has proved who it is; correct it or omit it"
            }
            Self::Scope => {
                "nothing that was asked for can be granted; ask for scopes of the client, such as \
                 system/Observation.rs"
            }
            Self::Client(refused) | Self::Assertion(AssertionFault::Certificate(refused)) => refused.text(),
            Self::Assertion(fault) => fault.text(),
            Self::TooManyTokens => {
                "the client has as many tokens as it may have; use each until it ends, or revoke those that are \
                 not needed"
            }
            Self::TooFast => "there are too many requests for tokens; use a token until it ends",
            Self::AssertionNeeded => {
                "an authorization code is exchanged with a client_assertion, whatever certificate the connection has"
            }
            Self::Code(fault) => fault.text(),
        }
    }
}

impl AssertionFault {
    const fn code(self) -> &'static str {
        match self {
            Self::Type => "assertion-type",
            Self::Size => "assertion-size",
            Self::Form => "assertion-form",
            Self::Algorithm => "assertion-algorithm",
            Self::Certificates => "assertion-certificates",
            Self::Key => "assertion-key",
            Self::Certificate(refused) => refused.code(),
            Self::Signature => "assertion-signature",
            Self::Claims => "assertion-claims",
            Self::Issuer => "assertion-issuer",
            Self::Subject => "assertion-subject",
            Self::Audience => "assertion-audience",
            Self::Expired => "assertion-expired",
            Self::Lifetime => "assertion-lifetime",
            Self::IssuedAt => "assertion-issued-at",
            Self::Id => "assertion-id",
            Self::Replayed => "assertion-replayed",
            Self::Extension => "assertion-extension",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Type => {
                "client_assertion_type is urn:ietf:params:oauth:client-assertion-type:jwt-bearer, with a \
                 client_assertion"
            }
            Self::Size => "the assertion is larger than 16 KiB; send fewer certificates",
            Self::Form => {
                "the assertion is not a signed JWT in compact form (RFC 7515), or needs an extension"
            }
            Self::Algorithm => "the assertion is signed with RS256, RS384, ES256 or ES384",
            Self::Certificates => {
                "the header x5c has 1 to 8 certificates in base64, that of the client first (RFC 7515 section 4.1.6)"
            }
            Self::Key => "the algorithm does not fit the key of the first certificate of x5c",
            Self::Certificate(refused) => refused.text(),
            Self::Signature => "the signature is not that of the key of the first certificate of x5c",
            Self::Claims => {
                "the claims iss, sub, aud, exp, iat and jti are needed, each in its form (RFC 7519)"
            }
            Self::Issuer => "iss is the client id of the client whose certificate signed the assertion",
            Self::Subject => "sub is the client id, as iss is",
            Self::Audience => {
                "aud is the address of the token endpoint, as the metadata of the server has it"
            }
            Self::Expired => "the assertion has ended; make a new one, and check the clock",
            Self::Lifetime => "exp is at most 5 minutes after iat, and from now",
            Self::IssuedAt => "iat or nbf is in the future; check the clock",
            Self::Id => "jti has 1 to 256 characters, and is another one for each assertion",
            Self::Replayed => "the assertion was used already; make a new one for each request",
            Self::Extension => "the extension hl7-b2b has version, organization_id and purpose_of_use",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Refusal;

    #[test]
    fn errors_are_those_of_oauth() {
        let revoked = RefusedReader::Certificate(Refusal::Revoked);
        for (refused, error, status, reason) in [
            (RefusedGrant::Form, "invalid_request", 400, "token-form"),
            (RefusedGrant::GrantType, "unsupported_grant_type", 400, "grant-type"),
            (RefusedGrant::Client(revoked), "invalid_client", 401, "revoked"),
            (RefusedGrant::Assertion(AssertionFault::Certificate(revoked)), "invalid_client", 401, "revoked"),
            (RefusedGrant::Client(RefusedReader::OtherNetwork), "unauthorized_client", 400, "other-network"),
            (RefusedGrant::Assertion(AssertionFault::Replayed), "invalid_client", 401, "assertion-replayed"),
            (RefusedGrant::TooFast, "temporarily_unavailable", 429, "token-rate"),
        ] {
            assert_eq!(
                (refused.error().as_str(), refused.status(), refused.reason()),
                (error, status, reason)
            );
            assert!(refused.text().len() > 20);
        }
    }
}
