//! Where a private key is in a PKCS#11 token: the URIs of RFC 7512, as far as they can name a private key.

use std::fmt;
use std::path::PathBuf;

/// A private key in a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUri {
    /// What follows `pkcs11:`, as it was written; a PIN cannot be in it.
    text: String,
    /// The label of the token.
    pub token: Option<String>,
    /// The serial number of the token.
    pub serial: Option<String>,
    /// The label of the key (CKA_LABEL).
    pub object: Option<String>,
    /// The identifier of the key (CKA_ID).
    pub id: Option<Vec<u8>>,
    /// The library that speaks to the token.
    pub module: PathBuf,
    /// The file with the PIN, if the token wants one.
    pub pin: Option<PathBuf>,
}

/// A URI that names no private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenUriError {
    /// Not `name=value`, or percent-encoding that is none.
    #[error("the PKCS#11 URI is malformed at \"{0}\"")]
    Malformed(String),
    /// An attribute that is not understood; leaving it out of account could name another key.
    #[error(
        "\"{0}\" in the PKCS#11 URI is not supported; token, serial, object, id, type, module-path and pin-source are"
    )]
    Unknown(String),
    /// The same attribute twice.
    #[error("\"{0}\" stands in the PKCS#11 URI twice")]
    Twice(&'static str),
    /// A secret in a configuration file.
    #[error(
        "a PIN does not belong into the configuration; put it into a private file and name that: pin-source=FILE"
    )]
    PinValue,
    /// No token.
    #[error("the PKCS#11 URI names no token: add token=LABEL or serial=NUMBER")]
    NoToken,
    /// No key.
    #[error("the PKCS#11 URI names no key: add object=LABEL or id=%01")]
    NoKey,
    /// No library.
    #[error("the PKCS#11 URI names no library: add ?module-path=/PATH/OF/LIBRARY.so")]
    NoModule,
    /// Something other than a private key.
    #[error("the PKCS#11 URI has to name a private key: type=private")]
    NotPrivate,
}

impl TokenUri {
    /// Reads what follows `pkcs11:`. `private_file` finds the file that pin-source names.
    ///
    /// # Errors
    /// When it does not name exactly a token, a key and a library.
    pub fn parse(text: &str, private_file: impl FnOnce(&str) -> PathBuf) -> Result<Self, TokenUriError> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let path = path.split(';').filter(|part| !part.is_empty());
        let query = query.split('&').filter(|part| !part.is_empty());
        let mut found = Found::default();
        for part in path.chain(query) {
            found.add(part)?;
        }
        let Found { token, serial, object, id, module, pin, kind } = found;
        let utf8 = |value: Option<Vec<u8>>| {
            value.map(String::from_utf8).transpose().map_err(|_| TokenUriError::Malformed("UTF-8".to_owned()))
        };
        if kind.is_some_and(|kind| kind != b"private") {
            return Err(TokenUriError::NotPrivate);
        }
        if token.is_none() && serial.is_none() {
            return Err(TokenUriError::NoToken);
        }
        if object.is_none() && id.is_none() {
            return Err(TokenUriError::NoKey);
        }
        Ok(Self {
            text: text.to_owned(),
            token: utf8(token)?,
            serial: utf8(serial)?,
            object: utf8(object)?,
            id,
            module: utf8(module)?.ok_or(TokenUriError::NoModule)?.into(),
            // RFC 7512 2.4: a path, also as a file: URI.
            pin: utf8(pin)?.map(|pin| private_file(pin.strip_prefix("file:").unwrap_or(&pin))),
        })
    }
}

/// Attributes, decoded.
#[derive(Default)]
struct Found {
    token: Option<Vec<u8>>,
    serial: Option<Vec<u8>>,
    object: Option<Vec<u8>>,
    id: Option<Vec<u8>>,
    kind: Option<Vec<u8>>,
    module: Option<Vec<u8>>,
    pin: Option<Vec<u8>>,
}

impl Found {
    fn add(&mut self, part: &str) -> Result<(), TokenUriError> {
        let (name, value) = part.split_once('=').ok_or_else(|| TokenUriError::Malformed(part.to_owned()))?;
        let (name, slot) = match name {
            "token" => ("token", &mut self.token),
            "serial" => ("serial", &mut self.serial),
            "object" => ("object", &mut self.object),
            "id" => ("id", &mut self.id),
            "type" => ("type", &mut self.kind),
            "module-path" => ("module-path", &mut self.module),
            "pin-source" => ("pin-source", &mut self.pin),
            "pin-value" => return Err(TokenUriError::PinValue),
            other => return Err(TokenUriError::Unknown(other.to_owned())),
        };
        let value = decoded(value).ok_or_else(|| TokenUriError::Malformed(name.to_owned()))?;
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(TokenUriError::Twice(name)),
        }
    }
}

/// Percent-encoding, RFC 3986 2.1.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            u8::try_from(high << 4 | low).ok()?
        } else {
            byte
        });
    }
    Some(out)
}

impl fmt::Display for TokenUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pkcs11:{}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<TokenUri, TokenUriError> {
        TokenUri::parse(text, |file| PathBuf::from("/etc/pcd").join(file))
    }

    #[test]
    fn a11_a_uri_names_token_key_library_and_pin_file() {
        let text = "token=Ward%207;object=platform-ecc;id=%01%fF;type=private\
                    ?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:pin";
        let uri = parse(text).unwrap();
        assert_eq!(uri.token.as_deref(), Some("Ward 7"));
        assert_eq!(uri.object.as_deref(), Some("platform-ecc"));
        assert_eq!(uri.id.as_deref(), Some(&[0x01, 0xff][..]));
        assert_eq!(uri.module, PathBuf::from("/usr/lib/softhsm/libsofthsm2.so"));
        assert_eq!(uri.pin, Some("/etc/pcd/pin".into()));
        assert_eq!(uri.to_string(), format!("pkcs11:{text}"));
    }

    #[test]
    fn what_could_name_another_key_is_refused() {
        use TokenUriError as E;
        let rest = "?module-path=/m.so";
        for (text, error) in [
            (format!("object=k{rest}"), E::NoToken),
            (format!("token=t{rest}"), E::NoKey),
            ("token=t;object=k".to_owned(), E::NoModule),
            (format!("token=t;object=k;slot-id=3{rest}"), E::Unknown("slot-id".to_owned())),
            (format!("token=t;object=k;type=cert{rest}"), E::NotPrivate),
            (format!("token=t;token=u;object=k{rest}"), E::Twice("token")),
            (format!("token=t;object=%4{rest}"), E::Malformed("object".to_owned())),
            (format!("token=t;object{rest}"), E::Malformed("object".to_owned())),
            (format!("token=%ff;object=k{rest}"), E::Malformed("UTF-8".to_owned())),
            (format!("token=t;object=k{rest}&pin-value=1234"), E::PinValue),
        ] {
            assert_eq!(parse(&text), Err(error), "{text}");
        }
    }
}
