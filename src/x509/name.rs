//! Distinguished names.

use std::fmt::{self, Write as _};

use x509_parser::asn1_rs::{Any, Oid, ToDer as _, oid};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName, X509Name};

use super::comparable::ComparableName;
use super::directory_string::decode;
use crate::model::{DeviceId, DeviceIdError, is_deceptive, name_attributes};

/// The subject or issuer of a certificate. Displayed in the form of RFC 4514, the most specific part first.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DistinguishedName {
    text: String,
    der: Vec<u8>,
    common_names: Vec<CommonName>,
}

/// One Common Name attribute (2.5.4.3) of a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CommonName {
    /// The decoded text of a DirectoryString or IA5String.
    Text(String),
    /// Another type, or bytes that do not decode.
    Unreadable {
        /// The universal tag of its ASN.1 type.
        tag: u32,
    },
}

/// The subject does not identify a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is no Common Name.
    #[error("the subject has no common name")]
    Missing,
    /// There are several Common Names.
    #[error("the subject has {0} common names; exactly one is expected")]
    Several(usize),
    /// The Common Name is no DirectoryString or IA5String, or does not decode.
    #[error("the subject's common name, of the ASN.1 type {tag}, does not decode to a text")]
    Unreadable {
        /// The universal tag of its ASN.1 type.
        tag: u32,
    },
    /// The text is not a device identifier.
    #[error("the subject's common name is not a device identifier")]
    Unusable(#[from] DeviceIdError),
}

impl DistinguishedName {
    pub(super) fn from_parsed(name: &X509Name<'_>) -> Self {
        let common_names = name.iter_attributes().filter(|attribute| *attribute.attr_type() == COMMON_NAME);
        Self {
            text: rfc_4514(name),
            der: name.as_raw().to_vec(),
            common_names: common_names.map(CommonName::from_attribute).collect(),
        }
    }

    /// Parses a Name in DER; `None` if the bytes are not a Name.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let (rest, name) = X509Name::from_der(der).ok()?;
        // x509-parser takes a SEQUENCE in primitive encoding too, and shifts what it holds.
        (rest.is_empty() && name.as_raw() == der).then(|| Self::from_parsed(&name))
    }

    /// The name in DER.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The name for comparisons by RFC 5280 section 7.1.
    #[must_use]
    pub fn comparable(&self) -> ComparableName {
        ComparableName::new(self.der.as_slice())
    }

    /// The Common Name attributes, in the order of the name.
    #[must_use]
    pub fn common_names(&self) -> &[CommonName] {
        &self.common_names
    }

    /// The text of the only Common Name.
    ///
    /// # Errors
    /// Unless there is exactly one Common Name, and it is a text.
    pub fn common_name(&self) -> Result<&str, NameError> {
        match self.common_names.as_slice() {
            [] => Err(NameError::Missing),
            [CommonName::Text(text)] => Ok(text),
            [CommonName::Unreadable { tag }] => Err(NameError::Unreadable { tag: *tag }),
            several => Err(NameError::Several(several.len())),
        }
    }

    /// Whether the name has every attribute of `wanted`, a name as RFC 4514 writes it:
    /// `CN=m.weber,O=Hospital`. Values are compared exactly.
    #[must_use]
    pub fn has_all(&self, wanted: &str) -> bool {
        let own = name_attributes(&self.text);
        !wanted.is_empty() && name_attributes(wanted).iter().all(|attribute| own.contains(attribute))
    }

    /// The identifier of the device or gateway in this subject (A8).
    ///
    /// # Errors
    /// Unless there is exactly one Common Name, and it is a device identifier.
    pub fn device_id(&self) -> Result<DeviceId, NameError> {
        Ok(DeviceId::parse(self.common_name()?)?)
    }
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl CommonName {
    /// The text, if it decodes.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Unreadable { .. } => None,
        }
    }

    fn from_attribute(attribute: &AttributeTypeAndValue<'_>) -> Self {
        let value = attribute.attr_value();
        let tag = value.tag().0;
        decode(tag, value.data).map_or(Self::Unreadable { tag }, Self::Text)
    }
}

/// The relative names in reverse order (RFC 4514 2.1).
fn rfc_4514(name: &X509Name<'_>) -> String {
    let parts: Vec<String> = name.iter_rdn().map(relative).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join(",")
}

fn relative(name: &RelativeDistinguishedName<'_>) -> String {
    name.iter().map(attribute).collect::<Vec<_>>().join("+")
}

/// A known type with its text, or else the OID of the type with the value in hexadecimal DER (RFC 4514 2.3
/// and 2.4).
fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let keyword = KEYWORDS.iter().find(|(oid, _)| oid == attribute.attr_type()).map(|(_, keyword)| *keyword);
    let value = attribute.attr_value();
    let text = decode(value.tag().0, value.data).or_else(|| attribute.as_str().ok().map(str::to_owned));
    match (keyword, text) {
        (Some(keyword), Some(text)) => format!("{keyword}={}", escaped(&text)),
        (Some(keyword), None) => format!("{keyword}=#{}", hexadecimal(attribute.attr_value())),
        (None, _) => format!("{}=#{}", attribute.attr_type(), hexadecimal(attribute.attr_value())),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (position, character) in text.chars().enumerate() {
        let special = match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => true,
            '#' => position == 0,
            ' ' => position == 0 || position == last,
            _ => false,
        };
        if special {
            out.push('\\');
        }
        if character.is_control() || is_deceptive(character) {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                push_hexadecimal(&mut out, "\\", byte);
            }
        } else {
            out.push(character);
        }
    }
    out
}

fn hexadecimal(value: &Any<'_>) -> String {
    let mut out = String::new();
    for byte in value.to_der_vec().unwrap_or_default() {
        push_hexadecimal(&mut out, "", byte);
    }
    out
}

fn push_hexadecimal(out: &mut String, mark: &str, byte: u8) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{mark}{byte:02x}");
}

const COMMON_NAME: Oid<'static> = oid!(2.5.4.3);

/// The keywords of RFC 4514 section 3, and serialNumber, which many devices use.
const KEYWORDS: &[(Oid<'static>, &str)] = &[
    (COMMON_NAME, "CN"),
    (oid!(2.5.4.7), "L"),
    (oid!(2.5.4.8), "ST"),
    (oid!(2.5.4.10), "O"),
    (oid!(2.5.4.11), "OU"),
    (oid!(2.5.4.6), "C"),
    (oid!(2.5.4.9), "STREET"),
    (oid!(0.9.2342.19200300.100.1.25), "DC"),
    (oid!(0.9.2342.19200300.100.1.1), "UID"),
    (oid!(2.5.4.5), "serialNumber"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A name of one attribute per relative name: type as the last arc of 2.5.4, ASN.1 tag, bytes.
    fn name(attributes: &[(u8, u8, &[u8])]) -> DistinguishedName {
        let tlv = |tag: u8, content: &[u8]| {
            let mut out = vec![tag, u8::try_from(content.len()).unwrap()];
            out.extend_from_slice(content);
            out
        };
        let relative: Vec<u8> = attributes
            .iter()
            .flat_map(|(arc, tag, value)| {
                let pair = [tlv(0x06, &[0x55, 0x04, *arc]), tlv(*tag, value)].concat();
                tlv(0x31, &tlv(0x30, &pair))
            })
            .collect();
        let der = tlv(0x30, &relative);
        DistinguishedName::from_parsed(&X509Name::from_der(&der).unwrap().1)
    }

    const UTF8: u8 = 0x0c;
    const PRINTABLE: u8 = 0x13;
    const TELETEX: u8 = 0x14;
    const BMP: u8 = 0x1e;

    // A8
    /// Found by the fuzz target `certificate`.
    #[test]
    fn bytes_that_are_no_name_are_not_read_as_another_one() {
        assert!(DistinguishedName::read(&[0x30, 0x00]).is_some());
        assert!(DistinguishedName::read(&[0x10, 0x01, 0x0d]).is_none());
        assert!(DistinguishedName::read(&[0x30, 0x00, 0x00]).is_none());
    }

    #[test]
    fn exactly_one_common_name_identifies_the_device() {
        let one = name(&[(10, UTF8, b"Ward 3"), (3, UTF8, "Gerät-7".as_bytes())]);
        assert_eq!(one.device_id().unwrap().as_str(), "Gerät-7");
        assert_eq!(
            name(&[(3, PRINTABLE, b"00A037EB2175780F")]).device_id().unwrap().as_str(),
            "00A037EB2175780F"
        );
        assert_eq!(name(&[(10, UTF8, b"Ward 3")]).device_id(), Err(NameError::Missing));
        assert_eq!(name(&[(3, UTF8, b"a"), (3, UTF8, b"b")]).device_id(), Err(NameError::Several(2)));
        assert_eq!(name(&[(3, UTF8, b" a")]).device_id(), Err(NameError::Unusable(DeviceIdError::Character)));
    }

    #[test]
    fn a_name_has_attributes_only_as_a_whole() {
        let weber = name(&[(10, UTF8, b"Hospital, North"), (11, UTF8, b"biomed"), (3, UTF8, b"m.weber")]);
        for wanted in ["CN=m.weber", "OU=biomed", "CN=m.weber, OU=biomed", "O=Hospital\\, North+CN=m.weber"] {
            assert!(weber.has_all(wanted), "{wanted}");
        }
        for other in
            ["", "CN=m.web", "CN=M.Weber", "m.weber", "CN=m.weber,OU=it", "CN=m.weber,", "CN= m.weber"]
        {
            assert!(!weber.has_all(other), "{other}");
        }
        // A value that looks like another attribute is none.
        let forged = name(&[(3, UTF8, b"x,CN=m.weber"), (10, UTF8, b"x\\,OU=biomed")]);
        assert!(!forged.has_all("CN=m.weber") && !forged.has_all("OU=biomed"), "{forged}");
    }

    // A8: identifiers are compared exactly, whatever the type of the string: not even their case is folded.
    #[test]
    fn a_common_name_of_any_type_is_decoded_and_stays_as_it_is() {
        let id = |tag, value: &[u8]| name(&[(3, tag, value)]).device_id();
        assert_eq!(id(BMP, b"\0P\0u").unwrap(), id(UTF8, b"Pu").unwrap());
        assert_eq!(id(TELETEX, b"Ger\xe4t").unwrap(), id(UTF8, "Gerät".as_bytes()).unwrap());
        assert_ne!(id(TELETEX, b"PUMP").unwrap(), id(UTF8, b"pump").unwrap());
        assert_ne!(id(TELETEX, b"a  b").unwrap(), id(UTF8, b"a b").unwrap());
        assert_eq!(id(BMP, b"\0p\0\0"), Err(NameError::Unusable(DeviceIdError::Character)), "a NUL");
        assert_eq!(id(BMP, b"\0p\0"), Err(NameError::Unreadable { tag: 30 }));
        let latin = name(&[(3, PRINTABLE, "pümp".as_bytes())]);
        assert_eq!(latin.device_id(), Err(NameError::Unreadable { tag: 19 }));
    }

    #[test]
    fn names_are_displayed_by_rfc_4514() {
        let plain = name(&[(6, PRINTABLE, b"DE"), (10, UTF8, b"A, B+C"), (3, UTF8, b"#pump ")]);
        assert_eq!(plain.to_string(), r"CN=\#pump\ ,O=A\, B\+C,C=DE");
        // A control character cannot break a log line.
        assert_eq!(name(&[(3, UTF8, b"a\nb")]).to_string(), r"CN=a\0ab");
        assert_eq!(name(&[(12, UTF8, b"Dr")]).to_string(), "2.5.4.12=#0c024472");
        assert_eq!(name(&[(3, TELETEX, b"p")]).to_string(), "CN=p");
        assert_eq!(name(&[(3, BMP, b"p")]).to_string(), "CN=#1e0170");
    }
}
