//! The messages on the wire and those of rustls.

use crate::tls::status_request_v2::hello::{ClientHello, STATUS_REQUEST, STATUS_REQUEST_V2};
use crate::tls::status_request_v2::messages::{
    CERTIFICATE, CERTIFICATE_STATUS, OCSP, OCSP_MULTI, response_in, server_extensions,
};
use crate::tls::status_request_v2::wire::{Reader, message, put_vector};

/// ClientHello with extension 17 as its first: pre_shared_key has to be the last (RFC 8446 section 4.2.11).
/// `None` if it is there already, or the message is none that rustls writes.
pub(in crate::tls::status_request_v2) fn offer_v2(hello: &[u8]) -> Option<Vec<u8>> {
    let read = ClientHello::read(hello)?;
    if read.has_v2() {
        return None;
    }
    let (head, list) = hello.split_at_checked(read.extensions_at)?;
    let mut body = head.get(4..)?.to_vec();
    put_vector::<2>(&mut body, &[&OFFER, list.get(2..)?].concat())?;
    message(*head.first()?, &body)
}

/// ServerHello of TLS 1.2: the empty extension 17 becomes an empty extension 5. `None` if there is none.
pub(in crate::tls::status_request_v2) fn without_v2(hello: &[u8]) -> Option<Vec<u8>> {
    let mut found = None;
    for (offset, kind, content) in server_extensions(hello)? {
        match kind {
            STATUS_REQUEST_V2 if content.is_empty() && found.is_none() => found = Some(offset),
            // Not TLS 1.2; or both extensions are acknowledged, and rustls refuses the one that it does not
            // know.
            SUPPORTED_VERSIONS | STATUS_REQUEST | STATUS_REQUEST_V2 => return None,
            _ => {}
        }
    }
    let mut changed = hello.to_vec();
    changed.get_mut(found?..)?.get_mut(..2)?.copy_from_slice(&STATUS_REQUEST.to_be_bytes());
    Some(changed)
}

/// CertificateStatus: the type `ocsp_multi` becomes `ocsp`. The list takes the place of the response.
pub(super) fn status_of_v1(status: &[u8]) -> Option<Vec<u8>> {
    with_type(status, OCSP_MULTI, OCSP)
}

/// CertificateStatus as the server has sent it.
pub(super) fn status_of_v2(status: &[u8]) -> Option<Vec<u8>> {
    with_type(status, OCSP, OCSP_MULTI)
}

fn with_type(status: &[u8], old: u8, new: u8) -> Option<Vec<u8>> {
    let mut whole = Reader::new(status);
    let (CERTIFICATE_STATUS, body) = whole.message()? else { return None };
    if *body.first()? != old {
        return None;
    }
    let mut changed = status.to_vec();
    *changed.get_mut(4)? = new;
    Some(changed)
}

/// The responses of a list (RFC 6961 section 2.2) without the length of the whole. `None` if it is malformed.
pub(super) fn status_entries(list: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut list = Reader::new(list);
    let mut entries = Vec::new();
    while !list.is_empty() {
        entries.push(list.vector::<3>()?.to_vec());
    }
    Some(entries)
}

/// Certificate of TLS 1.3: the response in each entry (RFC 8446 section 4.4.2.1); an empty one where there is
/// none. `None` if the message is malformed.
pub(super) fn certificate_entries(certificate: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut whole = Reader::new(certificate);
    let (CERTIFICATE, body) = whole.message()? else { return None };
    let mut body = Reader::new(body);
    body.vector::<1>()?; // certificate_request_context
    let mut entries = Reader::new(body.vector::<3>()?);
    let mut responses = Vec::new();
    while !entries.is_empty() {
        entries.vector::<3>()?;
        responses.push(response_in(entries.vector::<2>()?).unwrap_or_default().to_vec());
    }
    Some(responses)
}

/// Extension 17 with a request for `ocsp_multi`, and for `ocsp` as the second choice, from any responder.
const OFFER: [u8; 20] = [0, 17, 0, 16, 0, 14, 2, 0, 4, 0, 0, 0, 0, 1, 0, 4, 0, 0, 0, 0];
/// supported_versions (RFC 8446 section 4.2.1).
const SUPPORTED_VERSIONS: u16 = 43;
