//! Why a request of a client is refused.

use crate::model::Refusal;

/// Why a request of a client is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedReader {
    /// The client has shown no certificate.
    NoCertificate,
    /// Its certificate does not count.
    Certificate(Refusal),
    /// Its certificate belongs to no client, and reading is for registered clients.
    NotRegistered,
    /// An operator has taken its certificate from a client, or rejected its registration.
    Removed,
    /// The id and the secret that it names do not fit.
    WrongSecret,
    /// The client is suspended.
    ClientSuspended,
    /// Its organisation is suspended.
    OrganisationSuspended,
    /// The request names another organisation.
    OtherOrganisation,
    /// It comes from an address outside of the networks of its organisation.
    OtherNetwork,
    /// Its scopes do not allow what it asks for.
    Scope,
    /// Its certificate is for another environment.
    OtherEnvironment,
    /// The platform has not read its clients, or not for a while.
    Unread,
    /// Its token is unknown, has ended, or was revoked.
    InvalidToken,
    /// Its token is bound to another certificate than that of the connection.
    TokenOfOther,
    /// It is an application that people use, and no person lets it read.
    PersonNeeded,
    /// The certificate of the person who let it read does not count any more.
    PersonLost,
}

impl RefusedReader {
    /// Every code, for metrics that start at zero.
    pub const CODES: [&'static str; 16] = [
        "no-certificate",
        "certificate",
        "not-registered",
        "removed",
        "wrong-secret",
        "client-suspended",
        "organisation-suspended",
        "other-organisation",
        "other-network",
        "scope",
        "other-environment",
        "clients-unread",
        "invalid-token",
        "token-of-other",
        "person-needed",
        "person-lost",
    ];

    /// The stable code of the kind, in metrics and answers.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoCertificate => "no-certificate",
            Self::Certificate(_) => "certificate",
            Self::NotRegistered => "not-registered",
            Self::Removed => "removed",
            Self::WrongSecret => "wrong-secret",
            Self::ClientSuspended => "client-suspended",
            Self::OrganisationSuspended => "organisation-suspended",
            Self::OtherOrganisation => "other-organisation",
            Self::OtherNetwork => "other-network",
            Self::Scope => "scope",
            Self::OtherEnvironment => "other-environment",
            Self::Unread => "clients-unread",
            Self::InvalidToken => "invalid-token",
            Self::TokenOfOther => "token-of-other",
            Self::PersonNeeded => "person-needed",
            Self::PersonLost => "person-lost",
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

    /// Whether the client has not proved who it is, or is suspended: 401, not 403.
    #[must_use]
    pub const fn is_unauthenticated(self) -> bool {
        !matches!(
            self,
            Self::OtherOrganisation
                | Self::OtherNetwork
                | Self::NotRegistered
                | Self::Scope
                | Self::OtherEnvironment
                | Self::PersonNeeded
        )
    }

    /// Whether the token is what is refused: the answer then says `invalid_token` (RFC 6750 section 3.1).
    #[must_use]
    pub const fn is_of_token(self) -> bool {
        matches!(self, Self::InvalidToken | Self::TokenOfOther | Self::PersonLost)
    }

    /// What happened and what to do, for the people who run the client.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoCertificate => {
                "reading needs a client certificate of a trust community; configure one in the client"
            }
            Self::Certificate(refusal) => certificate_text(refusal),
            Self::NotRegistered => {
                "the certificate belongs to no registered client; ask the operator of the platform to add it"
            }
            Self::Removed => {
                "the operator of the platform has withdrawn this certificate; ask for it to be added again, or use \
                 another one"
            }
            Self::WrongSecret => {
                "the client id and secret do not fit this certificate; send the current secret, or none"
            }
            Self::ClientSuspended => "the client is suspended; ask the operator of the platform",
            Self::OrganisationSuspended => "the organisation is suspended; ask the operator of the platform",
            Self::OtherOrganisation => {
                "the request names an organisation that is not that of the client; correct the header org_id"
            }
            Self::OtherNetwork => {
                "the organisation may not read from this address; ask the operator to add its network"
            }
            Self::OtherEnvironment => {
                "the Common Name of the certificate states another environment than that of this platform; use the \
                 certificate for this one, or correct the address"
            }
            Self::Unread => "the platform cannot read who its clients are now; try again",
            Self::InvalidToken => {
                "the access token is unknown, has ended, or was revoked; ask for another one at the token endpoint"
            }
            Self::TokenOfOther => {
                "the access token is bound to another certificate; connect with the certificate with which it was \
                 granted, or ask for another token"
            }
            Self::PersonNeeded => {
                "the client reads when a person has let it; send the person to the authorization endpoint, and ask for \
                 a token with the code"
            }
            Self::PersonLost => {
                "the certificate of the person who let the client read has expired, is revoked, or leads to no root of \
                 people any more; send the person to the authorization endpoint again"
            }
            Self::Scope => "the scopes of the client do not allow this; ask the operator to grant them",
        }
    }
}

const fn certificate_text(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::UntrustedIssuer | Refusal::IncompleteChain => {
            "the certificate leads to no trust community of the platform; send its intermediate certificates, \
             or ask for a certificate of a community"
        }
        Refusal::BadSignature => {
            "the certificate is not signed by the CA of a trust community, only by one of the same name; use a \
             certificate of a community"
        }
        Refusal::Expired => "the certificate, or a CA above it, has expired; renew it",
        Refusal::NotYetValid => "the certificate is not valid yet; check its dates and the clocks",
        Refusal::Revoked => "the certificate, or a CA above it, is revoked; ask for a new one",
        Refusal::RevocationUndetermined => {
            "whether the certificate is revoked cannot be found out now; try again later"
        }
        Refusal::CertificatePolicy => {
            "the certificate has no policy that its trust community requires; ask its CA for one that has"
        }
        Refusal::WrongPurpose => {
            "the certificate lacks a key usage that its trust community requires, or clientAuth"
        }
        _ => "the certificate cannot be used; the audit trail of the platform has the reason",
    }
}
