//! Records and the stream, in pieces of any size.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::*;
use crate::tls::status_request_v2::hello_reader::{MAX_READ, ReceivedHello};
use crate::tls::status_request_v2::rewriter::Rewriter;
use crate::tls::status_request_v2::{REWRITER, RewritingStream};

/// A connection that reads and writes a limited number of bytes at a time.
#[derive(Debug, Default)]
struct Pieces {
    incoming: VecDeque<u8>,
    outgoing: Vec<u8>,
    writes: usize,
    lengths: VecDeque<usize>,
}

impl Pieces {
    fn length(&mut self) -> usize {
        let length = self.lengths.pop_front().unwrap_or(7);
        self.lengths.push_back(length);
        length
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.length().min(buf.remaining()).min(self.incoming.len());
        buf.put_slice(&self.incoming.drain(..length).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let length = self.length().min(buf.len());
        self.writes += 1;
        self.outgoing.extend_from_slice(&buf[..length]);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The bytes that are read for the ClientHello, and the ClientHello if it is complete.
async fn read_hello(pieces: &mut Pieces) -> io::Result<(ReceivedHello, Option<Vec<u8>>)> {
    let mut received = ReceivedHello::default();
    received.read(pieces, MAX_READ).await?;
    let message = received.take_message();
    Ok((received, message))
}

/// Writes all bytes with vectored writes, as rustls does, in buffers of this length.
async fn write_gathered(stream: &mut RewritingStream<Pieces>, mut bytes: &[u8], buffer: usize) {
    while !bytes.is_empty() {
        let buffers: Vec<_> = bytes.chunks(buffer).map(IoSlice::new).collect();
        let written = stream.write_vectored(&buffers).await.unwrap();
        bytes = &bytes[written..];
    }
}

/// What arrives at the other end when a server says `messages` in records of these lengths and then `rest`,
/// writing so many bytes at once.
fn sent(
    mut rewriter: Rewriter,
    messages: &[Vec<u8>],
    records: &[usize],
    writes: usize,
    takes: &[usize],
    rest: &[u8],
) -> (Vec<u8>, Vec<u8>) {
    let seen: Vec<u8> = messages.iter().flat_map(|message| rewriter.observe(message).into_owned()).collect();
    let recorded = |mut bytes: &[u8]| {
        let mut lengths = records.iter().cycle();
        let mut all = Vec::new();
        while !bytes.is_empty() {
            let (record, rest) = bytes.split_at(bytes.len().min(*lengths.next().unwrap()));
            all.extend(in_records(record, record.len()));
            bytes = rest;
        }
        all.extend_from_slice(rest);
        all
    };
    let pieces = Pieces { lengths: takes.iter().copied().collect(), ..Pieces::default() };
    let clear = rewriter.may_rewrite() && rewriter.is_flight_plaintext();
    let mut stream = RewritingStream::new(pieces, Vec::new(), clear);
    let written = recorded(&messages.concat());
    REWRITER.sync_scope(RefCell::new(rewriter), || {
        futures_util::FutureExt::now_or_never(async {
            for (at, part) in written.chunks(writes).enumerate() {
                if at % 2 == 0 {
                    stream.write_all(part).await.unwrap();
                } else {
                    write_gathered(&mut stream, part, writes.div_ceil(3)).await;
                }
            }
        })
        .unwrap();
    });
    (stream.into_inner().outgoing, recorded(&seen))
}

fn flight(list: &[u8], certificate: usize) -> Vec<Vec<u8>> {
    let hello = handshake(
        2,
        &[&[3, 3][..], &[9; 32], &[0, 0xc0, 0x2c, 0], &vector::<2>(&extension(5, &[]))].concat(),
    );
    let status = handshake(22, &[&[1][..], &vector::<3>(list)].concat());
    vec![hello, handshake(11, &vec![3; certificate]), status, handshake(12, &[4; 70]), handshake(14, &[])]
}

// Two packets would wait for each other's acknowledgement (RFC 896), which costs a handshake 40 ms.
#[tokio::test]
async fn a10_the_end_of_the_flight_and_the_following_record_are_one_write() {
    let rewriter = Rewriter::new(request(Version::Tls12, true, &[StatusRequestItem::OcspMulti]), None);
    let pieces = Pieces { lengths: [1000].into(), ..Pieces::default() };
    let mut stream = RewritingStream::new(pieces, Vec::new(), true);
    let (change, finished) = ([20, 3, 3, 0, 1, 1], [22, 3, 3, 0, 40]);
    let written = REWRITER.scope(RefCell::new(rewriter), async {
        stream.write_vectored(&[IoSlice::new(&change), IoSlice::new(&finished)]).await.unwrap()
    });
    assert_eq!(written.await, change.len() + finished.len());
    let pieces = stream.into_inner();
    assert_eq!((pieces.writes, pieces.outgoing), (1, [&change[..], &finished].concat()));
}

proptest! {
    #[test]
    fn a10_the_flight_is_rewritten_in_pieces_of_any_size(
        certificate in prop_oneof![0_usize..1000, Just(40_000)],
        leaf in 0_usize..2000,
        records in vec(prop_oneof![1_usize..20, Just(16_384)], 1..5),
        (writes, takes) in prop_oneof![
            (1_usize..30, vec(1_usize..40, 1..5)),
            (3000_usize..100_000, vec(4000_usize..20_000, 1..5)),
        ],
        rest in vec(any::<u8>(), 0..100),
    ) {
        let staples = staples(&[Some(leaf), Some(50)]);
        let mut rewriter = Rewriter::new(request(Version::Tls12, true, &[StatusRequestItem::OcspMulti]), None);
        let list = rewriter.response_for_rustls(2, &staples).unwrap();
        // ChangeCipherSpec, and arbitrary bytes.
        let rest = [&[20, 3, 3, 0, 1, 1][..], &rest].concat();
        let (arrived, expected) = sent(rewriter, &flight(&list, certificate), &records, writes, &takes, &rest);
        prop_assert!(arrived == expected);
    }

    #[test]
    fn a10_other_bytes_pass_unchanged(
        bytes in vec(any::<u8>(), 0..300),
        messages in vec((any::<u8>(), vec(any::<u8>(), 0..40)), 0..5),
        takes in vec(1_usize..40, 1..5),
        asks in any::<bool>(),
    ) {
        let request = if asks { request(Version::Tls12, true, &[StatusRequestItem::OcspMulti]) } else { StatusRequest::default() };
        let mut rewriter = Rewriter::new(request, None);
        rewriter.response_for_rustls(2, &staples(&[Some(5), Some(5)]));
        let messages: Vec<_> = messages.iter().map(|(kind, body)| handshake(*kind, body)).collect();
        let written = [in_records(&messages.concat(), 9), bytes.clone()].concat();
        let (arrived, _) = sent(rewriter, &messages, &[9], 11, &takes, &bytes);
        prop_assert_eq!(arrived, written);
    }

    #[test]
    fn a10_a_hello_is_read_however_it_is_cut_and_what_was_read_is_passed_on(
        record in prop_oneof![1_usize..40, Just(16_384)],
        padding in prop_oneof![0_usize..300, Just(60_000)],
        takes in vec(prop_oneof![1_usize..40, Just(100_000)], 1..5),
        rest in vec(any::<u8>(), 0..100),
    ) {
        let message = hello(0x0303, &[(21, vec![0; padding]), v2(&[2])]);
        let bytes = [in_records(&message, record), rest].concat();
        let mut pieces = Pieces {
            incoming: bytes.iter().copied().collect(),
            lengths: takes.iter().copied().collect(),
            ..Pieces::default()
        };
        let all = futures_util::FutureExt::now_or_never(async {
            let (received, read) = read_hello(&mut pieces).await.unwrap();
            // More than twice the longest message is not collected.
            assert!(read == Some(message) || received.bytes.len() > 2 * 0xffff);
            let mut stream = RewritingStream::new(pieces, received.bytes, true);
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            all
        })
        .unwrap();
        prop_assert!(all == bytes);
    }

    #[test]
    fn any_first_bytes_are_passed_on_and_no_more_than_so_many_are_collected(
        head in prop_oneof![Just(vec![]), Just(vec![22, 3, 1]), Just(vec![22, 3, 1, 2, 0, 1, 0])],
        bytes in vec(any::<u8>(), 0..3000),
        takes in vec(1_usize..5000, 1..5),
    ) {
        let bytes = [head, bytes].concat();
        let mut pieces = Pieces {
            incoming: bytes.iter().copied().collect(),
            lengths: takes.iter().copied().collect(),
            ..Pieces::default()
        };
        let all = futures_util::FutureExt::now_or_never(async {
            let (received, _) = read_hello(&mut pieces).await.unwrap();
            let mut stream = RewritingStream::new(pieces, received.bytes, true);
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            all
        })
        .unwrap();
        prop_assert_eq!(all, bytes);
    }
}

#[test]
fn the_bytes_read_for_a_client_hello_are_bounded() {
    // An endless sequence of one-byte records that announces the longest message.
    let head = [1, 0, 0xff, 0xff];
    let endless = in_records(&[&head[..], &[0; 60_000]].concat(), 1);
    let mut pieces = Pieces { incoming: endless.into(), lengths: [4096].into(), ..Pieces::default() };
    let (received, message) =
        futures_util::FutureExt::now_or_never(read_hello(&mut pieces)).unwrap().unwrap();
    assert_eq!(message, None);
    assert!(received.bytes.len() <= 2 * 0xffff + 4096);
    // A message that is too long for rustls is not waited for.
    let mut pieces = Pieces {
        incoming: in_records(&[1, 1, 0, 0, 0], 5).into(),
        lengths: [100].into(),
        ..Pieces::default()
    };
    let (received, message) =
        futures_util::FutureExt::now_or_never(read_hello(&mut pieces)).unwrap().unwrap();
    assert_eq!((received.bytes.len(), message), (10, None));
}
