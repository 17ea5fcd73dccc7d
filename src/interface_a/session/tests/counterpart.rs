//! The platform's end of a connection, for the tests of other modules: bytes go in, bytes come out, and the
//! test decides what the store does.

use super::*;

/// The platform's end of a connection of [`NAME`].
pub(crate) struct Counterpart {
    bench: Bench,
}

/// The orders of a platform that wait for answers; its sessions share them.
#[derive(Default)]
pub(crate) struct PlatformOrders(PendingReplies);

impl PlatformOrders {
    /// Whether this order waits for an answer.
    pub(crate) fn expects(&self, control_id: &str) -> bool {
        self.0.expects(&NAME.parse().unwrap(), control_id.as_bytes())
    }
}

impl Counterpart {
    pub(crate) fn new(orders: &PlatformOrders) -> Self {
        let limits = Limits { max_violations: u32::MAX, ..LIMITS };
        let mut config = limits.applied_to(config());
        config.devices.messages_per_second = u32::MAX;
        Self { bench: Bench::with_config(handle(config), orders.0.clone()) }
    }

    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.bench.receive(bytes);
    }

    /// The client has sent close_notify.
    pub(crate) fn peer_closed(&mut self) {
        self.bench.then(Session::peer_closed);
    }

    /// The platform ends the connection.
    pub(crate) fn withdraw(&mut self) {
        self.bench.then(|session, _| session.withdraw(Refusal::SuspendedDevice));
    }

    /// Whether everything that was read is durable, or was refused by an answer.
    pub(crate) fn has_taken_all(&self) -> bool {
        self.bench.session.has_taken_all()
    }

    /// What is being stored, in the order of arrival.
    pub(crate) fn storing(&self) -> Vec<MessageRecord> {
        self.bench.storing.iter().map(|(_, record)| (**record).clone()).collect()
    }

    /// The store has answered for the oldest of them.
    pub(crate) fn stored(&mut self, outcome: Result<RecordOutcome, StoreError>) {
        self.bench.answered(0, outcome);
    }

    /// Takes what was written since the last call.
    pub(crate) fn take_sent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bench.sent)
    }

    /// Sends an order on this connection; it asks for both acknowledgements.
    pub(crate) fn order(&mut self, control_id: &str, message: &str) -> Option<Exchange> {
        let (device, id) = (NAME.parse().unwrap(), control_id.as_bytes().to_vec());
        let session = Some(self.bench.session.id);
        let exchange = self.bench.pending_replies.expect(&device, &id, session, true, b"P".to_vec())?;
        let far = jiff::SignedDuration::from_hours(1);
        let deadline = Deadline::after(&self.bench.clock, far);
        let outgoing =
            Outgoing { control_id: id, exchange: exchange.id(), deadline, frame: framed(message).into() };
        self.bench.then(|session, now| session.deliver(outgoing, now));
        Some(exchange)
    }

    /// Acknowledgements of orders that no session waited for: MSA-2 and MSA-1.
    pub(crate) fn take_unawaited(&mut self) -> Vec<(String, Option<AcknowledgementCode>)> {
        let answers = self.bench.passed_on.drain(..);
        answers.map(|answer| (answer.control_id, answer.acknowledgement.code)).collect()
    }

    /// The connection is over.
    pub(crate) fn end(self) {
        self.bench.pending_replies.abandon(self.bench.session.id);
    }
}
