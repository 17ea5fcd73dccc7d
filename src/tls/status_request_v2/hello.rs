//! What a ClientHello says about certificate status.
//!
//! Of everything that a stranger sends this is read first, so it is read with [`Reader`] alone. Whatever is
//! wrong with a ClientHello apart from extension 17 is left to rustls, which reads it next and has the right
//! alert.

use std::ops::Range;

use super::wire::Reader;

/// Handshake type client_hello (RFC 5246 section 7.4).
pub(super) const CLIENT_HELLO: u8 = 1;
/// status_request (RFC 6066 section 8).
pub(super) const STATUS_REQUEST: u16 = 5;
/// status_request_v2 (RFC 6961 section 2.2).
pub(super) const STATUS_REQUEST_V2: u16 = 17;
/// supported_versions (RFC 8446 section 4.2.1).
const SUPPORTED_VERSIONS: u16 = 43;

const TLS12: u16 = 0x0303;
const TLS13: u16 = 0x0304;

/// The extensions of a ClientHello that bear on certificate status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello<'a> {
    /// The version in its head, which TLS 1.3 freezes at 1.2.
    legacy_version: u16,
    /// The content of supported_versions.
    versions: Option<Vec<u16>>,
    /// The content of extension 5.
    status_request: Option<&'a [u8]>,
    /// The content of extension 17.
    status_request_v2: Option<&'a [u8]>,
    /// Where in the message extension 17 is, its type and length included.
    place: Range<usize>,
    /// Whether extension 17 comes more than once.
    repeated: bool,
}

/// What a client wants to be told about the platform's certificates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatusRequest {
    /// In which version of TLS.
    pub version: Version,
    /// RFC 6066 in TLS 1.2: the status of the end entity. In TLS 1.3: that of each certificate.
    pub plain: bool,
    /// RFC 6961: the forms that it understands and that exist, best first, each once. Empty in TLS 1.3, which
    /// ignores extension 17 (RFC 8446 section 4.4.2.1).
    pub items: Vec<StatusRequestItem>,
}

/// The version that rustls is going to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// A form of the answer to extension 17 (RFC 6961 section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusRequestItem {
    /// `ocsp`: the status of the end entity.
    Ocsp,
    /// `ocsp_multi`: a list with the status of each certificate.
    OcspMulti,
}

/// A ClientHello that ends the handshake before it has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelloError {
    /// It can at best do TLS 1.1. rustls would first miss signature_algorithms, which those versions do not
    /// have, and say `handshake_failure`; what a client needs to be told is `protocol_version` (RFC 5246
    /// appendix E.1).
    TooOld,
    /// Extension 17 is no `CertificateStatusRequestListV2`: `decode_error` (RFC 5246 section 7.2.2).
    Malformed,
}

impl<'a> ClientHello<'a> {
    /// Reads a whole handshake message. `None` is a message that is no ClientHello, or one that is malformed.
    #[must_use]
    pub fn read(message: &'a [u8]) -> Option<Self> {
        let mut whole = Reader::new(message);
        let (CLIENT_HELLO, body) = whole.message()? else { return None };
        // RFC 5246 7.4.1.2
        let mut body = Reader::new(body);
        let legacy_version = number16(&mut body)?;
        body.take(32)?; // random
        body.vector::<1>()?; // session_id
        body.vector::<2>()?; // cipher_suites
        body.vector::<1>()?; // compression_methods
        let mut hello = Self {
            legacy_version,
            versions: None,
            status_request: None,
            status_request_v2: None,
            place: 0..0,
            repeated: false,
        };
        // Before TLS 1.2 a ClientHello might have no extensions at all.
        let mut extensions = Reader::new(if body.is_empty() { &[] } else { body.vector::<2>()? });
        if !body.is_empty() || !whole.is_empty() {
            return None;
        }
        while !extensions.is_empty() {
            // Nothing follows the extensions, so that what is left of them is what is left of the message.
            let begin = message.len() - extensions.rest().len();
            let kind = number16(&mut extensions)?;
            let content = extensions.vector::<2>()?;
            match kind {
                SUPPORTED_VERSIONS => hello.versions = Some(versions(content)?),
                STATUS_REQUEST => hello.status_request = Some(content),
                STATUS_REQUEST_V2 => {
                    hello.repeated = hello.status_request_v2.is_some();
                    hello.status_request_v2 = Some(content);
                    hello.place = begin..message.len() - extensions.rest().len();
                }
                _ => {}
            }
        }
        Some(hello)
    }

    /// What it asks for, of a server that speaks TLS 1.2, 1.3 or both.
    ///
    /// # Errors
    /// When the handshake ends here.
    pub fn asked(&self, tls12: bool, tls13: bool) -> Result<StatusRequest, HelloError> {
        if self.best_version() < TLS12 {
            return Err(HelloError::TooOld);
        }
        // The choice that rustls makes (RFC 8446 section 4.2.1).
        let version = match &self.versions {
            Some(versions) if tls13 && versions.contains(&TLS13) => Version::Tls13,
            _ => Version::Tls12,
        };
        // One that is malformed rustls refuses.
        let plain = self.status_request.is_some_and(|content| status_request(content) == Some(true));
        let items = match self.status_request_v2 {
            // RFC 8446 4.4.2.1: its presence has no consequence in TLS 1.3.
            Some(content) if version == Version::Tls12 && tls12 => {
                items(content).filter(|_| !self.repeated).ok_or(HelloError::Malformed)?
            }
            _ => Vec::new(),
        };
        Ok(StatusRequest { version, plain, items })
    }

    /// The version in its head.
    pub(super) const fn legacy_version(&self) -> u16 {
        self.legacy_version
    }

    /// Where extension 17 is, if rustls is to be asked and there is no extension 5 beside it.
    pub(super) fn lone_v2(&self) -> Option<Range<usize>> {
        (self.status_request_v2.is_some() && self.status_request.is_none()).then(|| self.place.clone())
    }

    /// The best version that it names, of those that exist.
    fn best_version(&self) -> u16 {
        match &self.versions {
            // RFC 8446 4.2.1: then nothing else counts. Values beyond TLS 1.3 mean nothing (RFC 8701).
            Some(versions) => versions.iter().copied().filter(|version| *version <= TLS13).max().unwrap_or(0),
            None => self.legacy_version,
        }
    }
}

impl StatusRequest {
    /// Whether there is anything that could be answered.
    #[must_use]
    pub fn anything(&self) -> bool {
        self.plain || !self.items.is_empty()
    }
}

fn versions(content: &[u8]) -> Option<Vec<u16>> {
    let mut content = Reader::new(content);
    let mut list = Reader::new(content.vector::<1>()?);
    let mut versions = Vec::new();
    while !list.is_empty() {
        versions.push(number16(&mut list)?);
    }
    content.is_empty().then_some(versions)
}

/// RFC 6961 section 2.2, `CertificateStatusRequestListV2`.
fn items(content: &[u8]) -> Option<Vec<StatusRequestItem>> {
    let mut content = Reader::new(content);
    let mut list = Reader::new(content.vector::<2>()?);
    if list.is_empty() || !content.is_empty() {
        return None;
    }
    let mut items = Vec::new();
    while !list.is_empty() {
        let kind = list.number::<1>()?;
        let request = list.vector::<2>()?;
        let item = match kind {
            1 => StatusRequestItem::Ocsp,
            2 => StatusRequestItem::OcspMulti,
            // Types that are yet to be defined: others may follow that we know.
            _ => continue,
        };
        ocsp_status_request(request)?;
        if !items.contains(&item) {
            items.push(item);
        }
    }
    Some(items)
}

/// RFC 6066 section 8, `CertificateStatusRequest`: whether it asks for OCSP.
fn status_request(content: &[u8]) -> Option<bool> {
    let mut content = Reader::new(content);
    match content.number::<1>()? {
        1 => ocsp_status_request(content.rest()).map(|()| true),
        _ => Some(false),
    }
}

/// RFC 6066 section 8, `OCSPStatusRequest`. Which responders a client trusts and what it wants to tell them
/// is read and not followed: a staple is there or it is not.
fn ocsp_status_request(content: &[u8]) -> Option<()> {
    let mut content = Reader::new(content);
    let mut responders = Reader::new(content.vector::<2>()?);
    while !responders.is_empty() {
        let responder = responders.vector::<2>()?;
        if responder.is_empty() {
            return None;
        }
    }
    content.vector::<2>()?; // request_extensions
    content.is_empty().then_some(())
}

fn number16(reader: &mut Reader<'_>) -> Option<u16> {
    u16::try_from(reader.number::<2>()?).ok()
}
