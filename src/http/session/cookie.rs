//! The cookie of a session.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;

/// The secret of the session that a request names.
pub(in crate::http) fn session_secret(headers: &HeaderMap, is_secure: bool) -> Option<String> {
    let name = name(is_secure);
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(given, _)| *given == name).map(|(_, value)| value.to_owned())
}

/// The value of `Set-Cookie` that begins a session. It ends with the browser, and here earlier.
pub(super) fn set(secret: &str, is_secure: bool) -> String {
    format!("{}={secret}; {}", name(is_secure), attributes(is_secure))
}

/// The value of `Set-Cookie` that ends it.
pub(super) fn clear(is_secure: bool) -> String {
    format!("{}=; Max-Age=0; {}", name(is_secure), attributes(is_secure))
}

/// The prefix `__Host-` binds it to this host and to TLS; without TLS no browser would take that.
const fn name(is_secure: bool) -> &'static str {
    if is_secure { "__Host-pcd-session" } else { "pcd-session" }
}

const fn attributes(is_secure: bool) -> &'static str {
    if is_secure { "Path=/; HttpOnly; SameSite=Strict; Secure" } else { "Path=/; HttpOnly; SameSite=Strict" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        let headers = |cookies: &[&'static str]| {
            cookies.iter().map(|cookie| (COOKIE, axum::http::HeaderValue::from_static(cookie))).collect()
        };
        let secret = |cookies: &[&'static str], is_secure| session_secret(&headers(cookies), is_secure);
        assert_eq!(secret(&["a=1; pcd-session=00ff; b=2"], false).as_deref(), Some("00ff"));
        assert_eq!(secret(&["a=1", "pcd-session=00ff"], false).as_deref(), Some("00ff"));
        assert_eq!(secret(&["xpcd-session=00ff"], false), None);
        // A cookie without TLS may be set by whatever stands at another port of the host.
        assert_eq!(secret(&["pcd-session=00ff"], true), None);
        assert_eq!(secret(&["__Host-pcd-session=00ff"], true).as_deref(), Some("00ff"));
    }

    #[test]
    fn scripts_and_other_sites_do_not_get_the_cookie() {
        assert_eq!(set("00ff", false), "pcd-session=00ff; Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(set("00ff", true), "__Host-pcd-session=00ff; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert!(clear(false).starts_with("pcd-session=; Max-Age=0; "));
    }
}
