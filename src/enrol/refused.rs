//! Why a request for a certificate is refused.

/// Why a request for a certificate is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusedEnrolment {
    /// Enrolment is switched off.
    Disabled,
    /// The request has no code.
    NoCode,
    /// There is no such invitation, or its code is another one.
    WrongCode,
    /// Too many wrong codes were sent.
    Locked,
    /// The code was not used in time.
    Expired,
    /// The code was used for another key.
    CodeUsed,
    /// An operator has rejected the request, with these words.
    Rejected(String),
    /// The certificate was revoked.
    Revoked,
    /// The body has a private key.
    PrivateKey,
    /// The body is no PKCS#10 request.
    Malformed,
    /// The key of the request did not sign it.
    Possession,
    /// The key is too weak, or of a kind that is not supported.
    Key,
    /// The request is signed with an old digest.
    Digest,
    /// The subject lacks this attribute.
    Attribute(String),
    /// The Common Name is not the one that is expected.
    CommonName(String),
    /// The Common Name states another environment.
    OtherEnvironment(String),
    /// The alternative names are not those that are expected.
    AlternativeName(String),
    /// The subject, or a URI, is that of another client.
    NameTaken,
    /// The request asks for the certificate of a CA.
    Authority,
    /// The environment of the platform has changed since the invitation.
    EnvironmentChanged,
    /// As many requests wait as may.
    Full,
    /// The address, or the certificate, has sent too many.
    TooMany,
    /// The body is too large, or was cut.
    Body,
    /// A renewal without the certificate that is renewed.
    NoCertificate,
    /// The certificate is none that was enrolled here, or counts no more: the code says why.
    Certificate(&'static str),
    /// A renewal with another subject.
    OtherSubject,
}

impl RefusedEnrolment {
    /// Every code, for metrics that start at zero.
    pub const CODES: [&'static str; 26] = [
        "enrolment-disabled",
        "no-code",
        "wrong-code",
        "code-locked",
        "code-expired",
        "code-used",
        "enrolment-rejected",
        "enrolment-revoked",
        "private-key",
        "malformed-request",
        "possession",
        "weak-key",
        "weak-digest",
        "subject-attribute",
        "common-name",
        "request-environment",
        "alternative-name",
        "name-taken",
        "asks-for-ca",
        "environment-changed",
        "enrolment-full",
        "enrolment-rate",
        "enrolment-body",
        "renewal-certificate",
        "renewal-refused",
        "other-subject",
    ];

    /// The stable code, in answers, metrics and the audit trail.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Disabled => "enrolment-disabled",
            Self::NoCode => "no-code",
            Self::WrongCode => "wrong-code",
            Self::Locked => "code-locked",
            Self::Expired => "code-expired",
            Self::CodeUsed => "code-used",
            Self::Rejected(_) => "enrolment-rejected",
            Self::Revoked => "enrolment-revoked",
            Self::PrivateKey => "private-key",
            Self::Malformed => "malformed-request",
            Self::Possession => "possession",
            Self::Key => "weak-key",
            Self::Digest => "weak-digest",
            Self::Attribute(_) => "subject-attribute",
            Self::CommonName(_) => "common-name",
            Self::OtherEnvironment(_) => "request-environment",
            Self::AlternativeName(_) => "alternative-name",
            Self::NameTaken => "name-taken",
            Self::Authority => "asks-for-ca",
            Self::EnvironmentChanged => "environment-changed",
            Self::Full => "enrolment-full",
            Self::TooMany => "enrolment-rate",
            Self::Body => "enrolment-body",
            Self::NoCertificate => "renewal-certificate",
            Self::Certificate(_) => "renewal-refused",
            Self::OtherSubject => "other-subject",
        }
    }

    /// What happened and what to do, for the people who ask for the certificate.
    #[must_use]
    pub fn text(&self) -> String {
        let text = match self {
            Self::Disabled => "no certificates are enrolled here; ask the operator of the platform",
            Self::NoCode => {
                "send the id and the code of the invitation by HTTP Basic authentication, as user and password"
            }
            Self::WrongCode => {
                "there is no invitation with this id and code; check both, or ask for a new one"
            }
            Self::Locked => "too many wrong codes were sent for this invitation; ask for a new one",
            Self::Expired => "the code was not used in time; ask for a new one",
            Self::CodeUsed => "the code was used for a request with another key; ask for a new one",
            Self::Revoked => "the certificate of this invitation is revoked; ask for a new one",
            Self::PrivateKey => {
                "the body has a private key; it was not kept. Make a new key, keep it to yourself, and send only the \
                 certificate request"
            }
            Self::Malformed => "the body is no PKCS#10 certificate request in base64, PEM or DER",
            Self::Possession => {
                "the request is not signed by its own key; make the request again with the key that it is for"
            }
            Self::Key => {
                "the key is neither RSA of 2048 to 4096 bits nor P-256, P-384 or P-521; make another key"
            }
            Self::Digest => {
                "the request is not signed with SHA-256, SHA-384 or SHA-512; make it with -sha256"
            }
            Self::NameTaken => {
                "the subject, or a URI, is that of another client of the platform; make the request again with your own, \
                 or ask the operator"
            }
            Self::Authority => "the request asks for the certificate of a CA; leave those extensions out",
            Self::EnvironmentChanged => {
                "the platform is used for another environment than when the code was made; ask for a new one"
            }
            Self::Full => "as many requests wait for the operator as may; send it again later",
            Self::TooMany => "too many requests; send it again later",
            Self::Body => "the body is too large for a certificate request, or was cut",
            Self::NoCertificate => "a renewal needs the present certificate as the client's certificate",
            Self::Certificate(_) => return self.detailed(),
            Self::OtherSubject => {
                "a renewal has the subject and the alternative names of the present certificate; make the request again"
            }
            Self::Rejected(_)
            | Self::Attribute(_)
            | Self::CommonName(_)
            | Self::OtherEnvironment(_)
            | Self::AlternativeName(_) => return self.detailed(),
        };
        text.to_owned()
    }

    /// Texts with a part of their own.
    fn detailed(&self) -> String {
        match self {
            Self::Rejected(reason) if reason.is_empty() => "the operator has rejected the request".to_owned(),
            Self::Rejected(reason) => format!("the operator has rejected the request: {reason}"),
            Self::Attribute(name) => format!("the subject has no {name}; make the request again with it"),
            Self::CommonName(wanted) => {
                format!("the Common Name has to be {wanted}; make the request again with it")
            }
            Self::OtherEnvironment(own) => format!(
                "the Common Name states another environment than {own}, which is that of this platform; correct it, or \
                 send the request to the other platform"
            ),
            Self::AlternativeName(wanted) => {
                format!("the alternative names of the request have to be: {wanted}; make the request again")
            }
            Self::Certificate(why) => format!(
                "the present certificate cannot be renewed ({why}); ask the operator of the platform for an invitation"
            ),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n000_4_each_refusal_has_words_of_its_own() {
        let all = [
            RefusedEnrolment::Disabled,
            RefusedEnrolment::NoCode,
            RefusedEnrolment::WrongCode,
            RefusedEnrolment::Locked,
            RefusedEnrolment::Expired,
            RefusedEnrolment::CodeUsed,
            RefusedEnrolment::Rejected(String::new()),
            RefusedEnrolment::Revoked,
            RefusedEnrolment::PrivateKey,
            RefusedEnrolment::Malformed,
            RefusedEnrolment::Possession,
            RefusedEnrolment::Key,
            RefusedEnrolment::Digest,
            RefusedEnrolment::Attribute("OU".to_owned()),
            RefusedEnrolment::CommonName("PUMP-1".to_owned()),
            RefusedEnrolment::OtherEnvironment("demo".to_owned()),
            RefusedEnrolment::AlternativeName("none".to_owned()),
            RefusedEnrolment::NameTaken,
            RefusedEnrolment::Authority,
            RefusedEnrolment::EnvironmentChanged,
            RefusedEnrolment::Full,
            RefusedEnrolment::TooMany,
            RefusedEnrolment::Body,
            RefusedEnrolment::NoCertificate,
            RefusedEnrolment::Certificate("expired"),
            RefusedEnrolment::OtherSubject,
        ];
        let codes: Vec<_> = all.iter().map(RefusedEnrolment::code).collect();
        assert_eq!(codes, RefusedEnrolment::CODES);
        let texts: std::collections::BTreeSet<_> = all.iter().map(RefusedEnrolment::text).collect();
        assert!(texts.len() == all.len() && texts.iter().all(|text| text.len() > 20), "{texts:?}");
    }
}
