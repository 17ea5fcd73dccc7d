//! The ClientHello that rustls sees in place of the client's.
//!
//! rustls refuses some messages that TLS allows. It sees a changed one, and the transcript and the messages
//! whose signature is verified have the client's own.

use std::net::IpAddr;

use rustls::SignatureScheme;
use rustls::pki_types::DnsName;

use super::hello::{ClientHello, SIGNATURE_ALGORITHMS, STATUS_REQUEST, StatusRequest, Version};
use super::records::{RecordTracker, Replacement};
use super::wire::{Reader, message, put_vector};

/// A ClientHello and the one that replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HelloPatch {
    original: Vec<u8>,
    replacement: Vec<u8>,
}

impl HelloPatch {
    /// The changes for this ClientHello; `None` if rustls can have it as it is. `schemes` are ours, and
    /// `is_known` says whether the platform has a TLS session with this id.
    pub(super) fn new(
        hello: &ClientHello<'_>,
        original: &[u8],
        request: &StatusRequest,
        schemes: &[SignatureScheme],
        is_known: impl FnOnce(&[u8]) -> bool,
    ) -> Option<Self> {
        let mut replacement = original.to_vec();
        if !request.v2_items.is_empty() {
            request_plain_status(hello, &mut replacement);
        }
        if hello.server_name.as_ref().is_some_and(|(_, content)| is_unusable(content)) {
            hide_name(hello, &mut replacement);
        }
        let mut added = Vec::new();
        if request.version == Version::Tls12 {
            // RFC 8422 section 4: without the extension, the server may choose any curve. Every client has
            // P-256. A client that offers finite fields too gets one, as rustls does.
            if !hello.has_groups && !hello.offers_any(&DHE_SUITES) {
                added.extend(SUPPORTED_GROUPS_P256);
            }
            // A resumption needs no signature, so a client may leave out what it accepts of them. Without the
            // session a full handshake would need it (RFC 9155 section 4), and rustls refuses.
            if !hello.has_schemes && !hello.session_id.is_empty() && is_known(hello.session_id) {
                put_schemes(schemes, &mut added)?;
            }
        }
        if !added.is_empty() {
            replacement = with_extensions(&replacement, hello.extensions_at, &added)?;
        }
        (replacement != original).then(|| Self { original: original.to_vec(), replacement })
    }

    /// The changes for the ClientHello that answers a HelloRetryRequest, and repeats what is unusable in the
    /// first one; `None` if rustls can have it as it is. Its length stays.
    pub(super) fn of_second(hello: &ClientHello<'_>, original: &[u8]) -> Option<Self> {
        let mut replacement = original.to_vec();
        if hello.server_name.as_ref().is_some_and(|(_, content)| is_unusable(content)) {
            hide_name(hello, &mut replacement);
        }
        (replacement != original).then(|| Self { original: original.to_vec(), replacement })
    }

    /// Puts the replacement into the records that were received. `None` if it is longer and they hold more
    /// than one record with the ClientHello.
    pub(super) fn apply(&self, received: &mut Vec<u8>) -> Option<()> {
        if self.keeps_length() {
            let all = Replacement { offset: 0, bytes: self.replacement.clone() };
            RecordTracker::default().replace(received, &[all]);
            return Some(());
        }
        let (header, content) = received.split_at_checked(HEADER_LENGTH)?;
        let (mut records, _) = (header.get(..3)?.to_vec(), (content == self.original).then_some(())?);
        put_vector::<2>(&mut records, &self.replacement).filter(|()| records.len() <= MAX_RECORD)?;
        *received = records;
        Some(())
    }

    fn keeps_length(&self) -> bool {
        self.original.len() == self.replacement.len()
    }

    /// The ClientHello as the client has sent it; `None` if `message` is not the replacement. The binders of
    /// TLS 1.3 are computed over its beginning.
    pub(super) fn restore(&self, message: &[u8]) -> Option<Vec<u8>> {
        if self.keeps_length() {
            self.replacement.starts_with(message).then(|| self.original.get(..message.len()))?.map(Vec::from)
        } else {
            (self.replacement == message).then(|| self.original.clone())
        }
    }
}

/// For a client that sends extension 17 and not 5: a request of RFC 6066 at the same offset and of the same
/// length, so that rustls sees a request. The surplus length goes into the request's extensions, which rustls
/// does not read.
fn request_plain_status(hello: &ClientHello<'_>, replacement: &mut [u8]) -> Option<()> {
    let place = replacement.get_mut(hello.lone_v2()?)?;
    let length = u16::try_from(place.len().checked_sub(4)?).ok()?;
    let spare = length.checked_sub(5)?;
    let mut request = Vec::with_capacity(place.len());
    request.extend(STATUS_REQUEST.to_be_bytes());
    request.extend(length.to_be_bytes());
    request.extend([1, 0, 0]); // ocsp, no responder_id_list
    request.extend(spare.to_be_bytes());
    request.resize(place.len(), 0);
    place.copy_from_slice(&request);
    Some(())
}

/// Gives the extension with the server's name an unused type. The platform has one name, and ignores
/// what it is called (RFC 6066 section 3).
fn hide_name(hello: &ClientHello<'_>, replacement: &mut [u8]) -> Option<()> {
    let (offset, _) = hello.server_name.as_ref()?;
    replacement.get_mut(*offset..)?.get_mut(..2)?.copy_from_slice(&UNUSED_EXTENSION);
    Some(())
}

/// Whether a list of server names has no name that rustls can read. It decides about lists that are malformed
/// otherwise.
fn is_unusable(content: &[u8]) -> bool {
    let names = || {
        let mut content = Reader::new(content);
        let mut list = Reader::new(content.vector::<2>().filter(|list| !list.is_empty())?);
        let is_host = list.uint::<1>()? == HOST_NAME;
        let name = if is_host { list.vector::<2>()? } else { &[] };
        (content.is_empty() && (list.is_empty() || !is_host)).then_some(name)
    };
    let is_address = |name| str::from_utf8(name).is_ok_and(|name| name.parse::<IpAddr>().is_ok());
    names().is_some_and(|name| DnsName::try_from(name).is_err() && !is_address(name))
}

fn put_schemes(schemes: &[SignatureScheme], to: &mut Vec<u8>) -> Option<()> {
    let schemes: Vec<u8> = schemes.iter().flat_map(|scheme| u16::from(*scheme).to_be_bytes()).collect();
    let mut list = Vec::new();
    put_vector::<2>(&mut list, &schemes)?;
    to.extend(SIGNATURE_ALGORITHMS.to_be_bytes());
    put_vector::<2>(to, &list)
}

/// The ClientHello with more extensions at its end. `at` is the offset of the list of extensions.
fn with_extensions(hello: &[u8], at: usize, more: &[u8]) -> Option<Vec<u8>> {
    let (head, list) = hello.split_at_checked(at)?;
    let mut body = head.get(4..)?.to_vec();
    put_vector::<2>(&mut body, &[list.get(2..).unwrap_or_default(), more].concat())?;
    message(*head.first()?, &body)
}

/// server_name's type of a host (RFC 6066 section 3).
const HOST_NAME: usize = 0;
/// An extension of private use (RFC 8447 section 7).
const UNUSED_EXTENSION: [u8; 2] = [0xff, 0x7c];
/// supported_groups (RFC 8422 section 5.1.1) with secp256r1.
const SUPPORTED_GROUPS_P256: [u8; 8] = [0, 10, 0, 4, 0, 2, 0, 23];
/// The suites of the profile with finite field Diffie-Hellman.
const DHE_SUITES: [[u8; 2]; 3] = [[0x00, 0x9f], [0x00, 0x67], [0x00, 0x6b]];
/// Bytes of a record's header: type, version, length.
const HEADER_LENGTH: usize = 5;
/// The longest plaintext record with its header.
const MAX_RECORD: usize = HEADER_LENGTH + (1 << 14);
