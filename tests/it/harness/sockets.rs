//! What lies in the kernel's queues of TCP connections (proc(5), `/proc/net/tcp`): whether the platform has
//! read what a test has sent, before an answer says so.

use std::net::SocketAddr;

/// A connection of IPv4 that is not closed.
struct Connection {
    local: String,
    remote: String,
    /// Bytes that were sent and not confirmed by the other side's kernel.
    unsent: u64,
    /// Bytes that were received and not read.
    unread: u64,
}

/// Whether the listener at `address` has read every byte that was sent to its connections.
pub fn has_read_everything(address: SocketAddr) -> bool {
    let own = written(address);
    connections().iter().all(|one| {
        let is_its = one.local == own && one.unread > 0;
        let is_on_its_way = one.remote == own && one.unsent > 0;
        !is_its && !is_on_its_way
    })
}

/// Whether bytes of the listener at `address` have arrived at a client that has not read them.
pub fn has_unread_answers(address: SocketAddr) -> bool {
    let own = written(address);
    connections().iter().any(|one| one.remote == own && one.unread > 0)
}

/// The address as the table has it.
fn written(address: SocketAddr) -> String {
    let SocketAddr::V4(address) = address else { panic!("{address} is none of IPv4") };
    format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
}

fn connections() -> Vec<Connection> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().skip(1).filter_map(connection).collect()
}

/// A line of the table; `None` for listeners, whose queues count connections.
fn connection(line: &str) -> Option<Connection> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [_, local, remote, state, queues, ..] = fields[..] else { return None };
    let (unsent, unread) = queues.split_once(':')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let (unsent, unread) = (number(unsent)?, number(unread)?);
    let (local, remote) = (local.to_owned(), remote.to_owned());
    (state != "0A").then_some(Connection { local, remote, unsent, unread })
}
