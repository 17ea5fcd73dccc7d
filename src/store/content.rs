//! The content of a message as it is stored: the received bytes and the acknowledgement, together in a zstd
//! frame (RFC 8878) with a dictionary of the program. Every reader of these columns goes through here.
//!
//! - `raw_size` is NULL: `raw` has the received bytes, and `acknowledgement` the acknowledgement.
//! - `raw` is a frame that names no dictionary, as earlier versions wrote it: it holds `raw_size` received
//!   bytes, and `acknowledgement` has the acknowledgement.
//! - `raw` is a frame that names a dictionary: it holds `raw_size` received bytes, the acknowledgement, and
//!   the length of that (two bytes, little endian). Where the length is 0, `acknowledgement` has it. The frame
//!   ends with a checksum (RFC 8878, 3.1.1).
//!
//! A damaged frame holds nothing that can be trusted: bits depend on those before them. The digest of the row
//! covers the received bytes only, and an acknowledgement that was spoiled must not be sent to a device that
//! repeats its message. So the checksum covers both, for four bytes a message.
//!
//! The frame of a row names its dictionary by its number, and the program holds every dictionary that a
//! version has ever written with. So each row, and each backup, can be read without anything beside it.

use std::cell::RefCell;
use std::sync::LazyLock;

use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::{CParameter, get_dict_id_from_frame};

use crate::store::error::StoreError;

/// The columns of a message that hold its content.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// The column `raw`.
    pub(super) bytes: Bytes,
    /// The column `raw_size`, in bytes.
    pub(super) size: Option<u32>,
    /// The column `acknowledgement`.
    pub(super) acknowledgement: Bytes,
}

/// What a stored message holds.
pub(super) struct Opened {
    /// The received bytes.
    pub(super) raw: Bytes,
    /// The acknowledgement; may be empty.
    pub(super) acknowledgement: Bytes,
}

impl Content {
    /// Compresses a message and its acknowledgement, if that saves space.
    pub(super) fn compress(raw: &Bytes, acknowledgement: &Bytes) -> Self {
        let uncompressed =
            || Self { bytes: raw.clone(), size: None, acknowledgement: acknowledgement.clone() };
        let is_worthwhile = (MIN_COMPRESSED_BYTES..=MAX_MESSAGE_BYTES).contains(&raw.len());
        let Some(size) = u32::try_from(raw.len()).ok().filter(|_| is_worthwhile) else {
            return uncompressed();
        };
        let is_framed = acknowledgement.len() <= MAX_FRAMED_ACKNOWLEDGEMENT;
        let (framed, beside) = if is_framed {
            (acknowledgement.clone(), Bytes::new())
        } else {
            (Bytes::new(), acknowledgement.clone())
        };
        let Ok(length) = u16::try_from(framed.len()) else { return uncompressed() };
        let content = [raw.as_ref(), framed.as_ref(), &length.to_le_bytes()].concat();
        // If compression fails, the message is stored uncompressed.
        let compressed =
            COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut()?.compress(&content).ok());
        match compressed {
            Some(mut compressed) if compressed.len() < raw.len() => {
                // The buffer has capacity for the worst case, and may wait in the queue.
                compressed.shrink_to_fit();
                Self { bytes: compressed.into(), size: Some(size), acknowledgement: beside }
            }
            _ => uncompressed(),
        }
    }

    /// The same as [`Content::open`]. Of what is damaged, the bytes as they are stored: they do not have the
    /// digest of the message, so a reader sees that they were changed.
    pub(super) fn open_or_stored(bytes: Vec<u8>, size: Option<i64>, acknowledgement: Vec<u8>) -> Opened {
        let stored = Bytes::from(bytes.clone());
        Self::open(bytes, size, acknowledgement)
            .unwrap_or_else(|_| Opened { raw: stored, acknowledgement: Bytes::new() })
    }

    /// The received bytes, from the stored columns. The columns are not trusted.
    pub(super) fn decompress(bytes: Vec<u8>, size: Option<i64>) -> Result<Bytes, StoreError> {
        Self::open(bytes, size, Vec::new()).map(|opened| opened.raw)
    }

    /// The received bytes and the acknowledgement, from the stored columns. The columns are not trusted.
    pub(super) fn open(
        bytes: Vec<u8>,
        size: Option<i64>,
        acknowledgement: Vec<u8>,
    ) -> Result<Opened, StoreError> {
        let acknowledgement = Bytes::from(acknowledgement);
        let Some(size) = size else { return Ok(Opened { raw: bytes.into(), acknowledgement }) };
        let damaged = StoreError::unreadable("message.raw");
        let size =
            usize::try_from(size).ok().filter(|size| *size <= MAX_MESSAGE_BYTES).ok_or(damaged.clone())?;
        let Some(number) = get_dict_id_from_frame(&bytes) else {
            let raw = decompressed(None, &bytes, size).filter(|raw| raw.len() == size).ok_or(damaged)?;
            return Ok(Opened { raw: raw.into(), acknowledgement });
        };
        let limit = size + MAX_FRAMED_ACKNOWLEDGEMENT + LENGTH_BYTES;
        let content = DICTIONARIES
            .iter()
            .position(|dictionary| dictionary.number == number.get())
            .and_then(|place| decompressed(Some(place), &bytes, limit))
            .map(Bytes::from)
            .ok_or(damaged.clone())?;
        let (rest, length) = content.split_last_chunk::<LENGTH_BYTES>().ok_or(damaged.clone())?;
        let length = usize::from(u16::from_le_bytes(*length));
        if rest.len() != size + length {
            return Err(damaged);
        }
        let framed = content.slice(size..size + length);
        let acknowledgement = if framed.is_empty() { acknowledgement } else { framed };
        Ok(Opened { raw: content.slice(..size), acknowledgement })
    }
}

/// Lengths only: the bytes contain patient data.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").field("stored", &self.bytes.len()).field("size", &self.size).finish()
    }
}

/// The content of a frame, of at most `limit` bytes, whatever size the frame declares. The dictionary is
/// given by its place.
fn decompressed(dictionary: Option<usize>, frame: &[u8], limit: usize) -> Option<Vec<u8>> {
    let Some(place) = dictionary else { return Decompressor::new().ok()?.decompress(frame, limit).ok() };
    DECOMPRESSORS.with_borrow_mut(|decompressors| {
        decompressors.get_mut(place)?.as_mut()?.decompress(frame, limit).ok()
    })
}

/// A dictionary: what messages have in common.
struct Dictionary {
    /// The number in its header and in the frames that need it.
    number: u32,
    bytes: &'static [u8],
    prepared: LazyLock<Option<DecoderDictionary<'static>>>,
}

/// Every dictionary that a version has written with; the last one is the one that this version writes with.
/// None may be changed or removed: rows need it. `scripts/store-dictionary` makes one.
static DICTIONARIES: [Dictionary; 1] = [Dictionary {
    number: 1,
    bytes: DICTIONARY_1,
    prepared: LazyLock::new(|| DecoderDictionary::try_copy(DICTIONARY_1).ok()),
}];

/// From messages and acknowledgements of `simulate` with another seed than the measured ones.
const DICTIONARY_1: &[u8] = include_bytes!("dictionary/1.zdict");

/// For writing; its tables are prepared once.
static WRITTEN: LazyLock<Option<EncoderDictionary<'static>>> =
    LazyLock::new(|| EncoderDictionary::try_copy(DICTIONARIES.last()?.bytes, LEVEL).ok());

thread_local! {
    /// One per thread, because its tables are larger than most messages.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(compressor());

    /// One per thread and dictionary.
    static DECOMPRESSORS: RefCell<[Option<Decompressor<'static>>; DICTIONARIES.len()]> =
        RefCell::new(std::array::from_fn(|place| {
            let prepared = DICTIONARIES.get(place)?.prepared.as_ref()?;
            Decompressor::with_prepared_dictionary(prepared).ok()
        }));
}

fn compressor() -> Option<Compressor<'static>> {
    let mut compressor = Compressor::with_prepared_dictionary(WRITTEN.as_ref()?).ok()?;
    compressor.set_parameter(CParameter::ChecksumFlag(true)).ok()?;
    Some(compressor)
}

/// Smaller messages are stored uncompressed: little is saved, and an operator can read them.
const MIN_COMPRESSED_BYTES: usize = 200;

/// Longer acknowledgements, which repeat a long control id, stay in their column.
const MAX_FRAMED_ACKNOWLEDGEMENT: usize = 4 * 1024;

/// Bytes of the length of the acknowledgement.
const LENGTH_BYTES: usize = 2;

/// The first level that finds most of what a message shares with the dictionary. Level 6 saves an eighth more
/// and takes more than twice as long.
const LEVEL: i32 = 3;

/// The largest `interface-a.max-frame` that can be configured.
const MAX_MESSAGE_BYTES: usize = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const ACKNOWLEDGEMENT: Bytes =
        Bytes::from_static(b"MSH|^~\\&|PLATFORM||||20260101||ACK|7|P|2.6\rMSA|CA|C7\r");

    fn columns(stored: &Content) -> (Vec<u8>, Option<i64>, Vec<u8>) {
        (stored.bytes.to_vec(), stored.size.map(i64::from), stored.acknowledgement.to_vec())
    }

    fn round_trip(raw: Vec<u8>, acknowledgement: &Bytes) -> Content {
        let raw = Bytes::from(raw);
        let stored = Content::compress(&raw, acknowledgement);
        let (bytes, size, column) = columns(&stored);
        let opened = Content::open(bytes.clone(), size, column).unwrap();
        assert!(opened.raw == raw, "the read bytes equal the received bytes");
        assert!(opened.acknowledgement == *acknowledgement, "and so does the acknowledgement");
        assert!(Content::decompress(bytes, size).unwrap() == raw);
        stored
    }

    /// A report of a device that no simulation makes.
    fn report(number: u32) -> Vec<u8> {
        let mut raw = format!(
            "MSH|^~\\&|ACME^0004A30000000001^EUI-64|WARD|||20260312081500+0100||ORU^R01^ORU_R01|Q{number}|P|2.6|||AL|NE\r\
             PID|||P-4711^^^HOSP^PI||Muster^Erika^^^^^L\r\
             OBR|1||Q{number}^ACME^0004A30000000001^EUI-64|69985^MDC_DEV_PUMP_INFUS_MDS^MDC|||20260312081500+0100\r"
        );
        for line in 1..=9 {
            raw.push_str(&format!(
                "OBX|{line}|NM|157784^MDC_FLOW_FLUID_PUMP^MDC|1.1.1.{line}|{number}.5|265266^MDC_DIM_MILLI_L_PER_HR^MDC|||||R\r"
            ));
        }
        raw.into_bytes()
    }

    #[test]
    fn a_message_and_its_acknowledgement_are_compressed_together_and_read_unchanged() {
        assert_eq!(round_trip(Vec::new(), &ACKNOWLEDGEMENT).size, None);
        assert_eq!(round_trip(vec![b'x'; MIN_COMPRESSED_BYTES - 1], &Bytes::new()).size, None);
        let small = round_trip(report(7), &ACKNOWLEDGEMENT);
        assert!(small.size.is_some() && small.acknowledgement.is_empty(), "{small:?}");
        assert!(small.bytes.len() * 3 < report(7).len(), "{small:?} of {}", report(7).len());
        let waveform = round_trip("OBX|1|NA|||1^2^3^4\r".repeat(5_000).into(), &ACKNOWLEDGEMENT);
        assert_eq!(waveform.size, Some(95_000));
        assert!(waveform.bytes.len() < 1_000, "{waveform:?}");
        round_trip(report(8), &Bytes::new());
        let long = Bytes::from(vec![b'a'; MAX_FRAMED_ACKNOWLEDGEMENT + 1]);
        assert!(round_trip(report(9), &long).acknowledgement == long, "a long one stays in its column");
        round_trip(report(9), &long.slice(1..));
    }

    #[test]
    fn incompressible_messages_are_stored_uncompressed() {
        let mut state = 1_u64;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        });
        let stored = round_trip(noise.take(20_000).collect(), &ACKNOWLEDGEMENT);
        assert!(stored.size.is_none() && stored.acknowledgement == ACKNOWLEDGEMENT);
    }

    #[test]
    fn a_wrong_size_is_damage_and_limits_the_memory_used() {
        let bomb = Content::compress(&Bytes::from(vec![0; 64 << 20]), &ACKNOWLEDGEMENT);
        assert!(bomb.bytes.len() < 16 << 10);
        for size in [0, 1, (64 << 20) - 1, (64 << 20) + 1, -1, i64::MAX, MAX_MESSAGE_BYTES as i64 + 1] {
            let read = Content::decompress(bomb.bytes.to_vec(), Some(size));
            assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{size}");
        }
        assert!(Content::decompress(b"no frame".to_vec(), Some(8)).is_err());
    }

    #[test]
    fn a_frame_of_an_earlier_version_is_read_with_its_column() {
        let raw = report(3);
        let frame = Compressor::new(1).unwrap().compress(&raw).unwrap();
        let size = Some(raw.len() as i64);
        let opened = Content::open(frame.clone(), size, b"MSA|CA|3\r".to_vec()).unwrap();
        assert!(opened.raw == raw && opened.acknowledgement == "MSA|CA|3\r");
        assert!(Content::decompress(frame, size.map(|size| size + 1)).is_err());
    }

    #[test]
    fn a_frame_with_an_unknown_dictionary_is_damage() {
        let raw = Bytes::from(report(3));
        let stored = Content::compress(&raw, &ACKNOWLEDGEMENT);
        let size = stored.size.map(i64::from);
        // The byte behind the magic number and the descriptor is the number of the dictionary.
        let mut bytes = stored.bytes.to_vec();
        assert_eq!(bytes[5], 1, "one byte");
        bytes[5] = 99;
        assert!(matches!(Content::decompress(bytes, size), Err(StoreError::Corrupt { .. })));
    }

    #[test]
    fn each_damaged_bit_of_a_frame_is_noticed() {
        let raw = Bytes::from(report(3));
        let stored = Content::compress(&raw, &ACKNOWLEDGEMENT);
        let (frame, size, column) = columns(&stored);
        let mut harmless = Vec::new();
        for bit in 0..frame.len() * 8 {
            let mut damaged = frame.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(opened) = Content::open(damaged, size, column.clone()) {
                assert!(opened.raw == raw && opened.acknowledgement == ACKNOWLEDGEMENT, "bit {bit}");
                harmless.push(bit);
            }
        }
        // Those that mean nothing, as bit 4 of the descriptor (RFC 8878, 3.1.1.1.1.3).
        assert!(harmless.len() < 8, "{harmless:?}");
    }

    /// Rows are written with them: a changed one makes these rows unreadable.
    #[test]
    fn the_dictionaries_are_those_that_rows_were_written_with() {
        let known = [(1, "79440b3e7893beae62a139c8ec845c8f5cb0d730cab9b84fcc16d8c67db371e9")];
        let found = DICTIONARIES.iter().map(|dictionary| {
            assert!(dictionary.prepared.is_some());
            (dictionary.number, crate::model::Fingerprint::sha256(dictionary.bytes).to_string())
        });
        assert_eq!(found.collect::<Vec<_>>(), known.map(|(number, digest)| (number, digest.to_owned())));
    }
}
