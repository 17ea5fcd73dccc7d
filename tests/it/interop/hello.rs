//! ClientHellos that no TLS library makes.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::harness::SOON;

/// What a ClientHello says (RFC 5246 7.4.1.2).
#[derive(Debug, Clone)]
pub struct Hello {
    pub version: u16,
    pub suites: Vec<u16>,
    pub groups: Vec<u16>,
    /// Compression methods: 0 is none, 1 is DEFLATE (RFC 3749).
    pub compression: &'static [u8],
    /// Bytes in a padding extension (RFC 7685).
    pub padding: usize,
}

/// What the platform did.
#[derive(Debug)]
pub struct Answer {
    /// Everything that it sent until it closed.
    pub bytes: Vec<u8>,
    /// Where the connection came from, as the audit trail names it.
    pub from: SocketAddr,
}

impl Hello {
    /// The handshake message, without a record around it.
    pub fn message(&self) -> Vec<u8> {
        self.message_with(21, &vec![0; self.padding])
    }

    /// The same with another extension in place of the padding.
    pub fn message_with(&self, number: u16, content: &[u8]) -> Vec<u8> {
        let last = (number, content);
        let extension = |number: u16, content: &[u8]| [&number.to_be_bytes(), &*counted(content)].concat();
        // ECDSA on P-256 and RSA, each with SHA-256: what the platform's certificates need.
        let schemes = extension(13, &numbers(&[0x0403, 0x0804, 0x0401]));
        let extensions = [
            extension(10, &numbers(&self.groups)),
            extension(11, &[1, 0]),
            schemes,
            extension(last.0, last.1),
        ];
        handshake(&[self.head(), counted(&extensions.concat())].concat())
    }

    /// The same without supported_groups.
    pub fn message_without_groups(&self) -> Vec<u8> {
        let schemes = numbers(&[0x0403, 0x0804, 0x0401]);
        let extension = [&13_u16.to_be_bytes(), &*counted(&schemes)].concat();
        handshake(&[self.head(), counted(&extension)].concat())
    }

    /// Everything before the extensions.
    fn head(&self) -> Vec<u8> {
        [
            &self.version.to_be_bytes()[..],
            &[7; 32],
            &[0],
            &numbers(&self.suites),
            &[u8::try_from(self.compression.len()).unwrap()],
            self.compression,
        ]
        .concat()
    }

    /// The same without extensions, as clients sent it before there were any.
    pub fn message_without_extensions(&self) -> Vec<u8> {
        handshake(&self.head())
    }

    /// The same in records that are as full as they may be.
    pub fn records(&self) -> Vec<u8> {
        in_records(&self.message())
    }
}

/// Handshake bytes in records.
pub fn in_records(handshake: &[u8]) -> Vec<u8> {
    handshake.chunks(1 << 14).flat_map(|part| [&[22, 3, 1], &*counted(part)].concat()).collect()
}

fn handshake(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1], &length[1..], body].concat()
}

fn numbers(all: &[u16]) -> Vec<u8> {
    counted(&all.iter().flat_map(|one| one.to_be_bytes()).collect::<Vec<_>>())
}

fn counted(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

/// Sends these bytes and reads until the platform closes.
pub fn send(to: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let from = stream.local_addr().unwrap();
    // The platform may have refused the beginning before the end was sent.
    let _ = stream.write_all(bytes);
    let mut answer = vec![0; 5];
    let begun = stream.read_exact(&mut answer).is_ok();
    let _ = stream.shutdown(Shutdown::Write);
    let mut rest = Vec::new();
    // A connection that was reset has an end as well.
    let _ = stream.read_to_end(&mut rest);
    let bytes = if begun { [answer, rest].concat() } else { Vec::new() };
    Answer { bytes, from }
}

impl Answer {
    /// The alert, if there was nothing else.
    pub fn alert(&self) -> Option<u8> {
        match *self.bytes.as_slice() {
            [21, 3, _, 0, 2, 2, alert] => Some(alert),
            _ => None,
        }
    }

    /// The suite of ServerHello, if the answer begins with one; it must say no compression.
    pub fn suite(&self) -> Option<u16> {
        match self.bytes.as_slice() {
            [22, 3, _, _, _, 2, rest @ ..] => {
                let session = usize::from(*rest.get(37)?);
                let &[high, low, 0, ..] = rest.get(38 + session..)? else { return None };
                Some(u16::from_be_bytes([high, low]))
            }
            _ => None,
        }
    }
}
