//! Messages of ours that wait for a device's acknowledgement.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::hl7::AcknowledgementCode;
use crate::model::{DeviceId, MessageId, SessionId};

/// By device and MSH-10, since MSA-2 is all that says which message is meant (IHE PCD TF vol. 2, B.1): the device may
/// answer on any of its sessions. Clones share everything.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingReplies(Arc<Mutex<HashMap<Key, Waiting>>>);

type Key = (DeviceId, Vec<u8>);

#[derive(Debug)]
struct Waiting {
    /// The session into which the message was sent; when it ends, nobody knows whether it arrived, and nobody waits any
    /// more. None once the device has taken the message.
    session: Option<SessionId>,
    /// Whether the application acknowledgement follows an accept acknowledgement.
    application: bool,
    answers: mpsc::UnboundedSender<Acknowledgement>,
}

/// How a device answered a message that was delivered to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement {
    /// MSA-1; `None` when it is not in HL7 table 0008.
    pub code: Option<AcknowledgementCode>,
    /// The message that carried it.
    pub message: MessageId,
}

/// A message of ours whose acknowledgements are awaited for as long as this value lives.
#[derive(Debug)]
pub struct Exchange {
    pending_replies: PendingReplies,
    key: Key,
    answers: mpsc::UnboundedReceiver<Acknowledgement>,
}

impl Exchange {
    /// The next acknowledgement: `CA`, if the message asks for both, and then what ends the exchange. `None` when
    /// the session ended before the device answered.
    pub async fn answer(&mut self) -> Option<Acknowledgement> {
        self.answers.recv().await
    }
}

impl PendingReplies {
    /// Waits for the acknowledgements of a message that goes into this session, or that the device has taken before;
    /// `None` when one with the same MSH-10 is waited for already. `application` says whether CA is not the last of them.
    pub(super) fn expect(
        &self,
        device: &DeviceId,
        control_id: &[u8],
        session: Option<SessionId>,
        application: bool,
    ) -> Option<Exchange> {
        let key = (device.clone(), control_id.to_vec());
        let mut waiting = self.lock();
        if waiting.contains_key(&key) {
            return None;
        }
        let (answer, answers) = mpsc::unbounded_channel();
        waiting.insert(key.clone(), Waiting { session, application, answers: answer });
        Some(Exchange { pending_replies: self.clone(), key, answers })
    }

    /// Whether a message with this MSH-10 waits for the device's acknowledgement.
    pub(super) fn expects(&self, device: &DeviceId, control_id: &[u8]) -> bool {
        self.lock().contains_key(&(device.clone(), control_id.to_vec()))
    }

    /// The device has answered; the answer that ends an exchange counts once.
    pub(super) fn settle(&self, device: &DeviceId, control_id: &[u8], acknowledgement: Acknowledgement) {
        let key = (device.clone(), control_id.to_vec());
        let mut all = self.lock();
        let Some(waiting) = all.get_mut(&key) else { return };
        // Whoever asked may have stopped waiting.
        let _ = waiting.answers.send(acknowledgement);
        if waiting.application && acknowledgement.code == Some(AcknowledgementCode::CA) {
            // It has the message, whatever becomes of the session.
            waiting.session = None;
        } else {
            all.remove(&key);
        }
    }

    /// The session has ended: what was sent into it is not known to have arrived.
    pub(super) fn give_up(&self, session: SessionId) {
        self.lock().retain(|_, waiting| waiting.session != Some(session));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.pending_replies.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{NAME, clock};
    use super::*;

    fn answer(code: AcknowledgementCode) -> Acknowledgement {
        Acknowledgement { code: Some(code), message: MessageId::at(clock().now()) }
    }

    #[test]
    fn an_answer_counts_once_and_for_its_device_only() {
        let (pending_replies, session) = (PendingReplies::default(), Some(SessionId::at(clock().now())));
        let (device, other): (DeviceId, DeviceId) = (NAME.parse().unwrap(), "OTHER".parse().unwrap());
        let mut exchange = pending_replies.expect(&device, b"1", session, false).unwrap();
        assert!(
            pending_replies.expect(&device, b"1", session, false).is_none(),
            "one of that name is under way"
        );
        assert!(pending_replies.expects(&device, b"1") && !pending_replies.expects(&other, b"1"));
        let [taken, refused] = [AcknowledgementCode::CA, AcknowledgementCode::CE].map(answer);
        pending_replies.settle(&other, b"1", refused);
        pending_replies.settle(&device, b"1", taken);
        pending_replies.settle(&device, b"1", refused);
        assert_eq!(exchange.answers.try_recv(), Ok(taken));
        assert!(exchange.answers.try_recv().is_err());
        assert!(!pending_replies.expects(&device, b"1"));
    }

    // HL7 2.6 ch. 2, 2.9.3: enhanced mode
    #[test]
    fn what_the_device_has_taken_is_still_answered_when_its_session_is_over() {
        let (pending_replies, session) = (PendingReplies::default(), SessionId::at(clock().now()));
        let device = NAME.parse().unwrap();
        let mut exchange = pending_replies.expect(&device, b"1", Some(session), true).unwrap();
        let [taken, done] = [AcknowledgementCode::CA, AcknowledgementCode::AA].map(answer);
        pending_replies.settle(&device, b"1", taken);
        pending_replies.give_up(session);
        assert!(pending_replies.expects(&device, b"1"));
        pending_replies.settle(&device, b"1", taken);
        pending_replies.settle(&device, b"1", done);
        let answers = [(); 3].map(|()| exchange.answers.try_recv());
        assert_eq!(answers, [Ok(taken), Ok(taken), Ok(done)]);
        assert!(!pending_replies.expects(&device, b"1"));
    }

    #[test]
    fn a_refusal_ends_the_exchange() {
        let (pending_replies, device) = (PendingReplies::default(), NAME.parse().unwrap());
        let _exchange = pending_replies.expect(&device, b"1", None, true).unwrap();
        pending_replies.settle(&device, b"1", answer(AcknowledgementCode::CR));
        assert!(!pending_replies.expects(&device, b"1"));
    }

    #[test]
    fn who_gives_up_or_loses_the_session_is_forgotten() {
        let clock = clock();
        let (pending_replies, device) = (PendingReplies::default(), NAME.parse().unwrap());
        let [one, two] = [(); 2].map(|()| Some(SessionId::at(clock.now())));
        drop(pending_replies.expect(&device, b"1", one, false).unwrap());
        assert!(!pending_replies.expects(&device, b"1"));
        let mut lost = pending_replies.expect(&device, b"2", one, false).unwrap();
        let _kept = pending_replies.expect(&device, b"3", two, false).unwrap();
        pending_replies.give_up(one.unwrap());
        assert!(lost.answers.try_recv().is_err() && !pending_replies.expects(&device, b"2"));
        assert!(pending_replies.expects(&device, b"3"));
    }
}
