//! Acknowledgements of devices that no message of this node waits for.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};

use super::acknowledgement::Acknowledgement;
use crate::model::DeviceId;

/// An acknowledgement that no message of this node waits for: it is late, or another node has sent the
/// message. It is stored; whether it changes an outcome is for the outbox to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnawaitedAnswer {
    /// Who answers.
    pub device: DeviceId,
    /// MSA-2: 1 to 199 printable ASCII characters, as every message of ours has them.
    pub control_id: String,
    /// The answer.
    pub acknowledgement: Acknowledgement,
    /// MSH-11.1 of the answer.
    pub mode: Vec<u8>,
}

/// Passes such acknowledgements from the sessions to the dispatcher. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Unawaited {
    sender: mpsc::Sender<UnawaitedAnswer>,
    receiver: Arc<Mutex<mpsc::Receiver<UnawaitedAnswer>>>,
}

impl UnawaitedAnswer {
    /// `None` when no message of ours can be meant.
    pub(super) fn new(
        device: &DeviceId,
        control_id: Vec<u8>,
        acknowledgement: Acknowledgement,
        mode: Vec<u8>,
    ) -> Option<Self> {
        let control_id = String::from_utf8(control_id).ok()?;
        let is_possible = (1..=MAX_CONTROL_ID_BYTES).contains(&control_id.len())
            && control_id.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        is_possible.then(|| Self { device: device.clone(), control_id, acknowledgement, mode })
    }
}

impl Unawaited {
    /// Waits while the dispatcher has many before it.
    pub(super) async fn pass_on(self, answer: UnawaitedAnswer) {
        // The receiver lives as long as this value.
        let _ = self.sender.send(answer).await;
    }

    /// The next one.
    pub(super) async fn next(&self) -> UnawaitedAnswer {
        match self.receiver.lock().await.recv().await {
            Some(answer) => answer,
            // This value holds a sender.
            None => std::future::pending().await,
        }
    }

    /// The next one, if one is there.
    pub(super) fn try_next(&self) -> Option<UnawaitedAnswer> {
        self.receiver.try_lock().ok()?.try_recv().ok()
    }
}

impl Default for Unawaited {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        Self { sender, receiver: Arc::new(Mutex::new(receiver)) }
    }
}

/// Acknowledgements that wait for the dispatcher.
const CAPACITY: usize = 256;

/// Bytes of MSH-10 (HL7 2.6 ch. 2, 2.14.9.10).
const MAX_CONTROL_ID_BYTES: usize = 199;

#[cfg(test)]
mod tests {
    use super::super::fixtures::{NAME, clock};
    use super::*;
    use crate::model::MessageId;

    #[test]
    fn only_what_may_be_a_control_id_of_ours_is_passed_on() {
        let acknowledgement = Acknowledgement { code: None, message: MessageId::at(clock().now()) };
        let device = NAME.parse().unwrap();
        let passes =
            |id: &[u8]| UnawaitedAnswer::new(&device, id.to_vec(), acknowledgement, Vec::new()).is_some();
        assert!(passes(b"ORDER-1") && passes(&[b'7'; 199]));
        assert!(!passes(b"") && !passes(&[b'7'; 200]) && !passes(b"a\tb") && !passes("\u{e9}".as_bytes()));
    }

    #[tokio::test]
    async fn an_answer_reaches_the_next_receiver() {
        let unawaited = Unawaited::default();
        let acknowledgement = Acknowledgement { code: None, message: MessageId::at(clock().now()) };
        let answer =
            UnawaitedAnswer::new(&NAME.parse().unwrap(), b"1".to_vec(), acknowledgement, Vec::new()).unwrap();
        assert_eq!(unawaited.try_next(), None);
        unawaited.clone().pass_on(answer.clone()).await;
        assert_eq!(unawaited.next().await, answer);
        unawaited.clone().pass_on(answer.clone()).await;
        assert_eq!(unawaited.try_next(), Some(answer));
    }
}
