//! The header of the PROXY protocol: whatever comes, the parser does not panic, is complete or refused within
//! its bound, states an address that a machine can have, and what follows the header does not matter.

#![no_main]

#[path = "cost.rs"]
mod cost;

use libfuzzer_sys::fuzz_target;
use pcd_platform::proxy_header::fuzzing::{Read, read};

/// The longest header.
const MAX_HEADER: usize = 536;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn check(bytes: &[u8]) {
    let whole = cost::bounded(bytes.len(), || read(bytes));
    match whole {
        Read::Incomplete => assert!(bytes.len() < MAX_HEADER),
        Read::Header(length, stated) => {
            assert!(length <= bytes.len() && length <= MAX_HEADER);
            assert_eq!(read(&bytes[..length]), whole, "what follows the header matters");
            assert!((0..length).all(|end| read(&bytes[..end]) == Read::Incomplete));
            if let Some(address) = stated.map(|stated| stated.ip()) {
                assert!(!address.is_unspecified() && !address.is_multicast());
                assert_eq!(address, address.to_canonical());
            }
        }
        // More bytes do not make it better.
        Read::Refused => assert_eq!(read(&[bytes, b"\r\n"].concat()), Read::Refused),
    }
}

fuzz_target!(|input: (u8, u8, u8, &[u8])| {
    let (what, command, transport, bytes) = input;
    match what % 4 {
        0 => check(bytes),
        1 => check(&[b"PROXY ", bytes].concat()),
        2 => check(&[SIGNATURE, &[command, transport], bytes].concat()),
        _ => {
            let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
            check(&[SIGNATURE, &[0x20 | command & 1, transport], &length, bytes].concat());
        }
    }
});
