//! Does the time to open a CBC record reveal its contents? A statistical test after Reparaz, Balasch and
//! Verbauwhede, "Dude, is my code constant time?" (2017).
//!
//! `cargo bench --bench constant_time -- [measurements per comparison]`
//!
//! Each comparison has two kinds of records of the same length and with the same outcome. Records of both
//! kinds are opened in random order, and Welch's t-test asks whether their times have different means: over
//! all times, and over those below each of a hundred percentiles, because interruptions make the upper tail.
//! The largest |t| counts. Above 10 the program fails. An opening that stops at the first thing wrong is
//! measured as well and has to be found out, or the program fails, too: the instrument would be blind.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "no peer decides anything here; what cannot be is a mistake of the program"
)]

#[path = "../tests/cbc_records/mod.rs"]
mod cbc_records;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use aes::Aes128;
use aws_lc_rs::hmac;
use cbc::Decryptor;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, InnerIvInit, KeyInit};
use rustls::crypto::cipher::MessageDecrypter;

use cbc_records::{SUITES, Suite, header, noise, open};

/// |t| beyond which a difference is certain.
const LIMIT: f64 = 10.0;

/// Different records of each kind, so that no single one's bytes decide.
const RECORDS: usize = 64;

fn main() -> ExitCode {
    // cargo passes `--bench` as well.
    let measurements = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut as_it_should_be = true;

    for suite in &SUITES {
        let mut decrypter = suite.decrypter();
        for comparison in comparisons(suite) {
            let measured = comparison.measure(&mut Ours(&mut *decrypter), measurements, &mut random);
            report(suite.name, &comparison, &measured);
            as_it_should_be &= measured.t < LIMIT;
        }
    }
    let suite = &SUITES[0];
    for comparison in comparisons(suite) {
        let measured = comparison.measure(&mut Leaky::new(suite), measurements.min(100_000), &mut random);
        report("leaky reference", &comparison, &measured);
        as_it_should_be &= measured.t > LIMIT || !comparison.visible_to_the_naive;
    }
    if as_it_should_be { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, reason = "the result of the program")]
fn report(name: &str, comparison: &Comparison, measured: &Measured) {
    println!(
        "{name:<20} {:<62} |t| {:>8.2}  difference {:>+9.2} ns of {:>7.0} ns  ({} measurements)",
        comparison.name, measured.t, measured.difference, measured.mean, measured.count
    );
}

/// Two kinds of records between which an attacker would like to distinguish.
struct Comparison {
    name: &'static str,
    accepted: bool,
    /// Whether stopping early makes a difference here that cannot be missed.
    visible_to_the_naive: bool,
    kinds: [Vec<Vec<u8>>; 2],
}

fn comparisons(suite: &Suite) -> Vec<Comparison> {
    let mac = suite.mac_len();
    // Content with room for the longest padding, and content with less room than that.
    let (long, short) = (1024, 192);
    let room = |content: usize, padding: u8| content - mac - 1 - usize::from(padding);
    let right = |content: usize, padding: u8| suite.content(&noise(room(content, padding)), padding);
    let mac_wrong = |content: usize, padding: u8, byte: usize| {
        let mut wrong = right(content, padding);
        wrong[room(content, padding) + byte] ^= 1;
        wrong
    };
    let padding_wrong = |padding: u8, byte: usize| {
        let mut wrong = right(long, padding);
        wrong[room(long, padding) + mac + byte] ^= 1;
        wrong
    };
    // The longest plaintext whose MAC input of 13 more bytes still ends its last hash block with the 9 bytes
    // of marker and bit count; one byte more takes another block.
    let full_blocks = (room(long, 64) / 64) * 64 + 64 - 13 - 9;
    let padding_of = |plaintext: usize| (long - mac - 1 - plaintext) as u8;
    let too_long = || {
        let mut content = right(short, 0);
        content[short - 1] = 255;
        content
    };
    let kinds = |left: &dyn Fn() -> Vec<u8>, right: &dyn Fn() -> Vec<u8>| {
        [left, right].map(|make| (0..RECORDS).map(|_| suite.record(&make())).collect())
    };
    vec![
        Comparison {
            name: "genuine: padding 0 / padding 255",
            accepted: true,
            visible_to_the_naive: true,
            kinds: kinds(&|| right(long, 0), &|| right(long, 255)),
        },
        Comparison {
            name: "wrong MAC: padding 0 / padding 255",
            accepted: false,
            visible_to_the_naive: true,
            kinds: kinds(&|| mac_wrong(long, 0, 0), &|| mac_wrong(long, 255, 0)),
        },
        Comparison {
            name: "wrong MAC / wrong padding",
            accepted: false,
            visible_to_the_naive: true,
            kinds: kinds(&|| mac_wrong(long, 255, 0), &|| padding_wrong(255, 0)),
        },
        Comparison {
            name: "wrong MAC: first byte / last byte",
            accepted: false,
            visible_to_the_naive: false,
            kinds: kinds(&|| mac_wrong(long, 255, 0), &|| mac_wrong(long, 255, mac - 1)),
        },
        Comparison {
            name: "wrong padding of 255: first byte / last byte but one",
            accepted: false,
            visible_to_the_naive: true,
            kinds: kinds(&|| padding_wrong(255, 0), &|| padding_wrong(255, 254)),
        },
        Comparison {
            name: "wrong MAC: hash block full / one more byte (Lucky Thirteen)",
            accepted: false,
            visible_to_the_naive: true,
            kinds: kinds(&|| mac_wrong(long, padding_of(full_blocks), 0), &|| {
                mac_wrong(long, padding_of(full_blocks + 1), 0)
            }),
        },
        Comparison {
            name: "wrong MAC / padding longer than the record",
            accepted: false,
            visible_to_the_naive: true,
            kinds: kinds(&|| mac_wrong(short, 0, 0), &too_long),
        },
        Comparison {
            name: "no difference (control)",
            accepted: false,
            visible_to_the_naive: false,
            kinds: kinds(&|| mac_wrong(long, 7, 0), &|| mac_wrong(long, 7, 0)),
        },
    ]
}

impl Comparison {
    #[expect(clippy::disallowed_methods, reason = "what is measured here is time")]
    fn measure(&self, subject: &mut dyn Subject, count: usize, random: &mut Random) -> Measured {
        let mut times = [Vec::with_capacity(count), Vec::with_capacity(count)];
        // Neighbours in memory, so that no kind has the better addresses.
        let len = self.kinds[0][0].len();
        let records =
            (0..RECORDS).flat_map(|index| [0, 1].map(|kind| &*self.kinds[kind][index])).collect::<Vec<_>>();
        let records = records.concat();
        let mut buffer = vec![0; len];
        let mut other = vec![0; len];
        for _ in 0..count {
            let choice = random.next() % (2 * RECORDS);
            let kind = choice & 1;
            buffer.copy_from_slice(&records[choice * len..][..len]);
            // What the copy displaced from the caches comes back with a record that is always the same.
            other.copy_from_slice(&records[..len]);
            subject.open(black_box(&mut other));
            let begin = Instant::now();
            let accepted = subject.open(black_box(&mut buffer));
            let elapsed = begin.elapsed();
            assert_eq!(accepted, self.accepted, "{}", self.name);
            times[kind].push(elapsed.as_nanos() as f64);
        }
        Measured::of(times)
    }
}

/// Something that opens records.
trait Subject {
    /// Whether the record is genuine.
    fn open(&mut self, record: &mut [u8]) -> bool;
}

/// What the library has.
struct Ours<'a>(&'a mut dyn MessageDecrypter);

impl Subject for Ours<'_> {
    fn open(&mut self, record: &mut [u8]) -> bool {
        open(self.0, record).is_ok()
    }
}

/// How it should not be done: padding first, then a MAC over as much as is left, and out at the first
/// difference.
struct Leaky {
    cipher: Aes128,
    mac: hmac::Key,
    mac_len: usize,
}

impl Leaky {
    fn new(suite: &Suite) -> Self {
        Self {
            cipher: Aes128::new_from_slice(suite.cipher_key).expect("a suite with AES-128"),
            mac: hmac::Key::new(suite.digest, suite.mac_key),
            mac_len: suite.mac_len(),
        }
    }
}

impl Subject for Leaky {
    fn open(&mut self, record: &mut [u8]) -> bool {
        let (iv, blocks) = record.split_first_chunk_mut::<16>().expect("an IV");
        let content = Decryptor::inner_iv_init(&self.cipher, &(*iv).into())
            .decrypt_padded::<NoPadding>(blocks)
            .expect("whole blocks");
        let padding = content[content.len() - 1];
        let Some(len) = content.len().checked_sub(usize::from(padding) + 1 + self.mac_len) else {
            return false;
        };
        let (plaintext, rest) = content.split_at(len);
        let (mac, padding_bytes) = rest.split_at(self.mac_len);
        if padding_bytes.iter().rev().any(|byte| *byte != padding) {
            return false;
        }
        let mut context = hmac::Context::with_key(&self.mac);
        context.update(&header());
        context.update(&(len as u16).to_be_bytes());
        context.update(plaintext);
        context.sign().as_ref() == mac
    }
}

/// What the times of a comparison come to.
struct Measured {
    t: f64,
    difference: f64,
    mean: f64,
    count: usize,
}

impl Measured {
    fn of(mut times: [Vec<f64>; 2]) -> Self {
        let mut all = times.concat();
        all.sort_unstable_by(f64::total_cmp);
        for class in &mut times {
            class.sort_unstable_by(f64::total_cmp);
        }
        let [left, right] = &times;
        let median = all[all.len() / 2];
        let below = |class: &[f64], threshold: f64| {
            let kept = class.partition_point(|time| *time <= threshold);
            Moments::of(&class[..kept], median)
        };
        let t = (1..=100)
            .map(|step| 1.0 - 0.5f64.powf(f64::from(step) / 10.0))
            .map(|percentile| all[((all.len() - 1) as f64 * percentile) as usize])
            .chain([f64::INFINITY])
            .map(|threshold| welch(&below(left, threshold), &below(right, threshold)).abs())
            .fold(0.0, f64::max);
        // The slowest tenth left out: a mean that means something on a machine with other work.
        let threshold = all[all.len() / 10 * 9];
        let (left, right) = (below(left, threshold), below(right, threshold));
        Self { t, difference: right.mean - left.mean, mean: median + left.mean, count: all.len() }
    }
}

/// Number, mean and variance of times, the mean relative to an origin near it for the sake of precision.
struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn of(times: &[f64], origin: f64) -> Self {
        let count = times.len() as f64;
        let mean = times.iter().map(|time| time - origin).sum::<f64>() / count;
        let squares = times.iter().map(|time| (time - origin - mean).powi(2)).sum::<f64>();
        Self { count, mean, variance: squares / (count - 1.0) }
    }
}

/// Welch's t. Zero where there is too little to say anything.
fn welch(left: &Moments, right: &Moments) -> f64 {
    let t = (left.mean - right.mean) / (left.variance / left.count + right.variance / right.count).sqrt();
    if t.is_finite() && left.count.min(right.count) > 100.0 { t } else { 0.0 }
}

/// xorshift (Marsaglia 2003): which record comes next.
struct Random(u64);

impl Random {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize
    }
}
