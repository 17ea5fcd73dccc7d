use std::sync::Arc;

use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::fixtures::{
    LIMITS, Limits, NAME, acknowledgement, acknowledgements, config, device, frame, framed, handle, info,
    peer, session,
};
use super::super::frame_memory::FrameMemory;
use super::super::registry::{DeliverError, Delivery, Registry, SessionLimit};
use super::super::resources::Accepting;
use super::*;
use crate::authz::{Device, DeviceStatus, Directory};
use crate::contact::Contacts;
use crate::hl7::AcknowledgementCode;
use crate::liveness::Liveness;
use crate::metrics::Metrics;
use crate::model::{Clock, Deadline, DeviceId, Refusal};
use crate::store::fixtures::TestStore;
use crate::store::{MessageFilter, Store};

fn delivery(control_id: &[u8], frame: Bytes) -> Delivery {
    let deadline = Deadline::after(&crate::model::Clock::system(), jiff::SignedDuration::MAX);
    Delivery { control_id: control_id.to_vec(), application: false, mode: Vec::new(), deadline, frame }
}

/// A running connection, and the device's end of it.
struct Bench {
    place: TestStore,
    store: Store,
    registry: Registry,
    drain: CancellationToken,
    device: DuplexStream,
    running: JoinHandle<Ended>,
}

impl Bench {
    /// `capacity`: how many bytes the device may leave unread.
    async fn new(capacity: usize, write_timeout: Duration) -> Self {
        Self::with(capacity, write_timeout, LIMITS).await
    }

    async fn with(capacity: usize, write_timeout: Duration, limits: Limits) -> Self {
        let place = TestStore::new();
        let (store, clock) = (place.open().await, Clock::system());
        let (registry, drain) = (Registry::default(), CancellationToken::new());
        let (device, stream) = duplex(capacity);
        let services = Services {
            contacts: Contacts::default(),
            store: store.clone(),
            relay: registry.relay().clone(),
            liveness: Liveness::default(),
            clock: clock.clone(),
            metrics: Metrics::new().unwrap(),
            drain: drain.clone(),
        };
        let limit = SessionLimit { sessions: 64, now: clock.instant() };
        let channels = registry.register(info(&clock), Arc::default(), limit, || Ok(())).unwrap();
        let session = session(registry.pending_replies(), limits, &clock);
        let accepting = Accepting::new(TaskTracker::new(), services.metrics.clone(), clock.clone());
        let memory = Arc::new(FrameMemory::new(handle(config()), accepting, services.metrics.clone()));
        let frame = memory.share(info(&clock).id, name(), clock.instant());
        let services = services.into();
        let share = Arc::default();
        let large_turn = None;
        let opening = Arc::new(Opening::new(info(&clock).id, &peer(), None));
        let connection = Box::new(Connection {
            stream,
            session,
            services,
            channels,
            opening,
            activity: Arc::default(),
            share,
            large_turn,
            relays: Relays::default(),
            frame,
            is_bounded: false,
            write_timeout,
        });
        let running = tokio::spawn(connection.run());
        Self { place, store, registry, drain, device, running }
    }

    /// Reads until `count` acknowledgements or messages have come.
    async fn read_frames(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.windows(2).filter(|window| window == b"\x1C\r").count() < count {
            assert_ne!(self.device.read_buf(&mut bytes).await.unwrap(), 0, "the connection stays");
        }
        bytes
    }

    async fn stored(&self) -> usize {
        let filter = MessageFilter { limit: 100, ..MessageFilter::default() };
        self.store.messages(&filter).await.unwrap().len()
    }
}

fn name() -> DeviceId {
    NAME.parse().unwrap()
}

fn suspended() -> Directory {
    Directory::from(vec![Device { status: DeviceStatus::Suspended, ..device() }])
}

#[tokio::test]
async fn messages_are_stored_and_acknowledged_until_the_peer_leaves() {
    let mut bench = Bench::new(64 * 1024, WRITE_TIMEOUT).await;
    bench.device.write_all(&[frame("1"), frame("2")].concat()).await.unwrap();
    let answers = acknowledgements(&bench.read_frames(2).await);
    assert_eq!(answers, [("CA".to_owned(), "1".to_owned()), ("CA".to_owned(), "2".to_owned())]);
    assert_eq!(bench.stored().await, 2);
    // The peer closes its side only: it still gets its acknowledgements.
    bench.device.write_all(&frame("3")).await.unwrap();
    bench.device.shutdown().await.unwrap();
    let mut rest = Vec::new();
    bench.device.read_to_end(&mut rest).await.unwrap();
    assert_eq!(acknowledgements(&rest).len(), 1);
    assert_eq!(bench.running.await.unwrap().reason, SessionEnd::PeerClosed);
    assert!(bench.registry.sessions().is_empty(), "an ended session is not listed");
}

#[tokio::test]
async fn a_message_is_delivered_and_its_acknowledgement_returned() {
    let mut bench = Bench::new(64 * 1024, WRITE_TIMEOUT).await;
    let registry = bench.registry.clone();
    let ours = framed("MSH|^~\\&|OURS||||20260101||RGV^O15^RGV_O15|OURS-1|P|2.6\r");
    let sent = Bytes::from(ours.clone());
    let recipient = registry.recipient(&name()).unwrap();
    let mut exchange = registry.deliver(&recipient, delivery(b"OURS-1", sent)).unwrap();
    assert_eq!(bench.read_frames(1).await, ours);
    bench.device.write_all(&acknowledgement("OURS-1")).await.unwrap();
    assert_eq!(exchange.answer().await.unwrap().code, Some(AcknowledgementCode::CA));
}

#[tokio::test]
async fn a_delivery_fails_when_the_device_is_or_gets_disconnected() {
    let mut bench = Bench::new(64 * 1024, WRITE_TIMEOUT).await;
    let stranger: DeviceId = "STRANGER".parse().unwrap();
    let frame = Bytes::from_static(b"\x0Bours\x1C\r");
    assert_eq!(bench.registry.recipient(&stranger).unwrap_err(), DeliverError::NotConnected);
    let recipient = bench.registry.recipient(&name()).unwrap();
    let mut exchange = bench.registry.deliver(&recipient, delivery(b"1", frame.clone())).unwrap();
    let again = bench.registry.deliver(&recipient, delivery(b"1", frame.clone()));
    assert_eq!(again.unwrap_err(), DeliverError::AlreadyPending);
    bench.read_frames(1).await;
    drop(bench.device);
    assert_eq!(exchange.answer().await, None);
    bench.running.await.unwrap();
    // Another session of the same name does not get what was meant for this one.
    let late = bench.registry.deliver(&recipient, delivery(b"1", frame));
    assert_eq!(late.unwrap_err(), DeliverError::NotConnected);
}

#[tokio::test]
async fn loss_of_authorization_ends_the_session() {
    let mut bench = Bench::new(64 * 1024, WRITE_TIMEOUT).await;
    bench.registry.recheck(&Directory::from(vec![device()]));
    bench.device.write_all(&frame("1")).await.unwrap();
    assert!(!bench.read_frames(1).await.is_empty(), "a device that is still authorized stays");
    bench.registry.recheck(&suspended());
    assert_eq!(bench.device.read(&mut [0; 16]).await.unwrap(), 0);
    assert_eq!(bench.running.await.unwrap().reason, SessionEnd::Withdrawn(Refusal::SuspendedDevice));
}

#[tokio::test]
async fn a_shutdown_ends_the_session() {
    let mut bench = Bench::new(64 * 1024, WRITE_TIMEOUT).await;
    bench.drain.cancel();
    assert_eq!(bench.device.read(&mut [0; 16]).await.unwrap(), 0);
    assert_eq!(bench.running.await.unwrap().reason, SessionEnd::Shutdown);
}

/// Paused time is not charged to the peer.
#[tokio::test]
async fn the_frame_timeout_is_suspended_while_the_store_queue_is_full() {
    let limits = Limits { frame_timeout: Duration::from_secs(5), ..LIMITS };
    let mut bench = Bench::with(64 * 1024, WRITE_TIMEOUT, limits).await;
    let mut outside = bench.place.connect_directly().await;
    outside.execute("BEGIN IMMEDIATE").await.unwrap();
    let second = frame("2");
    bench.device.write_all(&[&frame("1"), &second[..10]].concat()).await.unwrap();
    // Other sessions of the device hand in more than the store takes meanwhile.
    let mut others = tokio::task::JoinSet::new();
    while !bench.store.is_full(&name()) {
        assert!(others.len() < 10_000, "the queue never is full");
        let (store, session) = (bench.store.clone(), bench.registry.sessions()[0].id);
        let event = audit::Event::BytesBetweenFrames { session, device: name(), count: 1 };
        others.spawn(async move { store.audit(event).await });
        tokio::task::yield_now().await;
    }
    // The last byte that is read before the connection finds it full.
    bench.device.write_all(&second[10..11]).await.unwrap();
    tokio::time::sleep(limits.frame_timeout + Duration::from_millis(500)).await;
    outside.execute("ROLLBACK").await.unwrap();
    bench.device.write_all(&second[11..]).await.unwrap();
    let answers = acknowledgements(&bench.read_frames(2).await);
    let ids: Vec<_> = answers.iter().map(|(_, id)| id.as_str()).collect();
    assert_eq!(ids, ["1", "2"]);
    assert!(!bench.running.is_finished());
}

/// A device that sends and does not read: its own buffer is full, so our answers go nowhere.
async fn unresponsive(write_timeout: Duration) -> Bench {
    let mut bench = Bench::new(1024, write_timeout).await;
    for number in 0..500 {
        let frame = frame(&number.to_string());
        let sending = bench.device.write_all(&frame);
        // The platform reads no more, or has closed the connection.
        if !matches!(tokio::time::timeout(Duration::from_secs(1), sending).await, Ok(Ok(()))) {
            return bench;
        }
    }
    panic!("the platform reads although the device takes no answers");
}

#[tokio::test]
async fn a_peer_that_takes_no_bytes_is_disconnected_after_the_write_timeout() {
    let bench = unresponsive(Duration::from_millis(100)).await;
    assert_eq!(bench.running.await.unwrap().reason, SessionEnd::ConnectionLost);
    assert!(bench.registry.sessions().is_empty());
}

#[tokio::test]
async fn loss_of_authorization_ends_the_session_of_a_peer_that_takes_no_bytes() {
    let bench = unresponsive(WRITE_TIMEOUT).await;
    bench.registry.recheck(&suspended());
    let ended = tokio::time::timeout(CLOSE_TIMEOUT * 4, bench.running).await;
    assert_eq!(ended.unwrap().unwrap().reason, SessionEnd::Withdrawn(Refusal::SuspendedDevice));
}

#[tokio::test]
async fn deliveries_to_a_peer_that_takes_no_bytes_are_limited() {
    let bench = unresponsive(WRITE_TIMEOUT).await;
    let frame = Bytes::from_static(b"\x0Bours\x1C\r");
    let recipient = bench.registry.recipient(&name()).unwrap();
    let deliver =
        |number: u32| bench.registry.deliver(&recipient, delivery(&number.to_be_bytes(), frame.clone()));
    let waiting: Vec<_> = (0..64).map(|number| deliver(number).unwrap()).collect();
    assert_eq!(deliver(64).unwrap_err(), DeliverError::Busy);
    bench.drain.cancel();
    assert_eq!(bench.running.await.unwrap().reason, SessionEnd::Shutdown);
    for mut exchange in waiting {
        assert_eq!(exchange.answer().await, None);
    }
}

/// A session that ends reads no answer: an order that waits for it goes out on another one.
#[tokio::test]
async fn a_session_that_ends_takes_no_orders_and_gives_back_those_it_has_not_sent() {
    let mut bench = unresponsive(WRITE_TIMEOUT).await;
    let order = Bytes::from_static(b"\x0Bours\x1C\r");
    let recipient = bench.registry.recipient(&name()).unwrap();
    let mut waiting = bench.registry.deliver(&recipient, delivery(b"1", order.clone())).unwrap();
    bench.registry.recheck(&suspended());
    assert_eq!(bench.registry.recipient(&name()).unwrap_err(), DeliverError::NotConnected);
    // It takes what it was sent, and the session comes to its end, in which it waits for the other side.
    assert!(bench.device.read(&mut vec![0; 64 * 1024]).await.unwrap() > 0);
    assert_eq!(waiting.answer().await, None);
    let again = bench.registry.deliver(&recipient, delivery(b"1", order));
    assert_eq!(again.unwrap_err(), DeliverError::NotConnected);
}
