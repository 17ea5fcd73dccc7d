//! The response for rustls, and the messages as the client sees them.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::tls::status_request_v2::ClientHello;
use crate::tls::status_request_v2::hello_patch::HelloPatch;
use crate::tls::status_request_v2::rewriter::Rewriter;
use crate::tls::status_request_v2::wire::Reader;

/// ServerHello of TLS 1.2 with these extensions.
fn server_hello(extensions: &[Extension]) -> Vec<u8> {
    let extensions: Vec<_> =
        extensions.iter().flat_map(|(kind, content)| extension(*kind, content)).collect();
    let body = [&[3, 3][..], &[9; 32], &vector::<1>(&[5; 32]), &[0xc0, 0x2c, 0], &vector::<2>(&extensions)];
    handshake(2, &body.concat())
}

/// The CertificateStatus of rustls in TLS 1.2.
fn certificate_status(kind: u8, response: &[u8]) -> Vec<u8> {
    handshake(22, &[&[kind][..], &vector::<3>(response)].concat())
}

/// Certificate of TLS 1.3: certificates and the extensions of their entries.
fn certificate(entries: &[(&[u8], Vec<u8>)]) -> Vec<u8> {
    let entries: Vec<_> = entries
        .iter()
        .flat_map(|(der, extensions)| [vector::<3>(der), vector::<2>(extensions)].concat())
        .collect();
    handshake(11, &[&[0][..], &vector::<3>(&entries)].concat())
}

fn status(response: &[u8]) -> Vec<u8> {
    extension(5, &[&[1][..], &vector::<3>(response)].concat())
}

/// The rewriter for this request and these staples, and the response for rustls.
fn given(request: StatusRequest, staples: &ChainStaples) -> (Rewriter, Option<Vec<u8>>) {
    let mut rewriter = Rewriter::new(request, None);
    let response = rewriter.response_for_rustls(staples.responses().len(), staples);
    (rewriter, response)
}

#[test]
fn a10_a_list_is_acknowledged_by_extension_17_alone_and_has_an_entry_for_each_certificate() {
    let (leaf, issuer) = (vec![1; 300], vec![2; 70_000]);
    let cases = [
        (staples(&[Some(300), Some(70_000)]), [vector::<3>(&leaf), vector::<3>(&issuer)].concat()),
        (staples(&[Some(300), None]), [&vector::<3>(&leaf)[..], &[0; 3]].concat()),
        (staples(&[None, Some(70_000)]), [&[0; 3][..], &vector::<3>(&issuer)].concat()),
    ];
    for (staples, list) in cases {
        let (mut rewriter, response) =
            given(request(Version::Tls12, true, &[StatusRequestItem::OcspMulti]), &staples);
        assert_eq!(response.as_ref(), Some(&list));
        // renegotiation_info, status_request, extended_master_secret
        let hello = |status| server_hello(&[(0xff01, vec![0]), (status, vec![]), (23, vec![])]);
        assert_eq!(*rewriter.observe(&hello(5)), hello(17));
        assert_eq!(*rewriter.observe(&certificate_status(1, &list)), certificate_status(2, &list));
        assert_eq!(rewriter.replacements().len(), 2);
        assert_eq!(rewriter.replacements()[1].offset, hello(5).len());
    }
}

#[test]
fn a10_the_clients_order_decides_among_what_can_be_answered() {
    use StatusRequestItem::{Ocsp, OcspMulti};
    let both = staples(&[Some(10), Some(20)]);
    let issuer = staples(&[None, Some(20)]);
    let list = |leaf: &[u8]| [vector::<3>(leaf), vector::<3>(&[2; 20])].concat();
    let leaf = vec![1; 10];
    // Staples, extension 5, items of 17; response for rustls, acknowledged extension, status type.
    type Case<'a> = (&'a ChainStaples, bool, &'a [StatusRequestItem], Option<Vec<u8>>, u16, u8);
    let cases: [Case<'_>; 7] = [
        (&both, true, &[OcspMulti, Ocsp], Some(list(&leaf)), 17, 2),
        (&both, true, &[Ocsp, OcspMulti], Some(leaf.clone()), 17, 1),
        (&both, true, &[], Some(leaf), 5, 1),
        (&both, false, &[], None, 5, 1),
        // There is no response for the end entity.
        (&issuer, true, &[Ocsp, OcspMulti], Some(list(&[])), 17, 2),
        (&issuer, true, &[Ocsp], None, 5, 1),
        (&issuer, true, &[], None, 5, 1),
    ];
    for (staples, plain, items, response, acknowledged, kind) in cases {
        let (mut rewriter, given) = given(request(Version::Tls12, plain, items), staples);
        assert_eq!(given, response, "{items:?} {staples:?}");
        let Some(response) = response else { continue };
        let hello = |kind| server_hello(&[(kind, vec![])]);
        assert_eq!(*rewriter.observe(&hello(5)), hello(acknowledged), "{items:?}");
        assert_eq!(*rewriter.observe(&certificate_status(1, &response)), certificate_status(kind, &response));
    }
}

#[test]
fn a10_without_a_staple_rustls_acknowledges_nothing() {
    let none = ChainStaples::none(2);
    for request in [
        request(Version::Tls12, true, &[StatusRequestItem::OcspMulti, StatusRequestItem::Ocsp]),
        request(Version::Tls12, false, &[StatusRequestItem::OcspMulti]),
        request(Version::Tls13, true, &[]),
    ] {
        assert_eq!(given(request, &none).1, None);
    }
    // Staples of an earlier call are forgotten.
    let mut rewriter = Rewriter::new(request(Version::Tls12, false, &[StatusRequestItem::OcspMulti]), None);
    assert!(rewriter.response_for_rustls(2, &staples(&[Some(1), Some(1)])).is_some());
    assert!(rewriter.response_for_rustls(2, &none).is_none());
    assert_eq!(*rewriter.observe(&server_hello(&[(5, vec![])])), server_hello(&[(5, vec![])]));
    // Staples for a chain of another length are not used.
    assert_eq!(rewriter.response_for_rustls(3, &staples(&[Some(1), Some(1)])), None);
}

#[test]
fn a10_a_resumed_session_acknowledges_no_status_request() {
    // rustls drops the response, so there is no extension 5 to rewrite (RFC 6961 section 2.2).
    let (mut rewriter, _) =
        given(request(Version::Tls12, true, &[StatusRequestItem::OcspMulti]), &staples(&[Some(9), Some(9)]));
    let resumed = server_hello(&[(0xff01, vec![0]), (23, vec![])]);
    assert_eq!(*rewriter.observe(&resumed), resumed);
    assert!(rewriter.replacements().is_empty());
}

#[test]
fn a10_in_tls_1_3_each_certificate_has_its_own_response() {
    let (leaf, issuer, third) = ([1; 900], [2; 17_000], [3; 5]);
    let ders: [&[u8]; 3] = [&[0xaa; 600], &[0xbb; 500], &[0xcc; 400]];
    for present in 1_u8..8 {
        let lengths = [900, 17_000, 5].iter().enumerate();
        let lengths: Vec<_> =
            lengths.map(|(at, length)| (present >> at & 1 == 1).then_some(*length)).collect();
        let (mut rewriter, response) = given(request(Version::Tls13, true, &[]), &staples(&lengths));
        let rustls =
            certificate(&[(ders[0], status(&response.unwrap())), (ders[1], vec![]), (ders[2], vec![])]);
        let responses: [&[u8]; 3] = [&leaf, &issuer, &third];
        let entries: Vec<_> = (0..3)
            .map(|at| (ders[at], if lengths[at].is_some() { status(responses[at]) } else { Vec::new() }))
            .collect();
        assert_eq!(*rewriter.observe(&rustls), certificate(&entries), "{present:03b}");
        assert_eq!(rustls.len(), certificate(&entries).len());
    }
}

#[test]
fn a10_in_tls_1_3_only_the_end_entitys_response_is_sent_if_all_do_not_fit_one_extension() {
    let large = staples(&[Some(900), Some(65_000)]);
    let (mut rewriter, response) = given(request(Version::Tls13, true, &[]), &large);
    assert_eq!(response, Some(vec![1; 900]));
    let sent = certificate(&[(&[7; 9], status(&[1; 900])), (&[8; 9], vec![])]);
    assert_eq!(*rewriter.observe(&sent), sent);
    // If that one does not fit either, there is none.
    for lengths in [[Some(65_532), None], [None, Some(65_532)]] {
        assert_eq!(given(request(Version::Tls13, true, &[]), &staples(&lengths)).1, None, "{lengths:?}");
    }
    assert!(given(request(Version::Tls13, true, &[]), &staples(&[Some(65_531), None])).1.is_some());
}

#[test]
fn no_other_message_is_rewritten() {
    let both = staples(&[Some(30), Some(40)]);
    let list = [vector::<3>(&[1; 30]), vector::<3>(&[2; 40])].concat();
    let (mut tls12, _) = given(request(Version::Tls12, true, &[StatusRequestItem::OcspMulti]), &both);
    let (mut tls13, composite) = given(request(Version::Tls13, true, &[]), &both);
    let composite = status(&composite.unwrap());
    let others = [
        server_hello(&[(5, vec![0])]),
        server_hello(&[(23, vec![])]),
        [&server_hello(&[(5, vec![])])[..], &[0]].concat(),
        certificate_status(1, &list[1..]),
        certificate_status(1, &[]),
        certificate_status(2, &list),
        certificate_status(3, &list),
        certificate(&[(&[1], vec![]), (&[2], vec![])]),
        certificate(&[(&[1], status(&[1; 30])), (&[2], vec![])]),
        certificate(&[(&[1], composite.clone())]),
        certificate(&[(&[1], composite.clone()), (&[2], vec![]), (&[3], vec![])]),
        certificate(&[(&[1], vec![]), (&[2], composite)]),
        handshake(20, &[1; 12]),
        handshake(14, &[]),
        Vec::new(),
        vec![2],
    ];
    for message in others {
        assert_eq!(*tls12.observe(&message), message);
        assert_eq!(*tls13.observe(&message), message);
    }
}

#[test]
fn a10_rustls_sees_a_lone_extension_17_as_a_5_of_the_same_length() {
    let message = hello(0x0303, &[necessary(), vec![v2(&[2, 1]), (23, vec![])]].concat());
    let asked = request(Version::Tls12, false, &[StatusRequestItem::OcspMulti]);
    let patch = |message: &[u8], asked: &StatusRequest| {
        HelloPatch::new(&ClientHello::read(message).unwrap(), message, asked, &[], |_| false)
    };
    let mut rewriter = Rewriter::new(asked.clone(), patch(&message, &asked));
    let mut received = record(&message);
    rewriter.patch_hello(&mut received);
    let shown = received.split_off(5);
    assert_eq!(shown.len(), message.len());

    let read = ClientHello::read(&shown).unwrap();
    assert_eq!(read.status_request(true, true), Ok(request(Version::Tls12, true, &[])));
    assert_eq!(*rewriter.observe(&shown), message, "the transcript has the ClientHello as sent");
    assert!(rewriter.replacements().is_empty(), "the flight follows the ClientHello");
    // With an extension 5 there is nothing to replace.
    let both = hello(0x0303, &[necessary(), vec![v2(&[2]), status_request()]].concat());
    assert_eq!(patch(&both, &asked), None);
}

/// A handshake message in one record.
fn record(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    [&[22, 3, 1][..], &length, message].concat()
}

/// server_name with this name.
fn server_name(name: &[u8]) -> (u16, Vec<u8>) {
    let entry = [&[0][..], &u16::try_from(name.len()).unwrap().to_be_bytes(), name].concat();
    (0, [&u16::try_from(entry.len()).unwrap().to_be_bytes()[..], &entry].concat())
}

// RFC 6066 3: a server may ignore the name.
#[test]
fn an_unusable_server_name_is_hidden_and_a_usable_one_is_not() {
    for version in [Version::Tls12, Version::Tls13] {
        let asked = request(version, false, &[]);
        for name in [&b" "[..], b"", b"*.ward", b"-ward", b"ward 7", b"w\xe4rd"] {
            let message = hello(0x0303, &[vec![server_name(name)], necessary()].concat());
            let read = ClientHello::read(&message).unwrap();
            let patch = HelloPatch::new(&read, &message, &asked, &[], |_| false).unwrap();
            let mut received = record(&message);
            patch.apply(&mut received).unwrap();
            let shown = received.split_off(5);
            assert_eq!(ClientHello::read(&shown).unwrap().server_name, None, "{name:?}");
            assert_eq!(patch.restore(&shown).unwrap(), message);
            // The binders of TLS 1.3 are computed over the beginning.
            assert_eq!(patch.restore(&shown[..shown.len() - 3]).unwrap(), message[..message.len() - 3]);
            assert_eq!(patch.restore(&message), None);
        }
        for name in [&b"ward"[..], b"ward.example", b"10.0.0.1"] {
            let message = hello(0x0303, &[vec![server_name(name)], necessary()].concat());
            let read = ClientHello::read(&message).unwrap();
            assert_eq!(HelloPatch::new(&read, &message, &asked, &[], |_| false), None, "{name:?}");
        }
    }
}

// RFC 8422 4; RFC 9155 4: only a resumption does without signature_algorithms.
#[test]
fn missing_groups_and_schemes_are_added_in_tls_1_2_only() {
    let schemes = [rustls::SignatureScheme::ECDSA_NISTP256_SHA256];
    let bare = |suites: &[u8], session: &[u8], extensions: &[u8]| {
        let fixed = [&[3, 3][..], &[7; 32], &vector::<1>(session), &vector::<2>(suites), &[1, 0]].concat();
        handshake(1, &[&fixed, extensions].concat())
    };
    let ecdhe = [0xc0, 0x2c, 0xc0, 0x30];
    let patched = |version, message: &[u8], known: bool| {
        let read = ClientHello::read(message).unwrap();
        HelloPatch::new(&read, message, &request(version, false, &[]), &schemes, |_| known)
    };
    let some = vector::<2>(&extension(23, &[]));
    for (session, extensions, known) in
        [(&[5; 32][..], &some[..], true), (&[5; 32], &[], true), (&[5; 32], &some, false), (&[], &some, true)]
    {
        let message = bare(&ecdhe, session, extensions);
        let patch = patched(Version::Tls12, &message, known).unwrap();
        let mut received = record(&message);
        patch.apply(&mut received).unwrap();
        let shown = received.split_off(5);
        assert_eq!(received[3..], u16::try_from(shown.len()).unwrap().to_be_bytes());
        let read = ClientHello::read(&shown).unwrap();
        assert!(read.has_groups);
        assert_eq!(read.has_schemes, known && !session.is_empty());
        assert_eq!(patch.restore(&shown).unwrap(), message);
        assert_eq!(patch.restore(&shown[..9]), None);
    }
    let message = bare(&ecdhe, &[], &some);
    let patch = patched(Version::Tls12, &message, true).unwrap();
    // Nothing can be inserted between records.
    assert_eq!(patch.apply(&mut [record(&message), vec![21]].concat()), None);
    assert_eq!(patched(Version::Tls13, &message, true), None);
    assert_eq!(patched(Version::Tls12, &bare(&[0, 0x9f], &[], &some), false), None, "a finite field");
}

/// The message of rustls, restored from the message that the client sees.
fn restored(seen: &[u8]) -> Vec<u8> {
    let mut body = Reader::new(&seen[5..]);
    let mut entries = Reader::new(body.vector::<3>().unwrap());
    let (mut ders, mut extensions) = (Vec::new(), Vec::new());
    while !entries.is_empty() {
        ders.push(entries.vector::<3>().unwrap());
        extensions.extend(entries.vector::<2>().unwrap());
    }
    let first = status(&extensions[8..]);
    let entries: Vec<_> = ders
        .iter()
        .enumerate()
        .map(|(at, der)| (*der, if at == 0 { first.clone() } else { vec![] }))
        .collect();
    certificate(&entries)
}

proptest! {
    #[test]
    fn a10_the_rewriting_of_a_certificate_message_is_reversible(
        chain in vec((vec(any::<u8>(), 1..50), option::of(0_usize..400)), 1..5),
    ) {
        let lengths: Vec<_> = chain.iter().map(|(_, length)| *length).collect();
        prop_assume!(lengths.iter().any(Option::is_some));
        let (mut rewriter, response) = given(request(Version::Tls13, true, &[]), &staples(&lengths));
        let first = status(&response.unwrap());
        let entries: Vec<_> = chain
            .iter()
            .enumerate()
            .map(|(at, (der, _))| (&der[..], if at == 0 { first.clone() } else { vec![] }))
            .collect();
        let rustls = certificate(&entries);
        let seen = rewriter.observe(&rustls).into_owned();
        prop_assert_eq!(seen.len(), rustls.len());
        prop_assert_eq!(restored(&seen), rustls);
    }

    #[test]
    fn a10_rewriting_in_tls_1_2_changes_one_byte_reversibly(
        extensions in vec((prop_oneof![Just(5_u16), any::<u16>()], vec(any::<u8>(), 0..4)), 0..6),
        lengths in vec(option::of(0_usize..300), 1..4),
    ) {
        prop_assume!(lengths.iter().any(Option::is_some));
        let (mut rewriter, list) = given(request(Version::Tls12, true, &[StatusRequestItem::OcspMulti]), &staples(&lengths));
        let status = certificate_status(1, &list.unwrap());
        for message in [server_hello(&extensions), status] {
            let seen = rewriter.observe(&message).into_owned();
            prop_assert_eq!(seen.len(), message.len());
            let different: Vec<_> = (0..seen.len()).filter(|at| seen[*at] != message[*at]).collect();
            // One byte: 5 and 17 differ in their second byte, ocsp and ocsp_multi in their only one.
            prop_assert!(different.len() <= 1);
            if let [at] = different[..] {
                prop_assert!([(5, 17), (1, 2)].contains(&(message[at], seen[at])));
            }
        }
    }

    /// The client's CertificateVerify is verified over the messages that the transcript has hashed.
    #[test]
    fn a10_all_messages_at_once_are_rewritten_like_single_ones(
        lengths in vec(option::of(0_usize..300), 1..4),
        others in vec((any::<u8>(), vec(any::<u8>(), 0..60)), 0..4),
        tail in vec(any::<u8>(), 0..3),
    ) {
        let (mut rewriter, list) = given(request(Version::Tls12, true, &[StatusRequestItem::OcspMulti]), &staples(&lengths));
        let mut messages = vec![server_hello(&[(5, vec![])]), certificate_status(1, &list.unwrap_or_default())];
        messages.extend(others.iter().map(|(kind, body)| handshake(*kind, body)));
        messages.push(tail);
        let all = messages.concat();
        let one_by_one: Vec<u8> = messages.iter().flat_map(|message| rewriter.observe(message).into_owned()).collect();
        prop_assert_eq!(rewriter.as_seen_by_client(&all), one_by_one);
    }
}
