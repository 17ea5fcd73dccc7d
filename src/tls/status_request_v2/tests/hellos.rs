//! Parsing of ClientHellos.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::model::work::assert_linear;
use crate::tls::status_request_v2::{ClientHello, HelloError};

fn read(legacy_version: u16, extensions: &[Extension]) -> Result<StatusRequest, HelloError> {
    ClientHello::read(&hello(legacy_version, extensions)).unwrap().status_request(true, true)
}

fn supported_versions(versions: &[u16]) -> Extension {
    (43, vector::<1>(&versions.iter().flat_map(|version| version.to_be_bytes()).collect::<Vec<_>>()))
}

#[test]
fn a10_the_status_types_of_a_hello_are_read_in_its_order_of_preference() {
    use StatusRequestItem::{Ocsp, OcspMulti};
    let cases: [(&[Extension], bool, &[StatusRequestItem]); 9] = [
        (&[], false, &[]),
        (&[status_request()], true, &[]),
        (&[v2(&[2])], false, &[OcspMulti]),
        (&[v2(&[1])], false, &[Ocsp]),
        (&[v2(&[2, 1]), status_request()], true, &[OcspMulti, Ocsp]),
        (&[status_request(), v2(&[1, 2])], true, &[Ocsp, OcspMulti]),
        (&[v2(&[9, 2, 1, 2, 77])], false, &[OcspMulti, Ocsp]),
        (&[v2(&[3, 4])], false, &[]),
        // A form of extension 5 that is not OCSP.
        (&[(5, vec![9, 1, 2, 3])], false, &[]),
    ];
    for (extensions, plain, items) in cases {
        let extensions = [necessary(), extensions.to_vec()].concat();
        assert_eq!(read(0x0303, &extensions), Ok(request(Version::Tls12, plain, items)), "{extensions:02x?}");
    }
}

// RFC 7507 section 3
#[test]
fn a_fallback_below_the_best_version_of_the_server_is_refused() {
    let with_scsv = |extensions: &[Extension]| {
        let mut message = hello(0x0303, extensions);
        // Head, version, random and the empty session_id precede the length of cipher_suites.
        let suites = 4 + 2 + 32 + 1 + usize::from(message[38]);
        message.splice(suites + 2..suites + 4, [0x56, 0x00]);
        message
    };
    let both = supported_versions(&[0x0304, 0x0303]);
    for (extensions, tls13, expected) in [
        (necessary(), true, Err(HelloError::InappropriateFallback)),
        (vec![supported_versions(&[0x0303])], true, Err(HelloError::InappropriateFallback)),
        (necessary(), false, Ok(())),
        (vec![both], true, Ok(())),
    ] {
        let message = with_scsv(&extensions);
        let request = ClientHello::read(&message).unwrap().status_request(true, tls13).map(drop);
        assert_eq!(request, expected, "{extensions:02x?}");
    }
}

// RFC 5746 section 3.6
#[test]
fn a_first_client_hello_that_renegotiates_is_refused() {
    let with = |content: &[u8]| [necessary(), vec![(0xff01, content.to_vec())]].concat();
    assert_eq!(read(0x0303, &with(&[0])), Ok(request(Version::Tls12, false, &[])));
    for content in [&[1, 7][..], &[12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[], &[0, 0]] {
        assert_eq!(read(0x0303, &with(content)), Err(HelloError::Renegotiation), "{content:?}");
    }
    // TLS 1.3 has no renegotiation.
    let extensions = [supported_versions(&[0x0304]), (0xff01, vec![1, 7])];
    assert_eq!(read(0x0303, &extensions), Ok(request(Version::Tls13, false, &[])));
}

#[test]
fn a10_tls_1_3_ignores_extension_17_whatever_it_is() {
    let both = supported_versions(&[0x0a0a, 0x0304, 0x0303]);
    for second in [v2(&[2]), v2(&[]), (17, vec![1, 2, 3])] {
        let extensions = [both.clone(), status_request(), second];
        assert_eq!(read(0x0303, &extensions), Ok(request(Version::Tls13, true, &[])));
    }
    // The same client with a server without TLS 1.3, and one without TLS 1.2.
    let message = hello(0x0303, &[both, v2(&[2])]);
    let hello = ClientHello::read(&message).unwrap();
    assert_eq!(
        hello.status_request(true, false),
        Ok(request(Version::Tls12, false, &[StatusRequestItem::OcspMulti]))
    );
    assert_eq!(hello.status_request(false, true), Ok(request(Version::Tls13, false, &[])));
    // A list of versions without 1.3 means 1.2.
    let extensions = [supported_versions(&[0x0303, 0x0302]), status_request()];
    assert_eq!(read(0x0303, &extensions), Ok(request(Version::Tls12, true, &[])));
}

#[test]
fn a10_a_malformed_extension_17_is_refused() {
    let item = |kind: u8, request: &[u8]| [&[kind][..], &vector::<2>(request)].concat();
    let responders = |responders: &[u8]| [&vector::<2>(responders)[..], &[0, 0]].concat();
    let whole = |items: &[u8]| vector::<2>(items);
    let good = item(2, &REQUEST);
    let malformed = [
        vec![],
        vec![0],
        whole(&[]),
        whole(&good[..good.len() - 1]),
        [&whole(&good)[..], &[0]].concat(),
        [&[0, 99], &good[..]].concat(),
        whole(&item(2, &[])),
        whole(&item(1, &[0, 0, 0])),
        whole(&item(2, &[0, 0, 0, 0, 0])),
        whole(&[2, 0, 200, 0, 0, 0, 0]),
        // An empty ResponderID, and a truncated one.
        whole(&item(2, &responders(&[0, 0]))),
        whole(&item(2, &responders(&[0, 9, 1]))),
        [&whole(&item(2, &REQUEST)), &[2][..]].concat(),
    ];
    for content in malformed {
        assert_eq!(read(0x0303, &[(17, content.clone())]), Err(HelloError::Malformed), "{content:02x?}");
    }
    // RFC 5246 7.4.1.4: no extension twice.
    assert_eq!(read(0x0303, &[v2(&[2]), v2(&[2])]), Err(HelloError::Malformed));
    assert!(read(0x0303, &[(17, whole(&item(2, &responders(&vector::<2>(&[5])))))]).is_ok());
}

#[test]
fn a2_a_hello_for_tls_1_1_at_best_is_too_old() {
    for version in [0x0300, 0x0301, 0x0302] {
        assert_eq!(read(version, &[]), Err(HelloError::TooOld));
        // Without extensions, as before RFC 3546.
        let whole = hello(version, &[]);
        let mut without = whole[..whole.len() - 2].to_vec();
        let length = u32::try_from(without.len() - 4).unwrap().to_be_bytes();
        without[1..4].copy_from_slice(&length[1..]);
        assert_eq!(ClientHello::read(&without).unwrap().status_request(true, true), Err(HelloError::TooOld));
        // RFC 8446 4.2.1: where there is supported_versions, the head does not count.
        assert!(read(version, &[supported_versions(&[0x0303])]).is_ok());
        assert_eq!(read(0x0303, &[supported_versions(&[version, 0x0a0a])]), Err(HelloError::TooOld));
    }
    assert!(read(0x0303, &[]).is_ok());
    assert!(read(0x0304, &[]).is_ok());
}

#[test]
fn an_incomplete_client_hello_is_left_to_rustls() {
    let whole = hello(0x0303, &[necessary(), vec![v2(&[2]), supported_versions(&[0x0303])]].concat());
    for end in 0..whole.len() {
        assert_eq!(ClientHello::read(&whole[..end]), None, "{end}");
    }
    assert_eq!(ClientHello::read(&[&whole[..], &[0]].concat()), None);
    let mut other = whole;
    other[0] = 2;
    assert_eq!(ClientHello::read(&other), None);
    assert_eq!(ClientHello::read(&hello(0x0303, &[(43, vec![3, 3, 3, 3])])), None);
}

proptest! {
    #[test]
    fn no_bytes_make_parsing_panic(bytes in vec(any::<u8>(), 0..200)) {
        if let Some(hello) = ClientHello::read(&bytes) {
            let _ = hello.status_request(true, true);
        }
    }

    #[test]
    fn no_extensions_and_no_damage_make_parsing_panic(
        extensions in vec((prop_oneof![Just(5_u16), Just(17), Just(43), any::<u16>()], vec(any::<u8>(), 0..40)), 0..5),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut message = hello(0x0303, &extensions);
        for (at, byte) in damage {
            let at = at.index(message.len());
            message[at] = byte;
        }
        if let Some(hello) = ClientHello::read(&message) {
            let _ = hello.status_request(true, true);
            if let Some(place) = hello.lone_v2() {
                prop_assert_eq!(&message[place.start..place.start + 2], &[0, 17]);
                prop_assert!(place.end <= message.len());
            }
        }
    }
}

#[test]
fn the_cost_of_reading_a_hello_is_linear() {
    let parse = |extensions: &[Extension]| {
        if let Some(hello) = ClientHello::read(&hello(0x0303, extensions)) {
            let _ = hello.status_request(true, true);
        }
    };
    let unknown = |number: usize| (u16::try_from(10_000 + number).unwrap(), Vec::new());
    assert_linear("extensions", |parts| parse(&(0..parts).map(unknown).collect::<Vec<_>>()));
    assert_linear("the same extension", |parts| parse(&vec![v2(&[2]); parts]));
    assert_linear("status types", |parts| parse(&[v2(&vec![9; parts])]));
    assert_linear("versions", |parts| parse(&[supported_versions(&vec![0x7a7a; parts.min(127)])]));
}
