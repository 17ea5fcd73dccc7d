//! Hosts that a certificate must not choose: this machine, its neighbours on the link, and the metadata
//! services of cloud providers, in all the spellings that resolvers and proxies understand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// What the host of a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NamedHost {
    /// An address, however it was spelled.
    Address(IpAddr),
    /// A name that means this machine, or a metadata service, wherever it is resolved.
    Local,
    /// Another name; its address is known to the resolver only.
    Name(String),
    /// Neither: it looks like a number and is no address, or has characters that no host name has.
    Malformed,
}

impl NamedHost {
    /// Reads a host without the brackets of IPv6.
    pub(crate) fn read(host: &str) -> Self {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Self::Address(address);
        }
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_name) {
            return Self::Malformed;
        }
        let last = name.rsplit('.').next().unwrap_or_default();
        if number(last).is_some() || last.bytes().all(|byte| byte.is_ascii_digit()) {
            return legacy_address(&name).map_or(Self::Malformed, |v4| Self::Address(v4.into()));
        }
        let is_local = LOCAL_NAMES.contains(&&*name) || last == "localhost";
        if is_local { Self::Local } else { Self::Name(name) }
    }
}

/// Loopback, link-local, unspecified and multicast addresses, also inside of IPv6 addresses that stand for
/// IPv4 ones. Cloud providers serve metadata on link-local addresses.
pub(crate) fn is_local_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_local_v4(address),
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unicast_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                // AWS' metadata service over IPv6.
                || address.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
                || embedded(address).is_some_and(is_local_v4)
        }
    }
}

/// Whether the address is one of this machine: a socket that leads there has it as its own end. Nothing is
/// sent.
pub(crate) fn is_own_address(address: IpAddr) -> bool {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let own = || {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        // The port counts for nothing.
        socket.connect((address, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip() == address)
    };
    own().unwrap_or(false)
}

fn is_local_v4(address: Ipv4Addr) -> bool {
    address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        // "This network" (RFC 1122 3.2.1.3); many systems connect to themselves.
        || address.octets()[0] == 0
        // Alibaba's metadata service.
        || address.octets() == [100, 100, 100, 200]
}

/// The IPv4 address in an IPv6 one: mapped and compatible (RFC 4291 2.5.5), NAT64 (RFC 6052), 6to4 (RFC
/// 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

/// The forms of inet_aton(3): one to four numbers, decimal, octal (`017`) or hexadecimal (`0x7f`); the last
/// one has the rest of the 32 bits.
fn legacy_address(name: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<u64> = name.split('.').map(number).collect::<Option<_>>()?;
    let (last, leading) = numbers.split_last()?;
    let bytes = u32::try_from(4_usize.checked_sub(leading.len()).filter(|bytes| *bytes > 0)?).ok()?;
    let mut address = 0_u64;
    for octet in leading {
        address = address << 8 | u64::from(u8::try_from(*octet).ok()?);
    }
    (*last < 1 << (8 * bytes)).then_some(())?;
    u32::try_from(address << (8 * bytes) | last).ok().map(Ipv4Addr::from)
}

fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some("") => return Some(0),
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u64::from_str_radix(digits, radix).ok())?
}

/// RFC 1035 2.3.4
const MAX_NAME: usize = 253;

/// Besides `localhost` (RFC 6761 6.3) and what is below it: names of /etc/hosts, and of metadata services.
const LOCAL_NAMES: [&str; 11] = [
    "localhost.localdomain",
    "localhost4.localdomain4",
    "localhost6.localdomain6",
    "ip6-localhost",
    "ip6-loopback",
    "localhost4",
    "localhost6",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_local_host_is_recognised() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "0x7f.1",
            "0X7F.0.0.1",
            "0177.0.0.1",
            "2130706433",
            "0x7f000001",
            "017700000001",
            "127.0.0.1.",
            "0",
            "0x",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "0xa9fea9fe",
            "2852039166",
            "169.254.43518",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "0:0:0:0:0:0:0:1",
            "::ffff:127.0.0.1",
            "::ffff:7f00:1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
        ] {
            let NamedHost::Address(address) = NamedHost::read(host) else { panic!("{host} is no address") };
            assert!(is_local_address(address), "{host}");
        }
        for host in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "localhost.localdomain",
            "ip6-loopback",
            "metadata.google.internal",
            "metadata.google.internal.",
        ] {
            assert_eq!(NamedHost::read(host), NamedHost::Local, "{host}");
        }
        for host in [
            "",
            ".",
            "%6cocalhost",
            "127.0.0.1%00",
            "fe80::1%eth0",
            "256.1.1.1",
            "1.2.3.4.5",
            "09.1",
            "127.0.0.0x1ff",
            "4294967296",
            "a.1",
            "\u{ff4c}ocalhost",
            "local host",
            "[::1",
        ] {
            assert_eq!(NamedHost::read(host), NamedHost::Malformed, "{host}");
        }
    }

    #[test]
    fn responders_elsewhere_are_not_local() {
        for host in
            ["10.0.0.7", "192.168.1.1", "172.16.0.1", "8.8.8.8", "0x08080808", "fd12::7", "2001:db8::7"]
        {
            let NamedHost::Address(address) = NamedHost::read(host) else { panic!("{host} is no address") };
            assert!(!is_local_address(address), "{host}");
        }
        for host in
            ["ca.example", "CA.example.", "pki", "localhost.example", "1a.example", "127.0.0.1.nip.example"]
        {
            assert!(matches!(NamedHost::read(host), NamedHost::Name(_)), "{host}");
        }
    }
}
