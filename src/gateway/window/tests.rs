//! Both interfaces joined: the platform's sessions, and the gateway's windows on its connections. In any
//! order messages of devices are sent, stored and acknowledged, orders are sent and answered, and connections
//! are lost. Nothing is lost, repeated, or acknowledged for another (B.1, B17).
//!
//! `PCD_TEST_MODEL_CASES=100000 cargo test --all-features --lib gateway::window` is the long run.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use proptest::prelude::*;
use tokio::sync::mpsc;
use tokio_util::codec::Decoder as _;

use super::super::orders::{Last, OrderReply};
use super::super::passed::Passed;
use super::*;
use crate::hl7::{AcknowledgementCode, Message};
use crate::interface_a::Exchange;
use crate::interface_a::counterpart::{Counterpart, PlatformOrders};
use crate::mllp::{CR, Codec, FS, Received, VT};
use crate::model::Clock;
use crate::store::{MessageRecord, RecordOutcome, StoreError};

const LANES: usize = 3;
const CONNECTIONS: usize = 2;
const NAME: &str = "00A037FFFE000001";
const LIMIT: Duration = Duration::from_secs(30);
const LIMITS: Limits = Limits { answer: LIMIT, result: LIMIT };

#[derive(Debug, Clone)]
enum Step {
    /// A connection takes a lane.
    Take(u8, u8),
    /// Bytes reach the platform, or the gateway: so many.
    Up(u8, u8),
    Down(u8, u8),
    Store(u8, Fate),
    /// The connection is lost; of what the platform has, so many messages are stored.
    Cut(u8, u8),
    /// The gateway closes the connection to have a proof.
    Close(u8),
    /// It does, and the platform, which has read so many bytes, ends the connection by itself.
    Shutdown(u8, u8, Fate),
    /// What was accepted, and not answered for long, is given up.
    Late(u8),
    /// The platform sends an order.
    Order(u8),
    /// The gateway sends an answer to an order.
    Reply(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stored,
    Failed,
    /// It is stored, and the platform does not know.
    Unknown,
}

/// MSH-10, MSH-15, MSH-16.
type Asks = (u8, &'static str, &'static str);

fn asks() -> impl Strategy<Value = Asks> {
    let modes =
        vec![("AL", "NE"), ("AL", "AL"), ("NE", "AL"), ("", ""), ("NE", "NE"), ("ER", "NE"), ("SU", "NE")];
    // Few control ids, so that many are the same.
    (0_u8..3, prop::sample::select(modes)).prop_map(|(id, (accept, application))| (id, accept, application))
}

fn step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![6 => Just(Fate::Stored), 1 => Just(Fate::Failed), 1 => Just(Fate::Unknown)];
    let one = any::<u8>;
    prop_oneof![
        6 => (one(), one()).prop_map(|(lane, on)| Step::Take(lane, on)),
        6 => (one(), one()).prop_map(|(on, part)| Step::Up(on, part)),
        6 => (one(), one()).prop_map(|(on, part)| Step::Down(on, part)),
        6 => (one(), fate.clone()).prop_map(|(on, fate)| Step::Store(on, fate)),
        1 => (one(), one()).prop_map(|(on, stored)| Step::Cut(on, stored)),
        1 => one().prop_map(Step::Close),
        1 => (one(), one(), fate.clone()).prop_map(|(on, part, fate)| Step::Shutdown(on, part, fate)),
        1 => one().prop_map(Step::Late),
        2 => one().prop_map(Step::Order),
        3 => one().prop_map(Step::Reply),
    ]
}

/// Messages of a lane. Dropped, it gives the lane back.
#[derive(Debug)]
struct Job {
    lane: usize,
    messages: VecDeque<WaitingForward>,
    alone: HashSet<MessageId>,
    free: Rc<RefCell<HashSet<usize>>>,
}

impl Run for Job {
    fn head(&self) -> Option<&WaitingForward> {
        self.messages.front()
    }

    fn take_head(&mut self) -> Option<WaitingForward> {
        self.messages.pop_front()
    }

    fn goes_alone(&self) -> bool {
        self.messages.front().is_some_and(|head| self.alone.contains(&head.id))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        assert!(self.free.borrow_mut().insert(self.lane), "a lane is worked on once");
    }
}

struct Connection {
    window: Window<Job>,
    passed: Passed,
    platform: Counterpart,
    /// Bytes on their way to the platform.
    up: VecDeque<u8>,
    /// Bytes on their way to the gateway.
    down: VecDeque<u8>,
    codec: Codec,
    read: BytesMut,
}

/// What the platform has stored: the message, and the acknowledgement that it was given.
#[derive(Default)]
struct Stored(Vec<(MessageRecord, Bytes)>);

impl Stored {
    /// Stores a message once, as the store does.
    fn record(&mut self, record: MessageRecord) -> RecordOutcome {
        let is_accepted = record.verdict.rejection().is_none();
        if let Some((first, acknowledgement)) = self.0.iter().find(|(first, _)| first.raw == record.raw)
            && is_accepted
        {
            let (original, acknowledgement) = (first.id, acknowledgement.clone());
            return RecordOutcome::Resend { original, acknowledgement };
        }
        let (id, acknowledgement) = (record.id, record.acknowledgement.clone());
        self.0.push((record, acknowledgement));
        RecordOutcome::Stored(id)
    }

    fn has(&self, raw: &Bytes) -> bool {
        self.0.iter().any(|(record, _)| record.raw == *raw)
    }
}

/// An order of the platform: it is sent again until it was accepted.
struct Order {
    control_id: String,
    exchange: Option<Exchange>,
    heard: Vec<AcknowledgementCode>,
}

struct World {
    clock: Clock,
    /// Every message of a lane.
    sent: Vec<Vec<WaitingForward>>,
    settled: HashMap<MessageId, ForwardOutcome>,
    /// Messages whose application acknowledgement came when they were settled.
    late: HashSet<MessageId>,
    free: Rc<RefCell<HashSet<usize>>>,
    connections: Vec<Option<Connection>>,
    stored: Stored,
    /// Messages that the platform could not store when they came.
    failed: Vec<Bytes>,
    pending: PlatformOrders,
    orders: Vec<Order>,
    /// Orders that the device has got, and its two answers.
    executed: HashMap<String, [Bytes; 2]>,
    replies: (mpsc::Sender<OrderReply>, mpsc::Receiver<OrderReply>),
    finished: HashSet<MessageId>,
    /// Messages that were under way when a connection was lost.
    alone: HashSet<MessageId>,
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&[VT], message, &[FS, CR]].concat()
}

impl World {
    fn new(lanes: &[Vec<Asks>]) -> Self {
        let clock = Clock::manual("2026-01-01T12:00:00Z".parse().unwrap());
        let message = |lane: usize, number: usize, (id, accept, application): &Asks| {
            let raw = format!(
                "MSH|^~\\&|LANE-{lane}||||20260101120000+0000||ORU^R01^ORU_R01|{id}|P|2.6|||{accept}|{application}\r\
                 OBX|1|NM|1^X^MDC|1.0.0.1|{number}||||||R|||||||{NAME}^^{NAME}^EUI-64\r"
            );
            WaitingForward { id: MessageId::at(clock.now()), raw: raw.into() }
        };
        let lane = |(lane, asked): (usize, &Vec<Asks>)| -> Vec<_> {
            asked.iter().enumerate().map(|(number, asks)| message(lane, number, asks)).collect()
        };
        Self {
            sent: lanes.iter().enumerate().map(lane).collect(),
            settled: HashMap::new(),
            late: HashSet::new(),
            free: Rc::new(RefCell::new((0..lanes.len()).collect())),
            connections: (0..CONNECTIONS).map(|_| None).collect(),
            stored: Stored::default(),
            failed: Vec::new(),
            pending: PlatformOrders::default(),
            orders: Vec::new(),
            executed: HashMap::new(),
            replies: mpsc::channel(1000),
            finished: HashSet::new(),
            alone: HashSet::new(),
            clock,
        }
    }

    /// The connection, which is opened if there is none.
    fn on(&mut self, number: u8) -> (usize, &mut Connection) {
        let at = usize::from(number) % CONNECTIONS;
        let (pending, returned) = (&self.pending, &self.replies.0);
        let connection = self.connections[at].get_or_insert_with(|| Connection {
            window: Window::new(),
            passed: Passed::new(returned.clone()),
            platform: Counterpart::new(pending),
            up: VecDeque::new(),
            down: VecDeque::new(),
            codec: Codec::new(1 << 20),
            read: BytesMut::new(),
        });
        (at, connection)
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Take(lane, on) => self.take(usize::from(lane) % self.sent.len(), on),
            Step::Up(on, part) => self.up(on, usize::from(part) * 4),
            Step::Down(on, part) => self.down(on, usize::from(part) * 4),
            Step::Store(on, fate) => self.store(on, fate),
            Step::Cut(on, stored) => self.cut(on, stored.into()),
            Step::Close(on) => self.close(on),
            Step::Shutdown(on, part, fate) => self.shut_down(on, usize::from(part) * 4, fate),
            Step::Late(on) => self.late(on),
            Step::Order(on) => self.order(on),
            Step::Reply(on) => self.reply(on),
        }
        self.hear_orders();
    }

    /// A connection takes what waits in a lane.
    fn take(&mut self, lane: usize, on: u8) {
        if !self.free.borrow_mut().remove(&lane) {
            return;
        }
        let waits = |message: &&WaitingForward| !self.settled.contains_key(&message.id);
        let messages = self.sent[lane].iter().filter(waits).cloned().collect();
        let job = Job { lane, messages, alone: self.alone.clone(), free: Rc::clone(&self.free) };
        self.send(on, job);
    }

    fn send(&mut self, on: u8, job: Job) {
        let now = self.clock.instant();
        let (_, connection) = self.on(on);
        if job.head().is_none() {
            return;
        }
        // A job that comes back is dropped: any connection may take its lane.
        for message in connection.window.send(job, AcknowledgeAs::AsAsked, now).unwrap_or_default() {
            connection.up.extend(framed(&message));
        }
    }

    fn up(&mut self, on: u8, count: usize) {
        let (_, connection) = self.on(on);
        let bytes: Vec<u8> = connection.up.drain(..count.min(connection.up.len())).collect();
        connection.platform.receive(&bytes);
        connection.down.extend(connection.platform.take_sent());
    }

    fn store(&mut self, on: u8, fate: Fate) {
        let (at, connection) = self.on(on);
        let Some(record) = connection.platform.storing().into_iter().next() else { return };
        // What asks for no acknowledgement, and is not stored, is lost: its sender accepts that. What asks
        // for one of refusals is refused.
        let has_mode = |mode: &str| record.raw.windows(4).any(|part| part == format!("|{mode}|").as_bytes());
        let is_silent = record.acknowledgement.is_empty();
        let fate = match fate {
            Fate::Failed if has_mode("ER") => Fate::Failed,
            _ if is_silent => Fate::Stored,
            fate => fate,
        };
        if fate == Fate::Failed {
            self.failed.push(record.raw.clone());
        }
        let outcome = match fate {
            Fate::Stored => Ok(self.stored.record(record)),
            Fate::Failed => Err(StoreError::Closed),
            Fate::Unknown => {
                self.stored.record(record);
                Err(StoreError::Closed)
            }
        };
        let connection = self.connections[at].as_mut().unwrap();
        connection.platform.stored(outcome);
        connection.down.extend(connection.platform.take_sent());
    }

    fn down(&mut self, on: u8, count: usize) {
        let (_, connection) = self.on(on);
        let bytes: Vec<u8> = connection.down.drain(..count.min(connection.down.len())).collect();
        connection.read.extend_from_slice(&bytes);
        for payload in self.frames(on) {
            self.incoming(on, payload);
        }
    }

    fn frames(&mut self, on: u8) -> Vec<Bytes> {
        let (_, connection) = self.on(on);
        let mut frames = Vec::new();
        while let Some(received) = connection.codec.decode(&mut connection.read).unwrap() {
            let Received::Frame(frame) = received else { panic!("{received:?}") };
            frames.push(frame.payload);
        }
        frames
    }

    fn incoming(&mut self, on: u8, payload: Bytes) {
        let is_message = Message::parse(&payload).unwrap().acknowledgement().is_none();
        if is_message {
            return self.execute(&payload);
        }
        let answer = Answer::read(payload).unwrap().unwrap();
        let (at, connection) = self.on(on);
        match connection.window.hear(&answer) {
            Effect::Unexpected | Effect::Nothing => {}
            Effect::Settled(settled, number) => self.settled(at, settled, number),
            Effect::Result(id, outcome) => {
                assert!(
                    self.settled.contains_key(&id) && self.late.insert(id),
                    "a result of a settled message"
                );
                self.check(id, &outcome);
            }
        }
    }

    fn settled(&mut self, at: usize, settled: Vec<Done<Job>>, number: u64) {
        for Done { job, outcomes, is_postponed, .. } in settled {
            self.record(outcomes);
            if !is_postponed {
                self.send(u8::try_from(at).unwrap(), job);
            }
        }
        let connection = self.connections[at].as_mut().unwrap();
        self.finished.extend(connection.passed.proved_by(number).into_iter().map(|last| last.order));
    }

    /// What the gateway believes of its messages has to be true.
    fn record(&mut self, outcomes: Outcomes) {
        for (id, outcome) in outcomes {
            self.check(id, &outcome);
            assert!(self.settled.insert(id, outcome).is_none(), "settled once");
        }
    }

    fn check(&self, id: MessageId, outcome: &ForwardOutcome) {
        let of = |(lane, all): (usize, &Vec<WaitingForward>)| {
            Some((lane, all.iter().find(|message| message.id == id)?.raw.clone()))
        };
        let (lane, raw) = self.sent.iter().enumerate().find_map(of).unwrap();
        assert!(self.stored.has(&raw), "settled, and the platform does not have it");
        assert!(outcome.is_accepted, "{}", outcome.code);
        if let Some(answer) = &outcome.answer {
            let answer = Message::parse(answer).unwrap();
            let receiver = answer.header().receiving_application();
            assert_eq!(receiver.component(1).raw(), format!("LANE-{lane}").as_bytes(), "another's answer");
        }
    }

    fn cut(&mut self, on: u8, stored: usize) {
        let at = usize::from(on) % CONNECTIONS;
        self.hear_orders();
        let Some(connection) = self.connections[at].take() else { return };
        let Connection { window, platform, .. } = connection;
        for (_, unknown) in window.lose() {
            self.alone.extend(unknown);
        }
        for record in platform.storing().into_iter().take(stored) {
            self.stored.record(record);
        }
        platform.end();
    }

    /// Everything that was sent arrives, and the platform answers close_notify.
    fn close(&mut self, on: u8) {
        let at = usize::from(on) % CONNECTIONS;
        if self.connections[at].is_none() {
            return;
        }
        self.up(on, usize::MAX);
        self.on(on).1.platform.peer_closed();
        while !self.on(on).1.platform.storing().is_empty() {
            self.store(on, Fate::Stored);
        }
        self.end(on);
    }

    /// The platform ends the connection by itself, after it has read so many bytes. With close_notify only if
    /// it has taken everything.
    fn shut_down(&mut self, on: u8, read: usize, fate: Fate) {
        let at = usize::from(on) % CONNECTIONS;
        if self.connections[at].is_none() {
            return;
        }
        self.up(on, read);
        self.on(on).1.platform.withdraw();
        while let Some(record) = self.on(on).1.platform.storing().into_iter().next() {
            if fate == Fate::Failed {
                self.failed.push(record.raw);
                self.on(on).1.platform.stored(Err(StoreError::Closed));
            } else {
                self.store(on, fate);
            }
        }
        let (_, connection) = self.on(on);
        if connection.up.is_empty() && connection.platform.has_taken_all() {
            self.end(on);
        } else {
            self.cut(on, 0);
        }
    }

    /// The connection ends with the platform's close_notify, and the gateway hears what came before.
    fn end(&mut self, on: u8) {
        self.hear_orders();
        let (at, connection) = self.on(on);
        connection.down.extend(connection.platform.take_sent());
        let bytes: Vec<u8> = connection.down.drain(..).collect();
        connection.read.extend_from_slice(&bytes);
        let frames = self.frames(on);
        // An order that comes now is not taken.
        let answers: Vec<_> = frames.into_iter().filter_map(|frame| Answer::read(frame).unwrap()).collect();
        let Connection { mut window, mut passed, platform, .. } = self.connections[at].take().unwrap();
        self.clock.advance(PROOF_AFTER);
        let now = self.clock.instant();
        self.finished.extend(passed.proved_by_end(now).into_iter().map(|last| last.order));
        answers.iter().for_each(|answer| drop(window.hear_last(answer)));
        for Done { outcomes, .. } in window.finish(now, LIMITS) {
            self.record(outcomes);
        }
        platform.end();
    }

    /// As an uplink does it: what was accepted is settled, and its answer may still come. Where the platform
    /// has skipped a message the connection is closed, and otherwise it is given up.
    fn late(&mut self, on: u8) {
        self.clock.advance(LIMIT);
        let now = self.clock.instant();
        let (at, connection) = self.on(on);
        let Expired { effects, is_skipped, late, .. } = connection.window.expire(now, LIMITS);
        for effect in effects {
            let Effect::Settled(settled, number) = effect else { panic!("{effect:?}") };
            self.settled(at, settled, number);
        }
        if late.is_some() {
            self.cut(on, 0);
        } else if is_skipped {
            self.close(on);
        }
    }

    fn order(&mut self, on: u8) {
        let control_id = format!("ORDER-{}", self.orders.len());
        self.orders.push(Order { control_id, exchange: None, heard: Vec::new() });
        self.send_order(on, self.orders.len() - 1);
    }

    fn send_order(&mut self, on: u8, order: usize) {
        let control_id = self.orders[order].control_id.clone();
        let message = format!(
            "MSH|^~\\&|PLATFORM||X^{NAME}^EUI-64||20260101120000+0000||RGV^O15^RGV_O15|{control_id}|P|2.6|||AL|AL\r"
        );
        let (_, connection) = self.on(on);
        let exchange = connection.platform.order(&control_id, &message);
        connection.down.extend(connection.platform.take_sent());
        self.orders[order].exchange = exchange;
    }

    /// The platform hears what came of its orders; one that is in doubt may be sent again.
    fn hear_orders(&mut self) {
        let connections = self.connections.iter_mut().flatten();
        let unawaited: Vec<_> =
            connections.flat_map(|connection| connection.platform.take_unawaited()).collect();
        for (control_id, code) in unawaited {
            let order = self.orders.iter_mut().find(|order| order.control_id == control_id).unwrap();
            order.heard.push(code.unwrap());
        }
        for order in &mut self.orders {
            let Some(exchange) = &mut order.exchange else { continue };
            while let Some(answer) = exchange.answer().now_or_never() {
                let Some(answer) = answer else {
                    order.exchange = None;
                    break;
                };
                order.heard.push(answer.code.unwrap());
            }
        }
    }

    /// The gateway takes an order: its device gets it once, and answers it twice.
    fn execute(&mut self, payload: &Bytes) {
        let message = Message::parse(payload).unwrap();
        let id = String::from_utf8(message.header().control_id().raw().to_vec()).unwrap();
        let answer = |kind: &str, code: &str| -> Bytes {
            let text = format!(
                "MSH|^~\\&|X^{NAME}^EUI-64||||20260101120000+0000||{kind}|{code}-{id}|P|2.6\rMSA|{code}|{id}\r"
            );
            text.into()
        };
        let both = [answer("ACK", "CA"), answer("RRG^O16", "AA")];
        let answers = self.executed.entry(id).or_insert(both);
        let order = MessageId::at(self.clock.now());
        let [accepted, result] = answers.clone();
        for (raw, finishes) in [(accepted, None), (result, Some(order))] {
            let finishes = finishes.map(|order| Last { order, answer: order });
            self.replies.0.try_send(OrderReply { raw, finishes, is_closed: false }).unwrap();
        }
    }

    fn reply(&mut self, on: u8) {
        let Ok(reply) = self.replies.1.try_recv() else { return };
        let now = self.clock.instant();
        let (_, connection) = self.on(on);
        connection.up.extend(framed(&reply.raw));
        let after = connection.window.sent();
        connection.passed.add(reply, after, now);
    }

    fn is_done(&self) -> bool {
        let messages: usize = self.sent.iter().map(Vec::len).sum();
        let is_over = |order: &Order| order.heard.contains(&AcknowledgementCode::AA);
        self.settled.len() == messages && self.orders.iter().all(is_over)
    }

    /// Nothing fails any more, and everything comes to its end.
    fn finish(&mut self) {
        for round in 0_u8..200 {
            if self.is_done() {
                break;
            }
            for lane in 0..self.sent.len() {
                self.take(lane, round);
            }
            for on in 0..2 {
                self.reply(on);
                self.up(on, usize::MAX);
                while !self.on(on).1.platform.storing().is_empty() {
                    self.store(on, Fate::Stored);
                }
                self.down(on, usize::MAX);
                self.hear_orders();
                for order in 0..self.orders.len() {
                    let Order { exchange, heard, control_id } = &self.orders[order];
                    if exchange.is_none() && heard.is_empty() && !self.pending.expects(control_id) {
                        self.send_order(on, order);
                    }
                }
                // What asks for no acknowledgement, and waits for another of its control id, needs a proof.
                if round % 4 == 3 {
                    self.close(on);
                }
            }
        }
        assert!(self.is_done(), "{} messages, {} orders", self.settled.len(), self.orders.len());
    }
}

fn run(lanes: &[Vec<Asks>], steps: &[Step]) {
    let mut world = World::new(lanes);
    steps.iter().for_each(|step| world.step(step));
    world.finish();
    let kept: Vec<&Bytes> = world
        .stored
        .0
        .iter()
        .filter(|(record, _)| record.raw.starts_with(b"MSH|^~\\&|LANE"))
        .map(|(record, _)| &record.raw)
        .collect();
    for lane in &world.sent {
        let place = |message: &WaitingForward| {
            let places: Vec<_> = (0..kept.len()).filter(|at| *kept[*at] == message.raw).collect();
            assert_eq!(places.len(), 1, "stored once");
            // Messages that ask for no acknowledgement of success follow one another without waiting.
            (!world.failed.contains(&message.raw)).then_some(places[0])
        };
        let places: Vec<_> = lane.iter().filter_map(place).collect();
        assert!(places.is_sorted(), "in the order of the lane");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PCD_TEST_MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256)
    ))]

    #[test]
    fn no_order_of_events_loses_repeats_or_acknowledges_for_another(
        lanes in prop::collection::vec(prop::collection::vec(asks(), 0..5), LANES),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        run(&lanes, &steps);
    }
}

fn one_job(number: usize, kind: &str, control_id: &str, modes: &str) -> Job {
    let raw =
        format!("MSH|^~\\&|LANE-{number}||||20260101120000+0000||{kind}|{control_id}|P|2.6|||{modes}\r");
    let message = WaitingForward { id: MessageId::at(Clock::system().now()), raw: raw.into() };
    Job { lane: number, messages: [message].into(), alone: HashSet::new(), free: Rc::default() }
}

fn answer_to(control_id: &str, code: &str) -> Answer {
    let raw = format!("MSH|^~\\&|B||A||20260101||ACK|1|P|2.6\rMSA|{code}|{control_id}\r");
    Answer::read(raw.into()).unwrap().unwrap()
}

fn sent_by(window: &mut Window<Job>, job: Job) -> usize {
    window.send(job, AcknowledgeAs::AsAsked, Clock::system().instant()).map_or(0, |sent| sent.len())
}

// HL7 2.6 ch. 2, 2.9.3: a platform that does not know IHE PCD answers an alarm twice, if MSH-16 asks for it.
#[test]
fn a_second_answer_to_an_alarm_is_not_taken_for_that_of_another_message() {
    let mut window = Window::new();
    assert_eq!(sent_by(&mut window, one_job(1, "ORU^R40^ORU_R40", "7", "AL|AL")), 1);
    assert!(matches!(window.hear(&answer_to("7", "CA")), Effect::Settled(..)));
    assert_eq!(sent_by(&mut window, one_job(2, "ORU^R01^ORU_R01", "7", "AL|NE")), 0);
    assert!(window.is_over(), "a new connection takes it");
    assert!(matches!(window.hear(&answer_to("7", "AA")), Effect::Result(_, outcome) if outcome.is_accepted));
    assert!(matches!(window.hear(&answer_to("7", "AA")), Effect::Unexpected), "it has come");
}

// An application acknowledgement that comes after its time is of the message that it names, and counts.
#[test]
fn a_result_that_is_late_counts_and_costs_no_connection() {
    let mut window = Window::new();
    let limits = Limits { answer: LIMIT, result: Duration::from_secs(1) };
    sent_by(&mut window, one_job(1, "ORU^R01^ORU_R01", "1", "AL|AL"));
    let after = |seconds| Clock::system().instant() + Duration::from_secs(seconds);
    assert!(window.expire(after(2), limits).effects.is_empty(), "it has the time of an answer");
    assert!(window.oldest_awaited().is_some());
    assert!(matches!(window.hear(&answer_to("1", "CA")), Effect::Nothing));
    assert_eq!(window.oldest_awaited(), None, "the platform has it");
    assert!(window.deadline(limits, None).unwrap() <= after(1));
    let Expired { effects, missing, is_skipped, late } = window.expire(after(2), limits);
    assert_eq!(late, None);
    let [Effect::Settled(done, _)] = &effects[..] else { panic!("{effects:?}") };
    assert!(done[0].outcomes[0].1.is_accepted && !done[0].has_result && missing.len() == 1 && !is_skipped);
    // Others go on meanwhile, and the same MSH-10 on another connection.
    assert_eq!(sent_by(&mut window, one_job(1, "ORU^R01^ORU_R01", "2", "AL|AL")), 1);
    window.hear(&answer_to("2", "CA"));
    let Effect::Result(id, outcome) = window.hear(&answer_to("1", "AE")) else { panic!() };
    assert_eq!((id, &*outcome.code, outcome.is_accepted), (missing[0], "AE", false));
    assert!(outcome.answer.is_some(), "its device asked for it");
    assert!(matches!(window.hear(&answer_to("1", "AE")), Effect::Unexpected));
    let Effect::Settled(done, _) = window.hear(&answer_to("2", "AA")) else { panic!() };
    assert!(done[0].has_result);
    assert_eq!(sent_by(&mut window, one_job(2, "ORU^R01^ORU_R01", "1", "AL|NE")), 0);
    assert!(window.is_spent());
}

// To send it again would repeat it, for a platform that does not recognise a resend.
#[test]
fn what_was_accepted_is_recorded_also_where_another_message_ends_the_connection() {
    let mut window = Window::new();
    sent_by(&mut window, one_job(1, "ORU^R01^ORU_R01", "1", "AL|AL"));
    sent_by(&mut window, one_job(2, "ORU^R01^ORU_R01", "2", "AL|AL"));
    assert!(matches!(window.hear(&answer_to("1", "CA")), Effect::Nothing));
    let Expired { effects, missing, late, .. } = window.expire(Clock::system().instant() + LIMIT, LIMITS);
    let [Effect::Settled(done, _)] = &effects[..] else { panic!("{effects:?}") };
    assert!(done[0].outcomes[0].1.is_accepted && missing.len() == 1);
    assert!(matches!(late, Some(Late(Some(_)))), "nothing is known of the other one");
}

#[test]
fn a_second_answer_counts_also_while_the_connection_is_closed() {
    let mut window = Window::new();
    sent_by(&mut window, one_job(1, "ORU^R40^ORU_R40", "7", "AL|AL"));
    assert!(matches!(window.hear(&answer_to("7", "CA")), Effect::Settled(..)));
    let (_, outcome) = window.hear_last(&answer_to("7", "AE")).expect("it is about the alarm");
    assert_eq!((&*outcome.code, outcome.is_accepted), ("AE", false));
    assert!(window.hear_last(&answer_to("7", "AE")).is_none(), "it has come");
}

#[test]
fn a_message_that_the_platform_skips_is_no_fault_of_the_connection() {
    let mut window = Window::new();
    sent_by(&mut window, one_job(1, "ORU^R01^ORU_R01", "1", "AL|NE"));
    sent_by(&mut window, one_job(2, "ORU^R01^ORU_R01", "2", "AL|NE"));
    let later = || Clock::system().instant() + LIMIT;
    assert!(matches!(window.expire(later(), LIMITS).late, Some(Late(Some(_)))), "nothing is known");
    assert!(matches!(window.hear(&answer_to("2", "CA")), Effect::Settled(..)));
    let Expired { effects, is_skipped, .. } = window.expire(later(), LIMITS);
    let [Effect::Settled(done, _)] = &effects[..] else { panic!("{effects:?}") };
    assert!(is_skipped);
    assert!(done[0].unanswered.len() == 1 && done[0].outcomes.is_empty() && done[0].is_postponed);
}

#[test]
fn a_clean_end_shows_that_a_late_message_was_skipped() {
    for (after, unanswered) in [(LIMIT, 1), (Duration::ZERO, 0)] {
        let mut window = Window::new();
        sent_by(&mut window, one_job(1, "ORU^R01^ORU_R01", "1", "AL|NE"));
        let done = window.finish(Clock::system().instant() + after, LIMITS);
        assert_eq!((done[0].unanswered.len(), done[0].outcomes.len()), (unanswered, 0));
    }
    // Also where the time for an answer is shorter than that for a proof.
    let (limit, began) = (PROOF_AFTER / 2, Clock::system().instant());
    let mut window = Window::new();
    window.send(one_job(1, "ORU^R01^ORU_R01", "1", "AL|NE"), AcknowledgeAs::AsAsked, began).unwrap();
    let done = window.finish(began + limit, Limits { answer: limit, result: limit });
    assert_eq!((done[0].unanswered.len(), done[0].outcomes.len()), (1, 0));
}

// The platform may have closed the connection by itself while the last messages were on their way.
#[test]
fn a_clean_end_proves_nothing_of_what_was_sent_just_now() {
    for (after, settled) in [(PROOF_AFTER, 1), (PROOF_AFTER - Duration::from_millis(1), 0)] {
        let began = Clock::system().instant();
        let mut window = Window::new();
        let job = one_job(1, "ORU^R01^ORU_R01", "1", "NE|NE");
        assert_eq!(window.send(job, AcknowledgeAs::AsAsked, began).unwrap().len(), 1);
        let done = window.finish(began + after, LIMITS);
        assert_eq!((done[0].outcomes.len(), done[0].is_postponed), (settled, settled == 0));
        let (returned, mut again) = mpsc::channel(1);
        let mut passed = Passed::new(returned);
        let order = MessageId::at(Clock::system().now());
        let finishes = Some(Last { order, answer: order });
        passed.add(OrderReply { raw: Bytes::new(), finishes, is_closed: false }, 0, began);
        assert_eq!(passed.proved_by_end(began + after).len(), settled);
        drop(passed);
        assert_eq!(again.try_recv().is_ok(), settled == 0, "the next connection sends it again");
    }
}
