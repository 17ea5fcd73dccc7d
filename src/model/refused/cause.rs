//! Why a peer was refused, in words.

use jiff::Timestamp;

use super::facts::{FirstBytes, HelloFacts, RefusalFacts};
use super::refusal::Refusal;

impl Refusal {
    /// The cause in one clause about the peer, without a full stop. Log, commands, API and page show the same
    /// one.
    #[must_use]
    pub fn cause(self, facts: &RefusalFacts) -> String {
        let named = |texts: [&str; 2], what: Option<&str>| match what {
            Some(what) => format!("{} {what}{}", texts[0], texts[1]),
            None => self.summary().to_owned(),
        };
        let certificate = facts.certificate.as_ref();
        match self {
            Self::ProtocolViolation | Self::Disconnected | Self::HandshakeTimeout => {
                spoken(facts.hello.first_bytes).unwrap_or(self.summary()).to_owned()
            }
            Self::IncompleteChain => {
                named(["does not send its issuing CA", ", which is not an installed root"], facts.ca())
            }
            Self::UntrustedIssuer => named(["no such root here:", ""], facts.ca()),
            Self::Expired => match (&facts.ended, certificate) {
                (Some((name, at)), _) => format!("the certificate of its CA {name} ended {}", second(*at)),
                (None, Some(shown)) => format!("certificate ended {}", second(shown.not_after)),
                (None, None) => self.summary().to_owned(),
            },
            Self::NotYetValid => match (&facts.ended, certificate) {
                (None, Some(shown)) => format!("certificate is valid from {}", second(shown.not_before)),
                _ => self.summary().to_owned(),
            },
            Self::UnsupportedExtension => {
                named(["its certificate has the critical extension", ""], facts.extension.as_deref())
            }
            Self::UnacceptableKey => named(
                ["a key of its chain is not accepted; that of its own certificate is", ""],
                certificate.map(|shown| shown.key.as_str()),
            ),
            Self::OtherIssuer => named(
                ["the directory binds it to another CA than", ""],
                certificate.map(|shown| shown.issuer.as_str()),
            ),
            Self::UnknownDevice => named(
                ["its certificate is good, and no device", " is in the directory"],
                facts.name.as_deref(),
            ),
            Self::Revoked | Self::RevocationUndetermined => {
                facts.revocation.clone().unwrap_or_else(|| self.summary().to_owned())
            }
            Self::ProtocolVersion => match facts.hello.versions.as_slice() {
                [] if facts.hello.first_bytes == FirstBytes::Ssl2 => "offers only SSL 2.0".to_owned(),
                [] => self.summary().to_owned(),
                versions => format!("offers only {}", versions.join(", ")),
            },
            Self::ProxyHeaderMalformed => {
                named(["its header of the PROXY protocol", ""], facts.proxy_header.as_deref())
            }
            Self::NothingInCommon => nothing_in_common(&facts.hello),
            Self::PeerAlert => match facts.alert {
                Some(alert) => format!("refuses the platform: {}", alert_words(alert)),
                None => self.summary().to_owned(),
            },
            _ => self.summary().to_owned(),
        }
    }

    /// The cause where nothing is known of the peer.
    const fn summary(self) -> &'static str {
        match self {
            Self::NoCertificate => "sends no certificate of its own",
            Self::MalformedCertificate => "a certificate of its chain cannot be read, or violates RFC 5280",
            Self::UnsupportedExtension => "a certificate has a critical extension that is not processed",
            Self::NameConstraints => "its CA may not certify a name in its certificate",
            Self::CertificatePolicy => "its CA requires a certificate policy that its chain does not have",
            Self::OversizedChain => "sends too many certificates, or too large ones",
            Self::UntrustedIssuer => "no installed root has certified it",
            Self::IncompleteChain => "does not send its issuing CA",
            Self::BadSignature => "a signature is wrong: of its chain, or with a key that is not its own",
            Self::Expired => "a certificate of its chain has ended",
            Self::NotYetValid => "a certificate of its chain is not valid yet",
            Self::WrongPurpose => "its certificate is not one for TLS clients",
            Self::UnacceptableKey => "a key of its chain is of a kind or size that is not accepted",
            Self::UnacceptableSignature => "a certificate is signed with SHA-1, or another weak algorithm",
            Self::NoCommonName => "its certificate has no Common Name that can name a device, or several",
            Self::UnknownDevice => "its certificate is good, and it is not in the directory",
            Self::SuspendedDevice => "an operator has suspended it",
            Self::DamagedEntry => {
                "its entry in the directory cannot be read: the row in the store is damaged"
            }
            Self::OtherIssuer => "the directory binds it to another CA",
            Self::Revoked => "a certificate of its chain is revoked",
            Self::RevocationUndetermined => "no fresh source says whether its certificate is revoked",
            Self::ProtocolVersion => "offers no TLS version that is allowed",
            Self::InappropriateFallback => "fell back to a lower TLS version",
            Self::NothingInCommon => "offers no suite, group or signature that the platform has",
            Self::ProtocolViolation => "does not speak TLS, or breaks its rules",
            Self::PeerAlert => "refuses the platform",
            Self::HandshakeTimeout => "did not complete the handshake in time",
            Self::Disconnected => "disconnected during the handshake",
            Self::ProxyNotAllowed => {
                "sends a header of the PROXY protocol, and its address is not in `interface-a.proxy-protocol`"
            }
            Self::ProxyHeaderMissing => {
                "sends no header of the PROXY protocol, and its address is in `interface-a.proxy-protocol`"
            }
            Self::ProxyHeaderMalformed => "sends a header of the PROXY protocol that cannot be used",
            Self::TooManyConnections => "has too many connections without a complete handshake",
            Self::TooManySessions => "has as many sessions as it may have",
            Self::TooManyNewSessions => "opens too many sessions in a minute",
        }
    }
}

impl RefusalFacts {
    /// The CA that is missing, or that has issued the certificate.
    fn ca(&self) -> Option<&str> {
        let issuer = || self.certificate.as_ref().map(|shown| shown.issuer.as_str());
        self.missing_ca.as_deref().or_else(issuer)
    }
}

/// What a peer speaks in the place of TLS.
const fn spoken(first_bytes: FirstBytes) -> Option<&'static str> {
    match first_bytes {
        FirstBytes::PlainMllp => Some("speaks HL7 without TLS"),
        FirstBytes::Http => Some("speaks HTTP without TLS"),
        FirstBytes::Ssh => Some("speaks SSH"),
        FirstBytes::Ssl2 => Some("offers only SSL 2.0"),
        FirstBytes::ProxyProtocol => Some("sends a header of the PROXY protocol before TLS"),
        FirstBytes::Other => Some("sends bytes that are no TLS"),
        FirstBytes::None | FirstBytes::Tls => None,
    }
}

fn nothing_in_common(hello: &HelloFacts) -> String {
    let HelloFacts { versions, suites, .. } = hello;
    if suites.is_empty() {
        return Refusal::NothingInCommon.summary().to_owned();
    }
    let shown = suites.iter().take(MAX_SUITES).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = suites.len().saturating_sub(MAX_SUITES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let version = versions.first().map(|version| format!(" with {version}")).unwrap_or_default();
    format!("offers only the suites {shown}{more}{version}; none can be used with the platform's keys")
}

/// What an alert means that a device sends (RFC 5246 7.2, RFC 8446 6).
fn alert_words(alert: u8) -> String {
    let words = match alert {
        0 => "it closes the connection (close_notify, 0)",
        10 => "it received an unexpected message (unexpected_message, 10)",
        40 => "it finds no acceptable parameters (handshake_failure, 40)",
        42 => "it cannot read the platform's certificate (bad_certificate, 42)",
        43 => "it does not support the platform's certificate (unsupported_certificate, 43)",
        44 => "it regards the platform's certificate as revoked (certificate_revoked, 44)",
        45 => "it regards the platform's certificate as expired: compare its clock (certificate_expired, 45)",
        46 => "it does not accept the platform's certificate (certificate_unknown, 46)",
        48 => "it does not have the root of the platform's certificate (unknown_ca, 48)",
        49 => "it denies access (access_denied, 49)",
        51 => "it cannot verify a signature of the platform (decrypt_error, 51)",
        70 => "it does not support the TLS version (protocol_version, 70)",
        80 => "it has an internal error (internal_error, 80)",
        90 => "its user cancelled (user_canceled, 90)",
        112 => "it asked for a server name that is not known (unrecognized_name, 112)",
        113 => "it does not accept the staple (bad_certificate_status_response, 113)",
        other => return format!("it sent the TLS alert {other}"),
    };
    words.to_owned()
}

/// A time as JSON has it: commands and pages show it in the zone of the reader.
fn second(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// Suites in the words.
const MAX_SUITES: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ShownCertificate;

    fn shown() -> ShownCertificate {
        ShownCertificate {
            fingerprint: "ab".to_owned(),
            serial: "0a".to_owned(),
            issuer: "CN=Ward CA".to_owned(),
            not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
            not_after: "2026-11-27T23:59:00Z".parse().unwrap(),
            key: "EC P-256".to_owned(),
        }
    }

    #[test]
    fn a_cause_has_the_facts_that_an_operator_needs() {
        let certified = || RefusalFacts { certificate: Some(shown()), ..RefusalFacts::default() };
        let speaks = |first_bytes| RefusalFacts {
            hello: HelloFacts { first_bytes, ..HelloFacts::default() },
            ..RefusalFacts::default()
        };
        let suites = ["TLS_A", "TLS_B"].map(str::to_owned).to_vec();
        let offer = HelloFacts { suites, versions: vec!["TLS 1.1".to_owned()], ..HelloFacts::default() };
        let offer = RefusalFacts { hello: offer, ..RefusalFacts::default() };
        let missing = RefusalFacts { missing_ca: Some("CN=Other root".to_owned()), ..certified() };
        for (refusal, facts, cause) in [
            (Refusal::Expired, certified(), "certificate ended 2026-11-27T23:59:00Z"),
            (Refusal::ProtocolViolation, speaks(FirstBytes::PlainMllp), "speaks HL7 without TLS"),
            (Refusal::Disconnected, speaks(FirstBytes::Tls), "disconnected during the handshake"),
            (Refusal::UntrustedIssuer, missing, "no such root here: CN=Other root"),
            (
                Refusal::IncompleteChain,
                certified(),
                "does not send its issuing CA CN=Ward CA, which is not an installed root",
            ),
            (Refusal::ProtocolVersion, offer.clone(), "offers only TLS 1.1"),
            (
                Refusal::NothingInCommon,
                offer,
                "offers only the suites TLS_A, TLS_B with TLS 1.1; none can be used with the platform's keys",
            ),
            (
                Refusal::PeerAlert,
                RefusalFacts { alert: Some(48), ..RefusalFacts::default() },
                "refuses the platform: it does not have the root of the platform's certificate (unknown_ca, 48)",
            ),
        ] {
            assert_eq!(refusal.cause(&facts), cause);
        }
    }

    #[test]
    fn every_refusal_has_a_cause_and_a_next_step_without_any_facts() {
        let nothing = RefusalFacts::default();
        for refusal in Refusal::ALL {
            let (cause, step) = (refusal.cause(&nothing), refusal.next_step(&nothing));
            assert!(cause.len() > 10 && !cause.ends_with('.'), "{refusal}: {cause}");
            assert!(step.len() > 10 && !step.ends_with('.') && step != cause, "{refusal}: {step}");
        }
    }
}
