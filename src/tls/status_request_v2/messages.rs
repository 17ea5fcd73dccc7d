//! The rewritten messages: from the form of rustls to the form for the client. Lengths never change.
//!
//! Each function takes a whole handshake message. It returns `None` for all messages but the one that rustls
//! builds from the response that it got. `docs/explanation/stapling.md` shows the bytes.

use bytes::Bytes;

use super::hello::{STATUS_REQUEST, STATUS_REQUEST_V2};
use super::wire::{Reader, message, put_vector};

/// ServerHello: the empty extension 5 becomes an empty extension 17 (RFC 6961 section 2.2). A ServerHello
/// without extension 5 (of a resumed session, or without a staple) stays as it is.
pub(super) fn acknowledge_v2(hello: &[u8]) -> Option<Vec<u8>> {
    let extensions = server_extensions(hello)?;
    let is_empty_v1 =
        |(_, kind, content): &(usize, u16, &[u8])| *kind == STATUS_REQUEST && content.is_empty();
    let (offset, ..) = extensions.into_iter().find(is_empty_v1)?;
    let mut changed = hello.to_vec();
    changed.get_mut(offset..)?.get_mut(..2)?.copy_from_slice(&STATUS_REQUEST_V2.to_be_bytes());
    Some(changed)
}

/// The extensions of a ServerHello (RFC 5246 section 7.4.1.3): where each begins, its type and its content.
/// `None` if it is malformed.
pub(super) fn server_extensions(hello: &[u8]) -> Option<Vec<(usize, u16, &[u8])>> {
    let mut whole = Reader::new(hello);
    let (SERVER_HELLO, body) = whole.message()? else { return None };
    let mut body = Reader::new(body);
    body.take(2 + 32)?; // server_version, random
    body.vector::<1>()?; // session_id
    body.take(2 + 1)?; // cipher_suite, compression_method
    let mut extensions = Reader::new(body.vector::<2>()?);
    if !body.is_empty() || !whole.is_empty() {
        return None;
    }
    let mut found = Vec::new();
    while !extensions.is_empty() {
        let begin = hello.len() - extensions.rest().len();
        let kind = u16::try_from(extensions.uint::<2>()?).ok()?;
        found.push((begin, kind, extensions.vector::<2>()?));
    }
    Some(found)
}

/// `CertificateStatusList` (RFC 6961 section 2.2): a response for each certificate in the order of the chain,
/// an empty one where there is none. It omits the length of the list, which rustls writes.
pub(super) fn status_list(places: &[Option<Bytes>]) -> Option<Vec<u8>> {
    let mut list = Vec::new();
    for place in places {
        put_vector::<3>(&mut list, place.as_deref().unwrap_or_default())?;
    }
    Some(list)
}

/// CertificateStatus: the type `ocsp` becomes `ocsp_multi`, if the message holds exactly the list.
pub(super) fn multiple_status(status: &[u8], list: &[u8]) -> Option<Vec<u8>> {
    let with_type = |kind: u8| {
        let mut body = vec![kind];
        put_vector::<3>(&mut body, list)?;
        message(CERTIFICATE_STATUS, &body)
    };
    if with_type(OCSP)? == status { with_type(OCSP_MULTI) } else { None }
}

/// Appends the response for one certificate as an extension of its CertificateEntry (RFC 8446 section
/// 4.4.2.1).
fn put_status_extension(to: &mut Vec<u8>, response: &[u8]) -> Option<()> {
    let content = u16::try_from(1 + 3 + response.len()).ok()?;
    to.extend(STATUS_REQUEST.to_be_bytes());
    to.extend(content.to_be_bytes());
    to.push(OCSP);
    put_vector::<3>(to, response)
}

/// The response in the extensions of an entry, if they hold nothing else.
fn only_response_in(extensions: &[u8]) -> Option<&[u8]> {
    let mut extensions = Reader::new(extensions);
    let kind = extensions.uint::<2>()?;
    let mut content = Reader::new(extensions.vector::<2>()?);
    let status = content.uint::<1>()?;
    let response = content.vector::<3>()?;
    let alone = extensions.is_empty() && content.is_empty();
    (alone && kind == usize::from(STATUS_REQUEST) && status == usize::from(OCSP)).then_some(response)
}

/// The response among the extensions of an entry.
pub(super) fn response_in(extensions: &[u8]) -> Option<&[u8]> {
    let mut extensions = Reader::new(extensions);
    loop {
        let kind = extensions.uint::<2>()?;
        let mut content = Reader::new(extensions.vector::<2>()?);
        if kind == usize::from(STATUS_REQUEST) && content.uint::<1>()? == usize::from(OCSP) {
            return content.vector::<3>();
        }
    }
}

/// The response that rustls gets for the first certificate in TLS 1.3: the concatenated extensions of all
/// entries, without the head of the first, which rustls writes. `None` without a response, or if the whole
/// exceeds one extension (64 KiB).
pub(super) fn composite(places: &[Option<Bytes>]) -> Option<Vec<u8>> {
    let responses = places.iter().flatten();
    let length = responses.clone().map(|response| STATUS_HEADER + response.len()).sum();
    let mut all = Vec::with_capacity(length);
    for response in responses {
        put_status_extension(&mut all, response)?;
    }
    // The content of one extension, without type and length of the first, has to fit 16 bits.
    u16::try_from(all.get(2 + 2..)?.len()).ok()?;
    all.drain(..STATUS_HEADER);
    Some(all)
}

/// Certificate of TLS 1.3: moves the extensions from the first entry to the entries that they belong to
/// (RFC 8446 section 4.4.2). `composite` is the response that rustls got.
pub(super) fn distribute(certificate: &[u8], places: &[Option<Bytes>], composite: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Reader::new(certificate);
    let (CERTIFICATE, body) = whole.message()? else { return None };
    let mut body = Reader::new(body);
    let context = body.vector::<1>()?;
    let mut entries = Reader::new(body.vector::<3>()?);
    if !context.is_empty() || !body.is_empty() || !whole.is_empty() {
        return None;
    }
    let mut moved = Vec::with_capacity(certificate.len());
    // Type and length of the message, the context, and the length of the entries stay.
    moved.extend_from_slice(certificate.get(..4 + 1 + 3)?);
    for (number, place) in places.iter().enumerate() {
        put_vector::<3>(&mut moved, entries.vector::<3>()?)?;
        // rustls puts everything into the first entry and leaves the others empty. Any other message is not
        // ours.
        let extensions = entries.vector::<2>()?;
        let rustls_made =
            if number == 0 { only_response_in(extensions)? == composite } else { extensions.is_empty() };
        if !rustls_made {
            return None;
        }
        let length = place.as_deref().map_or(0, |response| STATUS_HEADER + response.len());
        moved.extend(u16::try_from(length).ok()?.to_be_bytes());
        place.as_deref().map_or(Some(()), |response| put_status_extension(&mut moved, response))?;
    }
    (entries.is_empty() && moved.len() == certificate.len()).then_some(moved)
}

/// Handshake types (RFC 5246 section 7.4, RFC 6066 section 8).
pub(super) const SERVER_HELLO: u8 = 2;
pub(super) const ENCRYPTED_EXTENSIONS: u8 = 8;
pub(super) const CERTIFICATE: u8 = 11;
pub(super) const CERTIFICATE_STATUS: u8 = 22;

/// CertificateStatusType (RFC 6961 section 2.2).
pub(super) const OCSP: u8 = 1;
pub(super) const OCSP_MULTI: u8 = 2;

/// Bytes before a response in a CertificateEntry: extension type and length, status type, length of the
/// response.
const STATUS_HEADER: usize = 2 + 2 + 1 + 3;
