//! What is asked of a certificate request (N000-4, N000-6, N000-8).

use super::record::{CheckedRequest, Record};
use super::refused::RefusedEnrolment;
use super::role::Role;
use crate::clients::PresentedCertificate;
use crate::config::Enrol;
use crate::model::name_attributes;
use crate::x509::{Digest, KeyKind, KeyUsage, RequestFacts, Signed};

/// What the configuration asks of a request.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'c> {
    config: &'c Enrol,
    environment: &'c str,
}

impl<'c> Policy<'c> {
    /// What this configuration asks, on a platform for this environment.
    #[must_use]
    pub const fn new(config: &'c Enrol, environment: &'c str) -> Self {
        Self { config, environment }
    }

    /// Checks a request for the certificate of this enrolment: its key, the proof that the requester has it
    /// (RFC 2986 section 4.2), and its names.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self, der: Vec<u8>, record: &Record) -> Result<CheckedRequest, RefusedEnrolment> {
        let (role, name) = (record.role, record.name.as_str());
        let facts = RequestFacts::read(&der).map_err(|_| RefusedEnrolment::Malformed)?;
        check_key(&facts)?;
        let signed = Signed::read(&der).map_err(|_| RefusedEnrolment::Malformed)?;
        signed.verify(&facts.public_key).map_err(|_| RefusedEnrolment::Possession)?;
        let asks = |usage: KeyUsage| usage.key_cert_sign || usage.crl_sign;
        if facts.extensions.is_ca || facts.extensions.key_usage.is_some_and(asks) {
            return Err(RefusedEnrolment::Authority);
        }
        let subject = facts.subject.to_string();
        self.check_attributes(&subject, role)?;
        self.check_common_name(facts.subject.common_name().ok(), role, name)?;
        let mut alternative_names = facts.extensions.alternative_names;
        check_alternative_names(&alternative_names, record)?;
        alternative_names.sort_unstable();
        Ok(CheckedRequest { der, key: facts.public_key.hash(), subject, alternative_names })
    }

    fn check_attributes(&self, subject: &str, role: Role) -> Result<(), RefusedEnrolment> {
        let wanted = match role {
            Role::Client => &self.config.client_subject,
            Role::Server => &self.config.server_subject,
            Role::Device => &self.config.device_subject,
        };
        let own = name_attributes(subject);
        let has = |name: &String| {
            own.iter().any(|attribute| {
                attribute.split_once('=').is_some_and(|(key, value)| key == name && !value.is_empty())
            })
        };
        let missing = wanted.iter().find(|name| !has(name));
        missing.map_or(Ok(()), |name| Err(RefusedEnrolment::Attribute(name.clone())))
    }

    fn check_common_name(&self, own: Option<&str>, role: Role, name: &str) -> Result<(), RefusedEnrolment> {
        let stated = own.and_then(PresentedCertificate::stated_environment);
        if stated.is_some_and(|stated| stated != self.environment) {
            return Err(RefusedEnrolment::OtherEnvironment(self.environment.to_owned()));
        }
        let pattern = self.config.client_common_name.replace("{environment}", self.environment);
        let (is_wanted, wanted) = match role {
            Role::Client => (own.is_some_and(|own| matches_pattern(&pattern, own)), pattern),
            Role::Server => (own.is_some_and(|own| own.eq_ignore_ascii_case(name)), name.to_owned()),
            Role::Device => (own == Some(name), name.to_owned()),
        };
        if is_wanted { Ok(()) } else { Err(RefusedEnrolment::CommonName(wanted)) }
    }
}

fn check_key(facts: &RequestFacts) -> Result<(), RefusedEnrolment> {
    match facts.key {
        KeyKind::Rsa { bits: 2048..=4096 } | KeyKind::EcP256 | KeyKind::EcP384 | KeyKind::EcP521 => {}
        KeyKind::Rsa { .. } | KeyKind::Other => return Err(RefusedEnrolment::Key),
    }
    match facts.signature_algorithm.digest() {
        Some(Digest::Sha256 | Digest::Sha384 | Digest::Sha512) => Ok(()),
        _ => Err(RefusedEnrolment::Digest),
    }
}

/// What the role has: a server the DNS name of the invitation (RFC 6125); a device its own, or none; a client
/// the URIs of the invitation, under which it registers itself, or none. Names of all other kinds are
/// refused: a community, or another platform, may take them for those of someone else.
fn check_alternative_names(own: &[String], record: &Record) -> Result<(), RefusedEnrolment> {
    let dns = || format!("DNS:{}", record.name.to_ascii_lowercase());
    let (needed, allowed): (Vec<String>, Vec<String>) = match record.role {
        Role::Client => (record.uris.iter().map(|uri| format!("URI:{uri}")).collect(), Vec::new()),
        Role::Server => (vec![dns()], Vec::new()),
        Role::Device => (Vec::new(), vec![dns()]),
    };
    let other = own.iter().find(|name| !needed.contains(name) && !allowed.contains(name));
    if other.is_none() && needed.iter().all(|name| own.contains(name)) {
        return Ok(());
    }
    let mut wanted = match (needed.as_slice(), allowed.as_slice()) {
        ([], []) => "left out".to_owned(),
        ([], allowed) => format!("{}, or left out", allowed.join(", ")),
        (needed, _) => needed.join(", "),
    };
    if let Some((kind, _)) = other.and_then(|name| name.split_once(':')) {
        wanted.push_str(&format!(", and there is one of the kind {kind} that is not"));
    }
    Err(RefusedEnrolment::AlternativeName(wanted))
}

/// Whether the text has the form of the pattern, in which `*` is any text but the empty one.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let found = rest.char_indices().nth(1).and_then(|(from, _)| {
            let at = rest.get(from..)?.find(part)?;
            rest.get(from + at + part.len()..)
        });
        match found {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    rest.strip_suffix(last).is_some_and(|any| !any.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n000_4_a_pattern_is_matched_as_a_whole() {
        for (pattern, text, is) in [
            ("_EMAIL.demo@*", "_EMAIL.demo@hospital.example", true),
            ("_EMAIL.demo@*", "_EMAIL.demo@", false),
            ("_EMAIL.demo@*", "x_EMAIL.demo@a", false),
            ("*", "a", true),
            ("*", "", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*b*c", "axbxc", true),
            ("a*b*c", "abxc", false),
            ("a*b*c", "axbbc", true),
            ("*.example", "é.example", true),
        ] {
            assert_eq!(matches_pattern(pattern, text), is, "{pattern} {text}");
        }
    }
}
