//! The header, from bytes that may be incomplete.

use super::fault::HeaderError;
use super::statement::Progress;
use super::{version_1, version_2};

/// Reads a header from the first bytes of a connection.
pub(super) fn parse(bytes: &[u8]) -> Result<Progress, HeaderError> {
    let parsed = if begins(bytes, &version_2::SIGNATURE) {
        version_2::parse(bytes)
    } else if begins(bytes, version_1::BEGINNING) {
        version_1::parse(bytes)
    } else {
        return Err(HeaderError::Missing);
    };
    parsed.map_err(HeaderError::Malformed)
}

/// Whether the bytes begin so, as far as they go.
fn begins(bytes: &[u8], with: &[u8]) -> bool {
    bytes.iter().zip(with).all(|(byte, expected)| byte == expected)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::proxy_header::checksum::crc32c;
    use crate::proxy_header::fault::HeaderFault;
    use crate::proxy_header::statement::{MAX_HEADER, Statement};

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        let digits: Vec<char> = hexadecimal.chars().filter(|digit| !digit.is_whitespace()).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(&String::from_iter(pair), 16).unwrap()).collect()
    }

    /// A header of version 2.
    fn binary(command: u8, transport: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [&version_2::SIGNATURE[..], &[0x20 | command, transport], &length, block].concat()
    }

    fn ipv4(fields: &[u8]) -> Vec<u8> {
        binary(1, 0x11, &[&[192, 0, 2, 7, 192, 0, 2, 1, 0x12, 0x34, 0x0a, 0x0f], fields].concat())
    }

    fn relayed(address: &str) -> Statement {
        Statement::Relayed(address.parse().unwrap())
    }

    /// Every header of the list is complete at its last byte and not before it, whatever follows.
    #[test]
    fn headers_of_haproxy_and_nginx_are_read_to_their_last_byte_and_no_further() {
        let captured = [
            // HAProxy 2.6.12, send-proxy-v2
            ("0d0a0d0a000d0a515549540a 2111000c 7f000307 7f000001 9c41 1bbd", relayed("127.0.3.7:40001")),
            // HAProxy 2.6.12, send-proxy-v2 proxy-v2-options crc32c,unique-id
            (
                "0d0a0d0a000d0a515549540a 2111001b 7f000307 7f000001 9c42 1bbe \
                 030004f0c8a6ab 0500057063642d31",
                relayed("127.0.3.7:40002"),
            ),
            // HAProxy 2.6.12, send-proxy-v2, a client over IPv6
            (
                "0d0a0d0a000d0a515549540a 21210024 00000000000000000000000000000001 \
                 00000000000000000000000000000001 8a2e 1bc2",
                relayed("[::1]:35374"),
            ),
            // HAProxy 2.6.12, its health check with send-proxy-v2
            ("0d0a0d0a000d0a515549540a 20000000", Statement::Local),
        ];
        let text = [
            // HAProxy 2.6.12, send-proxy; nginx 1.22.1, proxy_protocol on
            ("PROXY TCP4 127.0.3.7 127.0.0.1 40003 7103\r\n", relayed("127.0.3.7:40003")),
            ("PROXY TCP6 2001:db8::7 2001:db8::1 35374 2575\r\n", relayed("[2001:db8::7]:35374")),
            ("PROXY UNKNOWN\r\n", Statement::Local),
            ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Statement::Local),
        ];
        let captured = captured.map(|(header, statement)| (bytes(header), statement));
        let text = text.map(|(header, statement)| (header.as_bytes().to_vec(), statement));
        for (header, statement) in captured.into_iter().chain(text) {
            for end in 0..header.len() {
                assert_eq!(parse(&header[..end]), Ok(Progress::Incomplete), "{end} of {header:?}");
            }
            let complete = Progress::Complete { statement, length: header.len() };
            assert_eq!(parse(&header), Ok(complete), "{header:?}");
            assert_eq!(parse(&[&header[..], b"\x16\x03\x01\r\n"].concat()), Ok(complete), "{header:?}");
        }
    }

    #[test]
    fn an_ipv4_address_inside_of_an_ipv6_address_counts_as_ipv4() {
        let mapped = "PROXY TCP6 ::ffff:192.0.2.7 ::1 5 6\r\n";
        let Ok(Progress::Complete { statement, .. }) = parse(mapped.as_bytes()) else { panic!("{mapped}") };
        assert_eq!(statement, relayed("192.0.2.7:5"));
    }

    #[test]
    fn each_fault_of_a_header_has_its_name() {
        let with_checksum = |checksum: u32| ipv4(&[&[3, 0, 4][..], &checksum.to_be_bytes()].concat());
        let right = crc32c(&with_checksum(0));
        assert!(parse(&with_checksum(right)).is_ok());
        let six = |source: [u8; 16]| binary(1, 0x21, &[&source[..], &[1; 20]].concat());
        let long = u16::try_from(MAX_HEADER - 15).unwrap().to_be_bytes();
        for (header, fault) in [
            (with_checksum(right ^ 1), HeaderFault::Checksum),
            (ipv4(&[5, 0, 2, 1]), HeaderFault::Field),
            (ipv4(&[5, 0]), HeaderFault::Field),
            (ipv4(&[3, 0, 1, 1]), HeaderFault::Field),
            (binary(2, 0x11, &[1; 12]), HeaderFault::Command),
            ([&version_2::SIGNATURE[..], &[0x11, 0x11, 0, 0]].concat(), HeaderFault::Version),
            ([&version_2::SIGNATURE[..], &[0x21, 0x11], &long].concat(), HeaderFault::TooLong),
            (binary(1, 0x11, &[1; 11]), HeaderFault::Length),
            (binary(1, 0x21, &[1; 35]), HeaderFault::Length),
            // UNSPEC, UDP over IPv4, a UNIX socket
            (binary(1, 0x00, &[1; 12]), HeaderFault::Transport),
            (binary(1, 0x12, &[1; 12]), HeaderFault::Transport),
            (binary(1, 0x31, &[1; 216]), HeaderFault::Transport),
            (binary(1, 0x11, &[0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]), HeaderFault::Address),
            (binary(1, 0x11, &[255; 12]), HeaderFault::Address),
            (six([0; 16]), HeaderFault::Address),
            (six([255; 16]), HeaderFault::Address),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 70000\r\n".to_vec(), HeaderFault::Line),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n".to_vec(), HeaderFault::Line),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n".to_vec(), HeaderFault::Line),
            (b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n".to_vec(), HeaderFault::Line),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n".to_vec(), HeaderFault::Line),
            (b"PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n".to_vec(), HeaderFault::Line),
            (b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(), HeaderFault::Line),
            (b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n".to_vec(), HeaderFault::Line),
            (b"PROXY TCP6 \xff\xfe\r\n".to_vec(), HeaderFault::Line),
            (b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n".to_vec(), HeaderFault::Transport),
            (b"PROXY UNKNOWNS\r\n".to_vec(), HeaderFault::Transport),
            (b"PROXY TCP4 0.0.0.0 1.2.3.4 1 2\r\n".to_vec(), HeaderFault::Address),
            ([b"PROXY UNKNOWN ", &[b'x'; 93][..]].concat(), HeaderFault::TooLong),
        ] {
            assert_eq!(parse(&header), Err(HeaderError::Malformed(fault)), "{header:?}");
        }
        for other in [&b"\x16\x03\x01"[..], b"\x0bMSH", b"GET / ", b"P\r", b"\r\n\r\nx", b"proxy tcp4"] {
            assert_eq!(parse(other), Err(HeaderError::Missing), "{other:?}");
        }
        let words: std::collections::BTreeSet<_> = HeaderFault::ALL.map(HeaderFault::words).into();
        assert_eq!(words.len(), HeaderFault::ALL.len());
    }

    #[test]
    fn a_header_of_the_greatest_length_is_read_and_a_longer_one_is_refused_before_it_comes() {
        let fill = |total: usize| {
            let value = vec![7; total - 16 - 12 - 3];
            let length = u16::try_from(value.len()).unwrap().to_be_bytes();
            ipv4(&[&[4][..], &length, &value].concat())
        };
        let longest = fill(MAX_HEADER);
        let complete = Progress::Complete { statement: relayed("192.0.2.7:4660"), length: MAX_HEADER };
        assert_eq!(parse(&longest), Ok(complete));
        let longer = fill(MAX_HEADER + 1);
        assert_eq!(parse(&longer[..16]), Err(HeaderError::Malformed(HeaderFault::TooLong)));
    }

    proptest! {
        /// As the fuzz target `proxy_header` has it.
        #[test]
        fn any_bytes_are_incomplete_a_header_or_refused_within_the_bound(
            beginning in 0..4_u8,
            command in any::<u8>(),
            transport in prop::sample::select(vec![0_u8, 0x11, 0x12, 0x21, 0x31]),
            bytes in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            let bytes = match beginning {
                0 => bytes,
                1 => [version_1::BEGINNING, &bytes].concat(),
                2 => [&version_2::SIGNATURE[..], &[command, transport], &bytes].concat(),
                _ => [&version_2::SIGNATURE[..], &[0x20 | command & 1, transport], &length, &bytes].concat(),
            };
            let parsed = parse(&bytes);
            match parsed {
                Ok(Progress::Incomplete) => prop_assert!(bytes.len() < MAX_HEADER),
                Ok(Progress::Complete { length, statement }) => {
                    prop_assert!(length <= bytes.len() && length <= MAX_HEADER);
                    prop_assert_eq!(parse(&bytes[..length]), parsed);
                    prop_assert!((0..length).all(|end| parse(&bytes[..end]) == Ok(Progress::Incomplete)));
                    if let Statement::Relayed(address) = statement {
                        prop_assert!(!address.ip().is_unspecified() && !address.ip().is_multicast());
                    }
                }
                // More bytes do not make it better.
                Err(error) => prop_assert_eq!(parse(&[&bytes[..], b"\r\n"].concat()), Err(error)),
            }
        }
    }
}
