//! Version 1 of the header, a line of text (section 2.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::fault::HeaderFault;
use super::statement::{Progress, Statement, statement};

/// Reads a header that begins as [`BEGINNING`] does.
pub(super) fn parse(bytes: &[u8]) -> Result<Progress, HeaderFault> {
    let line = bytes.get(..MAX_LINE).unwrap_or(bytes);
    let Some(end) = memchr::memmem::find(line, b"\r\n") else {
        return if bytes.len() < MAX_LINE { Ok(Progress::Incomplete) } else { Err(HeaderFault::TooLong) };
    };
    let text = line.get(BEGINNING.len()..end).and_then(|text| str::from_utf8(text).ok());
    Ok(Progress::Complete { statement: read(text.ok_or(HeaderFault::Line)?)?, length: end + 2 })
}

/// `TCP4 192.0.2.7 192.0.2.1 40001 2575`
fn read(text: &str) -> Result<Statement, HeaderFault> {
    let mut words = text.split(' ');
    let (transport, mut next) = (words.next().unwrap_or_default(), || words.next().unwrap_or_default());
    let (source, destination) = match transport {
        // What follows is ignored: the connection counts as the balancer's own.
        "UNKNOWN" => return Ok(Statement::Local),
        "TCP4" => (next().parse().map(IpAddr::V4), next().parse::<Ipv4Addr>().is_ok()),
        "TCP6" => (next().parse().map(IpAddr::V6), next().parse::<Ipv6Addr>().is_ok()),
        _ => return Err(HeaderFault::Transport),
    };
    let (from, to) = (port(next()), port(next()));
    match (source, from) {
        (Ok(source), Some(from)) if destination && to.is_some() && words.next().is_none() => {
            statement(source, from)
        }
        _ => Err(HeaderFault::Line),
    }
}

fn port(word: &str) -> Option<u16> {
    let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| word.parse().ok()).flatten()
}

/// The first bytes.
pub(super) const BEGINNING: &[u8] = b"PROXY ";
/// Bytes of the longest line with its end.
const MAX_LINE: usize = 107;
