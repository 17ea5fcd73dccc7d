//! The content of a message as it is stored: the received bytes and the acknowledgement. A message of up to
//! 64 KiB is a zstd frame (RFC 8878) with a dictionary of the program, together with its acknowledgement; a
//! larger one gains nothing by either. Every reader of these columns goes through here.
//!
//! - `raw_size` is NULL: `raw` has the received bytes, and `acknowledgement` the acknowledgement.
//! - `raw` is a frame that names no dictionary: it holds `raw_size` received bytes, and `acknowledgement` has
//!   the acknowledgement. Earlier versions wrote all frames so, without a checksum.
//! - `raw` is a frame that names a dictionary: it holds `raw_size` received bytes, the acknowledgement, and
//!   the length of that (two bytes, little endian). Where the length is 0, `acknowledgement` has it.
//!
//! A damaged frame holds nothing that can be trusted: bits depend on those before them. The digest of the row
//! covers the received bytes only, and an acknowledgement that was spoiled must not be sent to a device that
//! repeats its message. So a frame ends with a checksum (RFC 8878, 3.1.1), four bytes, which covers both.
//!
//! The frame of a row names its dictionary by its number, and the program holds every dictionary that a
//! version has ever written with. So each row, and each backup, can be read without anything beside it. A new
//! dictionary needs a migration `NUMBER_content`, which keeps out versions that do not have it.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread::LocalKey;

use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::{CParameter, get_dict_id_from_frame};

use crate::model::Fingerprint;
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
        let compressed = match raw.len() {
            MIN_COMPRESSED_BYTES..=MAX_JOINT_BYTES => joint_frame(raw, acknowledgement),
            _ if (MAX_JOINT_BYTES..=MAX_MESSAGE_BYTES).contains(&raw.len()) => {
                frame(&PLAIN, raw).map(|frame| (frame, acknowledgement.clone()))
            }
            _ => None,
        };
        // If compression fails, the message is stored uncompressed.
        let compressed = compressed.filter(|(frame, _)| frame.len() < raw.len());
        match (compressed, u32::try_from(raw.len())) {
            (Some((mut frame, acknowledgement)), Ok(size)) => {
                // The buffer has capacity for the worst case, and may wait in the queue.
                frame.shrink_to_fit();
                Self { bytes: frame.into(), size: Some(size), acknowledgement }
            }
            _ => Self { bytes: raw.clone(), size: None, acknowledgement: acknowledgement.clone() },
        }
    }

    /// The same as [`Content::open`]. Of what is damaged, the bytes as they are stored: they do not have the
    /// digest of the message, so a reader sees that they were changed.
    pub(super) fn open_or_stored(
        bytes: Vec<u8>,
        size: Option<i64>,
        acknowledgement: Vec<u8>,
    ) -> Result<Opened, StoreError> {
        let Some(size) = size else { return Self::open(bytes, None, acknowledgement) };
        match unframed(&bytes, size, &acknowledgement) {
            Err(StoreError::Corrupt { .. }) => {
                Ok(Opened { raw: bytes.into(), acknowledgement: Bytes::new() })
            }
            opened => opened,
        }
    }

    /// The received bytes, from the stored columns. The columns are not trusted.
    pub(super) fn decompress(bytes: Vec<u8>, size: Option<i64>) -> Result<Bytes, StoreError> {
        Self::open(bytes, size, Vec::new()).map(|opened| opened.raw)
    }

    /// The received bytes and the acknowledgement, from the stored columns. The columns are not trusted.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when they are damaged; [`StoreError::Memory`] when there is no memory to look.
    pub(super) fn open(
        bytes: Vec<u8>,
        size: Option<i64>,
        acknowledgement: Vec<u8>,
    ) -> Result<Opened, StoreError> {
        let Some(size) = size else {
            return Ok(Opened { raw: bytes.into(), acknowledgement: acknowledgement.into() });
        };
        unframed(&bytes, size, &acknowledgement)
    }

    /// The acknowledgement, from the stored columns, of which `beginning` has the first 64 KiB of `raw`: no
    /// frame with an acknowledgement is longer. A message that is larger is not decompressed.
    pub(super) fn acknowledgement(
        beginning: &[u8],
        size: Option<i64>,
        acknowledgement: Vec<u8>,
    ) -> Result<Bytes, StoreError> {
        match size {
            Some(size) if get_dict_id_from_frame(beginning).is_some() => {
                unframed(beginning, size, &acknowledgement).map(|opened| opened.acknowledgement)
            }
            _ => Ok(acknowledgement.into()),
        }
    }

    /// Whether a frame with a message and its acknowledgement, as nearly all are, can be read and holds the
    /// message with this digest; true for other content. What was compressed is not what was received.
    pub(super) fn opens_to(bytes: &[u8], size: Option<i64>, digest: &Fingerprint) -> bool {
        match size.filter(|_| Self::is_joint(bytes, size)) {
            Some(size) => {
                unframed(bytes, size, b"").is_ok_and(|opened| Fingerprint::sha256(&opened.raw) == *digest)
            }
            None => true,
        }
    }

    /// Whether these columns are a frame that has the acknowledgement too.
    pub(super) fn is_joint(bytes: &[u8], size: Option<i64>) -> bool {
        size.is_some() && get_dict_id_from_frame(bytes).is_some()
    }
}

/// The frame of a message and its acknowledgement, and what stays in the column `acknowledgement`.
fn joint_frame(raw: &Bytes, acknowledgement: &Bytes) -> Option<(Vec<u8>, Bytes)> {
    let (framed, beside) = match acknowledgement.len() {
        0..=MAX_FRAMED_ACKNOWLEDGEMENT => (acknowledgement.clone(), Bytes::new()),
        _ => (Bytes::new(), acknowledgement.clone()),
    };
    let length = u16::try_from(framed.len()).ok()?;
    let content = [raw.as_ref(), framed.as_ref(), &length.to_le_bytes()].concat();
    Some((frame(&JOINT, &content)?, beside))
}

fn frame(
    compressor: &'static LocalKey<RefCell<Option<Compressor<'static>>>>,
    content: &[u8],
) -> Option<Vec<u8>> {
    compressor.with_borrow_mut(|compressor| compressor.as_mut()?.compress(content).ok())
}

/// What a frame holds that has `size` received bytes.
fn unframed(frame: &[u8], size: i64, acknowledgement: &[u8]) -> Result<Opened, StoreError> {
    let damaged = || StoreError::unreadable("message.raw");
    let size = usize::try_from(size).ok().filter(|size| *size <= MAX_MESSAGE_BYTES).ok_or_else(damaged)?;
    let Some(number) = get_dict_id_from_frame(frame) else {
        let mut plain = Decompressor::new().map_err(no_memory)?;
        let raw = plain.decompress(frame, size).map_err(not_read)?;
        if raw.len() != size {
            return Err(damaged());
        }
        return Ok(Opened { raw: raw.into(), acknowledgement: Bytes::copy_from_slice(acknowledgement) });
    };
    let place = DICTIONARIES.iter().position(|dictionary| dictionary.number == number.get());
    let place = place.filter(|_| size <= MAX_JOINT_BYTES).ok_or_else(damaged)?;
    let content = decompressed(place, frame, size + MAX_FRAMED_ACKNOWLEDGEMENT + LENGTH_BYTES)?;
    let (rest, length) = content.split_last_chunk::<LENGTH_BYTES>().ok_or_else(damaged)?;
    let (_, framed) = rest.split_at_checked(size).ok_or_else(damaged)?;
    if framed.len() != usize::from(u16::from_le_bytes(*length)) {
        return Err(damaged());
    }
    // A copy: a session that keeps the acknowledgement does not keep the message.
    let acknowledgement = if framed.is_empty() { acknowledgement } else { framed };
    let acknowledgement = Bytes::copy_from_slice(acknowledgement);
    Ok(Opened { raw: Bytes::from(content).slice(..size), acknowledgement })
}

/// Lengths only: the bytes contain patient data.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").field("stored", &self.bytes.len()).field("size", &self.size).finish()
    }
}

/// The content of a frame, of at most `limit` bytes, whatever size the frame declares. The dictionary is
/// given by its place. What cannot be prepared for want of memory is tried again the next time.
fn decompressed(place: usize, frame: &[u8], limit: usize) -> Result<Vec<u8>, StoreError> {
    DECOMPRESSORS.with_borrow_mut(|decompressors| {
        let known = DICTIONARIES.get(place).zip(decompressors.get_mut(place));
        let (dictionary, prepared) = known.ok_or(StoreError::unreadable("message.raw"))?;
        let decompressor = match prepared {
            Some(decompressor) => decompressor,
            None => prepared.insert(
                dictionary.prepared().and_then(Decompressor::with_prepared_dictionary).map_err(no_memory)?,
            ),
        };
        decompressor.decompress(frame, limit).map_err(not_read)
    })
}

fn no_memory(error: io::Error) -> StoreError {
    StoreError::Memory(Arc::new(error))
}

fn not_read(error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::OutOfMemory => no_memory(error),
        _ => StoreError::unreadable("message.raw"),
    }
}

/// A dictionary: what messages have in common.
struct Dictionary {
    /// The number in its header and in the frames that need it.
    number: u32,
    bytes: &'static [u8],
    prepared: OnceLock<DecoderDictionary<'static>>,
}

impl Dictionary {
    fn prepared(&'static self) -> io::Result<&'static DecoderDictionary<'static>> {
        if let Some(prepared) = self.prepared.get() {
            return Ok(prepared);
        }
        let prepared = DecoderDictionary::try_copy(self.bytes)?;
        Ok(self.prepared.get_or_init(|| prepared))
    }
}

/// Every dictionary that a version has written with; the last one is the one that this version writes with.
/// None may be changed or removed: rows need it. `scripts/store-dictionary` makes one.
static DICTIONARIES: [Dictionary; 1] =
    [Dictionary { number: 1, bytes: DICTIONARY_1, prepared: OnceLock::new() }];

/// From messages and acknowledgements of `simulate` with another seed than the measured ones.
const DICTIONARY_1: &[u8] = include_bytes!("dictionary/1.zdict");

/// For writing; its tables are prepared once.
static WRITTEN: LazyLock<Option<EncoderDictionary<'static>>> =
    LazyLock::new(|| EncoderDictionary::try_copy(DICTIONARIES.last()?.bytes, JOINT_LEVEL).ok());

thread_local! {
    /// For messages with their acknowledgement. One per thread, because its tables are larger than most
    /// messages.
    static JOINT: RefCell<Option<Compressor<'static>>> = RefCell::new(
        WRITTEN.as_ref().and_then(|dictionary| with_checksum(Compressor::with_prepared_dictionary(dictionary))),
    );

    /// For large messages.
    static PLAIN: RefCell<Option<Compressor<'static>>> = RefCell::new(with_checksum(Compressor::new(PLAIN_LEVEL)));

    /// One per thread and dictionary.
    static DECOMPRESSORS: RefCell<[Option<Decompressor<'static>>; DICTIONARIES.len()]> =
        const { RefCell::new([const { None }; DICTIONARIES.len()]) };
}

fn with_checksum(compressor: io::Result<Compressor<'static>>) -> Option<Compressor<'static>> {
    let mut compressor = compressor.ok()?;
    compressor.set_parameter(CParameter::ChecksumFlag(true)).ok()?;
    Some(compressor)
}

/// Smaller messages are stored uncompressed: little is saved, and an operator can read them.
const MIN_COMPRESSED_BYTES: usize = 200;

/// The largest message that is in one frame with its acknowledgement, with a dictionary: of a larger one it
/// is no hundredth, and the writer would have to decompress the message to repeat the acknowledgement.
pub(super) const MAX_JOINT_BYTES: usize = 64 * 1024;

/// Longer acknowledgements, which repeat a long control id, stay in their column.
const MAX_FRAMED_ACKNOWLEDGEMENT: usize = 4 * 1024;

/// Bytes of the length of the acknowledgement.
const LENGTH_BYTES: usize = 2;

/// The first level that finds most of what a message shares with the dictionary. Level 6 saves an eighth more
/// and takes more than twice as long. The released program has no strategy of higher levels: scripts/release.
const JOINT_LEVEL: i32 = 3;

/// Higher levels save little on large messages, are slower and need more memory.
const PLAIN_LEVEL: i32 = 1;

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
        // It needs no more than the beginning, and keeps no part of the message.
        let beginning = &stored.bytes[..stored.bytes.len().min(MAX_JOINT_BYTES)];
        let alone = Content::acknowledgement(beginning, size, stored.acknowledgement.to_vec()).unwrap();
        assert!(alone == *acknowledgement);
        for kept in [alone, opened.acknowledgement] {
            assert!(kept.is_empty() || kept.try_into_mut().is_ok_and(|kept| kept.capacity() <= 8 << 10));
        }
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
        assert!(waveform.bytes.len() < 1_000 && waveform.acknowledgement == ACKNOWLEDGEMENT, "{waveform:?}");
        for size in [9_000, 40_000, MAX_JOINT_BYTES, MAX_JOINT_BYTES + 1, 128 << 10, 1 << 20] {
            let raw = report(5).into_iter().cycle().take(size).collect();
            let is_joint = round_trip(raw, &ACKNOWLEDGEMENT).acknowledgement.is_empty();
            assert_eq!(is_joint, size <= MAX_JOINT_BYTES, "{size}");
        }
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

    /// The digest of another message, in a frame that is whole: what a fault of the compressor would leave.
    #[test]
    fn a_frame_is_what_was_received_only_if_it_opens_to_it() {
        let [one, other] = [3, 4].map(|number| Bytes::from(report(number)));
        let (frame, size, _) = columns(&Content::compress(&one, &ACKNOWLEDGEMENT));
        assert!(Content::opens_to(&frame, size, &Fingerprint::sha256(&one)));
        assert!(!Content::opens_to(&frame, size, &Fingerprint::sha256(&other)));
    }

    #[test]
    fn want_of_memory_is_no_damage() {
        let error = not_read(io::ErrorKind::OutOfMemory.into());
        assert!(matches!(error, StoreError::Memory(_)), "{error}");
        assert!(matches!(not_read(io::ErrorKind::Other.into()), StoreError::Corrupt { .. }));
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
            assert!(dictionary.prepared().is_ok());
            (dictionary.number, Fingerprint::sha256(dictionary.bytes).to_string())
        });
        assert_eq!(found.collect::<Vec<_>>(), known.map(|(number, digest)| (number, digest.to_owned())));
    }

    /// A version without a dictionary would find each row that needs it damaged.
    #[test]
    fn each_dictionary_has_a_migration_that_keeps_versions_without_it_out() {
        for database in ["sqlite", "postgres"] {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/").to_owned() + database;
            let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
            let count = names.filter(|name| name.to_str().unwrap().ends_with("_content.sql")).count();
            assert_eq!(count, DICTIONARIES.len(), "{database}");
        }
    }
}
