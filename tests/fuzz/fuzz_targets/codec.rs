//! The MLLP codec: whatever comes in whatever reads, it neither panics nor loses or invents a byte of a
//! payload, and the reads do not matter.

#![no_main]

#[path = "cost.rs"]
mod cost;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use pcd_platform::mllp::{Codec, Interruption, Received};
use tokio_util::codec::Decoder as _;

const MAX_FRAME: usize = 256;

fn read(bytes: &[u8], size: usize) -> Vec<Received> {
    let (mut codec, mut buffer, mut received) = (Codec::new(MAX_FRAME), BytesMut::new(), Vec::new());
    for read in bytes.chunks(size.max(1)) {
        buffer.extend_from_slice(read);
        while let Some(one) = codec.decode(&mut buffer).expect("reading does not fail") {
            let closes = matches!(&one, Received::Broken(broken) if broken.reason.must_close());
            received.push(one);
            if closes {
                return received;
            }
        }
    }
    received.extend(codec.complete_without_cr(&mut buffer));
    received.extend(codec.abandon(&mut buffer, Interruption::EndOfStream).map(Received::Broken));
    received
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let at_once = cost::bounded(bytes.len(), || read(bytes, bytes.len()));
    for one in &at_once {
        let payload = match one {
            Received::Frame(frame) => &frame.payload,
            Received::Broken(broken) => &broken.bytes,
        };
        assert!(payload.len() <= MAX_FRAME.max(16 * 1024));
        if !payload.is_empty() {
            assert!(bytes.windows(payload.len()).any(|window| window == &payload[..]), "bytes are made up");
        }
    }
    let payloads = |received: &[Received]| -> Vec<Vec<u8>> {
        let frames = received.iter().filter_map(|one| match one {
            Received::Frame(frame) => Some(frame.payload.to_vec()),
            Received::Broken(_) => None,
        });
        frames.collect()
    };
    let in_pieces = cost::bounded(bytes.len(), || read(bytes, usize::from(size)));
    assert_eq!(payloads(&at_once), payloads(&in_pieces), "the reads matter");
});
