//! Clients with small buffers: max_fragment_length and record_size_limit.

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::handshakes::{Site, status_in};
use super::*;
use crate::tls::status_request_v2::reframer::Reframer;
use crate::tls::status_request_v2::wire::Reader;
use crate::tls::status_request_v2::{MAX_LONG_HELLOS, accept};

/// The records of the platform's answer to this ClientHello: content types and contents.
async fn records(site: &Site, extensions: &[Extension]) -> Vec<(u8, Vec<u8>)> {
    let hello = hello(0x0303, &[&necessary(), extensions].concat());
    let (near, mut far) = duplex(1 << 20);
    far.write_all(&in_records(&hello, 16_384)).await.unwrap();
    let server = site.server(&staples(&[Some(1500), Some(1700)]));
    let serving = tokio::spawn(async move {
        let (_, mut io) = accept(server, near).await.map(|_| ()).unwrap_err();
        io.shutdown().await.unwrap();
    });
    let mut records = Vec::new();
    let mut header = [0; 5];
    while far.read_exact(&mut header).await.is_ok() {
        let mut content = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        far.read_exact(&mut content).await.unwrap();
        // An alert, or ServerHelloDone.
        let is_last = header[0] == 21 || content.ends_with(&[14, 0, 0, 0]);
        records.push((header[0], content));
        if is_last {
            break;
        }
    }
    drop(far);
    serving.await.unwrap();
    records
}

fn contents(records: &[(u8, Vec<u8>)]) -> Vec<u8> {
    records.iter().flat_map(|(_, content)| content.clone()).collect()
}

/// The value of an extension in the ServerHello of a flight.
fn acknowledged(flight: &[u8], kind: u16) -> Option<Vec<u8>> {
    let (_, body) = Reader::new(flight).message().unwrap();
    let mut extensions = Reader::new(&body[2 + 32 + 1 + usize::from(body[34]) + 2 + 1 + 2..]);
    while !extensions.is_empty() {
        let found = extensions.uint::<2>().unwrap();
        let value = extensions.vector::<2>().unwrap();
        if found == usize::from(kind) {
            return Some(value.to_vec());
        }
    }
    None
}

// RFC 6066 section 4, RFC 8449 section 4
#[tokio::test]
async fn the_limit_of_a_client_is_acknowledged_and_only_messages_beyond_it_are_split() {
    let site = Site::new();
    let staple = [vec![], vec![status_request()], vec![v2(&[2])]];
    let cases = [
        ((1, vec![1]), 512, vec![1]),
        ((1, vec![2]), 1024, vec![2]),
        ((1, vec![3]), 2048, vec![3]),
        ((1, vec![4]), 4096, vec![4]),
        ((28, vec![0, 64]), 64, vec![0x40, 0]),
        ((28, vec![0x03, 0xe8]), 1000, vec![0x40, 0]),
    ];
    for (limit, bytes, answer) in cases {
        for staple in &staple {
            let extensions = [vec![limit.clone()], staple.clone()].concat();
            let found = records(&site, &extensions).await;
            let flight = contents(&found);
            assert_eq!(acknowledged(&flight, limit.0), Some(answer.clone()), "{limit:?}");
            assert!(found.iter().all(|(kind, content)| *kind == 22 && content.len() <= bytes), "{limit:?}");
            let unlimited = contents(&records(&site, staple).await);
            assert_eq!(status_in(&flight).1, status_in(&unlimited).1, "{limit:?}");
            // Each message begins a record, or ends in the record that it begins in, if it fits.
            let starts: Vec<usize> = found
                .iter()
                .scan(0, |at, (_, content)| Some(std::mem::replace(at, *at + content.len())))
                .collect();
            let (mut rest, mut at) = (Reader::new(&flight), 0);
            while let Some((_, body)) = rest.message() {
                let end = at + 4 + body.len();
                let is_cut = starts.iter().any(|start| (at + 1..end).contains(start));
                assert_eq!(is_cut, end - at > bytes, "{limit:?}: a message of {} bytes", end - at);
                at = end;
            }
        }
    }
}

#[tokio::test]
async fn a_limit_that_excludes_no_record_changes_nothing() {
    let site = Site::new();
    // What GnuTLS and NSS send.
    for limit in [(28, vec![0x40, 0]), (28, vec![0x40, 1])] {
        let flight = contents(&records(&site, &[limit]).await);
        assert_eq!(acknowledged(&flight, 28), None);
    }
    // RFC 8449 section 5: record_size_limit takes precedence.
    let flight = contents(&records(&site, &[(1, vec![1]), (28, vec![2, 0])]).await);
    assert_eq!((acknowledged(&flight, 1), acknowledged(&flight, 28)), (None, Some(vec![0x40, 0])));
}

#[tokio::test]
async fn an_undefined_limit_gets_its_alert() {
    let site = Site::new();
    for (extension, alert) in [
        ((1, vec![0]), 47),
        ((1, vec![5]), 47),
        ((1, vec![]), 50),
        ((1, vec![1, 1]), 50),
        ((28, vec![0, 63]), 47),
        ((28, vec![64]), 50),
    ] {
        assert_eq!(
            records(&site, std::slice::from_ref(&extension)).await,
            [(21, vec![2, alert])],
            "{extension:?}"
        );
    }
}

#[tokio::test]
async fn few_long_client_hellos_are_read_at_once_and_short_ones_do_not_wait() {
    let site = Site::new();
    let server = site.server(&staples(&[None, None]));
    // Announces 60 000 bytes and lacks the last.
    let long = in_records(&hello(0x0303, &[necessary(), vec![(21, vec![0; 60_000])]].concat()), 16_384);
    let unfinished = &long[..long.len() - 1];
    let mut peers = Vec::new();
    for _ in 0..MAX_LONG_HELLOS + 20 {
        let (near, mut far) = duplex(1000);
        let serving = tokio::spawn(accept(std::sync::Arc::clone(&server), near));
        let bytes = unfinished.to_vec();
        let writing = tokio::spawn(async move {
            far.write_all(&bytes).await.unwrap();
            far
        });
        peers.push((serving, writing));
    }
    let written = || peers.iter().filter(|(_, writing)| writing.is_finished()).count();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while written() < MAX_LONG_HELLOS && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    // Another test of this process may hold one.
    assert!((MAX_LONG_HELLOS - 2..=MAX_LONG_HELLOS).contains(&written()), "{}", written());
    assert_eq!(records(&site, &[]).await.first().map(|record| record.0), Some(22), "a short one is answered");
    for (serving, writing) in peers {
        serving.abort();
        writing.abort();
    }
}

proptest! {
    #[test]
    fn a_flight_in_other_records_has_the_same_messages_in_pieces_of_any_size(
        messages in vec((any::<u8>(), vec(any::<u8>(), 0..300)), 1..6),
        record in 1_usize..400,
        limit in 55_usize..500,
        pieces in vec(1_usize..300, 1..5),
        rest in vec(any::<u8>(), 0..50),
    ) {
        let messages: Vec<u8> = messages.iter().flat_map(|(kind, body)| handshake(*kind, body)).collect();
        let rest = [&[20, 3, 3, 0, 1, 1][..], &rest].concat();
        let written = [in_records(&messages, record), rest.clone()].concat();
        let (mut reframer, mut sent, mut left) = (Reframer::new(limit), Vec::new(), written.as_slice());
        for length in pieces.iter().cycle() {
            if reframer.is_finished() || left.is_empty() {
                break;
            }
            let (now, later) = left.split_at(left.len().min(*length));
            reframer.push(now, |_| None, &mut sent);
            left = later;
        }
        sent.extend_from_slice(left);
        let mut reader = Reader::new(&sent);
        let mut found = Vec::new();
        let mut ahead = reader;
        while let Some(content) = ahead.handshake_record() {
            prop_assert!(content.len() <= limit);
            found.extend_from_slice(content);
            reader = ahead;
        }
        prop_assert_eq!(found, messages);
        prop_assert_eq!(reader.rest(), rest.as_slice());
    }
}
