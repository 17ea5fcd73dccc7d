//! Messages of the platform, handed to the device that they name; its answers travel back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::SignedDuration;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::desk::Gateway;
use crate::authz::order_device;
use crate::hl7::{AcknowledgeAs, AcknowledgementCode, AcknowledgementRequest, Condition, Message, Rejection};
use crate::interface_a::{DeliverError, Delivery, Exchange};
use crate::interface_b::{Reply, answers};
use crate::mllp::{CR, FS, VT};
use crate::model::{Deadline, DeviceId, explained};

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
        let Some(device) = order_device(&directory, &message) else {
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

/// Messages of the platform that are under way to devices.
const MAX_ORDERS: usize = 256;
/// Answers of devices that wait for a connection.
const MAX_ANSWERS: usize = 1024;
/// How long a device may take for its first answer: as long as a platform waits for it.
const ANSWER_TIMEOUT: SignedDuration = SignedDuration::from_secs(30);
