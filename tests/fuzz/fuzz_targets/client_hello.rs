//! What a ClientHello says about certificate status: whatever comes, it is read without a panic, and what is
//! found is what RFC 6961 permits. The records of a connection too, and what rustls gets in their place.

#![no_main]

#[path = "cost.rs"]
mod cost;

use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

use pcd_platform::tls::status_request_v2::fuzzing::{receive, server};
use pcd_platform::tls::status_request_v2::{ClientHello, Version};
use rustls::ServerConfig;

static SERVER: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| server().unwrap());

/// A ClientHello of TLS 1.2 with these extensions, as far as they fit.
fn hello(extensions: &[u8]) -> Vec<u8> {
    let extensions = &extensions[..extensions.len().min(60_000)];
    let body = [
        &[3, 3][..],
        &[7; 32],
        &[0, 0, 2, 0xc0, 0x2c, 1, 0],
        &u16::try_from(extensions.len()).expect("it fits").to_be_bytes(),
        extensions,
    ]
    .concat();
    [&[1, 0], &u16::try_from(body.len()).expect("it fits").to_be_bytes()[..], &body].concat()
}

/// One extension with its number and its length.
fn extension(number: u16, content: &[u8]) -> Vec<u8> {
    let content = &content[..content.len().min(50_000)];
    let length = u16::try_from(content.len()).expect("it fits");
    [&number.to_be_bytes()[..], &length.to_be_bytes(), content].concat()
}

/// A record of a handshake.
fn record(content: &[u8]) -> Vec<u8> {
    [&[22, 3, 1][..], &u16::try_from(content.len()).expect("it fits").to_be_bytes(), content].concat()
}

fn read(message: &[u8]) {
    let Some(hello) = cost::bounded(message.len(), || ClientHello::read(message)) else { return };
    assert_eq!(message[0], 1);
    for (tls12, tls13) in [(true, true), (true, false), (false, true)] {
        let request = cost::bounded(message.len(), || hello.status_request(tls12, tls13));
        let Ok(request) = request else { continue };
        assert!(request.v2_items.len() <= 2 && (request.v2_items.len() < 2 || request.v2_items[0] != request.v2_items[1]));
        assert!(request.version == Version::Tls12 || request.v2_items.is_empty());
        assert!(tls13 || request.version == Version::Tls12);
    }
    // A message that is cut is none.
    assert!(ClientHello::read(&message[..message.len() - 1]).is_none());
}

fuzz_target!(|input: (u8, &[u8])| {
    let (what, bytes) = input;
    match what % 6 {
        0 => read(bytes),
        4 => drop(cost::bounded(bytes.len(), || receive(&SERVER, bytes))),
        5 => {
            let message = hello(bytes);
            let records: Vec<u8> = message.chunks(16_384).flat_map(record).collect();
            drop(cost::bounded(records.len(), || receive(&SERVER, &records)));
        }
        1 => read(&hello(bytes)),
        2 => read(&hello(&extension(17, bytes))),
        _ => read(&hello(&[extension(5, bytes), extension(17, bytes), extension(43, bytes)].concat())),
    }
});
