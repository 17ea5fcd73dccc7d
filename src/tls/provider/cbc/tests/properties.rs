//! Properties of all records: a round trip restores the plaintext, and any change is refused.

use std::collections::HashSet;

use proptest::prelude::*;
use rustls::crypto::cipher::{OutboundChunks, OutboundPlainMessage};
use rustls::{ContentType, Error, ProtocolVersion};

use super::reference::{InProcess, Primitives};
use super::{CONTEXT, Context, SUITES, Suite, noise, open, seal};

fn suite() -> impl Strategy<Value = &'static Suite> {
    (0..SUITES.len()).prop_map(|n| &SUITES[n])
}

fn context() -> impl Strategy<Value = Context> {
    let typ = prop_oneof![
        Just(ContentType::ApplicationData),
        Just(ContentType::Handshake),
        Just(ContentType::Alert),
    ];
    let version = prop_oneof![Just(ProtocolVersion::TLSv1_2), Just(ProtocolVersion::TLSv1_1)];
    (any::<u64>(), typ, version).prop_map(|(seq, typ, version)| Context { seq, typ, version })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn round_trip(
        suite in suite(),
        context in context(),
        plaintext in proptest::collection::vec(any::<u8>(), 0..700),
    ) {
        let record = seal(&mut *suite.encrypter(), context, &plaintext);
        prop_assert_eq!(open(&mut *suite.decrypter(), context, &record), Ok(plaintext));
    }

    #[test]
    fn every_legal_padding_is_accepted(suite in suite(), len in 0..400usize, choice in 0..16usize) {
        let plaintext = noise(len);
        let padding = suite.paddings(len).nth(choice).expect("sixteen of them");
        let record = InProcess.seal(suite, CONTEXT, &plaintext, padding);
        prop_assert_eq!(open(&mut *suite.decrypter(), CONTEXT, &record), Ok(plaintext));
    }

    #[test]
    fn any_changed_byte_is_refused(
        suite in suite(),
        len in 0..400usize,
        choice in 0..16usize,
        place in any::<proptest::sample::Index>(),
        change in 1..=255u8,
    ) {
        let padding = suite.paddings(len).nth(choice).expect("sixteen of them");
        let mut record = InProcess.seal(suite, CONTEXT, &noise(len), padding);
        let place = place.index(record.len());
        record[place] ^= change;
        prop_assert_eq!(open(&mut *suite.decrypter(), CONTEXT, &record), Err(Error::DecryptError));
    }

    #[test]
    fn any_truncation_or_extension_is_refused(suite in suite(), len in 0..400usize, other in 0..600usize) {
        let mut record = seal(&mut *suite.encrypter(), CONTEXT, &noise(len));
        prop_assume!(other != record.len());
        record.resize(other, 0x5a);
        prop_assert_eq!(open(&mut *suite.decrypter(), CONTEXT, &record), Err(Error::DecryptError));
    }

    #[test]
    fn another_sequence_number_type_or_version_is_refused(
        suite in suite(),
        written in context(),
        read in context(),
        len in 0..100usize,
    ) {
        let mut encrypter = suite.encrypter();
        let mut decrypter = suite.decrypter();
        let record = seal(&mut *encrypter, written, &noise(len));
        let next = written.seq.wrapping_add(1);
        for other in [read, Context { seq: next, ..written }, Context { typ: read.typ, ..written }] {
            prop_assume!(other != written);
            prop_assert_eq!(open(&mut *decrypter, other, &record), Err(Error::DecryptError));
        }
    }

    /// Arbitrary decrypted content, mostly with valid-looking padding: the result equals that of the
    /// reference.
    #[test]
    fn agrees_with_the_reference_on_anything(
        suite in suite(),
        blocks in 0..24usize,
        padding in any::<u8>(),
        run in 0..300usize,
    ) {
        let mut content = noise(blocks * 16);
        let run = run.min(content.len());
        let begin = content.len() - run;
        content[begin..].fill(padding);
        let record = InProcess.wrap(suite, &content);
        prop_assert_eq!(InProcess.open(suite, CONTEXT, &record), None);
        prop_assert_eq!(open(&mut *suite.decrypter(), CONTEXT, &record), Err(Error::DecryptError));
    }
}

/// Lucky Thirteen and POODLE exploit differences between these records.
#[test]
fn every_single_wrong_byte_of_mac_and_padding_is_refused() {
    for suite in &SUITES {
        let mut decrypter = suite.decrypter();
        for len in [0, 3, 300] {
            for padding in suite.paddings(len).step_by(5) {
                let plaintext = noise(len);
                let mut content = plaintext.clone();
                content.extend(InProcess.mac(suite, CONTEXT, &plaintext));
                content.extend(vec![padding; usize::from(padding) + 1]);
                for place in len..content.len() {
                    let mut wrong = content.clone();
                    wrong[place] ^= 0x01;
                    let record = InProcess.wrap(suite, &wrong);
                    assert_eq!(
                        open(&mut *decrypter, CONTEXT, &record),
                        Err(Error::DecryptError),
                        "{len} bytes, padding {padding}, byte {place} wrong"
                    );
                }
            }
        }
    }
}

/// Correct padding as long as the record, which leaves no room for the MAC.
#[test]
fn padding_that_leaves_no_room_is_refused() {
    for suite in &SUITES {
        for blocks in 1..=16u8 {
            let content = vec![blocks * 15; usize::from(blocks) * 16];
            let record = InProcess.wrap(suite, &content);
            assert_eq!(open(&mut *suite.decrypter(), CONTEXT, &record), Err(Error::DecryptError));
        }
    }
}

/// The MAC is correct at the position without padding, and the length byte exceeds the record.
#[test]
fn impossible_padding_length_is_refused() {
    for suite in &SUITES {
        let len = 48 - suite.mac_len() - 1;
        let mut content = noise(len);
        content.extend(InProcess.mac(suite, CONTEXT, &content));
        for padding in 0..=u8::MAX {
            content.push(padding);
            let record = InProcess.wrap(suite, &content);
            let expected = if padding == 0 { Ok(content[..len].to_vec()) } else { Err(Error::DecryptError) };
            assert_eq!(open(&mut *suite.decrypter(), CONTEXT, &record), expected, "padding {padding}");
            content.pop();
        }
    }
}

/// RFC 5246 6.2.1 and 6.2.3: rustls sends record_overflow for this error.
#[test]
fn oversized_records_get_their_own_error() {
    for suite in &SUITES {
        let mut decrypter = suite.decrypter();
        let padding = |len: usize| suite.paddings(len).next().expect("one at least");

        let longest = noise(1 << 14);
        let record = InProcess.seal(suite, CONTEXT, &longest, padding(longest.len()));
        assert_eq!(open(&mut *decrypter, CONTEXT, &record), Ok(longest));

        let too_long = noise((1 << 14) + 1);
        let record = InProcess.seal(suite, CONTEXT, &too_long, padding(too_long.len()));
        assert_eq!(open(&mut *decrypter, CONTEXT, &record), Err(Error::PeerSentOversizedRecord));

        let much_too_long = noise((1 << 14) + 2048 + 16);
        assert_eq!(open(&mut *decrypter, CONTEXT, &much_too_long), Err(Error::PeerSentOversizedRecord));

        let message = OutboundPlainMessage {
            typ: CONTEXT.typ,
            version: CONTEXT.version,
            payload: OutboundChunks::Single(&too_long),
        };
        assert!(matches!(suite.encrypter().encrypt(message, 0), Err(Error::EncryptError)));
    }
}

/// The longest record that may be sent at all is read to its end.
#[test]
fn longest_record_with_longest_padding_is_accepted() {
    for suite in &SUITES {
        let len = (1 << 14) - 1;
        let padding = suite.paddings(len).last().expect("one at least");
        let plaintext = noise(len);
        let record = InProcess.seal(suite, CONTEXT, &plaintext, padding);
        assert_eq!(open(&mut *suite.decrypter(), CONTEXT, &record), Ok(plaintext));
    }
}

/// RFC 5246 6.2.3.2: a new IV for every record, also for equal ones.
#[test]
fn ivs_do_not_repeat() {
    for suite in &SUITES {
        let mut encrypter = suite.encrypter();
        let ivs: HashSet<Vec<u8>> =
            (0..100).map(|_| seal(&mut *encrypter, CONTEXT, b"the same")[..16].to_vec()).collect();
        assert_eq!(ivs.len(), 100);
    }
}

/// RFC 5246 6.3: MAC keys, then cipher keys, no IVs.
#[test]
fn key_block_is_cut_as_the_rfc_has_it() {
    for suite in &SUITES {
        let shape = suite.algorithm.key_block_shape();
        assert_eq!(shape.enc_key_len, suite.mac_key.len());
        assert_eq!(shape.fixed_iv_len, suite.cipher_key.len());
        assert_eq!(shape.explicit_nonce_len, 0);
        assert!(suite.algorithm.extract_keys(suite.aead_key(), suite.cipher_key, &[]).is_err());
        assert!(!suite.algorithm.fips());
    }
}
