//! The certificate status requests in a ClientHello.
//!
//! These are the first bytes of an unauthenticated peer, so they are parsed with [`Reader`] alone. Any fault
//! outside extension 17 is left to rustls, which parses the ClientHello next and sends the right alert.

use std::ops::Range;

use super::wire::Reader;

/// The extensions of a ClientHello that bear on certificate status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello<'a> {
    /// The version in its head, which TLS 1.3 freezes at 1.2.
    legacy_version: u16,
    /// Whether the client has repeated a failed connection with a lower version (RFC 7507).
    is_fallback: bool,
    /// The content of supported_versions.
    versions: Option<Vec<u16>>,
    /// The content of extension 5.
    status_request: Option<&'a [u8]>,
    /// The content of extension 17.
    status_request_v2: Option<&'a [u8]>,
    /// Where in the message extension 17 is, its type and length included.
    v2_range: Range<usize>,
    /// Whether extension 17 comes more than once.
    is_repeated: bool,
    /// The offset and the content of server_name.
    pub(super) server_name: Option<(usize, &'a [u8])>,
    /// Whether there is supported_groups.
    pub(super) has_groups: bool,
    /// Whether there is signature_algorithms.
    pub(super) has_schemes: bool,
    /// The TLS session that it wants to resume; empty for none.
    pub(super) session_id: &'a [u8],
    /// The offered cipher suites.
    suites: &'a [u8],
    /// The offset of the list of extensions, or where it would be.
    pub(super) extensions_at: usize,
    /// The content of max_fragment_length.
    pub(super) max_fragment_length: Option<&'a [u8]>,
    /// The content of record_size_limit.
    pub(super) record_size_limit: Option<&'a [u8]>,
    /// The content of renegotiation_info.
    renegotiation_info: Option<&'a [u8]>,
}

/// The certificate status that a client requests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatusRequest {
    /// The TLS version of the handshake.
    pub version: Version,
    /// Extension 5. In TLS 1.2 it requests the status of the end entity (RFC 6066), in TLS 1.3 that of each
    /// certificate.
    pub status_request: bool,
    /// Extension 17 (RFC 6961): the known status types in the client's order of preference, each once. Empty
    /// in TLS 1.3, which ignores extension 17 (RFC 8446 section 4.4.2.1).
    pub v2_items: Vec<StatusRequestItem>,
}

/// The version that rustls will negotiate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// A status type of extension 17 (RFC 6961 section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusRequestItem {
    /// `ocsp`: the status of the end entity.
    Ocsp,
    /// `ocsp_multi`: a list with the status of each certificate.
    OcspMulti,
}

/// The ClientHello ends the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelloError {
    /// The client supports TLS 1.1 at best. It gets `protocol_version` (RFC 5246 appendix E.1). rustls would
    /// send `handshake_failure` instead, because signature_algorithms, which those versions lack, is missing.
    TooOld,
    /// The client fell back to a lower version, although the platform supports a higher one. An attacker on
    /// the network may have broken its first attempt. It gets `inappropriate_fallback` (RFC 7507 section 3).
    InappropriateFallback,
    /// The first ClientHello of a connection claims to renegotiate one. It gets `handshake_failure` (RFC 5746
    /// section 3.6); rustls would ignore it.
    Renegotiation,
    /// The ClientHello is longer than 64 KiB. It gets `decode_error`; rustls would send nothing.
    TooLong,
    /// Extension 17 is not a `CertificateStatusRequestListV2`. The client gets `decode_error` (RFC 5246
    /// section 7.2.2).
    Malformed,
    /// max_fragment_length or record_size_limit has another length than defined. The client gets
    /// `decode_error`.
    MalformedRecordLimit,
    /// max_fragment_length or record_size_limit has a value that is not defined. The client gets
    /// `illegal_parameter` (RFC 6066 section 4, RFC 8449 section 4).
    IllegalRecordLimit,
}

impl<'a> ClientHello<'a> {
    /// Parses a whole handshake message. `None` if it is not a ClientHello, or malformed.
    #[must_use]
    pub fn read(message: &'a [u8]) -> Option<Self> {
        let mut whole = Reader::new(message);
        let (CLIENT_HELLO, body) = whole.message()? else { return None };
        // RFC 5246 7.4.1.2
        let mut body = Reader::new(body);
        let legacy_version = read_u16(&mut body)?;
        body.take(32)?; // random
        let session_id = body.vector::<1>()?;
        let suites = body.vector::<2>()?;
        body.vector::<1>()?; // compression_methods
        let mut hello = Self {
            legacy_version,
            is_fallback: suites.chunks(2).any(|suite| suite == TLS_FALLBACK_SCSV),
            versions: None,
            status_request: None,
            status_request_v2: None,
            v2_range: 0..0,
            is_repeated: false,
            server_name: None,
            has_groups: false,
            has_schemes: false,
            session_id,
            suites,
            extensions_at: message.len() - body.rest().len(),
            max_fragment_length: None,
            record_size_limit: None,
            renegotiation_info: None,
        };
        // Before TLS 1.2 a ClientHello might have no extensions at all.
        let mut extensions = Reader::new(if body.is_empty() { &[] } else { body.vector::<2>()? });
        if !body.is_empty() || !whole.is_empty() {
            return None;
        }
        while !extensions.is_empty() {
            // Nothing follows the extensions, so the rest of the extensions is the rest of the message.
            let begin = message.len() - extensions.rest().len();
            let kind = read_u16(&mut extensions)?;
            let content = extensions.vector::<2>()?;
            match kind {
                SERVER_NAME => hello.server_name = Some((begin, content)),
                SUPPORTED_GROUPS => hello.has_groups = true,
                SIGNATURE_ALGORITHMS => hello.has_schemes = true,
                SUPPORTED_VERSIONS => hello.versions = Some(parse_versions(content)?),
                MAX_FRAGMENT_LENGTH => hello.max_fragment_length = Some(content),
                RECORD_SIZE_LIMIT => hello.record_size_limit = Some(content),
                RENEGOTIATION_INFO => hello.renegotiation_info = Some(content),
                STATUS_REQUEST => hello.status_request = Some(content),
                STATUS_REQUEST_V2 => {
                    hello.is_repeated = hello.status_request_v2.is_some();
                    hello.status_request_v2 = Some(content);
                    hello.v2_range = begin..message.len() - extensions.rest().len();
                }
                _ => {}
            }
        }
        Some(hello)
    }

    /// The status request, to a server that supports TLS 1.2, 1.3 or both.
    ///
    /// # Errors
    /// When this ClientHello ends the handshake.
    pub fn status_request(&self, tls12: bool, tls13: bool) -> Result<StatusRequest, HelloError> {
        if self.best_version() < TLS12 {
            return Err(HelloError::TooOld);
        }
        let best_own = if tls13 { TLS13 } else { TLS12 };
        if self.is_fallback && self.best_version() < best_own {
            return Err(HelloError::InappropriateFallback);
        }
        // The same choice as that of rustls (RFC 8446 section 4.2.1).
        let version = match &self.versions {
            Some(versions) if tls13 && versions.contains(&TLS13) => Version::Tls13,
            _ => Version::Tls12,
        };
        // RFC 8446 has no renegotiation, and ignores the extension.
        let is_renegotiation = self.renegotiation_info.is_some_and(|content| content != INITIAL_HANDSHAKE);
        if version == Version::Tls12 && is_renegotiation {
            return Err(HelloError::Renegotiation);
        }
        // rustls refuses a malformed extension 5.
        let status_request = self.status_request.is_some_and(|content| requests_ocsp(content) == Some(true));
        let v2_items = match self.status_request_v2 {
            // RFC 8446 4.4.2.1: TLS 1.3 ignores extension 17.
            Some(content) if version == Version::Tls12 && tls12 => {
                parse_items(content).filter(|_| !self.is_repeated).ok_or(HelloError::Malformed)?
            }
            _ => Vec::new(),
        };
        Ok(StatusRequest { version, status_request, v2_items })
    }

    /// Whether it offers one of these suites.
    pub(super) fn offers_any(&self, suites: &[[u8; 2]]) -> bool {
        self.suites.chunks(2).any(|offered| suites.iter().any(|suite| suite == offered))
    }

    /// The TLS versions that it offers.
    pub(super) fn offered_versions(&self) -> Vec<u16> {
        self.versions.clone().unwrap_or_else(|| vec![self.legacy_version])
    }

    /// The cipher suites that it offers, in its order.
    pub(super) fn offered_suites(&self) -> impl Iterator<Item = u16> {
        self.suites.chunks_exact(2).filter_map(|suite| suite.try_into().ok().map(u16::from_be_bytes))
    }

    /// The version in its head.
    pub(super) const fn legacy_version(&self) -> u16 {
        self.legacy_version
    }

    /// Whether there is extension 17.
    pub(super) const fn has_v2(&self) -> bool {
        self.status_request_v2.is_some()
    }

    /// The position of extension 17, if there is no extension 5.
    pub(super) fn lone_v2(&self) -> Option<Range<usize>> {
        (self.status_request_v2.is_some() && self.status_request.is_none()).then(|| self.v2_range.clone())
    }

    /// The newest existing version that it names.
    fn best_version(&self) -> u16 {
        match &self.versions {
            // RFC 8446 4.2.1: supported_versions overrides the head. Values above TLS 1.3 are ignored (RFC
            // 8701).
            Some(versions) => versions.iter().copied().filter(|version| *version <= TLS13).max().unwrap_or(0),
            None => self.legacy_version,
        }
    }
}

impl StatusRequest {
    /// Whether the client requests any status that the server could send.
    #[must_use]
    pub fn has_request(&self) -> bool {
        self.status_request || !self.v2_items.is_empty()
    }
}

fn parse_versions(content: &[u8]) -> Option<Vec<u16>> {
    let mut content = Reader::new(content);
    let mut list = Reader::new(content.vector::<1>()?);
    let mut versions = Vec::new();
    while !list.is_empty() {
        versions.push(read_u16(&mut list)?);
    }
    content.is_empty().then_some(versions)
}

/// RFC 6961 section 2.2, `CertificateStatusRequestListV2`.
fn parse_items(content: &[u8]) -> Option<Vec<StatusRequestItem>> {
    let mut content = Reader::new(content);
    let mut list = Reader::new(content.vector::<2>()?);
    if list.is_empty() || !content.is_empty() {
        return None;
    }
    let mut items = Vec::new();
    while !list.is_empty() {
        let kind = list.uint::<1>()?;
        let request = list.vector::<2>()?;
        let item = match kind {
            1 => StatusRequestItem::Ocsp,
            2 => StatusRequestItem::OcspMulti,
            // An unknown type. Known ones may follow.
            _ => continue,
        };
        check_ocsp_status_request(request)?;
        if !items.contains(&item) {
            items.push(item);
        }
    }
    Some(items)
}

/// Whether a `CertificateStatusRequest` (RFC 6066 section 8) requests OCSP.
fn requests_ocsp(content: &[u8]) -> Option<bool> {
    let mut content = Reader::new(content);
    match content.uint::<1>()? {
        1 => check_ocsp_status_request(content.rest()).map(|()| true),
        _ => Some(false),
    }
}

/// Checks an `OCSPStatusRequest` (RFC 6066 section 8). The list of trusted responders and the request
/// extensions are parsed and ignored: the server has one staple at most.
fn check_ocsp_status_request(content: &[u8]) -> Option<()> {
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

fn read_u16(reader: &mut Reader<'_>) -> Option<u16> {
    u16::try_from(reader.uint::<2>()?).ok()
}

/// Handshake type client_hello (RFC 5246 section 7.4).
pub(super) const CLIENT_HELLO: u8 = 1;
/// status_request (RFC 6066 section 8).
pub(super) const STATUS_REQUEST: u16 = 5;
/// status_request_v2 (RFC 6961 section 2.2).
pub(super) const STATUS_REQUEST_V2: u16 = 17;
/// max_fragment_length (RFC 6066 section 4).
pub(super) const MAX_FRAGMENT_LENGTH: u16 = 1;
/// record_size_limit (RFC 8449 section 4).
pub(super) const RECORD_SIZE_LIMIT: u16 = 28;
/// server_name (RFC 6066 section 3).
const SERVER_NAME: u16 = 0;
/// supported_groups (RFC 8422 section 5.1.1).
const SUPPORTED_GROUPS: u16 = 10;
/// signature_algorithms (RFC 5246 section 7.4.1.4.1).
pub(super) const SIGNATURE_ALGORITHMS: u16 = 13;
/// supported_versions (RFC 8446 section 4.2.1).
const SUPPORTED_VERSIONS: u16 = 43;

/// renegotiation_info (RFC 5746 section 3.2), and its content in the first handshake of a connection.
const RENEGOTIATION_INFO: u16 = 0xff01;
const INITIAL_HANDSHAKE: [u8; 1] = [0];

/// TLS_FALLBACK_SCSV (RFC 7507 section 2).
const TLS_FALLBACK_SCSV: [u8; 2] = [0x56, 0x00];

const TLS12: u16 = 0x0303;
const TLS13: u16 = 0x0304;
