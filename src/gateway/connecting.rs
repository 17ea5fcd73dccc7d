//! Connects to the platform, again and again.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::desk::Gateway;
use super::history::History;
use super::platform::SetupError;
use super::session::{Ended, Session};
use super::uplink::Uplink;
use crate::config::{self, Config, HostAndPort};
use crate::interface_b::{Backoff, Client, ClientError};
use crate::model::{MessageId, explained};

impl Uplink {
    /// Connects again and again until `done`.
    pub(super) async fn run(self, done: CancellationToken) {
        let clock = self.gateway.clock.clone();
        let (mut backoff, mut is_again) = (Backoff::default(), false);
        let mut history = History::new(clock.instant());
        let lasted = |began| clock.instant().duration_since(began);
        while !done.is_cancelled() {
            let began = clock.instant();
            let config = self.gateway.config.load_full();
            let wait = match &config.gateway {
                // A reload has removed the section; messages stay in the queue.
                None => {
                    self.close();
                    NO_PLATFORM
                }
                Some(gateway) => {
                    let ended = tokio::select! {
                        () = done.cancelled() => return,
                        connected = self.connect_in_time(&config, gateway) => match connected {
                            Ok(client) => self.serve(client, gateway, is_again, &done, &mut history).await,
                            Err(error) => Err(error),
                        },
                    };
                    match ended {
                        Ok(Ended::Done) => return,
                        Ok(Ended::Proved) => {
                            (is_again, backoff) = (true, Backoff::default());
                            continue;
                        }
                        // A connection that worked is no failed attempt: devices do not wait for a backoff.
                        Ok(Ended::Closed) => {
                            self.reopen("the platform closed a connection; connecting again");
                            (is_again, backoff) = (false, Backoff::default());
                            continue;
                        }
                        Ok(Ended::Discarded) => {
                            self.reopen(
                                "the platform gave up an order and reset its connection; connecting again",
                            );
                            backoff = Backoff::default();
                            AFTER_RESET
                        }
                        Ok(Ended::Late(message)) => {
                            let limit = gateway.answer_timeout;
                            let error = message.map_or_else(
                                || ClientError::Timeout(limit).into(),
                                |message| UplinkError::Unacknowledged { message, limit },
                            );
                            self.fail(&gateway.platform, &error, backoff.next(lasted(began)))
                        }
                        Err(error) => self.fail(&gateway.platform, &error, backoff.next(lasted(began))),
                    }
                }
            };
            is_again = false;
            tokio::select! {
                () = done.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// The connection has ended, which is no failure.
    fn reopen(&self, why: &str) {
        self.close();
        tracing::info!(connection = self.number, "{why}");
    }

    fn close(&self) {
        let Gateway { status, registry, metrics, .. } = &self.gateway;
        status.closed(self.number, registry.relay(), metrics);
    }

    /// A connection that was closed as a proof counts as open while it is opened again, but not for long.
    async fn connect_in_time(
        &self,
        config: &Arc<Config>,
        gateway: &config::Gateway,
    ) -> Result<Client, UplinkError> {
        let mut connecting = std::pin::pin!(self.connect(config, gateway));
        if let Ok(connected) = tokio::time::timeout(OPENED_WITHIN, &mut connecting).await {
            return connected;
        }
        self.close();
        connecting.await
    }

    async fn connect(&self, config: &Arc<Config>, gateway: &config::Gateway) -> Result<Client, UplinkError> {
        let connector =
            self.connector.of(config, &self.gateway.clock).await?.ok_or(UplinkError::NoPlatform)?;
        let HostAndPort { host, port } = &gateway.platform;
        let client = Client::connect(&connector, host, *port, CONNECT_TIMEOUT).await?;
        Ok(client.with_max_frame(config.interface_a.max_frame).relaying())
    }

    async fn serve(
        &self,
        client: Client,
        gateway: &config::Gateway,
        is_again: bool,
        done: &CancellationToken,
        history: &mut History,
    ) -> Result<Ended, UplinkError> {
        let Gateway { status, registry, metrics, clock, .. } = &self.gateway;
        status.opened(self.number, clock, registry.relay(), metrics);
        // A connection that was closed as a proof is opened again at once, which is no news.
        let session = Session::new(self, client, gateway.clone(), !is_again);
        Ok(session.run(done, history).await?)
    }

    /// Each failure is logged as an error (B17, B18). Returns `wait`.
    fn fail(
        &self,
        HostAndPort { host, port }: &HostAndPort,
        error: &UplinkError,
        wait: Duration,
    ) -> Duration {
        self.close();
        let (error, wait_ms) = (explained(error), wait.as_millis());
        let connection = self.number;
        tracing::error!(
            host,
            port,
            connection,
            error,
            wait_ms,
            "no connection to the platform; connecting again"
        );
        self.gateway.metrics.gateway.failures_total.inc();
        self.gateway.status.failed(error, &self.gateway.clock);
        wait
    }
}

/// A connection could not be made, or was lost.
#[derive(Debug, thiserror::Error)]
enum UplinkError {
    #[error(transparent)]
    Setup(#[from] Arc<SetupError>),
    /// The configuration names no platform.
    #[error("the configuration names no platform")]
    NoPlatform,
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The gateway ends such a connection. What comes with another MSA-2 counts for no message.
    #[error("the platform did not acknowledge message {message} within {limit:?}")]
    Unacknowledged { message: MessageId, limit: Duration },
}

/// Bounds a connection attempt, and each write.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection that is opened again counts as open.
const OPENED_WITHIN: Duration = Duration::from_secs(2);
/// When a connection is opened again that the platform has reset because of an order.
const AFTER_RESET: Duration = Duration::from_millis(100);
/// How often a gateway without a platform looks whether it has one.
const NO_PLATFORM: Duration = Duration::from_secs(2);
