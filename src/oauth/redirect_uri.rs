//! Where an application takes the answer of a person.

/// A redirect URI that may be registered: `https`, absolute, without user, fragment, or characters that would
/// have to be encoded. What comes later is compared with it as a whole, so it is kept as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedirectUri<'a> {
    text: &'a str,
    origin: &'a str,
}

impl<'a> RedirectUri<'a> {
    /// The URI, if it may be registered (RFC 6749 section 3.1.2, RFC 3986).
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix("https://")?;
        let authority = rest.find(['/', '?']).map_or(Some(rest), |end| rest.get(..end))?;
        let origin = text.get(..text.len() - rest.len() + authority.len())?;
        let is_uri = text.len() <= MAX_BYTES
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || ALLOWED.contains(&byte));
        (is_uri && is_host_and_port(authority) && !names_answer(text)).then_some(Self { text, origin })
    }

    /// Scheme, host and port: the pages of an application to which a form may lead.
    #[must_use]
    pub const fn origin(self) -> &'a str {
        self.origin
    }

    /// The URI with the parameters of an answer (RFC 6749 section 4.1.2): what it has, it keeps.
    #[must_use]
    pub fn with(self, parameters: &[(&str, &str)]) -> String {
        let mut uri = self.text.to_owned();
        let mut separator = if self.text.contains('?') { '&' } else { '?' };
        for (name, value) in parameters {
            uri.push(separator);
            uri.push_str(name);
            uri.push('=');
            value.bytes().for_each(|byte| push_encoded(&mut uri, byte));
            separator = '&';
        }
        uri
    }
}

/// RFC 3986 section 2.1.
fn push_encoded(uri: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        uri.push(char::from(byte));
    } else {
        uri.push_str(&format!("%{byte:02X}"));
    }
}

fn is_host_and_port(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_port =
        |port: &str| port.starts_with(|c: char| ('1'..='9').contains(&c)) && port.parse::<u16>().is_ok();
    // An IPv6 address is no source of a Content Security Policy: the browser would block the answer.
    let is_host =
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    is_host && port.is_none_or(is_port)
}

/// Whether the query has a parameter of the answer already: the application could take either for it. A name
/// that is written with an escape may be one.
fn names_answer(text: &str) -> bool {
    let query = text.split_once('?').map_or("", |(_, query)| query);
    query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        name.contains(['%', '+']) || ANSWER.contains(&name)
    })
}

/// Parameters of an answer.
const ANSWER: [&str; 5] = ["code", "state", "iss", "error", "error_description"];
/// Characters besides letters and digits, without `#` and `@`.
const ALLOWED: &[u8] = b":/?[]!$&'()*+,;=-._~%";
/// Bytes of a redirect URI.
const MAX_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n001_6_a_redirect_uri_is_absolute_and_leads_to_one_host() {
        for (text, origin) in [
            ("https://app.example/callback", "https://app.example"),
            ("https://app.example", "https://app.example"),
            ("https://app.example:8443?a=b", "https://app.example:8443"),
        ] {
            assert_eq!(RedirectUri::parse(text).map(RedirectUri::origin), Some(origin), "{text}");
        }
        for text in [
            "",
            "http://app.example/callback",
            "HTTPS://app.example/",
            "app:callback",
            "javascript:alert(1)",
            "https://",
            "https:///callback",
            "https://user@app.example/",
            "https://app.example/#fragment",
            "https://app.example/a b",
            "https://app.example/\n",
            "https://app.example;script-src *",
            "https://app.example:0/",
            "https://app.example:+80/",
            "https://[::1]:9/cb",
            "https://app.example/?code=x",
            "https://app.example/?a=b&iss=https://other.example",
            "https://app.example/?st%61te=x",
            "https://app.example:99999/",
            "https://app.example:/",
            "https://[::1/",
            "https://app.example/\u{e4}",
            &format!("https://app.example/{}", "x".repeat(MAX_BYTES)),
        ] {
            assert_eq!(RedirectUri::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn n001_6_an_answer_keeps_what_the_uri_has() {
        let with =
            |uri: &str| RedirectUri::parse(uri).unwrap().with(&[("code", "a-b"), ("state", "x y&z=\u{e4}#")]);
        assert_eq!(with("https://a.example/cb"), "https://a.example/cb?code=a-b&state=x%20y%26z%3D%C3%A4%23");
        assert_eq!(
            with("https://a.example?k=v"),
            "https://a.example?k=v&code=a-b&state=x%20y%26z%3D%C3%A4%23"
        );
    }
}
