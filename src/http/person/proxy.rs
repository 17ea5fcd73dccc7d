//! A proxy that has asked who the person is (single sign-on), and says so in a header.

use axum::http::HeaderMap;

use super::proof::{MAX_NAME, Proof};
use crate::config::Admin;

/// Whether the configuration names the client as a proxy. root never is one: it comes in when nothing else
/// works.
pub(super) fn is_proxy(proof: &Proof<'_>, config: &Admin) -> bool {
    let is_root = matches!(proof, Proof::Account(user) if user.user == 0);
    !is_root
        && config.identity_header.is_some()
        && config.identity_proxies.iter().any(|proxy| proof.is(proxy))
}

/// The person whom the proxy names; `None` unless the header is there once, with a name.
pub(super) fn named(headers: &HeaderMap, config: &Admin) -> Option<String> {
    let mut values = headers.get_all(config.identity_header.as_deref()?).iter();
    let (first, second) = (values.next()?, values.next());
    // Two values: one may be the client's own, which the proxy has let through.
    if second.is_some() {
        return None;
    }
    let name = std::str::from_utf8(first.as_bytes()).ok()?;
    let is_name = !name.is_empty()
        && name.chars().count() <= MAX_NAME
        && name.trim() == name
        && !name.contains(|c: char| c.is_control() || c == ',');
    is_name.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::http::person::way::LocalUser;

    fn config() -> Admin {
        Admin {
            identity_header: Some("X-Forwarded-User".to_owned()),
            identity_proxies: vec!["user:4000000033".to_owned(), "user:0".to_owned()],
            ..Admin::default()
        }
    }

    #[test]
    fn only_an_account_that_is_named_is_a_proxy_and_root_is_none() {
        let user = |user| LocalUser { user, groups: Vec::new(), login: None };
        let is = |number, config: &Admin| is_proxy(&Proof::Account(&user(number)), config);
        assert!(is(4_000_000_033, &config()));
        assert!(!is(4_000_000_034, &config()) && !is(0, &config()));
        assert!(!is(4_000_000_033, &Admin { identity_header: None, ..config() }));
    }

    #[test]
    fn the_header_names_one_person_once() {
        let of = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-user", HeaderValue::from_bytes(value).unwrap());
            }
            named(&headers, &config())
        };
        assert_eq!(of(&[b"m.weber@hospital.example"]).as_deref(), Some("m.weber@hospital.example"));
        assert_eq!(of(&["Jürgen".as_bytes()]).as_deref(), Some("Jürgen"));
        let long = "x".repeat(257);
        let wrong: [&[&[u8]]; 6] = [&[], &[b""], &[b"a", b"b"], &[b"a,b"], &[b"\xff"], &[long.as_bytes()]];
        for values in wrong {
            assert_eq!(of(values), None, "{values:?}");
        }
    }
}
