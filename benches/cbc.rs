//! Throughput of the CBC record protection, beside AES-256-GCM of aws-lc on the same machine.
//!
//! `cargo bench --bench cbc`

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "no peer decides anything here; what cannot be is a mistake of the program"
)]

#[path = "../tests/cbc_records/mod.rs"]
mod cbc_records;

use std::hint::black_box;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rustls::crypto::cipher::{OutboundChunks, OutboundPlainMessage};
use rustls::{ContentType, ProtocolVersion};

use cbc_records::{SEQ, SUITES, header, noise, open};

/// A short message, one of typical length, and a full record.
const LENGTHS: [usize; 3] = [256, 2048, 16_384];

fn seal(criterion: &mut Criterion) {
    for len in LENGTHS {
        let mut group = criterion.benchmark_group(format!("seal/{len}"));
        group.throughput(Throughput::Bytes(len as u64));
        let plaintext = noise(len);
        for suite in &SUITES {
            let mut encrypter = suite.encrypter();
            group.bench_function(suite.name, |bencher| {
                bencher.iter(|| {
                    let message = OutboundPlainMessage {
                        typ: ContentType::ApplicationData,
                        version: ProtocolVersion::TLSv1_2,
                        payload: OutboundChunks::Single(black_box(&plaintext)),
                    };
                    encrypter.encrypt(message, SEQ)
                });
            });
        }
        let gcm = gcm_key();
        group.bench_function("AES_256_GCM of aws-lc", |bencher| {
            bencher.iter(|| {
                let mut record = Vec::with_capacity(len + 24);
                record.extend_from_slice(black_box(&plaintext));
                gcm.seal_in_place_append_tag(nonce(), Aad::from(header()), &mut record).expect("seals");
                record
            });
        });
    }
}

fn unseal(criterion: &mut Criterion) {
    for len in LENGTHS {
        let mut group = criterion.benchmark_group(format!("open/{len}"));
        group.throughput(Throughput::Bytes(len as u64));
        let plaintext = noise(len);
        for suite in &SUITES {
            let padding = 15 - (len + suite.mac_len()) % 16;
            let record = suite.record(&suite.content(&plaintext, padding as u8));
            let mut decrypter = suite.decrypter();
            group.bench_function(suite.name, |bencher| {
                bencher.iter_batched_ref(
                    || record.clone(),
                    |record| open(&mut *decrypter, record).map(<[u8]>::len),
                    BatchSize::SmallInput,
                );
            });
        }
        let gcm = gcm_key();
        let mut record = plaintext.clone();
        gcm.seal_in_place_append_tag(nonce(), Aad::from(header()), &mut record).expect("seals");
        group.bench_function("AES_256_GCM of aws-lc", |bencher| {
            bencher.iter_batched_ref(
                || record.clone(),
                |record| gcm.open_in_place(nonce(), Aad::from(header()), record).map(|plain| plain.len()),
                BatchSize::SmallInput,
            );
        });
    }
}

fn gcm_key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("key"))
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([9; 12])
}

criterion_group!(benches, seal, unseal);
criterion_main!(benches);
