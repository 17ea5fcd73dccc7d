//! How `[admin]` names people and proxies.

use crate::model::name_attributes;

/// The ways in that are configured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ways {
    /// People may show certificates.
    pub(super) has_tls: bool,
    /// A proxy may name people.
    pub(super) has_proxies: bool,
}

/// What is wrong with the name of a person who has a role.
pub(super) fn problem(subject: &str, ways: Ways) -> Option<String> {
    if let Some(name) = ["user:", "group:"].iter().find_map(|kind| subject.strip_prefix(kind)) {
        return (!is_name(name)).then(|| unknown(subject));
    }
    if let Some(name) = subject.strip_prefix("person:") {
        let without = || format!("\"{subject}\" is named by a proxy: set admin.identity-header");
        return match is_name(name) {
            true => (!ways.has_proxies).then(without),
            false => Some(unknown(subject)),
        };
    }
    certificate_problem(subject, ways.has_tls)
}

/// What is wrong with the name of a proxy.
pub(super) fn proxy_problem(proxy: &str, has_tls: bool) -> Option<String> {
    match proxy.strip_prefix("user:") {
        Some("root" | "0") => Some(
            "root is no proxy: it is who comes in when nothing else works; run the proxy as an account of its own"
                .to_owned(),
        ),
        Some(name) => (!is_name(name)).then(|| unknown(proxy)),
        None if proxy.starts_with("group:") || proxy.starts_with("person:") => {
            Some(format!("\"{proxy}\" is neither user:NAME nor the name in a certificate"))
        }
        None => certificate_problem(proxy, has_tls),
    }
}

/// What is wrong with the name of the header in which a proxy names the person.
pub(super) fn header_problem(name: &str) -> Option<String> {
    let is_token = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if !is_token {
        return Some(format!("\"{name}\" is not the name of a header"));
    }
    let other = OTHER_HEADERS.iter().find(|other| other.eq_ignore_ascii_case(name))?;
    Some(format!("{other} says something else: use a header such as X-Forwarded-User"))
}

fn certificate_problem(subject: &str, has_tls: bool) -> Option<String> {
    let is_attribute = |attribute: &str| {
        attribute
            .split_once('=')
            .is_some_and(|(keyword, value)| KEYWORDS.contains(&keyword) && is_name(value))
    };
    if !name_attributes(subject).into_iter().all(is_attribute) {
        return Some(unknown(subject));
    }
    let without = || format!("\"{subject}\" is the name in a certificate: set admin.trust-anchors");
    (!has_tls).then(without)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(char::is_control)
}

fn unknown(subject: &str) -> String {
    format!(
        "\"{subject}\" is not user:NAME, group:NAME, person:NAME, or the name in a certificate such as \
         CN=m.weber,O=Hospital (of {})",
        KEYWORDS.join(", ")
    )
}

/// The keywords that names of certificates are shown with (RFC 4514 section 3, and serialNumber).
const KEYWORDS: [&str; 10] = ["CN", "L", "ST", "O", "OU", "C", "STREET", "DC", "UID", "serialNumber"];

/// Headers that browsers and proxies use otherwise.
const OTHER_HEADERS: [&str; 12] = [
    "accept",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "origin",
    "referer",
    "sec-fetch-site",
    "transfer-encoding",
    "x-csrf-token",
];

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Ways = Ways { has_tls: true, has_proxies: true };

    #[test]
    fn a_person_is_an_account_a_name_in_a_certificate_or_one_that_a_proxy_names() {
        for subject in
            ["user:m.weber", "group:4000", "person:m.weber@hospital", "CN=m.weber, O=Hospital", "OU=it"]
        {
            assert_eq!(problem(subject, ALL), None, "{subject}");
        }
        for subject in
            ["", "m.weber", "user:", "person:", "cn=m.weber", "CN=", "CN=a,b", "title=chief", "CN=a\u{1}"]
        {
            assert!(problem(subject, ALL).is_some_and(|what| what.contains("user:NAME")), "{subject}");
        }
        let none = Ways { has_tls: false, has_proxies: false };
        assert!(problem("CN=m.weber", none).is_some_and(|what| what.contains("admin.trust-anchors")));
        assert!(problem("person:m.weber", none).is_some_and(|what| what.contains("admin.identity-header")));
    }

    #[test]
    fn a_proxy_is_an_account_or_a_certificate_and_never_root() {
        for proxy in ["user:www-data", "user:33", "CN=sso.hospital.example"] {
            assert_eq!(proxy_problem(proxy, true), None, "{proxy}");
        }
        for proxy in ["user:root", "user:0", "user:", "group:www-data", "person:x", "sso"] {
            assert!(proxy_problem(proxy, true).is_some(), "{proxy}");
        }
        assert!(proxy_problem("CN=sso.hospital.example", false).is_some());
        assert_eq!(header_problem("X-Forwarded-User"), None);
        for header in ["", "x forwarded", "Cookie", "HOST", "x:y"] {
            assert!(header_problem(header).is_some(), "{header}");
        }
    }
}
