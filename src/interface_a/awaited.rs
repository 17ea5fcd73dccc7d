//! Messages of ours that wait for a device's acknowledgement.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::session::Acknowledgement;
use crate::model::{DeviceId, SessionId};

/// By device and MSH-10, since MSA-2 is all that says which message is meant (IHE PCD TF vol. 2, B.1): the device may
/// answer on any of its sessions. Clones share everything.
#[derive(Debug, Clone, Default)]
pub(super) struct Awaited(Arc<Mutex<HashMap<Key, Waiting>>>);

type Key = (DeviceId, Vec<u8>);

#[derive(Debug)]
struct Waiting {
    /// The session into which the message was sent; when it ends, nobody waits any more.
    session: SessionId,
    answer: oneshot::Sender<Acknowledgement>,
}

/// A message is waited for as long as this lives: whoever gives up is forgotten.
#[derive(Debug)]
pub(super) struct Expectation {
    awaited: Awaited,
    key: Key,
}

impl Awaited {
    /// Waits for the acknowledgement of a message that goes into this session; `None` when one with the same MSH-10
    /// is waited for already.
    pub(super) fn expect(
        &self,
        device: &DeviceId,
        control_id: &[u8],
        session: SessionId,
    ) -> Option<(Expectation, oneshot::Receiver<Acknowledgement>)> {
        let key = (device.clone(), control_id.to_vec());
        let mut waiting = self.lock();
        if waiting.contains_key(&key) {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        waiting.insert(key.clone(), Waiting { session, answer });
        Some((Expectation { awaited: self.clone(), key }, answered))
    }

    /// Whether a message with this MSH-10 waits for the device's acknowledgement.
    pub(super) fn expects(&self, device: &DeviceId, control_id: &[u8]) -> bool {
        self.lock().contains_key(&(device.clone(), control_id.to_vec()))
    }

    /// The device has answered; an answer counts once.
    pub(super) fn settle(&self, device: &DeviceId, control_id: &[u8], acknowledgement: Acknowledgement) {
        if let Some(waiting) = self.lock().remove(&(device.clone(), control_id.to_vec())) {
            // Whoever asked may have stopped waiting.
            let _ = waiting.answer.send(acknowledgement);
        }
    }

    /// The session has ended: what was sent into it is not known to have arrived.
    pub(super) fn give_up(&self, session: SessionId) {
        self.lock().retain(|_, waiting| waiting.session != session);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Expectation {
    fn drop(&mut self) {
        self.awaited.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{NAME, clock};
    use super::*;

    #[test]
    fn an_answer_counts_once_and_for_its_device_only() {
        let (awaited, session) = (Awaited::default(), SessionId::at(clock().now()));
        let (device, other): (DeviceId, DeviceId) = (NAME.parse().unwrap(), "OTHER".parse().unwrap());
        let (expectation, mut answered) = awaited.expect(&device, b"1", session).unwrap();
        assert!(awaited.expect(&device, b"1", session).is_none(), "one of that name is under way");
        assert!(awaited.expects(&device, b"1") && !awaited.expects(&other, b"1"));
        let code = |code: &str| Acknowledgement { code: code.to_owned() };
        awaited.settle(&other, b"1", code("AE"));
        awaited.settle(&device, b"1", code("CA"));
        awaited.settle(&device, b"1", code("CE"));
        assert_eq!(answered.try_recv(), Ok(code("CA")));
        drop(expectation);
        assert!(!awaited.expects(&device, b"1"));
    }

    #[test]
    fn who_gives_up_or_loses_the_session_is_forgotten() {
        let clock = clock();
        let (awaited, device) = (Awaited::default(), NAME.parse().unwrap());
        let [one, two] = [(); 2].map(|()| SessionId::at(clock.now()));
        let (abandoned, _) = awaited.expect(&device, b"1", one).unwrap();
        drop(abandoned);
        assert!(!awaited.expects(&device, b"1"));
        let (_lost, mut answered) = awaited.expect(&device, b"2", one).unwrap();
        let (_kept, _) = awaited.expect(&device, b"3", two).unwrap();
        awaited.give_up(one);
        assert!(answered.try_recv().is_err() && !awaited.expects(&device, b"2"));
        assert!(awaited.expects(&device, b"3"));
    }
}
