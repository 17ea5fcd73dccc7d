//! Findings about certificates, roots, staples and lists.

use jiff::{SignedDuration, Timestamp};

use crate::config::Undetermined;
use crate::finding::{Code, Finding, Looked, Severity, Subject};
use crate::model::counted;
use crate::revocation::{InstalledCrl, KnownStaple};
use crate::tls::{Authority, AuthorityRole, UnfitAnchor, UnfitReason};
use crate::x509::{CertificateFacts, NO_EXPIRY, expiry_text};

/// A certificate of the platform.
pub fn platform_certificate(facts: &CertificateFacts, now: Timestamp) -> Looked {
    let (subject, key) = (&facts.subject, facts.key.family());
    if facts.not_after >= NO_EXPIRY {
        return Ok(format!("{subject} ({key}) has no expiry"));
    }
    let left = facts.not_after.duration_since(now);
    let ends = facts.not_after;
    let away = counted((left.as_hours() / 24).unsigned_abs(), "day");
    let detail = if left.is_negative() {
        format!("{subject} ({key}) expired at {ends}, {away} ago")
    } else {
        format!("{subject} ({key}) is valid until {ends}, {away} from now")
    };
    if left >= SOON {
        return Ok(detail);
    }
    let subject = Subject::Certificate(format!("{subject} ({key})"));
    let severity = if left < VERY_SOON { Severity::Urgent } else { Severity::Attention };
    Err(Finding::new(Code::PlatformCertificateEnding, subject, detail).with_severity(severity))
}

/// What an [`Authority`] is called, and how it looks. `None`: [`unfit_anchor`] reports it.
pub fn authority(authority: &Authority, now: Timestamp) -> Option<(&'static str, Looked)> {
    let Authority { facts, role } = authority;
    let (what, certifies) = match role {
        AuthorityRole::Root => ("root", "certifies devices"),
        AuthorityRole::SharedRoot => ("root", "certifies devices and the platform"),
        AuthorityRole::PlatformRoot => ("root", "certifies the platform alone"),
        AuthorityRole::PlatformCa | AuthorityRole::DeviceCa => {
            ("issuing CA", "is in a chain of the platform")
        }
        AuthorityRole::PeopleRoot => ("root", "certifies people"),
        AuthorityRole::AdminCa => ("issuing CA", "is in the chain of the admin listener"),
    };
    let left = facts.not_after.duration_since(now);
    let (subject, key, end) = (&facts.subject, facts.public_key.hash(), expiry_text(facts.not_after));
    let detail =
        format!("{subject} ({}) {certifies}; valid until {end}; key SHA-256 {key}", facts.key.family());
    let finding = |detail| {
        let subject = Subject::Certificate(facts.fingerprint.to_string());
        Err(Finding::new(Code::CaEnding, subject, detail))
    };
    let looked = match role {
        _ if left >= CA_SOON => Ok(detail),
        _ if !left.is_negative() => finding(detail),
        AuthorityRole::Root | AuthorityRole::SharedRoot => return None,
        AuthorityRole::PeopleRoot => finding(format!(
            "{detail}: it has expired, and people whose certificates chain to it are refused"
        ))
        .map_err(|finding| finding.with_severity(Severity::Urgent)),
        AuthorityRole::AdminCa => {
            finding(format!("{detail}: it has expired, and browsers of people refuse the listener"))
                .map_err(|finding| finding.with_severity(Severity::Urgent))
        }
        _ => finding(format!("{detail}: it has expired, and clients refuse the platform"))
            .map_err(|finding| finding.with_severity(Severity::Urgent)),
    };
    Some((what, looked))
}

/// An installed certificate that is not used as a root.
#[must_use]
pub fn unfit_anchor(anchor: &UnfitAnchor) -> Finding {
    let (severity, then) = match anchor.reason {
        UnfitReason::NotYetValid(_) => {
            (Severity::Attention, "devices that chain to it are refused until then")
        }
        _ => (
            Severity::Urgent,
            "it is not used, and devices that chain to it are refused; remove it from tls.client-trust-anchors, \
             or install the right certificate",
        ),
    };
    let subject = Subject::Certificate(anchor.to_string());
    Finding::new(Code::RootUnfit, subject, format!("{anchor}: {then}")).with_severity(severity)
}

/// What clients that insist on the status of every certificate will find (A10).
pub fn staple(known: &KnownStaple) -> Looked {
    let KnownStaple { certificate, subject, .. } = known;
    let of = format!("{subject} ({certificate})");
    let about = || Subject::Certificate(certificate.to_string());
    match (known.status, &known.expires) {
        (Some("revoked"), _) => {
            let what = format!("{of} has been revoked: clients that look at its staple refuse the platform");
            Err(Finding::new(Code::PlatformCertificateRevoked, about(), what))
        }
        (Some(status), Some(expires)) => {
            Ok(format!("{of} is {status}, and that can be stapled until {expires}"))
        }
        _ => {
            let problem = known.problem.as_deref().unwrap_or("no answer in time");
            let then = if known.served {
                "clients that insist on a staple refuse the platform"
            } else {
                "its certificate promises a staple (RFC 7633), so that the chain is not served"
            };
            let what = format!("there is none for {of} ({problem}): {then}");
            Err(Finding::new(Code::StapleMissing, about(), what))
        }
    }
}

/// An installed CRL that has expired, or does soon.
pub fn installed_crl(crl: &InstalledCrl, undetermined: Undetermined, now: Timestamp) -> Option<Finding> {
    let InstalledCrl { file, issuer, next_update } = crl;
    let left = next_update.duration_since(now);
    let of = format!("{} of {issuer}", file.display());
    let then = match undetermined {
        Undetermined::Refuse => "devices of the issuer are refused unless OCSP answers",
        Undetermined::Accept => "a revoked device of the issuer can connect unless OCSP answers",
    };
    let (severity, what) = if left.is_negative() {
        let ended = format!("expired at {next_update} (nextUpdate): {then}; install a later one");
        (Severity::Urgent, format!("installed CRL {of} {ended}"))
    } else if left < CRL_SOON {
        let ends = format!("expires at {next_update} (nextUpdate); afterwards {then}");
        (Severity::Attention, format!("installed CRL {of} {ends}"))
    } else {
        return None;
    };
    let subject = Subject::Certificate(file.display().to_string());
    Some(Finding::new(Code::CrlEnding, subject, what).with_severity(severity))
}

/// A certificate of the platform that ends sooner than this is a finding.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Sooner than this it is an urgent one.
const VERY_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A root or issuing CA that ends sooner than this is a finding: its devices need new certificates.
const CA_SOON: SignedDuration = SignedDuration::from_hours(90 * 24);
/// An installed CRL that ends sooner than this is a finding.
const CRL_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);
