//! A client that keeps its messages until the platform has them: for a device that may be switched off, or be
//! without its platform for hours. It is a gateway with one device, which is itself.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::desk::Gateway;
use super::status::{Status, Uplinks};
use crate::config::Config;
use crate::hl7::{Message, Unreadable};
use crate::interface_a::Registry;
use crate::metrics::Metrics;
use crate::model::{Clock, DeviceId, Fingerprint, MessageId, SessionId};
use crate::pcd::Transaction;
use crate::store::{ForwardClass, ForwardLane, Forwarding, MessageRecord, Store, StoreError, Verdict};

/// A client whose messages are durable before they are sent. They are sent in their order, alarms first, and
/// again after each failure and each restart, with the same bytes, until the platform has acknowledged them.
///
/// It connects as the section `[gateway]` of its configuration says. It receives no orders: the platform gets
/// the refusal `order-device-unknown`. Messages stay in the store, which [`Store::prune_messages`] makes
/// smaller: none is removed that waits.
///
/// ```no_run
/// # async fn example(clock: pcd_platform::model::Clock, message: bytes::Bytes) -> anyhow::Result<()> {
/// use pcd_platform::config::{Config, Overrides};
/// use pcd_platform::gateway::DurableClient;
/// use pcd_platform::metrics::Metrics;
/// use pcd_platform::model::NodeName;
/// use pcd_platform::store::{MigrationPolicy, Store};
///
/// let text = r#"
/// [tls]
/// client-trust-anchors = ["root-ecc.pem"]
/// ecc = { chain = "00A037EB2175780F.chain.pem", key = "00A037EB2175780F.key" }
/// [gateway]
/// platform = "platform.example:2575"
/// "#;
/// let config = Config::parse(text, "device.toml".as_ref(), &Overrides::default())?;
/// let store =
///     Store::serve(NodeName::from_hostname(), "sqlite:queue.db", MigrationPolicy::Always, clock.clone());
/// let client =
///     DurableClient::start(config, store.await?, "00A037EB2175780F".parse()?, Metrics::new()?, clock);
/// // It is safe on return, whether or not the platform is there.
/// client.send(message).await?;
/// client.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DurableClient {
    gateway: Gateway,
    device: DeviceId,
    session: SessionId,
    done: CancellationToken,
    running: JoinHandle<()>,
}

/// A message is not kept, and not sent.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// It is not HL7.
    #[error("the message cannot be read as HL7 v2: {0}")]
    Unreadable(#[from] Unreadable),
    /// It is not durable.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DurableClient {
    /// Begins to send what waits in `store`, which no other process serves, and what comes. `device` is the
    /// Common Name of the certificate of the client.
    #[must_use]
    pub fn start(config: Config, store: Store, device: DeviceId, metrics: Metrics, clock: Clock) -> Self {
        let (status, session) = (Status::new(config.gateway.as_ref()), SessionId::at(clock.now()));
        let gateway = Gateway {
            config: Arc::new(ArcSwap::from_pointee(config)),
            directory: Default::default(),
            store,
            registry: Registry::default(),
            metrics,
            clock,
            status,
        };
        let done = CancellationToken::new();
        let running = tokio::spawn(gateway.clone().run(done.clone()));
        Self { gateway, device, session, done, running }
    }

    /// Keeps a message, without its frame, and sends it. It is durable on return. The same bytes with the
    /// same MSH-10 are kept once.
    ///
    /// # Errors
    /// When it cannot be read, or is not durable.
    pub async fn send(&self, message: Bytes) -> Result<MessageId, NotKept> {
        let record = self.record(message)?;
        let lane = record.forward.map(|class| ForwardLane { class, device: self.device.clone() });
        let outcome = self.gateway.store.record(record).await?;
        lane.into_iter().for_each(|lane| self.gateway.registry.relay().arrive(lane));
        Ok(outcome.message())
    }

    /// How many messages the platform has not acknowledged.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn waiting(&self) -> Result<u64, StoreError> {
        Ok(self.gateway.store.forward_backlog().await?.messages)
    }

    /// What became of a message; `None`: the platform has accepted it, or it is unknown.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn outcome(&self, message: MessageId) -> Result<Option<Forwarding>, StoreError> {
        self.gateway.store.forwarding(message).await
    }

    /// The connections to the platform, and an outage.
    #[must_use]
    pub fn uplinks(&self) -> Uplinks {
        self.gateway.status.look(&self.gateway.clock)
    }

    /// Ends the connections and closes the store. What waits is sent after the next start.
    pub async fn stop(self) {
        self.done.cancel();
        if let Err(panic) = self.running.await
            && panic.is_panic()
        {
            std::panic::resume_unwind(panic.into_panic());
        }
        self.gateway.store.close().await;
    }

    fn record(&self, raw: Bytes) -> Result<MessageRecord, Unreadable> {
        let message = Message::parse(&raw)?;
        let (header, transaction) = (message.header(), Transaction::of(&message));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let now = self.gateway.clock.now();
        Ok(MessageRecord {
            id: MessageId::at(now),
            session: self.session,
            device: self.device.clone(),
            // It comes from no connection.
            fingerprint: Fingerprint::sha256(self.device.as_str().as_bytes()),
            peer: SocketAddr::from(([127, 0, 0, 1], 0)),
            received_at: now,
            event_time: None,
            transaction: transaction.map(|transaction| transaction.label().to_ascii_uppercase()),
            message_type: text(&header.message_type_field().usual_notation()),
            control_id: text(header.control_id().raw()),
            sending_application: text(&header.sending_application().usual_notation()),
            verdict: Verdict::Accepted,
            warnings: Vec::new(),
            identities: Vec::new(),
            not_allowed: Vec::new(),
            alerts: Vec::new(),
            keys: Vec::new(),
            acknowledgement: Bytes::new(),
            envelope: Bytes::new(),
            forward: Some(ForwardClass::of(transaction)),
            reconsideration: None,
            raw: raw.clone(),
        })
    }
}
