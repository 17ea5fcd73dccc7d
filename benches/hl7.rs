//! What one message costs before it is stored: the frame, the view, the transaction, the identities, the
//! acknowledgement. Beside it another parser on the same bytes. That nothing is allocated for each segment is
//! a test: `tests/allocations.rs`.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use pcd_platform::hl7::{AcknowledgeAs, Acknowledgement, Message, Outcome, Sender};
use pcd_platform::mllp::Codec;
use pcd_platform::pcd::{Claim, MessagePolicy, Transaction};
use tokio_util::codec::Decoder as _;

/// A PCD-01 message of at least `size` bytes: a gateway with as many monitors as it takes.
fn pcd_01(size: usize) -> Vec<u8> {
    let mut text = String::from(
        "MSH|^~\\&|GATEWAY^08001900FE3ED02D^EUI-64|ACME|||20260101120000+0000||ORU^R01^ORU_R01|0104ef190d604db188c3|P|2.6\
         |||AL|NE||UNICODE UTF-8|||PCD_DEC_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO\r\
         PID|||12345^^^A^MR||BEDS^TEDSONS^^^^^L\rPV1||U|COLWELL^^SOLAR\r\
         OBR|1|1^GATEWAY^08001900FE3ED02D^EUI-64|1^GATEWAY^08001900FE3ED02D^EUI-64|182777000^monitoring of patient^SCT|||20260101120000+0000\r",
    );
    let mut sequence = 0;
    while text.len() < size {
        if sequence % 8 == 0 {
            write!(
                text,
                "OBX|{}||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||M{sequence}^^00A037EB2175{:04X}^EUI-64\r",
                sequence + 1,
                sequence / 8
            )
            .unwrap();
        } else {
            write!(
                text,
                "OBX|{}|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.{}|98|262688^MDC_DIM_PERCENT^MDC|90-96||||R|||20260101120000+0000\r",
                sequence + 1,
                sequence
            )
            .unwrap();
        }
        sequence += 1;
    }
    text.into_bytes()
}

fn messages(criterion: &mut Criterion) {
    let sender = Sender { application: "PLATFORM".into(), facility: "WARD".into() };
    let at = Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
    let policy = MessagePolicy::default();
    for size in [1_000, 100_000] {
        let bytes = pcd_01(size);
        let text = std::str::from_utf8(&bytes).unwrap();
        let mut group = criterion.benchmark_group(format!("message of {} KB", size / 1000));
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("view", |bencher| {
            bencher.iter(|| Message::parse(black_box(&bytes)).unwrap().segments().count())
        });
        group.bench_function("view, transaction, identities, acknowledgement", |bencher| {
            bencher.iter(|| {
                let message = Message::parse(black_box(&bytes)).unwrap();
                let transaction = Transaction::of(&message);
                policy.admit(&message.header(), transaction).unwrap();
                let claims = Claim::all_of(&message, transaction);
                let header = message.header();
                let answers =
                    Transaction::acknowledgement_request(transaction, &header, AcknowledgeAs::AsAsked)
                        .answers(Outcome::Accepted);
                let code = answers.accept.unwrap();
                let acknowledgement = Acknowledgement {
                    sender: &sender,
                    control_id: "1",
                    at: &at,
                    code,
                    rejection: None,
                    diagnostic: None,
                };
                (claims, acknowledgement.render(Some((&header, message.separators()))))
            });
        });
        group.bench_function("hl7-parser, parsing alone", |bencher| {
            bencher.iter(|| hl7_parser::Message::parse(black_box(text)).unwrap().segments().count());
        });
        group.finish();
    }
}

fn frames(criterion: &mut Criterion) {
    let payload = pcd_01(100_000);
    let mut wire = BytesMut::new();
    for _ in 0..10 {
        wire.put_u8(0x0B);
        wire.put_slice(&payload);
        wire.put_slice(b"\x1C\r");
    }
    let mut group = criterion.benchmark_group("frames of 100 KB");
    group.throughput(Throughput::Bytes(wire.len() as u64));
    group.bench_function("in one piece", |bencher| {
        bencher.iter_batched(
            || wire.clone(),
            |mut buffer| decode(&mut Codec::new(1 << 20), &mut buffer),
            criterion::BatchSize::LargeInput,
        );
    });
    group.bench_function("in reads of 8 KB, copying them included", |bencher| {
        bencher.iter_batched(
            || BytesMut::with_capacity(wire.len()),
            |mut buffer| {
                let mut codec = Codec::new(1 << 20);
                wire.chunks(8192)
                    .map(|read| {
                        buffer.extend_from_slice(read);
                        decode(&mut codec, &mut buffer)
                    })
                    .sum::<usize>()
            },
            criterion::BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn decode(codec: &mut Codec, buffer: &mut BytesMut) -> usize {
    let mut frames = 0;
    while let Some(received) = codec.decode(buffer).unwrap() {
        black_box(received);
        frames += 1;
    }
    frames
}

/// Half a minute for all of it: the variants differ by factors, not by parts of a hundred.
fn brief() -> Criterion {
    let criterion = Criterion::default().sample_size(40).without_plots();
    criterion.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2))
}

criterion_group!(name = benches; config = brief(); targets = messages, frames);
criterion_main!(benches);
