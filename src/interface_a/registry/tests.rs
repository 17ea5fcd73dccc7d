use super::super::acknowledgement::Acknowledgement;
use super::super::fixtures::{NAME, clock, device, directory, info};
use super::*;
use crate::authz::{Device, DeviceStatus};
use crate::hl7::AcknowledgementCode;
use crate::model::{Clock, MessageId};

fn named(name: &str) -> SessionInfo {
    SessionInfo { device: name.parse().unwrap(), ..info(&clock()) }
}

fn limit(sessions: usize, clock: &Clock) -> SessionLimit {
    SessionLimit { sessions, now: clock.instant() }
}

fn list(registry: &Registry, info: SessionInfo) -> Channels {
    registry.register(info, Arc::default(), limit(64, &clock()), || Ok(())).unwrap()
}

#[test]
fn a_session_is_listed_until_it_is_dropped() {
    let registry = Registry::default();
    let channels = list(&registry, named(NAME));
    let _other = list(&registry, named("OTHER"));
    assert_eq!(registry.sessions().len(), 2);
    drop(channels);
    let left: Vec<_> = registry.sessions().into_iter().map(|info| info.device.to_string()).collect();
    assert_eq!(left, ["OTHER"]);
}

// Trust is watched after admission (A8).
#[test]
fn only_sessions_that_lost_their_authorization_are_ended() {
    let registry = Registry::default();
    let names = [NAME, "SUSPENDED", "REMOVED"];
    let sessions = names.map(|name| list(&registry, named(name)));
    let suspended = Device { id: "SUSPENDED".parse().unwrap(), status: DeviceStatus::Suspended, ..device() };
    registry.recheck(&Directory::from(vec![device(), suspended]));
    let refusals = sessions.each_ref().map(|channels| channels.inbox.withdrawn());
    assert_eq!(refusals, [None, Some(Refusal::SuspendedDevice), Some(Refusal::UnknownDevice)]);
}

/// When a step of the directory watch happens, relative to a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Before,
    BeforeTheRead,
    AfterTheRead,
    After,
}

// A8: the watch publishes the directory and then rechecks the open sessions; either step may happen at
// any moment of a registration.
#[test]
fn a_suspension_wins_over_a_registration_in_every_order_of_events() {
    use Moment::{After, AfterTheRead, Before, BeforeTheRead};
    let moments = [Before, BeforeTheRead, AfterTheRead, After];
    let orders = moments.iter().flat_map(|published| {
        moments
            .iter()
            .filter(move |rechecked| *rechecked >= published)
            .map(|rechecked| (*published, *rechecked))
    });
    for (published, rechecked) in orders {
        let registry = Registry::default();
        let current = directory(vec![device()]);
        let suspended = Device { status: DeviceStatus::Suspended, ..device() };
        let suspended = Arc::new(Directory::from(vec![suspended]));
        let watches = std::cell::RefCell::new(Vec::new());
        let reach = |moment: Moment| {
            if moment == published {
                current.store(Arc::clone(&suspended));
            }
            if moment == rechecked {
                let (registry, current) = (registry.clone(), Arc::clone(&current));
                let watch = std::thread::spawn(move || registry.recheck(&current.load()));
                // Inside a registration, the recheck has to wait; elsewhere it is over soon.
                #[expect(clippy::disallowed_methods, reason = "no runtime in this model")]
                std::thread::sleep(std::time::Duration::from_millis(20));
                watches.borrow_mut().push(watch);
            }
        };
        reach(Before);
        let registered = registry.register(named(NAME), Arc::default(), limit(64, &clock()), || {
            reach(BeforeTheRead);
            let admitted = current.load().admit(&NAME.parse().unwrap(), []).map(drop);
            reach(AfterTheRead);
            admitted
        });
        reach(After);
        watches.into_inner().into_iter().for_each(|watch| watch.join().unwrap());
        let refusal = match &registered {
            Ok(channels) => channels.inbox.withdrawn(),
            Err(refusal) => Some(*refusal),
        };
        assert_eq!(refusal, Some(Refusal::SuspendedDevice), "{published:?}, {rechecked:?}");
    }
}

#[test]
fn a_device_has_a_number_of_sessions_and_the_one_idle_longest_makes_way() {
    let (registry, clock) = (Registry::default(), clock());
    let open = || {
        let info = SessionInfo { id: SessionId::at(clock.now()), ..named(NAME) };
        registry.register(info, Arc::default(), limit(3, &clock), || Ok(()))
    };
    let idle = |session: &Channels| session.set_idle_since(Some(clock.instant()));
    let sessions: Vec<_> = (0..3).map(|_| open().unwrap()).collect();
    idle(&sessions[1]);
    clock.advance(Duration::from_secs(1));
    idle(&sessions[2]);
    clock.advance(IDLE_TIME - Duration::from_secs(2));
    assert_eq!(open().unwrap_err(), Refusal::TooManySessions, "none is idle long enough");
    let _other = list(&registry, named("OTHER"));
    clock.advance(Duration::from_secs(10));
    let _fourth = open().unwrap();
    let withdrawn = || sessions.iter().map(|session| session.inbox.withdrawn()).collect::<Vec<_>>();
    assert_eq!(withdrawn(), [None, Some(Refusal::TooManySessions), None]);
    // An order on its way keeps a session.
    let [device, id] = [NAME, "1"];
    let third = registry.entries().of_device(&device.parse().unwrap()).nth(2).unwrap().info.id;
    let pending = registry.pending_replies().expect(
        &device.parse().unwrap(),
        id.as_bytes(),
        Some(third),
        false,
        Vec::new(),
    );
    assert_eq!(open().unwrap_err(), Refusal::TooManySessions);
    drop(pending);
    let _fifth = open().unwrap();
    assert_eq!(withdrawn()[2], Some(Refusal::TooManySessions));
}

#[tokio::test]
async fn a_device_that_reconnected_is_reached_on_its_newest_session() {
    let registry = Registry::default();
    let clock = clock();
    let old = list(&registry, info(&clock));
    clock.advance(std::time::Duration::from_secs(1));
    let new = list(&registry, info(&clock));
    let device = NAME.parse().unwrap();
    let delivery = Delivery {
        control_id: b"1".to_vec(),
        application: false,
        mode: Vec::new(),
        deadline: Deadline::after(&clock, jiff::SignedDuration::MAX),
        frame: Bytes::from_static(b"frame"),
    };
    let recipient = registry.recipient(&device).unwrap();
    let mut exchange = registry.deliver(&recipient, delivery).unwrap();
    assert_eq!(new.inbox.delivery().await.frame, b"frame"[..]);
    let answer = Acknowledgement { code: Some(AcknowledgementCode::AA), message: MessageId::at(clock.now()) };
    registry.pending_replies().settle(recipient.session, &device, b"1", answer);
    assert_eq!(exchange.answer().await, Some(answer));
    assert!(old.inbox.try_delivery().is_none());
}

/// A device with sessions that were opened a second apart, the oldest first.
struct Pool {
    registry: Registry,
    clock: Clock,
    sessions: Vec<(SessionId, Channels)>,
}

impl Pool {
    fn of(sessions: usize) -> Self {
        let mut pool = Self { registry: Registry::default(), clock: clock(), sessions: Vec::new() };
        (0..sessions).for_each(|_| pool.open());
        pool
    }

    fn open(&mut self) {
        self.clock.advance(Duration::from_secs(1));
        let info = info(&self.clock);
        let (id, now) = (info.id, self.clock.instant());
        let limit = SessionLimit { sessions: 64, now };
        let channels = self.registry.register(info, Arc::default(), limit, || Ok(())).unwrap();
        channels.set_idle_since(Some(now));
        self.sessions.push((id, channels));
    }

    /// Where the next order goes, counted from the oldest session.
    fn next(&self) -> usize {
        let recipient = self.recipient();
        self.sessions.iter().position(|(id, _)| *id == recipient.session).unwrap()
    }

    fn recipient(&self) -> Recipient {
        self.registry.recipient(&NAME.parse().unwrap()).unwrap()
    }

    fn is_heard(&mut self, place: usize) {
        self.clock.advance(Duration::from_secs(1));
        self.sessions[place].1.set_idle_since(Some(self.clock.instant()));
    }
}

#[test]
fn a_session_that_leaves_orders_unanswered_comes_after_the_others() {
    let pool = Pool::of(3);
    let mut order = Vec::new();
    for _ in 0..4 {
        order.push(pool.next());
        pool.registry.left_unanswered(&pool.recipient());
    }
    assert_eq!(order, [2, 1, 0, 2]);
    pool.registry.pending_replies().habits().answered(pool.sessions[0].0);
    assert_eq!(pool.next(), 0, "it has answered an order");
}

#[test]
fn a_session_that_answers_orders_is_preferred_while_the_device_uses_it() {
    let mut pool = Pool::of(1);
    pool.registry.pending_replies().habits().answered(pool.sessions[0].0);
    pool.open();
    assert_eq!(pool.next(), 1, "the device may have reconnected");
    pool.is_heard(0);
    assert_eq!(pool.next(), 0);
    pool.registry.left_unanswered(&pool.recipient());
    assert_eq!(pool.next(), 1);
}

#[test]
fn nothing_is_remembered_of_a_session_that_is_over() {
    let mut pool = Pool::of(2);
    let recipient = pool.recipient();
    let (id, channels) = pool.sessions.pop().unwrap();
    pool.registry.left_unanswered(&recipient);
    assert_eq!(pool.registry.pending_replies().habits().of(id).unanswered, 1);
    drop(channels);
    pool.registry.left_unanswered(&recipient);
    assert_eq!(pool.registry.pending_replies().habits().of(id), Habit::default());
}

#[test]
fn a_session_that_ends_gets_no_order() {
    let mut pool = Pool::of(3);
    assert_eq!(pool.next(), 2);
    pool.sessions[2].1.refuse_deliveries(&NAME.parse().unwrap());
    assert_eq!(pool.next(), 1);
    pool.sessions[1].1.inbox.withdraw(Refusal::TooManySessions);
    assert_eq!(pool.next(), 0);
    pool.sessions.remove(0);
    assert_eq!(pool.registry.recipient(&NAME.parse().unwrap()).unwrap_err(), DeliverError::NotConnected);
}
