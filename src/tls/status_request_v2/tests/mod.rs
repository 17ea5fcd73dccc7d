//! Each part byte by byte, and whole handshakes. Clients that require staples are tested in `tests/`.

mod client;
mod handshakes;
mod hellos;
mod limits;
mod rewritten;
mod streams;

use bytes::Bytes;

use super::wire::put_vector;
use super::{StatusRequest, StatusRequestItem, Version};
use crate::tls::identity::ChainStaples;

/// Extension type and content.
type Extension = (u16, Vec<u8>);

/// A ClientHello with these extensions.
fn hello(legacy_version: u16, extensions: &[Extension]) -> Vec<u8> {
    let suites = [0xc0, 0x2c, 0, 0x9f, 0xc0, 0x30, 0xc0, 0x23, 0x13, 0x02].to_vec();
    let body = [
        &legacy_version.to_be_bytes()[..],
        &[7; 32],
        &vector::<1>(&[]),
        &vector::<2>(&suites),
        &vector::<1>(&[0]),
        &vector::<2>(
            &extensions.iter().flat_map(|(kind, content)| extension(*kind, content)).collect::<Vec<_>>(),
        ),
    ];
    handshake(1, &body.concat())
}

/// The extensions that each hello needs: supported_groups and signature_algorithms.
fn necessary() -> Vec<Extension> {
    vec![(10, vector::<2>(&[0, 0x17, 0, 0x18])), (13, vector::<2>(&[4, 3, 5, 3, 8, 4, 4, 1]))]
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector::<2>(content)].concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &vector::<3>(body)].concat()
}

fn vector<const N: usize>(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_vector::<N>(&mut bytes, content).unwrap();
    bytes
}

/// The content of extension 5, and of an item of extension 17.
const REQUEST: [u8; 4] = [0; 4];

fn status_request() -> Extension {
    (5, [&[1][..], &REQUEST].concat())
}

fn v2(items: &[u8]) -> Extension {
    let items: Vec<_> =
        items.iter().flat_map(|kind| [&[*kind][..], &vector::<2>(&REQUEST)].concat()).collect();
    (17, vector::<2>(&items))
}

fn in_records(messages: &[u8], length: usize) -> Vec<u8> {
    messages.chunks(length).flat_map(|part| [&[22, 3, 3], &*vector::<2>(part)].concat()).collect()
}

fn staples(lengths: &[Option<usize>]) -> ChainStaples {
    let response = |(at, length): (usize, &Option<usize>)| {
        length.map(|length| Bytes::from(vec![u8::try_from(at + 1).unwrap(); length]))
    };
    ChainStaples::new(lengths.iter().enumerate().map(response).collect())
}

fn request(version: Version, status_request: bool, items: &[StatusRequestItem]) -> StatusRequest {
    StatusRequest { version, status_request, v2_items: items.to_vec() }
}
