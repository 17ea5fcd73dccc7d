//! Messages of the platform, handed to the device that they name; its answers travel back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::SignedDuration;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::desk::Gateway;
use crate::authz::{Device, Directory, rules};
use crate::hl7::{AcknowledgeAs, AcknowledgementCode, AcknowledgementRequest, Condition, Message, Rejection};
use crate::interface_a::{DeliverError, Delivery, Exchange};
use crate::interface_b::{Reply, answers};
use crate::mllp::{CR, FS, VT};
use crate::model::{Deadline, DeviceId, explained};
use crate::pcd::{Claims, DeviceIdentity, Place, Transaction};

/// Hands messages of the platform to devices. The answers go out on whichever connection is open: MSA-2 alone
/// says to what they belong. Clones share everything.
#[derive(Debug, Clone)]
pub(super) struct Orders(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    gateway: Gateway,
    done: CancellationToken,
    answers: mpsc::Sender<Bytes>,
    waiting: Mutex<mpsc::Receiver<Bytes>>,
    permits: Arc<Semaphore>,
}

impl Orders {
    pub(super) fn new(gateway: &Gateway, done: CancellationToken) -> Self {
        let (answers, waiting) = mpsc::channel(MAX_ANSWERS);
        let permits = Arc::new(Semaphore::new(MAX_ORDERS));
        Self(Arc::new(Shared {
            gateway: gateway.clone(),
            done,
            answers,
            waiting: Mutex::new(waiting),
            permits,
        }))
    }

    /// Takes a message of the platform. While too many are under way it is dropped, and the platform, which
    /// gets no answer, sends it again.
    pub(super) fn take(&self, message: Bytes) {
        let Ok(permit) = Arc::clone(&self.0.permits).try_acquire_owned() else { return };
        let orders = self.clone();
        tokio::spawn(async move {
            let done = orders.0.done.clone();
            tokio::select! {
                () = done.cancelled() => {}
                () = orders.carry(message) => {}
            }
            drop(permit);
        });
    }

    /// The next answer for the platform, without its frame.
    ///
    /// Cancel safe.
    pub(super) async fn answer(&self) -> Bytes {
        match self.0.waiting.lock().await.recv().await {
            Some(answer) => answer,
            // This value holds a sender.
            None => std::future::pending().await,
        }
    }

    /// An answer could not be sent: the next connection sends it.
    pub(super) fn return_answer(&self, answer: Bytes) {
        // While too many wait, the platform does without it.
        let _ = self.0.answers.try_send(answer);
    }

    async fn carry(&self, bytes: Bytes) {
        let Ok(message) = Message::parse(&bytes) else {
            tracing::warn!(bytes = bytes.len(), "the platform sent a message that cannot be read");
            return;
        };
        let count = |outcome| self.0.gateway.metrics.gateway.orders_total.with_label_values(&[outcome]).inc();
        let directory = self.0.gateway.directory.load_full();
        let Some(device) = target(&message, &directory) else {
            count("device-unknown");
            return self.refuse(&message, Rejection::OrderDeviceUnknown).await;
        };
        match self.deliver(&message, &device.id, &bytes) {
            Ok(exchange) => {
                count("sent");
                self.follow(exchange, &message).await;
            }
            Err(DeliverError::NotConnected) => {
                count("device-away");
                self.refuse(&message, Rejection::OrderDeviceAway).await;
            }
            // The first copy is under way, or the device is slow: the platform sends it again.
            Err(DeliverError::AlreadyPending | DeliverError::Busy) => count("pending"),
        }
    }

    fn deliver(
        &self,
        message: &Message<'_>,
        device: &DeviceId,
        bytes: &Bytes,
    ) -> Result<Exchange, DeliverError> {
        let Gateway { registry, clock, .. } = &self.0.gateway;
        let recipient = registry.recipient(device)?;
        let header = message.header();
        let delivery = Delivery {
            control_id: header.control_id().trimmed().to_vec(),
            application: has_result(message),
            mode: header.mode(),
            deadline: Deadline::after(clock, ANSWER_TIMEOUT),
            frame: [&[VT], &**bytes, &[FS, CR]].concat().into(),
        };
        registry.deliver(&recipient, delivery)
    }

    /// Passes on what the device answers, until nothing more is to come.
    async fn follow(&self, mut exchange: Exchange, message: &Message<'_>) {
        let mut limit = Duration::try_from(ANSWER_TIMEOUT).unwrap_or_default();
        loop {
            let answer = tokio::time::timeout(limit, exchange.answer()).await;
            // Without an answer the platform sends the message again, or settles it.
            let Ok(Some(answer)) = answer else { return };
            match self.0.gateway.store.message(answer.message).await {
                Ok(Some(stored)) => drop(self.0.answers.send(stored.raw).await),
                Ok(None) => {}
                Err(error) => {
                    let error = explained(&error);
                    tracing::error!(error, "the answer of a device cannot be read, and is not passed on");
                }
            }
            if answer.code != Some(AcknowledgementCode::CA) || !has_result(message) {
                return;
            }
            limit = self.0.gateway.config.load().orders.acknowledgement_timeout;
        }
    }

    async fn refuse(&self, message: &Message<'_>, rejection: Rejection) {
        tracing::warn!(
            code = rejection.code(),
            "a message of the platform is for no device that is connected"
        );
        for answer in answers(message, Reply::Refuse(rejection)) {
            // The receiver lives as long as this value.
            let _ = self.0.answers.send(answer).await;
        }
    }
}

/// Whether an accept acknowledgement is followed by a result.
fn has_result(message: &Message<'_>) -> bool {
    let request = AcknowledgementRequest::from_header(&message.header(), AcknowledgeAs::AsAsked);
    request != AcknowledgementRequest::Original && request.application() != Condition::Never
}

/// The one device of the directory that a message of the platform names: as its receiver (MSH-5), or else as
/// the equipment that it is about.
fn target(message: &Message<'_>, directory: &Directory) -> Option<Arc<Device>> {
    let receiver = message.header().receiving_application();
    let text = |n| String::from_utf8_lossy(receiver.component(n).trimmed()).into_owned();
    let named = [(text(1), String::new()), (text(2), text(3))];
    let receivers = named.iter().filter_map(|(id, kind)| DeviceIdentity::new(id, kind));
    let claims = Claims::read(message, Transaction::of(message), MAX_IDENTITIES);
    let is_equipment =
        |place: &Place| matches!(place, Place::Equipment | Place::Participation | Place::SystemId);
    let equipment = claims.identities.iter().filter(|claim| is_equipment(&claim.place));
    let equipment: Vec<_> = equipment.map(|claim| claim.identity.clone()).collect();
    only(directory, receivers.collect()).or_else(|| only(directory, equipment))
}

/// The active device that may speak for one of these, if there is exactly one.
fn only(directory: &Directory, identities: Vec<DeviceIdentity>) -> Option<Arc<Device>> {
    let is_meant =
        |device: &&Arc<Device>| identities.iter().any(|identity| rules::may_speak_for(device, identity));
    let mut meant =
        directory.devices().filter(is_meant).filter(|device| directory.active(&device.id).is_ok());
    let first = meant.next()?;
    meant.next().is_none().then(|| Arc::clone(first))
}

/// Messages of the platform that are under way to devices.
const MAX_ORDERS: usize = 256;
/// Answers of devices that wait for a connection.
const MAX_ANSWERS: usize = 1024;
/// Distinct devices that a message of the platform may name.
const MAX_IDENTITIES: usize = 64;
/// How long a device may take for its first answer: as long as a platform waits for it.
const ANSWER_TIMEOUT: SignedDuration = SignedDuration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str, speaks_for: &[&str]) -> Device {
        let speaks_for = speaks_for.iter().map(|pattern| pattern.parse().unwrap()).collect();
        Device { speaks_for, ..Device::new(id.parse().unwrap()) }
    }

    #[test]
    fn an_order_goes_to_the_one_device_that_it_names() {
        let all = vec![device("00A037FFFE000001", &[]), device("HUB", &["00A037FFFE000002"])];
        let directory = Directory::from(all);
        let order = |receiver: &str, equipment: &str| {
            format!(
                "MSH|^~\\&|PLATFORM||{receiver}||2026||RGV^O15^RGV_O15|1|P|2.6|||AL|AL\rPID|1\rORC|RE\rRXG|1\r\
                 OBX|1||69986^MDC_DEV_PUMP_INFUS_VMD^MDC||||||||X|||||||{equipment}\r"
            )
        };
        for (receiver, equipment, expected) in [
            ("PUMP^00A037FFFE000001^EUI-64", "", Some("00A037FFFE000001")),
            ("", "P^^00A037FFFE000001^EUI-64", Some("00A037FFFE000001")),
            ("HUB", "", Some("HUB")),
            ("", "P^^00A037FFFE000002^EUI-64", Some("HUB")),
            ("", "P^^00A037FFFE000003^EUI-64", None),
            ("PLATFORM-B", "", None),
        ] {
            let text = order(receiver, equipment);
            let found = target(&Message::parse(text.as_bytes()).unwrap(), &directory);
            let found = found.map(|device| device.id.to_string());
            assert_eq!(found.as_deref(), expected, "{receiver} {equipment}");
        }
    }
}
