//! The platform's sessions and the gateway's windows, joined by connections that lose bytes.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio_util::codec::Decoder as _;

use super::fixtures::{Job, LIMIT, LIMITS};
use super::steps::{Asks, Fate, Step};
use crate::gateway::orders::{Last, OrderReply};
use crate::gateway::passed::Passed;
use crate::gateway::window::{Done, Effect, Expired, Outcomes, PROOF_AFTER, Run as _, Window};
use crate::hl7::{AcknowledgeAs, AcknowledgementCode, Message};
use crate::interface_a::Exchange;
use crate::interface_a::counterpart::{Counterpart, PlatformOrders};
use crate::interface_b::Answer;
use crate::mllp::{CR, Codec, FS, Received, VT};
use crate::model::{Clock, MessageId};
use crate::store::{ForwardOutcome, MessageRecord, RecordOutcome, StoreError, WaitingForward};

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
pub(super) struct Stored(pub(super) Vec<(MessageRecord, Bytes)>);

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

pub(super) struct World {
    clock: Clock,
    /// Every message of a lane.
    pub(super) sent: Vec<Vec<WaitingForward>>,
    settled: HashMap<MessageId, ForwardOutcome>,
    /// Messages whose application acknowledgement came when they were settled.
    late: HashSet<MessageId>,
    free: Rc<RefCell<HashSet<usize>>>,
    connections: Vec<Option<Connection>>,
    pub(super) stored: Stored,
    /// Messages that the platform could not store when they came.
    pub(super) failed: Vec<Bytes>,
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
    pub(super) fn new(lanes: &[Vec<Asks>]) -> Self {
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

    pub(super) fn step(&mut self, step: &Step) {
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
            let finishes = finishes.map(Last::of_device);
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
    pub(super) fn finish(&mut self) {
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

const CONNECTIONS: usize = 2;
const NAME: &str = "00A037FFFE000001";
