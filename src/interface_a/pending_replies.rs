//! Messages to devices that wait for their acknowledgement.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::acknowledgement::Acknowledgement;
use super::order_habits::OrderHabits;
use super::unawaited::Unawaited;

use crate::hl7::AcknowledgementCode;
use crate::model::{DeviceId, SessionId};

/// The pending messages by device and MSH-10. MSA-2 alone names the message that is acknowledged (IHE PCD TF
/// vol. 2, B.1), so a device may answer on any of its sessions. Clones share the state.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingReplies {
    waiting: Arc<Mutex<HashMap<Key, Waiting>>>,
    exchanges: Arc<AtomicU64>,
    unawaited: Unawaited,
    habits: OrderHabits,
}

type Key = (DeviceId, Vec<u8>);

/// Names one exchange among all of the process: MSH-10 may be used again when an order is withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExchangeId(u64);

#[derive(Debug)]
struct Waiting {
    exchange: ExchangeId,
    /// The session on which the message was sent. When it ends, delivery is in doubt and the wait ends.
    /// `None` once the device has accepted the message.
    session: Option<SessionId>,
    /// Whether the application acknowledgement follows an accept acknowledgement.
    application: bool,
    /// MSH-11.1 of the message, which that of its answer has to be.
    mode: Vec<u8>,
    answers: mpsc::UnboundedSender<Acknowledgement>,
}

/// A message of ours whose acknowledgements are awaited for as long as this value lives.
#[derive(Debug)]
pub struct Exchange {
    pending_replies: PendingReplies,
    key: Key,
    id: ExchangeId,
    answers: mpsc::UnboundedReceiver<Acknowledgement>,
}

impl Exchange {
    /// Its name.
    pub(super) const fn id(&self) -> ExchangeId {
        self.id
    }

    /// The next acknowledgement: a `CA` if the message asks for both, then the final one. `None` when the
    /// session ended before the device answered.
    pub async fn answer(&mut self) -> Option<Acknowledgement> {
        self.answers.recv().await
    }
}

impl PendingReplies {
    /// Registers a message that is sent on this session, or that the device has already accepted (no
    /// session). `None` when a message with the same MSH-10 is pending. `application`: an application
    /// acknowledgement follows CA.
    pub(super) fn expect(
        &self,
        device: &DeviceId,
        control_id: &[u8],
        session: Option<SessionId>,
        application: bool,
        mode: Vec<u8>,
    ) -> Option<Exchange> {
        let key = (device.clone(), control_id.to_vec());
        let mut waiting = self.lock();
        if waiting.contains_key(&key) {
            return None;
        }
        let (answer, answers) = mpsc::unbounded_channel();
        let exchange = ExchangeId(self.exchanges.fetch_add(1, Ordering::Relaxed));
        waiting.insert(key.clone(), Waiting { exchange, session, application, mode, answers: answer });
        Some(Exchange { pending_replies: self.clone(), key, id: exchange, answers })
    }

    /// Whether the message of this exchange, with this MSH-10, waits for the device's acknowledgement.
    pub(super) fn awaits(&self, device: &DeviceId, control_id: &[u8], exchange: ExchangeId) -> bool {
        let all = self.lock();
        let waiting = all.get(&(device.clone(), control_id.to_vec()));
        waiting.is_some_and(|waiting| waiting.exchange == exchange)
    }

    /// MSH-11.1 of the message with this MSH-10 that waits for the device's acknowledgement, if one does.
    pub(super) fn mode_of(&self, device: &DeviceId, control_id: &[u8]) -> Option<Vec<u8>> {
        self.lock().get(&(device.clone(), control_id.to_vec())).map(|waiting| waiting.mode.clone())
    }

    /// Whether a message that was sent on this session waits for its acknowledgement.
    pub(super) fn expects_on(&self, session: SessionId) -> bool {
        self.lock().values().any(|waiting| waiting.session == Some(session))
    }

    /// Where acknowledgements go that no message of this node waits for.
    pub(super) const fn unawaited(&self) -> &Unawaited {
        &self.unawaited
    }

    /// Which sessions take orders.
    pub(super) const fn habits(&self) -> &OrderHabits {
        &self.habits
    }

    /// Passes on an acknowledgement that came on this session of the device. The final one ends the exchange,
    /// so that it counts once. Whether a message waited for it.
    pub(super) fn settle(
        &self,
        session: SessionId,
        device: &DeviceId,
        control_id: &[u8],
        acknowledgement: Acknowledgement,
    ) -> bool {
        let key = (device.clone(), control_id.to_vec());
        let mut all = self.lock();
        let Some(waiting) = all.get_mut(&key) else {
            self.habits.answered(session);
            return false;
        };
        // The device may answer on any session; what counts is where it took the message.
        if let Some(taken_on) = waiting.session {
            self.habits.answered(taken_on);
        }
        if waiting.answers.send(acknowledgement).is_err() {
            // The exchange has ended: nothing waits for it any more.
            all.remove(&key);
            return false;
        }
        if waiting.application && acknowledgement.code == Some(AcknowledgementCode::CA) {
            // The device has the message, even if the session ends.
            waiting.session = None;
        } else {
            all.remove(&key);
        }
        true
    }

    /// Ends the exchange of a message that was to be sent on a session, and was not.
    pub(super) fn give_back(&self, device: &DeviceId, control_id: &[u8], exchange: ExchangeId) {
        let key = (device.clone(), control_id.to_vec());
        let mut all = self.lock();
        if all.get(&key).is_some_and(|waiting| waiting.exchange == exchange) {
            all.remove(&key);
        }
    }

    /// Ends the exchanges of a session that is over: delivery of their messages is in doubt.
    pub(super) fn abandon(&self, session: SessionId) {
        self.lock().retain(|_, waiting| waiting.session != Some(session));
        self.habits.forget(session);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exchange {
    /// Ends the wait: what comes later is awaited by nothing. Returns what has come and was not heard.
    pub fn end(&mut self) -> Option<Acknowledgement> {
        self.leave();
        self.answers.try_recv().ok()
    }

    fn leave(&mut self) {
        let mut all = self.pending_replies.lock();
        // A message with this MSH-10 may have been sent again meanwhile: the wait for that one goes on.
        self.answers.close();
        if all.get(&self.key).is_some_and(|waiting| waiting.answers.is_closed()) {
            all.remove(&self.key);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
impl PendingReplies {
    /// Whether a message with this MSH-10 waits for the device's acknowledgement.
    pub(super) fn expects(&self, device: &DeviceId, control_id: &[u8]) -> bool {
        self.lock().contains_key(&(device.clone(), control_id.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{NAME, clock};
    use super::*;
    use crate::model::MessageId;

    fn answer(code: AcknowledgementCode) -> Acknowledgement {
        Acknowledgement { code: Some(code), message: MessageId::at(clock().now()) }
    }

    fn somewhere() -> SessionId {
        SessionId::at(clock().now())
    }

    #[test]
    fn an_answer_at_the_end_of_the_wait_is_heard_and_a_later_one_is_awaited_by_nothing() {
        let pending_replies = PendingReplies::default();
        let device: DeviceId = NAME.parse().unwrap();
        let session = somewhere();
        let mut exchange = pending_replies.expect(&device, b"7", Some(session), false, Vec::new()).unwrap();
        let first = answer(AcknowledgementCode::AA);
        assert!(pending_replies.settle(session, &device, b"7", first));
        assert_eq!(exchange.end(), Some(first));
        let mut exchange = pending_replies.expect(&device, b"7", Some(session), false, Vec::new()).unwrap();
        assert_eq!(exchange.end(), None);
        assert!(!pending_replies.settle(session, &device, b"7", answer(AcknowledgementCode::AA)));
    }

    #[test]
    fn an_acknowledgement_counts_once_and_for_its_device_only() {
        let (pending_replies, session) = (PendingReplies::default(), Some(SessionId::at(clock().now())));
        let (device, other): (DeviceId, DeviceId) = (NAME.parse().unwrap(), "OTHER".parse().unwrap());
        let mut exchange = pending_replies.expect(&device, b"1", session, false, b"P".to_vec()).unwrap();
        assert!(
            pending_replies.expect(&device, b"1", session, false, b"P".to_vec()).is_none(),
            "one with this control id is pending"
        );
        assert!(pending_replies.expects(&device, b"1") && !pending_replies.expects(&other, b"1"));
        let [taken, refused] = [AcknowledgementCode::CA, AcknowledgementCode::CE].map(answer);
        assert!(!pending_replies.settle(somewhere(), &other, b"1", refused));
        assert!(pending_replies.settle(somewhere(), &device, b"1", taken));
        assert!(!pending_replies.settle(somewhere(), &device, b"1", refused));
        assert_eq!(exchange.answers.try_recv(), Ok(taken));
        assert!(exchange.answers.try_recv().is_err());
        assert!(!pending_replies.expects(&device, b"1"));
    }

    // HL7 2.6 ch. 2, 2.9.3: enhanced mode
    #[test]
    fn an_accepted_message_is_still_answered_after_its_session_ended() {
        let (pending_replies, session) = (PendingReplies::default(), SessionId::at(clock().now()));
        let device = NAME.parse().unwrap();
        let mut exchange = pending_replies.expect(&device, b"1", Some(session), true, b"P".to_vec()).unwrap();
        assert!(pending_replies.expects_on(session));
        let [taken, done] = [AcknowledgementCode::CA, AcknowledgementCode::AA].map(answer);
        pending_replies.settle(somewhere(), &device, b"1", taken);
        assert!(!pending_replies.expects_on(session), "the first acknowledgement has come");
        pending_replies.abandon(session);
        assert!(pending_replies.expects(&device, b"1"));
        pending_replies.settle(somewhere(), &device, b"1", taken);
        pending_replies.settle(somewhere(), &device, b"1", done);
        let answers = [(); 3].map(|()| exchange.answers.try_recv());
        assert_eq!(answers, [Ok(taken), Ok(taken), Ok(done)]);
        assert!(!pending_replies.expects(&device, b"1"));
    }

    #[test]
    fn the_end_of_an_exchange_leaves_a_later_one_with_its_control_id() {
        let (pending_replies, device) = (PendingReplies::default(), NAME.parse().unwrap());
        let expect = || pending_replies.expect(&device, b"1", None, false, b"P".to_vec()).unwrap();
        let settle = || {
            pending_replies.settle(somewhere(), &device, b"1", answer(AcknowledgementCode::AA));
        };
        let answered = expect();
        settle();
        let mut later = expect();
        drop(answered);
        settle();
        assert!(later.answers.try_recv().is_ok(), "the answer is not lost");
    }

    #[test]
    fn a_rejection_ends_the_exchange() {
        let (pending_replies, device) = (PendingReplies::default(), NAME.parse().unwrap());
        let _exchange = pending_replies.expect(&device, b"1", None, true, b"P".to_vec()).unwrap();
        pending_replies.settle(somewhere(), &device, b"1", answer(AcknowledgementCode::CR));
        assert!(!pending_replies.expects(&device, b"1"));
    }

    #[test]
    fn an_exchange_ends_when_it_is_dropped_or_its_session_ends() {
        let clock = clock();
        let (pending_replies, device) = (PendingReplies::default(), NAME.parse().unwrap());
        let [one, two] = [(); 2].map(|()| Some(SessionId::at(clock.now())));
        drop(pending_replies.expect(&device, b"1", one, false, b"P".to_vec()).unwrap());
        assert!(!pending_replies.expects(&device, b"1"));
        let mut lost = pending_replies.expect(&device, b"2", one, false, b"P".to_vec()).unwrap();
        let _kept = pending_replies.expect(&device, b"3", two, false, b"P".to_vec()).unwrap();
        pending_replies.abandon(one.unwrap());
        assert!(lost.answers.try_recv().is_err() && !pending_replies.expects(&device, b"2"));
        assert!(pending_replies.expects(&device, b"3"));
    }
}
