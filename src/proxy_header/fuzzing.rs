//! The parser of the header, for the fuzzers.

use std::net::SocketAddr;

use super::header::parse;
use super::statement::{Progress, Statement};

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// All of them are of a header that is not complete.
    Incomplete,
    /// A header of so many bytes, and the address that it states; none in a health check.
    Header(usize, Option<SocketAddr>),
    /// They are refused.
    Refused,
}

/// Reads a header.
#[must_use]
pub fn read(bytes: &[u8]) -> Read {
    match parse(bytes) {
        Ok(Progress::Incomplete) => Read::Incomplete,
        Ok(Progress::Complete { statement: Statement::Local, length }) => Read::Header(length, None),
        Ok(Progress::Complete { statement: Statement::Relayed(address), length }) => {
            Read::Header(length, Some(address))
        }
        Err(_) => Read::Refused,
    }
}
