//! What a refused peer showed, as far as it says why it was refused.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::model::deceptive::without_deception;

/// What a refused peer showed. Its claims are not proved. Never content of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusalFacts {
    /// The first bytes that it sent.
    pub hello: HelloFacts,
    /// The certificate that it sent, if it could be read.
    pub certificate: Option<ShownCertificate>,
    /// The Common Name in that certificate, if there is exactly one.
    pub name: Option<String>,
    /// The name of the CA that is missing: it is not among those that the peer sent, and no installed root.
    pub missing_ca: Option<String>,
    /// The end of the validity of another certificate of the chain, with its subject, if that is the reason.
    pub ended: Option<(String, Timestamp)>,
    /// The number of the alert that the peer sent (RFC 5246 7.2).
    pub alert: Option<u8>,
    /// The object identifier of an extension that is not supported.
    pub extension: Option<String>,
    /// What is wrong with its header of the PROXY protocol, if that is the reason.
    pub proxy_header: Option<String>,
    /// What is known about the revocation of its certificates, where one is revoked or undetermined.
    pub revocation: Option<String>,
}

/// The beginning of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HelloFacts {
    /// What the first bytes look like.
    pub first_bytes: FirstBytes,
    /// The TLS versions that are offered, the newest first.
    pub versions: Vec<String>,
    /// The cipher suites that are offered, by their IANA names, in the order of the peer; at most
    /// [`HelloFacts::MAX_SUITES`].
    pub suites: Vec<String>,
}

impl HelloFacts {
    /// Suites that are remembered.
    pub const MAX_SUITES: usize = 32;
}

/// What the first bytes of a connection look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FirstBytes {
    /// Nothing is known about them.
    #[default]
    None,
    /// A TLS record.
    Tls,
    /// A ClientHello of SSL 2.0.
    Ssl2,
    /// HL7 in MLLP (first byte 0x0B), or HL7 alone.
    PlainMllp,
    /// A request of HTTP.
    Http,
    /// SSH.
    Ssh,
    /// The header of the PROXY protocol, which a load balancer sends.
    ProxyProtocol,
    /// Something else.
    Other,
}

/// A certificate that a peer showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCertificate {
    /// SHA-256 over its DER, in hexadecimal.
    pub fingerprint: String,
    /// The serial number, in hexadecimal.
    pub serial: String,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// The first second of its validity.
    pub not_before: Timestamp,
    /// The last second of its validity.
    pub not_after: Timestamp,
    /// The kind and size of its key.
    pub key: String,
}

impl FirstBytes {
    const ALL: [Self; 8] = [
        Self::None,
        Self::Tls,
        Self::Ssl2,
        Self::PlainMllp,
        Self::Http,
        Self::Ssh,
        Self::ProxyProtocol,
        Self::Other,
    ];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tls => "tls",
            Self::Ssl2 => "ssl2",
            Self::PlainMllp => "plain-mllp",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::ProxyProtocol => "proxy-protocol",
            Self::Other => "other",
        }
    }

    /// What these first bytes of a connection look like.
    #[must_use]
    pub fn classify(bytes: &[u8]) -> Self {
        let begins = |all: &[&[u8]]| all.iter().any(|start| bytes.starts_with(start));
        match bytes {
            [] => Self::None,
            [0x16, 3, ..] | [0x15, 3, ..] => Self::Tls,
            [0x0b, ..] => Self::PlainMllp,
            [high, _, 1, ..] if high & 0x80 != 0 => Self::Ssl2,
            _ if begins(&[b"MSH|", b"FHS|", b"BHS|"]) => Self::PlainMllp,
            _ if begins(&[b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ", b"CONNECT ", b"PRI * HTTP"]) => {
                Self::Http
            }
            _ if begins(&[b"SSH-"]) => Self::Ssh,
            _ if begins(&[b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"]) => Self::ProxyProtocol,
            _ => Self::Other,
        }
    }
}

impl RefusalFacts {
    /// The same with texts as they are logged and stored: a peer chooses them.
    #[must_use]
    pub fn bounded(self) -> Self {
        let text = |text: Option<String>| text.as_deref().map(bounded);
        Self {
            certificate: self.certificate.map(ShownCertificate::bounded),
            name: text(self.name),
            missing_ca: text(self.missing_ca),
            ended: self.ended.map(|(name, at)| (bounded(&name), at)),
            extension: text(self.extension),
            proxy_header: text(self.proxy_header),
            revocation: text(self.revocation),
            ..self
        }
    }

    /// As JSON: only what is known.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut fields = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(key.to_owned(), value);
            }
        };
        let text = |text: &Option<String>| text.as_deref().map(|text| Value::from(bounded(text)));
        let list = |all: &[String]| (!all.is_empty()).then(|| Value::from(all.to_vec()));
        let first = self.hello.first_bytes;
        put("first-bytes", (first != FirstBytes::None).then(|| first.code().into()));
        put("offered-versions", list(&self.hello.versions));
        put("offered-suites", list(&self.hello.suites));
        put("certificate", self.certificate.as_ref().map(ShownCertificate::to_json));
        put("name", text(&self.name));
        put("missing-ca", text(&self.missing_ca));
        put("ended", self.ended.as_ref().map(|(name, at)| json!([bounded(name), at.to_string()])));
        put("alert", self.alert.map(Value::from));
        put("extension", text(&self.extension));
        put("proxy-header", text(&self.proxy_header));
        put("revocation", text(&self.revocation));
        fields.into()
    }

    /// Reads what [`RefusalFacts::to_json`] wrote; what cannot be read counts as not known.
    #[must_use]
    pub fn from_json(json: &Value) -> Self {
        let text = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
        let list = |key: &str| {
            let all = json.get(key).and_then(Value::as_array).into_iter().flatten();
            all.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let first = json.get("first-bytes").and_then(Value::as_str).unwrap_or_default();
        let ended = json.get("ended").and_then(|ended| {
            let at = ended.get(1)?.as_str()?.parse().ok()?;
            Some((ended.get(0)?.as_str()?.to_owned(), at))
        });
        Self {
            hello: HelloFacts {
                first_bytes: FirstBytes::ALL
                    .into_iter()
                    .find(|known| known.code() == first)
                    .unwrap_or_default(),
                versions: list("offered-versions"),
                suites: list("offered-suites"),
            },
            certificate: json.get("certificate").and_then(ShownCertificate::from_json),
            name: text("name"),
            missing_ca: text("missing-ca"),
            ended,
            alert: json.get("alert").and_then(Value::as_u64).and_then(|alert| alert.try_into().ok()),
            extension: text("extension"),
            proxy_header: text("proxy-header"),
            revocation: text("revocation"),
        }
    }
}

impl ShownCertificate {
    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "fingerprint": self.fingerprint,
            "serial": bounded(&self.serial),
            "issuer": bounded(&self.issuer),
            "not-before": self.not_before.to_string(),
            "not-after": self.not_after.to_string(),
            "key": self.key,
        })
    }

    /// The same with texts as they are stored: a peer chooses them.
    #[must_use]
    pub fn bounded(self) -> Self {
        Self { serial: bounded(&self.serial), issuer: bounded(&self.issuer), ..self }
    }

    fn from_json(json: &Value) -> Option<Self> {
        let text = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            fingerprint: text("fingerprint")?,
            serial: text("serial")?,
            issuer: text("issuer")?,
            not_before: text("not-before")?.parse().ok()?,
            not_after: text("not-after")?.parse().ok()?,
            key: text("key")?,
        })
    }
}

/// A text that a peer chose, as it is stored: of limited length, without what could deceive who reads it.
fn bounded(text: &str) -> String {
    let kept: String = text.chars().take(MAX_TEXT).collect();
    without_deception(&kept).replace('\0', "\u{2400}")
}

/// Characters of a text.
const MAX_TEXT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_peer_is_longer_than_what_is_stored() {
        let long = || Some("\u{1}".repeat(15_500));
        let facts = RefusalFacts {
            name: long(),
            missing_ca: long(),
            ended: Some((long().unwrap(), Timestamp::UNIX_EPOCH)),
            extension: long(),
            proxy_header: long(),
            revocation: long(),
            ..RefusalFacts::default()
        };
        let facts = facts.bounded();
        let (ended, _) = facts.ended.as_ref().unwrap();
        let texts =
            [&facts.name, &facts.missing_ca, &facts.extension, &facts.proxy_header, &facts.revocation];
        let lengths = texts.into_iter().flatten().chain([ended]).map(|text| text.chars().count());
        assert!(lengths.clone().count() == 6 && lengths.max() <= Some(MAX_TEXT * 8));
    }

    #[test]
    fn facts_are_read_as_they_were_written() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let facts = RefusalFacts {
            hello: HelloFacts {
                first_bytes: FirstBytes::Tls,
                versions: vec!["TLS 1.1".to_owned()],
                suites: vec!["TLS_RSA_WITH_RC4_128_MD5".to_owned()],
            },
            certificate: Some(ShownCertificate {
                fingerprint: "ab".to_owned(),
                serial: "0a".to_owned(),
                issuer: "CN=CA".to_owned(),
                not_before: at(0),
                not_after: at(1),
                key: "EC P-256".to_owned(),
            }),
            name: Some("PUMP".to_owned()),
            missing_ca: Some("CN=CA".to_owned()),
            ended: Some(("CN=CA".to_owned(), at(7))),
            alert: Some(48),
            extension: Some("1.2".to_owned()),
            proxy_header: Some("is incomplete".to_owned()),
            revocation: Some("revoked".to_owned()),
        };
        assert_eq!(RefusalFacts::from_json(&facts.to_json()), facts);
        let nothing = RefusalFacts::default();
        assert_eq!(nothing.to_json(), json!({}));
        assert_eq!(RefusalFacts::from_json(&json!({})), nothing);
        assert_eq!(RefusalFacts::from_json(&json!({"alert": 777, "ended": 3, "certificate": []})), nothing);
    }

    #[test]
    fn a_peer_does_not_decide_how_much_is_stored() {
        let facts = RefusalFacts { missing_ca: Some("\0x".repeat(100_000)), ..RefusalFacts::default() };
        let json = facts.to_json().to_string();
        assert!(json.len() < 1000 && !json.contains("u0000"), "{json}");
    }

    #[test]
    fn the_first_bytes_say_what_the_peer_speaks() {
        for (bytes, expected) in [
            (&b""[..], FirstBytes::None),
            (b"\x16\x03\x01\x02\x00", FirstBytes::Tls),
            (b"\x0bMSH|", FirstBytes::PlainMllp),
            (b"MSH|^~\\&|", FirstBytes::PlainMllp),
            (b"GET / HTTP/1.1\r\n", FirstBytes::Http),
            (b"\x80\x2e\x01\x00\x02", FirstBytes::Ssl2),
            (b"SSH-2.0-x", FirstBytes::Ssh),
            (b"\r\n\r\n\0\r\nQUIT\n!", FirstBytes::ProxyProtocol),
            (b"\x00\x01", FirstBytes::Other),
        ] {
            assert_eq!(FirstBytes::classify(bytes), expected, "{bytes:?}");
            assert!(FirstBytes::ALL.contains(&expected));
        }
    }
}
