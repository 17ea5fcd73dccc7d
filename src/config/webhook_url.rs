//! The URL of a webhook.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An https URL, or an http URL of this machine. It may hold a secret, and is never shown as a whole.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WebhookUrl {
    is_tls: bool,
    host: String,
    port: u16,
    /// With the query.
    path: String,
}

/// Not the URL of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookUrlError {
    /// Another scheme.
    #[error("write https://HOST/PATH")]
    Scheme,
    /// http to another machine.
    #[error("http is for this machine only (127.0.0.1, [::1] or localhost): write https://")]
    Plain,
    /// A password in front of the host.
    #[error("a URL with a user or a password is not supported: use secret-file")]
    User,
    /// Characters that a URL does not have, or no host, or no port.
    #[error("this is not a URL: write https://HOST/PATH or https://HOST:PORT/PATH, percent-encoded")]
    Form,
}

impl WebhookUrl {
    /// Whether it is https.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The name or the address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The path with the query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value of the header `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let default = if self.is_tls { 443 } else { 80 };
        if self.port == default { host } else { format!("{host}:{}", self.port) }
    }
}

impl FromStr for WebhookUrl {
    type Err = WebhookUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (is_tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(WebhookUrlError::Scheme),
        };
        if !rest.chars().all(|letter| letter.is_ascii_graphic()) || rest.contains('#') {
            return Err(WebhookUrlError::Form);
        }
        let (authority, path) = match rest.find(['/', '?']) {
            Some(end) => rest.split_at(end),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(WebhookUrlError::User);
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let (host, port) = match authority.strip_prefix('[') {
            Some(address) => {
                let (host, port) = address.split_once(']').ok_or(WebhookUrlError::Form)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| WebhookUrlError::Form)?;
                (host, port.strip_prefix(':').or(port.is_empty().then_some("")).ok_or(WebhookUrlError::Form)?)
            }
            None => authority.split_once(':').unwrap_or((authority, "")),
        };
        let default = if is_tls { 443 } else { 80 };
        let port = if port.is_empty() { default } else { port.parse().map_err(|_| WebhookUrlError::Form)? };
        let is_host = |letter: char| letter.is_ascii_alphanumeric() || "-._:".contains(letter);
        if host.is_empty() || !host.chars().all(is_host) || port == 0 {
            return Err(WebhookUrlError::Form);
        }
        if !is_tls && !is_loopback(host) {
            return Err(WebhookUrlError::Plain);
        }
        Ok(Self { is_tls, host: host.to_ascii_lowercase(), port, path })
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Without the path, which may be a secret.
impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/...", if self.is_tls { "https" } else { "http" }, self.authority())
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_everywhere_and_http_on_this_machine() {
        let url: WebhookUrl = "https://Ops.example/hook/s3cret?x=1".parse().unwrap();
        assert_eq!((url.is_tls(), url.host(), url.port()), (true, "ops.example", 443));
        assert_eq!((url.path(), url.authority().as_str()), ("/hook/s3cret?x=1", "ops.example"));
        let url: WebhookUrl = "http://[::1]:8080".parse().unwrap();
        assert_eq!((url.is_tls(), url.host(), url.port(), url.path()), (false, "::1", 8080, "/"));
        assert_eq!(url.authority(), "[::1]:8080");
        for local in ["http://localhost/x", "http://127.0.0.1:9/x", "http://127.9.9.9?x"] {
            local.parse::<WebhookUrl>().unwrap();
        }
    }

    #[test]
    fn what_could_leak_or_mislead_is_refused() {
        for (text, error) in [
            ("ftp://x/", WebhookUrlError::Scheme),
            ("HTTPS//x", WebhookUrlError::Scheme),
            ("http://ops.example/", WebhookUrlError::Plain),
            ("http://127.0.0.1.evil.example/", WebhookUrlError::Plain),
            ("http://localhost@evil.example/", WebhookUrlError::User),
            ("https://user:word@ops.example/", WebhookUrlError::User),
            ("https:///x", WebhookUrlError::Form),
            ("https://ops.example:0/", WebhookUrlError::Form),
            ("https://ops.example:99999/", WebhookUrlError::Form),
            ("https://ops.example/a b", WebhookUrlError::Form),
            ("https://ops.example/\r\nX: y", WebhookUrlError::Form),
            ("https://[::1/", WebhookUrlError::Form),
            ("https://[::1]x/", WebhookUrlError::Form),
        ] {
            assert_eq!(text.parse::<WebhookUrl>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn the_path_is_never_shown() {
        let url: WebhookUrl = "https://ops.example:8443/hook/s3cret".parse().unwrap();
        assert_eq!(format!("{url} {url:?}"), "https://ops.example:8443/... https://ops.example:8443/...");
    }
}
