//! Why a person is not asked, or the answer is not the one that the application wants.

use crate::model::Refusal;

/// Why a request to the authorization endpoint is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedAuthorization {
    /// The request cannot be read, is too large, or does not name one application and one address.
    Form,
    /// An element of a page asks, and not a person who opens the page of the question.
    Embedded,
    /// There is no such application.
    Application,
    /// The address is none of the application.
    RedirectUri,
    /// The application, or its organisation, is suspended.
    Suspended,
    /// The browser shows no certificate.
    NoCertificate,
    /// The certificate is none of a person, or does not count.
    Certificate(Refusal),
    /// The form is of no page that waits for this person.
    Page,
    /// There are too many requests.
    TooFast,
    /// `response_type` is not `code`.
    ResponseType,
    /// `response_mode` is not `query`.
    ResponseMode,
    /// The request comes as an object.
    RequestObject,
    /// A parameter is missing.
    MissingParameter,
    /// A parameter is there twice.
    RepeatedParameter,
    /// `state` is too long, or has characters that RFC 6749 does not allow.
    State,
    /// `code_challenge` is not SHA-256 in base64url.
    Challenge,
    /// `code_challenge_method` is not S256.
    ChallengeMethod,
    /// `aud` is another server.
    Audience,
    /// Nothing that was asked for can be granted.
    Scope,
    /// As many authorizations of the person wait as may.
    TooMany,
    /// The person declines.
    Denied,
}

impl RefusedAuthorization {
    /// Every reason of its own, for metrics that start at zero. The others are those of tokens.
    pub const CODES: [&'static str; 17] = [
        "authorization-form",
        "authorization-embedded",
        "application-unknown",
        "redirect-uri",
        "application-suspended",
        "person-no-certificate",
        "person-certificate",
        "authorization-page",
        "response-type",
        "response-mode",
        "request-object",
        "authorization-state",
        "code-challenge",
        "code-challenge-method",
        "authorization-audience",
        "too-many-authorizations",
        "person-declined",
    ];

    /// The stable code of the kind, in metrics and in answers.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Form => "authorization-form",
            Self::Embedded => "authorization-embedded",
            Self::Application => "application-unknown",
            Self::RedirectUri => "redirect-uri",
            Self::Suspended => "application-suspended",
            Self::NoCertificate => "person-no-certificate",
            Self::Certificate(_) => "person-certificate",
            Self::Page => "authorization-page",
            Self::TooFast => "token-rate",
            Self::ResponseType => "response-type",
            Self::ResponseMode => "response-mode",
            Self::RequestObject => "request-object",
            Self::MissingParameter => "missing-parameter",
            Self::RepeatedParameter => "repeated-parameter",
            Self::State => "authorization-state",
            Self::Challenge => "code-challenge",
            Self::ChallengeMethod => "code-challenge-method",
            Self::Audience => "authorization-audience",
            Self::Scope => "token-scope",
            Self::TooMany => "too-many-authorizations",
            Self::Denied => "person-declined",
        }
    }

    /// The code of the reason, in the audit trail: what is wrong with a certificate too.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Certificate(refusal) => refusal.code(),
            other => other.code(),
        }
    }

    /// The error that the application gets (RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6);
    /// `None`: it gets nothing, because it is not known, or nothing says that a person is there. Then the
    /// browser gets a page.
    #[must_use]
    pub const fn error(self) -> Option<&'static str> {
        Some(match self {
            Self::Form
            | Self::Embedded
            | Self::Application
            | Self::RedirectUri
            | Self::Suspended
            | Self::NoCertificate
            | Self::Certificate(_)
            | Self::Page
            | Self::TooFast => return None,
            Self::ResponseType => "unsupported_response_type",
            Self::RequestObject => "request_not_supported",
            Self::Scope => "invalid_scope",
            Self::TooMany => "temporarily_unavailable",
            Self::Denied => "access_denied",
            Self::ResponseMode
            | Self::MissingParameter
            | Self::RepeatedParameter
            | Self::State
            | Self::Challenge
            | Self::ChallengeMethod
            | Self::Audience => "invalid_request",
        })
    }

    /// The HTTP status of the page.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::NoCertificate | Self::Certificate(_) => 401,
            Self::Embedded | Self::Suspended | Self::Page => 403,
            Self::TooFast | Self::TooMany => 429,
            _ => 400,
        }
    }

    /// What happened and what to do, for the person, or for the people who run the application.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Form => "the request names one client_id and one redirect_uri, and has at most 8 KiB",
            Self::Embedded => {
                "the browser asks for an element of another page; open the page of the application itself"
            }
            Self::Application => "client_id is that of no application that people use here; register it",
            Self::RedirectUri => {
                "redirect_uri is none of those that the application has registered; it is compared as a whole"
            }
            Self::Suspended => "the application may not read now; ask the operator of the platform",
            Self::NoCertificate => {
                "the browser shows no certificate; insert your card or install your certificate, and open the application \
                 again"
            }
            Self::Certificate(_) => {
                "your certificate has ended, is revoked, or is none of a person who may let applications read; ask who \
                 issued it"
            }
            Self::Page => {
                "the page has ended, was answered already, or is not yours; open the application again"
            }
            Self::TooFast => "there are too many requests from this address; try again in a moment",
            Self::ResponseType => "response_type is code",
            Self::ResponseMode => "response_mode is query, or is omitted",
            Self::RequestObject => {
                "request and request_uri are not supported; send the parameters themselves"
            }
            Self::MissingParameter => "response_type, code_challenge and code_challenge_method are needed",
            Self::RepeatedParameter => "a parameter is there twice; send each once",
            Self::State => "state has at most 1024 printable characters of ASCII",
            Self::Challenge => "code_challenge is the SHA-256 of the verifier in base64url: 43 characters",
            Self::ChallengeMethod => "code_challenge_method is S256; plain protects nothing",
            Self::Audience => "aud is the address under which this platform serves FHIR",
            Self::Scope => {
                "nothing that was asked for can be granted; ask for scopes that the application has"
            }
            Self::TooMany => {
                "the person has as many open requests as may be; answer them, or wait a few minutes"
            }
            Self::Denied => "the person declined",
        }
    }
}
