//! Frames as they come, and as they should not.

use proptest::prelude::*;

use bytes::{Bytes, BytesMut};
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::*;

/// Everything a fresh codec makes of `reads`, the end of the stream included.
fn decode(max_frame: usize, reads: &[&[u8]]) -> (Codec, Vec<Received>) {
    let (mut codec, mut buffer, mut out) = (Codec::new(max_frame), BytesMut::new(), Vec::new());
    for read in reads {
        buffer.extend_from_slice(read);
        while let Some(received) = codec.decode(&mut buffer).unwrap() {
            out.push(received);
        }
    }
    while let Some(received) = codec.decode_eof(&mut buffer).unwrap() {
        out.push(received);
    }
    assert!(buffer.is_empty());
    (codec, out)
}

fn frame(payload: &'static [u8], deviations: &[Deviation]) -> Received {
    let deviations = deviations.iter().copied().collect();
    Received::Frame(Frame { payload: Bytes::from_static(payload), deviations })
}

fn broken(bytes: &'static [u8], reason: BrokenReason) -> Received {
    Received::Broken(Broken { bytes: Bytes::from_static(bytes), reason })
}

fn one(input: &[u8]) -> Vec<Received> {
    decode(64, &[input]).1
}

#[test]
fn frames_are_read_one_after_the_other() {
    let both = [frame(b"MSH|a", &[]), frame(b"MSH|b", &[])];
    assert_eq!(one(b"\x0BMSH|a\x1C\r\x0BMSH|b\x1C\r"), both);
    assert_eq!(one(b"\x0B\x1C\r"), [frame(b"", &[])]);
}

#[test]
fn an_end_block_without_carriage_return_ends_the_frame() {
    use Deviation::{LineBreaksBetweenFrames, LineFeedForCarriageReturn, MissingCarriageReturn};
    let before_another = [frame(b"a", &[MissingCarriageReturn]), frame(b"b", &[])];
    assert_eq!(one(b"\x0Ba\x1C\x0Bb\x1C\r"), before_another);
    assert_eq!(one(b"\x0Ba\x1C\n"), [frame(b"a", &[LineFeedForCarriageReturn])]);
    assert_eq!(one(b"\x0Ba\x1C"), [frame(b"a", &[MissingCarriageReturn])]);
    let line_feed_behind = [frame(b"a", &[]), frame(b"b", &[LineBreaksBetweenFrames])];
    assert_eq!(one(b"\x0Ba\x1C\r\n\x0Bb\x1C\r"), line_feed_behind);
}

#[test]
fn the_wait_for_a_carriage_return_can_be_ended() {
    let (mut codec, mut buffer) = (Codec::new(64), BytesMut::from(&b"\x0Ba\x1C"[..]));
    assert_eq!(codec.decode(&mut buffer).unwrap(), None);
    assert!(codec.in_frame() && codec.awaiting_carriage_return());
    let completed = codec.complete_without_cr(&mut buffer);
    assert_eq!(completed, Some(frame(b"a", &[Deviation::MissingCarriageReturn])));
    assert!(!codec.in_frame() && !codec.awaiting_carriage_return());
    assert_eq!(codec.complete_without_cr(&mut buffer), None);

    // A late carriage return belongs to no frame, and nothing is lost.
    buffer.extend_from_slice(b"\r\x0Bb\x1C\r");
    let next = codec.decode(&mut buffer).unwrap();
    assert_eq!(next, Some(frame(b"b", &[Deviation::LineBreaksBetweenFrames])));
    assert_eq!(codec.stray_bytes(), 1);
}

#[test]
fn a_file_separator_inside_belongs_to_the_payload() {
    let inside = [frame(b"a\x1Cb", &[Deviation::FileSeparatorInPayload])];
    assert_eq!(one(b"\x0Ba\x1Cb\x1C\r"), inside);
    let doubled = [frame(b"a\x1C", &[Deviation::FileSeparatorInPayload])];
    assert_eq!(one(b"\x0Ba\x1C\x1C\r"), doubled);
}

#[test]
fn a_second_start_block_abandons_the_first_frame() {
    let second_is_read = [broken(b"MSH|a", BrokenReason::Truncated), frame(b"MSH|b", &[])];
    assert_eq!(one(b"\x0BMSH|a\x0BMSH|b\x1C\r"), second_is_read);
    assert_eq!(one(b"\x0B\x0Ba\x1C\r"), [frame(b"a", &[Deviation::RepeatedStartBlock])]);
    assert!(!BrokenReason::Truncated.must_close());
}

#[test]
fn bytes_between_frames_are_counted_and_reported_once() {
    let (codec, received) = decode(64, &[b"hello\x0Ba\x1C\r??\x0Bb\x1C\r!"]);
    assert_eq!(received, [frame(b"a", &[Deviation::BytesBetweenFrames]), frame(b"b", &[])]);
    assert_eq!((codec.stray_bytes(), codec.stray_kept()), (8, &b"hello??!"[..]));
}

#[test]
fn each_run_of_bytes_between_frames_is_kept_up_to_a_bound() {
    let mut codec = Codec::new(64);
    let mut runs = |bytes: &[u8]| {
        let (mut src, mut runs) = (BytesMut::from(bytes), Vec::new());
        while codec.decode(&mut src).unwrap().is_some() {
            runs.extend(codec.take_stray_run());
        }
        runs
    };
    assert_eq!(runs(b"hello\x0Ba\x1C\r\r\n\x0Ba\x1C\r??\x0Bb\x1C\r"), [&b"hello"[..], b"??"]);
    let most = Codec::STRAY_KEPT / Codec::STRAY_RUN;
    assert_eq!(runs(&b"?\x0Ba\x1C\r".repeat(2 * most)).len(), most - 2);
    let mut codec = Codec::new(64);
    let mut src = BytesMut::from(&b"\x0Ba\x1C\rrest"[..]);
    codec.decode(&mut src).unwrap();
    assert!(codec.abandon(&mut src, Interruption::EndOfStream).is_none());
    assert_eq!(codec.take_stray_run().as_deref(), Some(&b"rest"[..]));
}

#[test]
fn the_stored_stray_bytes_are_bounded() {
    let gap = vec![b'x'; Codec::STRAY_KEPT + 1];
    let (codec, _) = decode(64, &[&gap, b"\x0Ba\x1C\r", &gap]);
    assert_eq!(codec.stray_bytes(), 2 * gap.len() as u64);
    assert_eq!(codec.stray_kept().len(), Codec::STRAY_KEPT);
}

#[test]
fn a_peer_that_does_not_speak_mllp_is_detected() {
    let enough = vec![b'x'; Codec::NO_START_LIMIT];
    let (_, tolerated) = decode(64, &[&enough, b"\x0Ba\x1C\r"]);
    assert_eq!(tolerated, [frame(b"a", &[Deviation::BytesBetweenFrames])]);

    let (codec, received) = decode(64, &[&enough, b"x\x0Ba\x1C\r"]);
    let Some(Received::Broken(Broken { bytes, reason })) = received.first() else { panic!() };
    assert_eq!((bytes.len(), *reason), (Codec::NO_START_LIMIT, BrokenReason::NoStartBlock));
    assert!(reason.must_close());
    assert_eq!((received.len(), codec.stray_bytes()), (1, 5));
}

#[test]
fn the_start_of_a_too_large_frame_is_returned() {
    assert_eq!(decode(5, &[b"\x0BMSH|a\x1C\r"]).1, [frame(b"MSH|a", &[])]);
    let too_large = [broken(b"MSH|a", BrokenReason::TooLarge)];
    assert_eq!(decode(5, &[b"\x0BMSH|ab\x1C\r\x0Bb\x1C\r"]).1, too_large);
    assert_eq!(decode(5, &[b"\x0BMSH|ab"]).1, too_large);
    assert!(BrokenReason::TooLarge.must_close());
}

#[test]
fn an_incomplete_frame_is_abandoned() {
    assert_eq!(one(b"\x0BMSH|a"), [broken(b"MSH|a", BrokenReason::EndOfStream)]);

    let (mut codec, mut buffer) = (Codec::new(64), BytesMut::from(&b"\x0BMSH|a"[..]));
    assert_eq!(codec.decode(&mut buffer).unwrap(), None);
    let abandoned = codec.abandon(&mut buffer, Interruption::Timeout).map(Received::Broken);
    assert_eq!(abandoned, Some(broken(b"MSH|a", BrokenReason::TimedOut)));
    assert!(!codec.in_frame());
}

#[test]
fn utf_16_is_recognised() {
    let little: Vec<u8> = "MSH|^".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = "MSH|^".encode_utf16().flat_map(u16::to_be_bytes).collect();
    for text in [&little, &big, &[&b"\xFF\xFE"[..], &little].concat(), &[&b"\xFE\xFF"[..], &big].concat()] {
        for end in [&b"\x1C\r"[..], b"\x1C\0\r\0", b"\0\x1C\0\r"] {
            let input = [b"\x0B", &text[..], end, b"\x0Ba\x1C\r"].concat();
            let received = one(&input);
            let Some(Received::Broken(Broken { reason, .. })) = received.first() else { panic!() };
            assert_eq!(*reason, BrokenReason::Utf16);
            let Some(Received::Frame(next)) = received.last() else { panic!() };
            assert_eq!(next.payload, &b"a"[..], "the next frame is found");
        }
    }
}

#[test]
fn an_encoded_frame_decodes() {
    let (mut codec, mut wire) = (Codec::new(64), BytesMut::new());
    codec.encode(Bytes::from_static(b"MSH|a"), &mut wire).unwrap();
    assert_eq!(&wire[..], b"\x0BMSH|a\x1C\r");
    for (payload, offset) in [(&b"a\x0B\x1C"[..], 1), (b"ab\x1C\x0B", 2)] {
        let refused = codec.encode(Bytes::copy_from_slice(payload), &mut wire);
        let Err(FrameError::ReservedByte { byte, offset: at }) = refused else { panic!() };
        assert_eq!((byte, at), (payload[offset], offset));
    }
    assert_eq!(wire.len(), 8, "nothing of a refused payload is written");
}

// A gateway passes a message on as it came: FS inside is part of it, also as its last byte.
#[test]
fn a_relaying_codec_writes_what_a_codec_has_read() {
    for payload in [&b"MSH|a\x1Cb"[..], b"MSH|a\x1C", b"MSH|\x1C\x1C", b"MSH|a\x1C\x00"] {
        let (mut codec, mut wire) = (Codec::new(64).relaying(), BytesMut::new());
        codec.encode(Bytes::copy_from_slice(payload), &mut wire).unwrap();
        assert!(Codec::new(64).encode(Bytes::copy_from_slice(payload), &mut BytesMut::new()).is_err());
        let Some(Received::Frame(frame)) = one(&wire).pop() else { panic!("{payload:?}") };
        assert_eq!(frame.payload, payload);
    }
    for payload in [&b"a\x0Bb"[..], b"a\x1C\rb", b"a\x1C\nb", b"a\x1C\x0Bb"] {
        let refused = Codec::new(64).relaying().encode(Bytes::copy_from_slice(payload), &mut BytesMut::new());
        assert!(matches!(refused, Err(FrameError::ReservedByte { offset: 1, .. })), "{payload:?}");
    }
}

#[test]
fn no_payload_reaches_a_debug_text() {
    let shown = format!("{:?}", one(b"\x0BMSH|SECRET\x1C\r\x0BSECRET"));
    assert!(!shown.contains("SECRET") && shown.contains("bytes: 10"), "{shown}");
}

/// Input made of what matters to a codec.
fn wire() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&[u8]; 9] =
        [b"\x0B", b"\x1C\r", b"\x1C", b"\r", b"\n", b"a", b"MSH|x", b"\x0BM\0S\0", b"\0"];
    let piece = prop::sample::select(&PIECES[..]).prop_map(<[u8]>::to_vec);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_boundaries_of_reads_do_not_matter(input in wire(), cuts in prop::collection::vec(0..64_usize, 0..12)) {
        let (whole, expected) = decode(16, &[&input]);
        let single: Vec<&[u8]> = input.chunks(1).collect();
        let mut rest = &input[..];
        let mut cut = Vec::new();
        for at in cuts {
            let (head, tail) = rest.split_at(at.min(rest.len()));
            cut.push(head);
            rest = tail;
        }
        cut.push(rest);
        for reads in [single, cut] {
            let (codec, received) = decode(16, &reads);
            prop_assert_eq!(&received, &expected);
            prop_assert_eq!(codec.stray_bytes(), whole.stray_bytes());
            prop_assert_eq!(codec.stray_kept(), whole.stray_kept());
        }
    }

    #[test]
    fn every_byte_is_accounted_for(input in wire()) {
        // Without zero bytes nothing is UTF-16, and what delimits each result is known.
        let input: Vec<u8> = input.into_iter().filter(|byte| *byte != 0).collect();
        let (codec, received) = decode(16, &[&input]);
        let accounted: usize = received.iter().map(|received| match received {
            Received::Frame(frame) => {
                let end = if frame.deviations.contains(Deviation::MissingCarriageReturn) { 1 } else { 2 };
                1 + frame.payload.len() + end
            }
            Received::Broken(broken) if broken.reason == BrokenReason::NoStartBlock => broken.bytes.len(),
            Received::Broken(broken) => 1 + broken.bytes.len(),
        }).sum();
        prop_assert_eq!(accounted as u64 + codec.stray_bytes(), input.len() as u64);
    }

    // What Interface A has taken, a gateway can send on.
    #[test]
    fn every_payload_that_was_read_can_be_relayed(input in wire()) {
        let payloads = |received: Vec<Received>| received.into_iter().filter_map(|received| match received {
            Received::Frame(frame) => Some(frame.payload),
            Received::Broken(_) => None,
        }).collect::<Vec<_>>();
        let (mut codec, mut wire) = (Codec::new(64).relaying(), BytesMut::new());
        let read = payloads(decode(64, &[&input]).1);
        for payload in &read {
            codec.encode(payload.clone(), &mut wire).unwrap();
        }
        prop_assert_eq!(payloads(decode(64, &[&wire]).1), read);
    }

    #[test]
    fn every_encoded_frame_decodes(payloads in prop::collection::vec("[ -~\r]{0,40}", 0..6)) {
        let (mut codec, mut wire) = (Codec::new(64), BytesMut::new());
        for payload in &payloads {
            codec.encode(Bytes::from(payload.clone()), &mut wire).unwrap();
        }
        let (_, received) = decode(64, &[&wire]);
        let back: Vec<_> = received.iter().map(|received| match received {
            Received::Frame(frame) if frame.deviations.is_empty() => frame.payload.to_vec(),
            other => panic!("{other:?}"),
        }).collect();
        prop_assert_eq!(back, payloads.into_iter().map(String::into_bytes).collect::<Vec<_>>());
    }
}

// Bytes of a peer in pieces of any size.
#[test]
fn the_cost_of_decoding_is_linear_whatever_the_reads() {
    for (what, part) in [
        ("start blocks", &b"\x0b"[..]),
        ("end blocks", b"\x1c"),
        ("frames", b"\x0bMSH\x1c\r"),
        ("cut frames", b"\x0bMSH"),
        ("text outside", b"a"),
        ("separators in a frame", b"\x1ca"),
    ] {
        for size in [1, 7, 4096] {
            crate::model::work::assert_linear(&format!("{what} in reads of {size}"), |parts| {
                let (mut codec, mut buffer) = (Codec::new(1 << 20), BytesMut::new());
                for read in part.repeat(parts).chunks(size) {
                    buffer.extend_from_slice(read);
                    while codec.decode(&mut buffer).unwrap().is_some() {}
                }
            });
        }
    }
}
