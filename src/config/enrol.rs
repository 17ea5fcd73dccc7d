//! `[enrol]`: how partners and devices get a certificate.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::key::{Key, ReloadClass};
use super::quantity;

/// Enrolment of certificates in the manner of EST (RFC 7030), on the listener of `[api]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Enrol {
    /// Whether requests are taken.
    pub enabled: bool,
    /// The folder of the test PKI that issues to partners; without it, requests are exported.
    pub client_authority: Option<PathBuf>,
    /// The folder of the test PKI that issues to devices; without it, requests are exported.
    pub device_authority: Option<PathBuf>,
    /// Files with further CAs that issue: who enrols gets them from `cacerts`.
    pub authorities: Vec<PathBuf>,
    /// How long a certificate of the test PKI is valid, in days.
    pub days: u32,
    /// What happens to a renewal by the certificate before.
    pub renewal: Renewal,
    /// The attributes that the subject of a partner's client certificate has to have.
    pub client_subject: Vec<String>,
    /// The attributes that the subject of a partner's server certificate has to have.
    pub server_subject: Vec<String>,
    /// The attributes that the subject of a device's certificate has to have.
    pub device_subject: Vec<String>,
    /// The form of a client's Common Name: `*` is any text, `{environment}` that of `[api]`.
    pub client_common_name: String,
    /// How long a code may be used for the first time.
    #[serde(with = "quantity::duration")]
    pub invitation_lifetime: Duration,
    /// Bytes of a request.
    #[serde(with = "quantity::size")]
    pub max_body: usize,
    /// Requests that wait for an operator; a further one gets 503.
    pub max_pending: u32,
    /// Wrong codes for one invitation; it is locked then.
    pub max_failed_codes: u32,
    /// Requests of one address (IPv6: one /64) a minute; further ones get 429.
    pub requests_per_minute: u32,
    /// Renewals of one certificate, and of those that renewed it, within 24 hours; further ones get 429.
    pub renewals_per_day: u32,
    /// After which time a client whose request waits asks again.
    #[serde(with = "quantity::duration")]
    pub retry_after: Duration,
    /// How long a request may wait before that is a finding.
    #[serde(with = "quantity::duration")]
    pub max_wait: Duration,
}

/// What happens to a renewal by the certificate before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Renewal {
    /// It waits for an operator, as a first request does.
    Approved,
    /// The test PKI issues at once.
    Automatic,
}

impl Default for Enrol {
    fn default() -> Self {
        let attributes = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            enabled: false,
            client_authority: None,
            device_authority: None,
            authorities: Vec::new(),
            days: 365,
            renewal: Renewal::Approved,
            client_subject: attributes(&["C", "ST", "L", "O", "OU"]),
            server_subject: attributes(&["C", "ST", "L", "O"]),
            device_subject: Vec::new(),
            client_common_name: "_EMAIL.{environment}@*".to_owned(),
            invitation_lifetime: Duration::from_hours(7 * 24),
            max_body: 16 << 10,
            max_pending: 100,
            max_failed_codes: 10,
            requests_per_minute: 30,
            renewals_per_day: 3,
            retry_after: Duration::from_secs(30),
            max_wait: Duration::from_hours(24),
        }
    }
}

impl Enrol {
    /// The folder of the test PKI that issues to devices, or to partners.
    #[must_use]
    pub fn authority(&self, is_device: bool) -> Option<&Path> {
        let folder = if is_device { &self.device_authority } else { &self.client_authority };
        folder.as_deref()
    }

    /// The files of CAs that issue, besides those of the listener's own certificate.
    #[must_use]
    pub fn authority_files(&self) -> Vec<PathBuf> {
        let of_pki = |folder: &PathBuf| PKI_FILES.map(|name| folder.join(name));
        let folders = self.client_authority.iter().chain(&self.device_authority);
        folders.flat_map(of_pki).chain(self.authorities.iter().cloned()).collect()
    }
}

/// What is wrong with enrolment, by key.
pub(super) fn problems(enrol: &Enrol, has_listener: bool) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    if enrol.enabled && !has_listener {
        let what = "there is no listener for it; set api.listen, api.base-url and api.communities";
        problems.push(("enrol.enabled", what.to_owned()));
    }
    let lists = [
        ("enrol.client-subject", &enrol.client_subject),
        ("enrol.server-subject", &enrol.server_subject),
        ("enrol.device-subject", &enrol.device_subject),
    ];
    for (key, names) in lists {
        if let Some(name) = names.iter().find(|name| !ATTRIBUTES.contains(&name.as_str())) {
            problems.push((key, format!("\"{name}\" is not one of {}", ATTRIBUTES.join(", "))));
        }
    }
    let pattern = &enrol.client_common_name;
    if pattern.is_empty() || pattern.len() > MAX_PATTERN || pattern.contains(char::is_control) {
        let what = format!(
            "\"{pattern}\" is not 1 to {MAX_PATTERN} characters, such as \"_EMAIL.{{environment}}@*\""
        );
        problems.push(("enrol.client-common-name", what));
    }
    problems
}

/// The CAs of a test PKI.
const PKI_FILES: [&str; 6] = [
    "ca/component-ca-ecc.pem",
    "ca/component-ca-rsa.pem",
    "ca/platform-ca-ecc.pem",
    "ca/platform-ca-rsa.pem",
    "root-ecc.pem",
    "root-rsa.pem",
];

/// The attributes of a subject that can be asked for.
const ATTRIBUTES: [&str; 6] = ["C", "ST", "L", "O", "OU", "serialNumber"];

pub(super) const KEYS: &[Key] = &[
    Key::new("enrol.enabled", ReloadClass::Applied),
    Key::new("enrol.client-authority", ReloadClass::Applied),
    Key::new("enrol.device-authority", ReloadClass::Applied),
    Key::new("enrol.authorities", ReloadClass::Applied),
    Key::new("enrol.days", ReloadClass::Applied).count(1..=3650),
    Key::new("enrol.renewal", ReloadClass::Applied),
    Key::new("enrol.client-subject", ReloadClass::Applied),
    Key::new("enrol.server-subject", ReloadClass::Applied),
    Key::new("enrol.device-subject", ReloadClass::Applied),
    Key::new("enrol.client-common-name", ReloadClass::Applied),
    Key::new("enrol.invitation-lifetime", ReloadClass::Applied).timeout(),
    Key::new("enrol.max-body", ReloadClass::Applied).bytes(1024..=(16 << 10)),
    Key::new("enrol.max-pending", ReloadClass::Applied).count(1..=10_000),
    Key::new("enrol.max-failed-codes", ReloadClass::Applied).count(1..=1000),
    Key::new("enrol.requests-per-minute", ReloadClass::Applied).count(1..=10_000),
    Key::new("enrol.renewals-per-day", ReloadClass::Applied).count(1..=1000),
    Key::new("enrol.retry-after", ReloadClass::Applied)
        .time(Duration::from_secs(1), Duration::from_hours(24)),
    Key::new("enrol.max-wait", ReloadClass::Applied).timeout(),
];

/// Characters of a pattern.
const MAX_PATTERN: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n000_4_enrolment_needs_a_listener_and_known_attributes() {
        let problems_of = |text: &str, has_listener| {
            let enrol: Enrol = toml::from_str(text).unwrap();
            problems(&enrol, has_listener).into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(problems_of("", false), [""; 0]);
        assert_eq!(problems_of("enabled = true", true), [""; 0]);
        assert_eq!(problems_of("enabled = true", false), ["enrol.enabled"]);
        assert_eq!(problems_of("server-subject = [\"CN\"]", true), ["enrol.server-subject"]);
        assert_eq!(problems_of("client-common-name = \"\"", true), ["enrol.client-common-name"]);
    }
}
