//! Version 2 of the header, binary (section 2.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checksum::crc32c;
use super::fault::HeaderFault;
use super::statement::{MAX_HEADER, Progress, Statement, statement};

/// Reads a header that begins as [`SIGNATURE`] does.
pub(super) fn parse(bytes: &[u8]) -> Result<Progress, HeaderFault> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else { return Ok(Progress::Incomplete) };
    let [.., version_and_command, transport, high, low] = *head;
    if version_and_command >> 4 != 2 {
        return Err(HeaderFault::Version);
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if HEAD + length > MAX_HEADER {
        return Err(HeaderFault::TooLong);
    }
    let Some(block) = rest.get(..length) else { return Ok(Progress::Incomplete) };
    let statement = match version_and_command & 0x0f {
        // The rest is discarded, whatever it is.
        0 => Statement::Local,
        1 => relayed(head, transport, block)?,
        _ => return Err(HeaderFault::Command),
    };
    Ok(Progress::Complete { statement, length: HEAD + length })
}

fn relayed(head: &[u8; HEAD], transport: u8, block: &[u8]) -> Result<Statement, HeaderFault> {
    // Source, destination, and the ports of both.
    let (statement, fields) = match transport {
        TCP_OVER_IPV4 => {
            let (address, rest) = block.split_first_chunk::<4>().ok_or(HeaderFault::Length)?;
            from_source(IpAddr::V4(Ipv4Addr::from(*address)), rest, 4)?
        }
        TCP_OVER_IPV6 => {
            let (address, rest) = block.split_first_chunk::<16>().ok_or(HeaderFault::Length)?;
            from_source(IpAddr::V6(Ipv6Addr::from(*address)), rest, 16)?
        }
        // Without an address the connection would count as the balancer's.
        _ => return Err(HeaderFault::Transport),
    };
    verify_fields(head, block, fields)?;
    Ok(statement)
}

/// The statement, and the additional fields.
fn from_source(address: IpAddr, rest: &[u8], destination: usize) -> Result<(Statement, &[u8]), HeaderFault> {
    let ports = rest.get(destination..).ok_or(HeaderFault::Length)?;
    let (port, ports) = ports.split_first_chunk::<2>().ok_or(HeaderFault::Length)?;
    let fields = ports.get(2..).ok_or(HeaderFault::Length)?;
    Ok((statement(address, u16::from_be_bytes(*port))?, fields))
}

/// Section 2.2: fields of type, length and value follow the addresses. Only the checksum means something
/// here.
fn verify_fields(head: &[u8; HEAD], block: &[u8], mut fields: &[u8]) -> Result<(), HeaderFault> {
    while !fields.is_empty() {
        let (&[kind, high, low], rest) = fields.split_first_chunk::<3>().ok_or(HeaderFault::Field)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (value, rest) = rest.split_at_checked(length).ok_or(HeaderFault::Field)?;
        fields = rest;
        if kind != CRC32C {
            continue;
        }
        let stated: [u8; 4] = value.try_into().map_err(|_| HeaderFault::Field)?;
        // The checksum is that of the header with zeros in its place.
        let (before, _) = block.split_at_checked(block.len() - rest.len() - 4).unwrap_or_default();
        let whole = [&head[..], before, &[0; 4], rest].concat();
        if crc32c(&whole) != u32::from_be_bytes(stated) {
            return Err(HeaderFault::Checksum);
        }
    }
    Ok(())
}

/// The first bytes.
pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version with command, family with protocol, and the length of the rest.
const HEAD: usize = 16;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;
/// PP2_TYPE_CRC32C
const CRC32C: u8 = 0x03;
