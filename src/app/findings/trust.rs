//! Findings about certificates, roots, staples and lists.

use jiff::{SignedDuration, Timestamp};

use crate::config::Undetermined;
use crate::finding::facts::{
    CaEnding, CrlEnding, CrlOlder, PlatformCertificateEnding, PlatformCertificateRevoked, RootOf, RootUnfit,
    StapleMissing, days_until,
};
use crate::finding::{Facts, Finding, Looked, Severity, Subject};
use crate::revocation::{InstalledCrl, KnownStaple};
use crate::tls::{Authority, AuthorityRole, UnfitAnchor, UnfitReason};
use crate::x509::{CertificateFacts, NO_EXPIRY};

/// A certificate of the platform.
pub fn platform_certificate(facts: &CertificateFacts, now: Timestamp) -> Looked {
    ending(facts, now, |subject| subject)
}

/// When a certificate ends. `name` says whose it is.
fn ending(facts: &CertificateFacts, now: Timestamp, name: impl Fn(String) -> String) -> Looked {
    let (subject, key) = (name(facts.subject.to_string()), facts.key.family());
    if facts.not_after >= NO_EXPIRY {
        return Ok(format!("{subject} ({key}) has no expiry"));
    }
    let left = facts.not_after.duration_since(now);
    let about = Subject::Certificate(format!("{subject} ({key})"));
    let facts = PlatformCertificateEnding {
        subject,
        key: key.to_string(),
        not_after: facts.not_after.into(),
        days_left: days_until(facts.not_after, now),
    };
    if left >= SOON {
        return Ok(facts.to_string());
    }
    let severity = if left < VERY_SOON { Severity::Urgent } else { Severity::Attention };
    Err(Finding::new(about, facts).with_severity(severity))
}

/// The certificate of its own that the listener for hospital systems shows (`api.identity`).
pub fn api_certificate(facts: &CertificateFacts, now: Timestamp) -> Looked {
    let named = |detail: String| format!("listener for hospital systems: {detail}");
    match ending(facts, now, |subject| format!("{subject} of the listener for hospital systems")) {
        Ok(detail) => Ok(named(detail)),
        Err(finding) => Err(finding),
    }
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
        AuthorityRole::CommunityRoot => ("root", "certifies hospital systems"),
        AuthorityRole::UserRoot => ("root", "certifies people who let applications read"),
        AuthorityRole::ApiCa => ("issuing CA", "is in the chain of the listener for hospital systems"),
    };
    let left = facts.not_after.duration_since(now);
    let consequence = match role {
        _ if !left.is_negative() => None,
        AuthorityRole::Root | AuthorityRole::SharedRoot => return None,
        AuthorityRole::PeopleRoot => Some("people whose certificates chain to it are refused"),
        AuthorityRole::AdminCa => Some("browsers of people refuse the listener"),
        AuthorityRole::CommunityRoot => Some("hospital systems whose certificates chain to it are refused"),
        AuthorityRole::UserRoot => Some("people whose certificates chain to it let no application read"),
        AuthorityRole::ApiCa => Some("hospital systems refuse the listener"),
        _ => Some("clients refuse the platform"),
    };
    let ending = CaEnding {
        subject: facts.subject.to_string(),
        role: role.code().to_owned(),
        certifies: certifies.to_owned(),
        key: facts.key.family().to_string(),
        key_sha256: facts.public_key.hash().to_string(),
        not_after: (facts.not_after < NO_EXPIRY).then(|| facts.not_after.into()),
        consequence: consequence.map(str::to_owned),
    };
    if left >= CA_SOON {
        return Some((what, Ok(ending.to_string())));
    }
    let severity = if consequence.is_some() { Severity::Urgent } else { Severity::Attention };
    let about = Subject::Certificate(facts.fingerprint.to_string());
    Some((what, Err(Finding::new(about, ending).with_severity(severity))))
}

/// An installed certificate that is not used as a root.
#[must_use]
pub fn unfit_anchor(anchor: &UnfitAnchor) -> Finding {
    unfit_root(anchor, RootOf::Devices)
}

/// The same of a trust community.
#[must_use]
pub fn unfit_community_anchor(anchor: &UnfitAnchor) -> Finding {
    unfit_root(anchor, RootOf::HospitalSystems)
}

/// The same of the people who let applications read.
#[must_use]
pub fn unfit_user_anchor(anchor: &UnfitAnchor) -> Finding {
    unfit_root(anchor, RootOf::Users)
}

pub(super) fn unfit_root(anchor: &UnfitAnchor, certifies: RootOf) -> Finding {
    let (severity, valid_from) = match anchor.reason {
        UnfitReason::NotYetValid(from) => (Severity::Attention, Some(from.into())),
        _ => (Severity::Urgent, None),
    };
    let (subject, reason) = (anchor.subject.clone(), anchor.reason.to_string());
    let facts = RootUnfit { subject, reason, valid_from, certifies };
    Finding::new(Subject::Certificate(anchor.to_string()), facts).with_severity(severity)
}

/// What clients that insist on the status of every certificate will find (A10).
pub fn staple(known: &KnownStaple) -> Looked {
    let KnownStaple { certificate, subject, .. } = known;
    let finding = |facts: Facts| Err(Finding::new(Subject::Certificate(certificate.to_string()), facts));
    let (subject, certificate) = (subject.to_string(), certificate.to_string());
    match (known.status, &known.expires) {
        (Some("revoked"), _) => finding(PlatformCertificateRevoked { subject, certificate }.into()),
        (Some(status), Some(expires)) => {
            Ok(format!("{subject} ({certificate}) is {status}, and that can be stapled until {expires}"))
        }
        _ => {
            let problem = known.problem.as_deref().unwrap_or("no answer in time").to_owned();
            finding(StapleMissing { subject, certificate, problem, served: known.served }.into())
        }
    }
}

/// An installed CRL that has expired, or does soon.
pub fn installed_crl(crl: &InstalledCrl, undetermined: Undetermined, now: Timestamp) -> Option<Finding> {
    let InstalledCrl { file, issuer, next_update, is_ignored } = crl;
    if *is_ignored {
        let file = file.display().to_string();
        let facts = CrlOlder {
            file: file.clone(),
            issuer: issuer.to_string(),
            refuses_undetermined: matches!(undetermined, Undetermined::Refuse),
        };
        return Some(Finding::new(Subject::Certificate(file), facts));
    }
    let left = next_update.duration_since(now);
    if left >= CRL_SOON {
        return None;
    }
    let file = file.display().to_string();
    let facts = CrlEnding {
        file: file.clone(),
        issuer: issuer.to_string(),
        next_update: (*next_update).into(),
        expired: left.is_negative(),
        refuses_undetermined: matches!(undetermined, Undetermined::Refuse),
    };
    let severity = if left.is_negative() { Severity::Urgent } else { Severity::Attention };
    Some(Finding::new(Subject::Certificate(file), facts).with_severity(severity))
}

/// A certificate of the platform that ends sooner than this is a finding.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Sooner than this it is an urgent one.
const VERY_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A root or issuing CA that ends sooner than this is a finding: its devices need new certificates.
const CA_SOON: SignedDuration = SignedDuration::from_hours(90 * 24);
/// An installed CRL that ends sooner than this is a finding.
const CRL_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);
