//! A tap on the wire: passes bytes between a peer and the platform, and notes what an observer on the wire
//! can see.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

use crate::harness::SOON;

/// TLS content types (RFC 5246 6.2.1).
pub const ALERT: u8 = 21;
pub const HANDSHAKE: u8 = 22;
pub const APPLICATION_DATA: u8 = 23;

/// Waits for one connection and passes it on.
#[derive(Debug)]
pub struct Tap {
    /// Where the peer has to connect.
    pub address: SocketAddr,
    seen: Arc<Noted>,
    passing: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Noted {
    both: Mutex<Both>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Both {
    peer: Direction,
    platform: Direction,
}

/// The records that went one way.
#[derive(Debug, Default)]
struct Direction {
    unfinished: Vec<u8>,
    records: Vec<Record>,
}

#[derive(Debug, Clone)]
struct Record {
    kind: u8,
    length: usize,
    /// The body, unless it is application data.
    body: Vec<u8>,
}

/// What the platform chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    pub version: u16,
    pub suite: u16,
    /// The group of the key exchange, by IANA's number.
    pub group: u16,
    /// The extensions of ServerHello.
    pub extensions: Vec<u16>,
}

impl Tap {
    pub fn on(platform: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Noted>::default();
        let noted = Arc::clone(&seen);
        let passing = Some(std::thread::spawn(move || pass(&listener, platform, &noted)));
        Self { address, seen, passing }
    }

    /// The lengths of the bodies of application data records that the peer has sent.
    pub fn peer_records(&self) -> Vec<usize> {
        self.both().peer.application_data()
    }

    /// The same for the platform's records.
    pub fn platform_records(&self) -> Vec<usize> {
        self.both().platform.application_data()
    }

    /// The length of the longest body of a record that the platform has sent.
    pub fn longest_platform_record(&self) -> usize {
        self.both().platform.records.iter().map(|record| record.length).max().unwrap_or(0)
    }

    /// Waits until the peer has sent more than `known` records of application data.
    pub fn wait_for_peer(&self, known: usize) {
        let waiting = self
            .seen
            .changed
            .wait_timeout_while(self.both(), SOON, |both| both.peer.application_data().len() <= known);
        assert!(!waiting.unwrap().1.timed_out(), "the peer sent no record");
    }

    /// What the platform chose, once its part of the handshake has been seen.
    pub fn negotiated(&self) -> Option<Negotiated> {
        negotiated(&self.both().platform.handshake())
    }

    /// The alert that the platform sent in the clear.
    pub fn alert(&self) -> Option<u8> {
        let both = self.both();
        both.platform.records.iter().find_map(|record| match (record.kind, record.body.as_slice()) {
            (ALERT, [2, alert]) => Some(*alert),
            _ => None,
        })
    }

    /// Waits until both sides have closed.
    pub fn wait_for_end(&mut self) {
        // The thread ends with the connection; an unused tap needs a connection to end.
        if let Some(passing) = self.passing.take() {
            drop(TcpStream::connect(self.address));
            passing.join().unwrap();
        }
    }

    fn both(&self) -> MutexGuard<'_, Both> {
        self.seen.both.lock().unwrap()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.wait_for_end();
        }
    }
}

fn pass(listener: &TcpListener, platform: SocketAddr, seen: &Arc<Noted>) {
    let (peer, _) = listener.accept().unwrap();
    let platform = TcpStream::connect(platform).unwrap();
    for stream in [&peer, &platform] {
        stream.set_nodelay(true).unwrap();
    }
    let (from, to) = (peer.try_clone().unwrap(), platform.try_clone().unwrap());
    let noted = Arc::clone(seen);
    let there = std::thread::spawn(move || copy(from, to, &noted, |both| &mut both.peer));
    copy(platform, peer, seen, |both| &mut both.platform);
    there.join().unwrap();
}

fn copy(mut from: TcpStream, mut to: TcpStream, seen: &Noted, side: fn(&mut Both) -> &mut Direction) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut chunk) {
        side(&mut seen.both.lock().unwrap()).add(&chunk[..read]);
        seen.changed.notify_all();
        if to.write_all(&chunk[..read]).is_err() {
            break;
        }
    }
    // One side's end is passed on; the other direction goes on until its own.
    let _ = to.shutdown(Shutdown::Write);
}

impl Direction {
    fn add(&mut self, bytes: &[u8]) {
        self.unfinished.extend_from_slice(bytes);
        while let [kind, _, _, high, low, rest @ ..] = self.unfinished.as_slice() {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some(body) = rest.get(..length) else { break };
            let body = if *kind == APPLICATION_DATA { Vec::new() } else { body.to_vec() };
            self.records.push(Record { kind: *kind, length, body });
            self.unfinished.drain(..5 + length);
        }
    }

    fn application_data(&self) -> Vec<usize> {
        let data = self.records.iter().filter(|record| record.kind == APPLICATION_DATA);
        data.map(|record| record.length).collect()
    }

    fn handshake(&self) -> Vec<u8> {
        let handshake = self.records.iter().filter(|record| record.kind == HANDSHAKE);
        handshake.flat_map(|record| record.body.clone()).collect()
    }
}

/// Reads ServerHello and ServerKeyExchange (RFC 5246 7.4, RFC 8422 5.4, RFC 8446 4.1.3).
fn negotiated(mut messages: &[u8]) -> Option<Negotiated> {
    let mut found: Option<Negotiated> = None;
    while let [kind, 0, high, low, rest @ ..] = messages {
        let body = rest.get(..usize::from(u16::from_be_bytes([*high, *low])))?;
        messages = &rest[body.len()..];
        match kind {
            // In TLS 1.3 the first one may ask for another key share: the last one counts.
            2 => found = Some(server_hello(body)),
            12 => found.as_mut()?.group = group_of_key_exchange(body),
            14 => break,
            _ => {}
        }
    }
    found
}

fn server_hello(body: &[u8]) -> Negotiated {
    let number = |at: &[u8]| u16::from_be_bytes([at[0], at[1]]);
    let after_session = &body[35 + usize::from(body[34])..];
    let mut found =
        Negotiated { version: number(body), suite: number(after_session), group: 0, extensions: Vec::new() };
    let mut extensions = after_session.get(5..).unwrap_or_default();
    while extensions.len() >= 4 {
        let content = &extensions[4..4 + usize::from(number(&extensions[2..]))];
        match number(extensions) {
            43 => found.version = number(content),
            51 => found.group = number(content),
            _ => {}
        }
        found.extensions.push(number(extensions));
        extensions = &extensions[4 + content.len()..];
    }
    found
}

fn group_of_key_exchange(body: &[u8]) -> u16 {
    match body {
        [3, high, low, ..] => u16::from_be_bytes([*high, *low]),
        // A prime: of the finite fields of RFC 7919, its length identifies the group.
        [1, 0, ..] => 0x0100,
        [1, 0x80, ..] => 0x0101,
        [2, 0, ..] => 0x0102,
        _ => 0,
    }
}
