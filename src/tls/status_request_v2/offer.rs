//! What a client offers, for the people who find out why it was refused.

use rustls::CipherSuite;

use super::hello::ClientHello;
use super::hello_reader::ReceivedHello;
use crate::model::{FirstBytes, HelloFacts};

/// What the first bytes of a connection are, and what the ClientHello in them offers, as far as it is there.
#[must_use]
pub fn hello_facts(bytes: &[u8]) -> HelloFacts {
    let first_bytes = FirstBytes::classify(bytes);
    let mut received = ReceivedHello::default();
    if first_bytes == FirstBytes::Tls {
        received.push(bytes);
    }
    let message = received.take_message();
    let Some(hello) = message.as_deref().and_then(ClientHello::read) else {
        return HelloFacts { first_bytes, ..HelloFacts::default() };
    };
    let mut versions = hello.offered_versions();
    versions.sort_unstable();
    versions.dedup();
    let suites = hello.offered_suites().filter_map(suite_name).take(HelloFacts::MAX_SUITES);
    HelloFacts {
        first_bytes,
        versions: versions.into_iter().rev().filter_map(version_name).map(str::to_owned).collect(),
        suites: suites.collect(),
    }
}

fn version_name(version: u16) -> Option<&'static str> {
    match version {
        0x0300 => Some("SSL 3.0"),
        0x0301 => Some("TLS 1.0"),
        0x0302 => Some("TLS 1.1"),
        0x0303 => Some("TLS 1.2"),
        0x0304 => Some("TLS 1.3"),
        _ => None,
    }
}

/// The IANA name; none for what is no suite: GREASE (RFC 8701) and signalling values.
fn suite_name(suite: u16) -> Option<String> {
    let is_grease = suite & 0x0f0f == 0x0a0a && suite >> 8 == suite & 0xff;
    let is_signal = matches!(suite, 0x00ff | 0x5600);
    let name = || match CipherSuite::from(suite).as_str() {
        Some(name) => name.replacen("TLS13_", "TLS_", 1),
        None => format!("0x{suite:04x}"),
    };
    (!is_grease && !is_signal).then(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ClientHello with this version in its head, these suites, and supported_versions if there are any.
    fn hello(legacy: u16, suites: &[u16], versions: &[u16]) -> Vec<u8> {
        let words = |all: &[u16]| all.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        let mut body = legacy.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.push(0);
        body.extend(u16::try_from(suites.len() * 2).unwrap().to_be_bytes());
        body.extend(words(suites));
        body.extend([1, 0]);
        if !versions.is_empty() {
            let list = words(versions);
            let mut extension = vec![0, 43];
            extension.extend(u16::try_from(list.len() + 1).unwrap().to_be_bytes());
            extension.push(u8::try_from(list.len()).unwrap());
            extension.extend(list);
            body.extend(u16::try_from(extension.len()).unwrap().to_be_bytes());
            body.extend(extension);
        }
        let mut message = vec![1, 0];
        message.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        message.extend(body);
        let mut record = vec![22, 3, 1];
        record.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
        record.extend(message);
        record
    }

    #[test]
    fn suites_and_versions_have_names() {
        let facts = hello_facts(&hello(0x0303, &[0x0a0a, 0xc02b, 0x0005, 0x00ff, 0xfdfd], &[0x0304, 0x0303]));
        assert_eq!(facts.first_bytes, FirstBytes::Tls);
        assert_eq!(facts.versions, ["TLS 1.3", "TLS 1.2"]);
        assert_eq!(facts.suites.len(), 3);
        assert_eq!(facts.suites[0], "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
        assert_eq!(facts.suites[2], "0xfdfd");
        assert_eq!(hello_facts(&hello(0x0302, &[0x002f], &[])).versions, ["TLS 1.1"]);
    }

    #[test]
    fn what_is_not_a_hello_has_no_offer() {
        let cut = &hello(0x0303, &[0xc02b], &[])[..20];
        for (bytes, first_bytes) in [(cut, FirstBytes::Tls), (b"\x0bMSH|^~\\&|", FirstBytes::PlainMllp)] {
            assert_eq!(hello_facts(bytes), HelloFacts { first_bytes, ..HelloFacts::default() });
        }
    }
}
