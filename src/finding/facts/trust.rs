//! Facts about certificates, roots, staples and lists.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use super::time::{At, days_away};

/// Facts of `platform-certificate-ending`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PlatformCertificateEnding {
    /// Its subject
    pub subject: String,
    /// The kind of its key
    pub key: String,
    /// The last second of its validity
    pub not_after: At,
    /// Whole days to its end, rounded down; negative once it has ended
    pub days_left: i64,
}

impl fmt::Display for PlatformCertificateEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, key, not_after, days_left } = self;
        let verb = if *days_left < 0 { "expired at" } else { "is valid until" };
        write!(f, "{subject} ({key}) {verb} {not_after}, {}", days_away(*days_left))
    }
}

/// Facts of `admin-certificate-unfit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AdminCertificateUnfit {
    /// Its subject
    pub subject: String,
    /// Why browsers refuse it
    pub reason: AdminUnfitReason,
    /// From when on, or until when it is valid, if that is the reason
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// The hosts under which the listener is called, if none of them is in the certificate
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub hosts: Vec<String>,
}

/// Why browsers refuse the certificate of the admin listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdminUnfitReason {
    /// It is not valid before `at`.
    NotYetValid,
    /// It expired at `at`.
    Expired,
    /// It is no certificate for TLS servers.
    NotForServers,
    /// Its key usage excludes digital signatures.
    NoDigitalSignature,
    /// It names no host.
    NoHost,
    /// It names none of `hosts`.
    OtherHosts,
}

impl fmt::Display for AdminCertificateUnfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the admin listener ", self.subject)?;
        let at = self.at.map(|at| at.to_string()).unwrap_or_default();
        match self.reason {
            AdminUnfitReason::NotYetValid => write!(f, "is not valid before {at}")?,
            AdminUnfitReason::Expired => write!(f, "expired at {at}")?,
            AdminUnfitReason::NotForServers => {
                f.write_str("is no certificate for TLS servers (extended key usage without serverAuth)")?;
            }
            AdminUnfitReason::NoDigitalSignature => {
                f.write_str("has a key usage without digitalSignature")?
            }
            AdminUnfitReason::NoHost => f.write_str("names no host (subjectAltName)")?,
            AdminUnfitReason::OtherHosts => {
                let hosts = self.hosts.join(", ");
                write!(f, "names none of the hosts under which it is called ({hosts})")?;
            }
        }
        f.write_str(": browsers of people refuse it")
    }
}

/// Facts of `ca-ending`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CaEnding {
    /// Its subject
    pub subject: String,
    /// What it is: the label `role` of `pcd_certificate_not_after_timestamp_seconds`
    pub role: String,
    /// What it does, in words
    pub certifies: String,
    /// The kind of its key
    pub key: String,
    /// SHA-256 over its public key, in hexadecimal
    pub key_sha256: String,
    /// The last second of its validity; absent: it has no expiry
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<At>,
    /// What its end has caused, in words; absent before the end
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consequence: Option<String>,
}

impl fmt::Display for CaEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, certifies, key, key_sha256, not_after, consequence, .. } = self;
        let end = not_after.map_or_else(|| "no expiry".to_owned(), |at| at.to_string());
        write!(f, "{subject} ({key}) {certifies}; valid until {end}; key SHA-256 {key_sha256}")?;
        match consequence {
            Some(consequence) => write!(f, ": it has expired, and {consequence}"),
            None => Ok(()),
        }
    }
}

/// Facts of `root-unfit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RootUnfit {
    /// Its subject
    pub subject: String,
    /// Why it is no root, in words
    pub reason: String,
    /// When it becomes one, if it is not valid yet
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<At>,
    /// Whom it should certify
    pub certifies: RootOf,
}

/// Whom an installed root certifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RootOf {
    /// Devices (`tls.client-trust-anchors`).
    Devices,
    /// People (`admin.trust-anchors`).
    People,
    /// Hospital systems that read (`api.communities`).
    HospitalSystems,
    /// People who let applications read (`api.user-anchors`).
    Users,
}

impl fmt::Display for RootUnfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, reason, valid_from, certifies } = self;
        let (whose, key) = match certifies {
            RootOf::Devices => ("devices that chain", "tls.client-trust-anchors"),
            RootOf::People => ("people whose certificates chain", "admin.trust-anchors"),
            RootOf::HospitalSystems => ("hospital systems whose certificates chain", "api.communities"),
            RootOf::Users => ("people whose certificates chain", "api.user-anchors"),
        };
        write!(f, "\"{subject}\" {reason}: ")?;
        if valid_from.is_some() {
            return write!(f, "{whose} to it are refused until then");
        }
        write!(
            f,
            "it is not used, and {whose} to it are refused; remove it from {key}, or install the right certificate"
        )
    }
}

/// Facts of `crl-older`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CrlOlder {
    /// The file
    pub file: String,
    /// The issuer of the list
    pub issuer: String,
    /// Whether devices are refused of which it is not known that they are not revoked
    /// (`revocation.when-undetermined`)
    pub refuses_undetermined: bool,
}

impl fmt::Display for CrlOlder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, issuer, refuses_undetermined } = self;
        let then = if *refuses_undetermined {
            "devices of the issuer are refused unless OCSP answers"
        } else {
            "a revoked device of the issuer can connect unless OCSP answers"
        };
        write!(
            f,
            "installed CRL {file} of {issuer} has a lower number than one that was seen before, and is ignored: {then}"
        )
    }
}

/// Facts of `crl-ending`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct CrlEnding {
    /// The file
    pub file: String,
    /// The issuer of the list
    pub issuer: String,
    /// Until when it counts (nextUpdate)
    pub next_update: At,
    /// Whether it has expired
    pub expired: bool,
    /// Whether devices are refused of which it is not known that they are not revoked
    /// (`revocation.when-undetermined`)
    pub refuses_undetermined: bool,
}

impl fmt::Display for CrlEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, issuer, next_update, expired, refuses_undetermined } = self;
        let then = if *refuses_undetermined {
            "devices of the issuer are refused unless OCSP answers"
        } else {
            "a revoked device of the issuer can connect unless OCSP answers"
        };
        write!(f, "installed CRL {file} of {issuer} ")?;
        if *expired {
            write!(f, "expired at {next_update} (nextUpdate): {then}; install a later one")
        } else {
            write!(f, "expires at {next_update} (nextUpdate); afterwards {then}")
        }
    }
}

/// Facts of `staple-missing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct StapleMissing {
    /// The subject of the certificate
    pub subject: String,
    /// SHA-256 over its DER, in hexadecimal
    pub certificate: String,
    /// Why there is none
    pub problem: String,
    /// Whether the certificate is used all the same
    pub served: bool,
}

impl fmt::Display for StapleMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, certificate, problem, served } = self;
        let then = if *served {
            "clients that insist on a staple refuse the platform"
        } else {
            "the chain is not served: it waits for one for a moment, or its certificate promises one (RFC 7633)"
        };
        write!(f, "there is none for {subject} ({certificate}) ({problem}): {then}")
    }
}

/// Facts of `platform-certificate-revoked`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PlatformCertificateRevoked {
    /// The subject of the certificate
    pub subject: String,
    /// SHA-256 over its DER, in hexadecimal
    pub certificate: String,
}

impl fmt::Display for PlatformCertificateRevoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, certificate } = self;
        write!(
            f,
            "{subject} ({certificate}) has been revoked: clients that look at its staple refuse the platform"
        )
    }
}
