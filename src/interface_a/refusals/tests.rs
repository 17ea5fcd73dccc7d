use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use proptest::prelude::*;

use super::aggregation::Aggregation;
use super::*;
use crate::audit::Certificate;
use crate::config::{Audit, RefusalInterval};
use crate::interface_a::fixtures::{clock, config, handle, now};
use crate::model::{Fingerprint, Refusal};
use crate::store::fixtures::TestStore;
use crate::store::{AuditFilter, Page};

const INTERVAL: Duration = Duration::from_mins(10);

fn limits(rows: usize) -> Limits {
    let refusal_interval = RefusalInterval::Every(INTERVAL);
    Limits::from(&Audit { refusal_interval, refusal_rate: rows, ..Audit::default() })
}

fn stranger(host: u16) -> RefusedPeer {
    let [high, low] = host.to_be_bytes();
    RefusedPeer::Address { address: [10, 0, high, low].into(), device: None }
}

fn certificate(number: u16) -> Certificate {
    Certificate {
        common_name: Some(format!("PUMP-{number}")),
        issuer: "CN=Issuing CA".to_owned(),
        serial: "0a".to_owned(),
        fingerprint: Fingerprint::sha256(&number.to_be_bytes()),
        unfit: None,
    }
}

fn device(number: u16) -> RefusedPeer {
    let Certificate { fingerprint, common_name: name, .. } = certificate(number);
    RefusedPeer::Certificate { fingerprint, name }
}

fn address() -> SocketAddr {
    "192.0.2.7:50123".parse().unwrap()
}

/// An aggregation with a clock, and how many refusals its rows stand for.
struct Bench {
    aggregation: Aggregation,
    clock: Clock,
    limits: Limits,
    recorded: BTreeMap<Refusal, u64>,
    rows: Vec<(Duration, Event)>,
    start: std::time::Instant,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let clock = clock();
        let start = clock.instant();
        let (aggregation, recorded, rows) = Default::default();
        Self { aggregation, clock, limits, recorded, rows, start }
    }

    fn take(&mut self, events: impl IntoIterator<Item = Event>) -> Vec<Event> {
        let events: Vec<_> = events.into_iter().collect();
        for event in &events {
            let mut add = |refusal, count| *self.recorded.entry(refusal).or_default() += count;
            match event {
                Event::ConnectionRefused { refusal, .. } => add(*refusal, 1),
                Event::RefusalsCounted { peers: RefusedPeers::Others { refusals }, count } => {
                    assert_eq!(refusals.values().sum::<u64>(), count.count);
                    refusals.iter().for_each(|(refusal, count)| add(*refusal, *count));
                }
                Event::RefusalsCounted {
                    peers: RefusedPeers::Address { refusal, .. } | RefusedPeers::Certificate { refusal, .. },
                    count,
                } => add(*refusal, count.count),
                other => panic!("{other:?}"),
            }
            self.rows.push((self.clock.instant() - self.start, event.clone()));
        }
        events
    }

    /// Whether the refusal got a row of its own.
    fn refuse(&mut self, peer: RefusedPeer, refusal: Refusal) -> bool {
        let number = peer.name().and_then(|name| name.strip_prefix("PUMP-")?.parse().ok());
        let shown = number.map(certificate);
        let refused = Refused { peer, refusal, certificate: shown.as_ref(), address: address() };
        let own = || Event::ConnectionRefused {
            peer: address(),
            balancer: None,
            refusal,
            certificate: None,
            extension: None,
            revocation: Vec::new(),
        };
        let row = self.aggregation.record(refused, now(&self.clock), &self.limits, own);
        !self.take(row).is_empty()
    }

    /// One refusal of each of so many strangers.
    fn flood(&mut self, strangers: u16) {
        for host in 0..strangers {
            self.refuse(stranger(host), Refusal::Disconnected);
        }
    }

    fn due(&mut self) -> Vec<Event> {
        let due = self.aggregation.due(now(&self.clock), &self.limits);
        self.take(due)
    }

    fn close(&mut self) -> Vec<Event> {
        let rest = self.aggregation.close(now(&self.clock), &self.limits);
        self.take(rest)
    }
}

// A8
#[test]
fn repeated_refusals_of_a_stranger_share_a_row_in_each_interval() {
    let mut bench = Bench::new(limits(60));
    let refusal = Refusal::ProtocolViolation;
    assert!(bench.refuse(stranger(1), refusal));
    let first = bench.clock.now();
    assert!((0..99).all(|_| !bench.refuse(stranger(1), refusal)));
    assert!(bench.refuse(stranger(1), Refusal::Disconnected), "another reason is another row");
    assert!(bench.refuse(stranger(2), refusal), "so is another address");
    assert_eq!(bench.due(), []);
    bench.clock.advance(INTERVAL);
    let [Event::RefusalsCounted { peers: RefusedPeers::Address { address, .. }, count }] = &bench.due()[..]
    else {
        panic!("{:?}", bench.rows)
    };
    assert_eq!((*address, count.count), (IpAddr::from([10, 0, 0, 1]), 99));
    assert_eq!((count.first, count.last), (first, first));
    assert!(!bench.refuse(stranger(1), refusal), "its number was in the row of the last interval");
    bench.clock.advance(INTERVAL);
    assert_eq!(bench.due().len(), 1);
    bench.clock.advance(INTERVAL);
    assert_eq!(bench.due(), []);
    assert!(bench.refuse(stranger(1), refusal), "after an interval without one");
}

// A9.4
#[test]
fn each_refused_device_has_ten_rows_of_its_own_whatever_strangers_do() {
    let mut bench = Bench::new(limits(60));
    bench.flood(2_000);
    let own = (0..100).filter(|_| bench.refuse(device(1), Refusal::Revoked)).count();
    assert_eq!(own, 10);
    assert!(bench.refuse(device(2), Refusal::Revoked));
    bench.clock.advance(INTERVAL);
    let due = bench.due();
    let [
        Event::RefusalsCounted { peers: RefusedPeers::Certificate { certificate: shown, peer, .. }, count },
        ..,
    ] = &due[..]
    else {
        panic!("{due:?}")
    };
    assert_eq!((shown, *peer, count.count), (&certificate(1), address(), 90));
}

// A9.4: copies of some certificates take no row from another one.
#[test]
fn repetitions_leave_half_of_the_room_to_certificates_that_are_new() {
    let mut bench = Bench::new(limits(4));
    let own = (0..1000).filter(|number| bench.refuse(device(number % 3), Refusal::Revoked)).count();
    assert_eq!(own, 10, "half of 20");
    assert!((3..13).all(|number| bench.refuse(device(number), Refusal::Expired)));
}

#[test]
fn without_an_interval_each_refusal_has_a_row_until_the_rate_is_reached() {
    let audit = Audit { refusal_interval: RefusalInterval::Never, refusal_rate: 5, ..Audit::default() };
    let mut bench = Bench::new(Limits::from(&audit));
    let own = (0..9).filter(|_| bench.refuse(stranger(1), Refusal::Expired)).count();
    assert_eq!(own, 5);
    bench.clock.advance(Duration::from_mins(1));
    let due = bench.due();
    assert!(matches!(&due[..], [Event::RefusalsCounted { count, .. }] if count.count == 4), "{due:?}");
}

#[test]
fn bytes_are_limited_like_rows() {
    let audit = Audit { refusal_rate: 1_000, refusal_bytes: 4096, ..Audit::default() };
    let mut bench = Bench::new(Limits::from(&audit));
    bench.flood(1_000);
    let bytes: usize = bench.rows.iter().map(|(_, row)| row.details().len()).sum();
    assert!((3_000..5_000).contains(&bytes), "{bytes}");
    bench.close();
    assert_eq!(bench.recorded[&Refusal::Disconnected], 1_000);
}

#[test]
fn refusals_are_counted_at_the_end_and_memory_is_bounded() {
    let mut bench = Bench::new(limits(60));
    bench.flood(u16::MAX);
    assert_eq!(bench.rows.len(), 60);
    assert_eq!(bench.close().len(), 1, "no room is left for a row of each");
    assert_eq!(bench.recorded[&Refusal::Disconnected], u64::from(u16::MAX));
    assert_eq!(bench.close(), []);
}

const REASONS: [Refusal; 3] = [Refusal::Disconnected, Refusal::Expired, Refusal::Revoked];

proptest! {
    /// Whatever arrives: each refusal is in exactly one row, and no minute has more rows than the limits.
    #[test]
    fn every_refusal_is_in_one_row_and_no_minute_has_too_many(
        arrivals in prop::collection::vec((0u16..40, 0usize..3, any::<bool>(), prop_oneof![
            8 => 0u64..100, 3 => 100u64..20_000, 1 => 20_000u64..2_000_000,
        ]), 1..500),
        rate in 1usize..20,
    ) {
        let mut bench = Bench::new(limits(rate));
        let mut refused = BTreeMap::<Refusal, u64>::new();
        for (peer, reason, is_device, milliseconds) in arrivals {
            bench.clock.advance(Duration::from_millis(milliseconds));
            bench.due();
            let peer = if is_device { device(peer) } else { stranger(peer) };
            bench.refuse(peer, REASONS[reason]);
            *refused.entry(REASONS[reason]).or_default() += 1;
            let at = bench.clock.instant() - bench.start;
            let recent = bench.rows.iter().filter(|(row, _)| at - *row < Duration::from_mins(1)).count();
            prop_assert!(recent <= rate * 6 + 1, "{recent}");
        }
        bench.close();
        prop_assert_eq!(bench.recorded, refused);
    }
}

/// A row that the store did not take is counted when the store has recovered.
#[tokio::test]
async fn rows_that_cannot_be_written_are_counted_later() {
    let place = TestStore::new();
    let (store, clock) = (place.open().await, clock());
    let metrics = Metrics::new().unwrap();
    let refusals = Refusals::new(handle(config()), store.clone(), metrics.clone(), clock.clone());
    let refused = HandshakeError::new(Refusal::Disconnected);
    let mut outside = place.connect_directly().await;
    let unwritable = "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END";
    outside.execute(unwritable).await.unwrap();
    for host in 0..3 {
        refusals.record(stranger(host), Origin::direct(address()), &refused).await;
    }
    refusals.record(stranger(0), Origin::direct(address()), &refused).await;
    outside.execute("DROP TRIGGER full").await.unwrap();
    clock.advance(INTERVAL);
    refusals.tick().await;
    let filter = AuditFilter { event: None, device: None, since: None, page: Page::Latest, limit: 100 };
    let rows = store.audit_rows(&filter).await.unwrap();
    let counted: Vec<_> = rows.iter().map(|row| (row.event.as_str(), row.details.as_str())).collect();
    assert_eq!(counted.len(), 2, "{counted:?}");
    assert!(counted[0].1.contains(r#""refusals":{"disconnected":3}"#), "{counted:?}");
    let total = |kind: &str| metrics.recorded_refusals_total.with_label_values(&[kind]).get();
    assert_eq!([total("own"), total("counted"), total("others")], [0, 1, 3]);
}
