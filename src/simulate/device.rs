//! The sessions of a simulated device without a fault.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Counters;
use super::counters::{add, subtract};
use super::fault::NOT_ADMITTED;
use super::fleet::SimulatedDevice;
use super::orders::Orders;
use super::reconnect::Reconnect;
use super::traffic::{Equipment, Kind, Report, Schedule, Sending, Vendor};
use crate::interface_b::{Client, ClientError};
use crate::model::Clock;
use crate::pki::Role;
use crate::tls::{ConnectError, Connector, ReceivedAlert, SecuredStream};

/// What all devices of a simulation share.
pub(super) struct Shared {
    pub(super) address: SocketAddr,
    /// The name that the certificate of the platform must show.
    pub(super) host: String,
    pub(super) timeout: Duration,
    pub(super) reconnect: Reconnect,
    /// Handshakes at once.
    pub(super) handshakes: Semaphore,
    pub(super) schedule: Schedule,
    pub(super) vendor: Vendor,
    /// The run: part of control ids.
    pub(super) run: String,
    /// Devices of the simulation.
    pub(super) devices: u32,
    pub(super) counters: Arc<Counters>,
    pub(super) orders: Arc<Orders>,
    /// What comes to devices that are no pumps.
    pub(super) other_orders: Arc<Orders>,
    pub(super) clock: Clock,
    pub(super) started: Instant,
    pub(super) stop: CancellationToken,
    /// When the first device noticed that.
    pub(super) stopped: OnceLock<Instant>,
}

/// A device that runs.
pub(super) struct Device {
    pub(super) shared: Arc<Shared>,
    pub(super) device: SimulatedDevice,
    pub(super) number: u32,
    pub(super) connector: Connector,
    /// Messages so far: part of control ids.
    pub(super) messages: u64,
    /// The next turn.
    turn: u64,
    /// Sent, and not acknowledged.
    pending: Option<Pending>,
    /// Whether the platform has answered anything in this session.
    is_answered: bool,
    /// Whether it has in any session.
    is_admitted: bool,
}

struct Pending {
    /// When it was sent for the first time.
    began: Instant,
    message: Bytes,
    transaction: &'static str,
}

impl Device {
    pub(super) const fn new(
        shared: Arc<Shared>,
        device: SimulatedDevice,
        number: u32,
        connector: Connector,
    ) -> Self {
        let (messages, turn, pending, is_answered, is_admitted) = (0, 0, None, false, false);
        Self { shared, device, number, connector, messages, turn, pending, is_answered, is_admitted }
    }

    /// Connects and sends until the simulation stops, and connects again after each failure (B17).
    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut backoff = shared.reconnect.backoff();
        let mut is_first = true;
        loop {
            let began = shared.clock.instant();
            let error = match Box::pin(self.connect(is_first)).await {
                Ok(client) => {
                    is_first = false;
                    let is_repetition = self.pending.is_some();
                    match self.session(client).await {
                        Ok(()) => return,
                        Err(error) => {
                            self.ended(&error, is_repetition);
                            error
                        }
                    }
                }
                Err(error) => error,
            };
            shared.counters.failed(reason(&error));
            if shared.stop.is_cancelled() && !self.may_try_again() {
                return;
            }
            let wait = backoff.next(shared.clock.instant().duration_since(began));
            tokio::select! {
                () = sleep(wait) => {}
                () = shared.stop.cancelled() => {
                    if !self.may_try_again() {
                        return;
                    }
                    sleep(wait.min(LAST_RETRY_INTERVAL)).await;
                }
            }
        }
    }

    /// After the end of the simulation only a message without an answer is a reason to connect.
    fn may_try_again(&self) -> bool {
        let Some(stopped) = self.shared.since_stop() else { return true };
        match &self.pending {
            None => false,
            Some(_) => stopped < LAST_RETRIES,
        }
    }

    /// Counts the end of a session. In TLS 1.3 the handshake of a refused client ends well, and the refusal
    /// comes at the first read (RFC 8446, section 4.4.2.4): the platform had no session, and took no message.
    /// One that is killed may have taken it: a device that was admitted before sends it again.
    fn ended(&mut self, error: &ClientError, is_repetition: bool) {
        let counters = &self.shared.counters;
        let is_cut = self.is_admitted && !matches!(error, ClientError::Refused(_));
        if self.is_answered || is_cut || !is_refusal(error) {
            add(&counters.lost);
            return;
        }
        subtract(&counters.handshakes);
        if is_repetition {
            subtract(&counters.repeated);
        } else if let Some(Pending { transaction, .. }) = self.pending.take() {
            counters.not_sent(transaction);
        }
    }

    async fn connect(&self, is_first: bool) -> Result<Client, ClientError> {
        let shared = &self.shared;
        // After an outage all try at once, if that is simulated.
        let permit = match shared.reconnect {
            Reconnect::AtOnce if !is_first => None,
            _ => shared.handshakes.acquire().await.ok(),
        };
        let stream = shared.connect(&self.connector, self.number).await?;
        drop(permit);
        add(&shared.counters.handshakes);
        let has_pump = self.device.equipment.iter().any(|equipment| equipment.kind == Kind::Pump);
        let orders = if has_pump { &shared.orders } else { &shared.other_orders };
        Ok(Client::over(stream, shared.timeout).with_receiver(orders.clone()))
    }

    /// One session; it ends well when the simulation stops.
    async fn session(&mut self, mut client: Client) -> Result<(), ClientError> {
        let counted = Counted::default();
        self.is_answered = false;
        let result = self.turns(&mut client, &counted).await;
        counted.end(&self.shared.counters);
        result?;
        add(&self.shared.counters.connected_at_end);
        // What matters is acknowledged.
        let _ = timeout(CLOSE_TIMEOUT, client.close()).await;
        Ok(())
    }

    async fn turns(&mut self, client: &mut Client, counted: &Counted) -> Result<(), ClientError> {
        let shared = Arc::clone(&self.shared);
        if self.pending.is_some() {
            add(&shared.counters.repeated);
            self.deliver(client).await?;
        } else if let Some((equipment, report)) = self.first() {
            self.send(client, &equipment, &report).await?;
        } else {
            // A refusal shows at the first read.
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => {}
                ended = client.listen(REFUSAL_TIME) => ended?,
            }
        }
        counted.begin(&shared.counters);
        let interval = shared.schedule.interval;
        let offset = interval.mul_f64(f64::from(self.number) / f64::from(shared.devices.max(1)));
        loop {
            let now = shared.clock.instant().duration_since(shared.started);
            let current = now.saturating_sub(offset).as_nanos() / interval.as_nanos().max(1);
            let current = u64::try_from(current).unwrap_or(u64::MAX);
            if self.turn + MAX_LATE_TURNS < current {
                self.turn = current;
            }
            let turn = u32::try_from(self.turn).unwrap_or(u32::MAX);
            let due = offset.saturating_add(interval.saturating_mul(turn));
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => break,
                ended = client.listen(due.saturating_sub(now)) => ended?,
            }
            self.take_turn(client).await?;
            self.turn += 1;
        }
        self.finish(client).await
    }

    /// What a device sends as soon as it is connected.
    fn first(&self) -> Option<(Equipment, Report)> {
        let equipment = self.device.equipment.first()?;
        let report = match self.device.role {
            Role::Gateway => self.shared.schedule.heartbeat(false),
            _ => self.shared.schedule.first(equipment),
        };
        report.map(|report| (self.reported(equipment, &report), report))
    }

    /// A heartbeat is about the gateway itself.
    fn reported(&self, equipment: &Equipment, report: &Report) -> Equipment {
        match report {
            Report::Heartbeat { .. } => equipment.called(&self.device.id),
            _ => equipment.clone(),
        }
    }

    async fn take_turn(&mut self, client: &mut Client) -> Result<(), ClientError> {
        let is_gateway = self.device.role == Role::Gateway;
        if let Some(report) = self.shared.schedule.heartbeat(false).filter(|_| is_gateway)
            && let Some(equipment) = self.device.equipment.first()
        {
            let equipment = self.reported(equipment, &report);
            self.send(client, &equipment, &report).await?;
        }
        for place in 0..self.device.equipment.len() {
            let Some(equipment) = self.device.equipment.get(place).cloned() else { continue };
            for report in self.shared.schedule.due(&equipment, self.turn) {
                if self.shared.stop.is_cancelled() {
                    return Ok(());
                }
                self.send(client, &equipment, &report).await?;
            }
        }
        // Acknowledgements that no message waited for are none of ours.
        client.take_others();
        Ok(())
    }

    /// Ends open alarms, and takes a gateway out of monitoring.
    async fn finish(&mut self, client: &mut Client) -> Result<(), ClientError> {
        let Some(last) = self.turn.checked_sub(1) else { return Ok(()) };
        for equipment in self.device.equipment.clone() {
            if let Some(report) = self.shared.schedule.closing(&equipment, last) {
                self.send(client, &equipment, &report).await?;
            }
        }
        if self.device.role == Role::Gateway
            && let Some(report) = self.shared.schedule.heartbeat(true)
            && let Some(equipment) = self.device.equipment.first()
        {
            let equipment = self.reported(equipment, &report);
            self.send(client, &equipment, &report).await?;
        }
        Ok(())
    }

    async fn send(
        &mut self,
        client: &mut Client,
        equipment: &Equipment,
        report: &Report,
    ) -> Result<(), ClientError> {
        let transaction = report.transaction();
        let message = self.shared.message(&self.device.id, equipment, report, self.messages, Duration::ZERO);
        self.messages += 1;
        self.shared.counters.sent(transaction);
        self.pending = Some(Pending { began: self.shared.clock.instant(), message, transaction });
        self.deliver(client).await
    }

    /// Sends the message that waits for its acknowledgement.
    async fn deliver(&mut self, client: &mut Client) -> Result<(), ClientError> {
        let Some(Pending { began, message, transaction }) = &self.pending else { return Ok(()) };
        let counters = &self.shared.counters;
        let answers = client.send(message.clone()).await?;
        (self.is_answered, self.is_admitted) = (true, true);
        counters.latencies.record(self.shared.clock.instant().duration_since(*began));
        match answers.iter().find(|answer| !answer.code.is_positive()) {
            None => counters.acknowledged(transaction),
            Some(refusal) => {
                let code = refusal.reason.clone().unwrap_or_else(|| refusal.code.as_str().to_owned());
                counters.rejected(code);
            }
        }
        self.pending = None;
        Ok(())
    }
}

/// A message that has no answer when its device ends is in doubt, also where the simulation was cut short.
impl Drop for Device {
    fn drop(&mut self) {
        if self.pending.is_some() {
            add(&self.shared.counters.in_doubt);
        }
    }
}

impl Shared {
    /// A TLS connection, from an address of its own where the platform is on this machine.
    pub(super) async fn connect(
        &self,
        connector: &Connector,
        number: u32,
    ) -> Result<SecuredStream, ClientError> {
        let connecting = async {
            let tcp = self
                .tcp(number)
                .await
                .map_err(|source| ClientError::Tcp { to: self.address.to_string(), source })?;
            Ok::<_, ClientError>(connector.connect(&self.host, tcp).await?)
        };
        timeout(self.timeout, connecting).await.map_err(|_| ClientError::Timeout(self.timeout))?
    }

    async fn tcp(&self, number: u32) -> std::io::Result<TcpStream> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let IpAddr::V4(address) = self.address.ip()
            && address.is_loopback()
        {
            let source = Ipv4Addr::from_bits(FIRST_SOURCE.to_bits().wrapping_add(number % MAX_SOURCES));
            socket.bind(SocketAddr::from((source, 0)))?;
        }
        let tcp = socket.connect(self.address).await?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }

    /// A message; the clock of the device is off by `ahead`.
    pub(super) fn message(
        &self,
        sender: &str,
        equipment: &Equipment,
        report: &Report,
        number: u64,
        ahead: Duration,
    ) -> Bytes {
        let control_id = format!("{sender}-{}-{number}", self.run);
        let now = self.clock.now();
        report.message(&Sending {
            vendor: self.vendor,
            sender,
            equipment,
            control_id: &control_id,
            at: now.checked_add(ahead).unwrap_or(now),
            run: &self.run,
        })
    }

    /// How long ago the simulation was stopped.
    fn since_stop(&self) -> Option<Duration> {
        if !self.stop.is_cancelled() {
            return None;
        }
        let stopped = self.stopped.get_or_init(|| self.clock.instant());
        Some(self.clock.instant().duration_since(*stopped))
    }
}

/// Whether a session is among those that work.
#[derive(Debug, Default)]
struct Counted(AtomicBool);

impl Counted {
    fn begin(&self, counters: &Counters) {
        if !self.0.swap(true, Ordering::Relaxed) {
            add(&counters.up);
        }
    }

    fn end(&self, counters: &Counters) {
        if self.0.swap(false, Ordering::Relaxed) {
            counters.up.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Whether the platform ended a connection by an alert, or by a reset that overtook the alert: with no answer
/// before, that is a refusal.
pub(super) const fn is_refusal(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused(_) | ClientError::Cut | ClientError::Reset)
}

/// Why there is no session, as a name of a bounded set.
pub(super) fn reason(error: &ClientError) -> String {
    let refused = |alert: &ReceivedAlert| match alert.codes() {
        // The alert does not say whether the directory lacks the device, or has suspended it.
        ["unknown-device", ..] => NOT_ADMITTED.to_owned(),
        codes => format!("refused: {}", codes.first().copied().unwrap_or("another alert")),
    };
    match error {
        ClientError::Refused(alert) | ClientError::Connect(ConnectError::Refused(alert)) => refused(alert),
        ClientError::Connect(ConnectError::Platform(_)) => "certificate of the platform refused".to_owned(),
        ClientError::Connect(ConnectError::Cut) | ClientError::Cut | ClientError::Reset => {
            "connection cut".to_owned()
        }
        ClientError::Connect(ConnectError::NoTls) => "no TLS at this port".to_owned(),
        ClientError::Connect(_) => "handshake failed".to_owned(),
        ClientError::Tcp { source, .. } => format!("no connection: {}", source.kind()),
        ClientError::Closed => "closed".to_owned(),
        ClientError::Timeout(_) => "timeout".to_owned(),
        ClientError::Frame(_)
        | ClientError::Message(_)
        | ClientError::NoAcknowledgement
        | ClientError::Broken => "no acknowledgement".to_owned(),
        ClientError::Incomplete { .. } => "acknowledgement missing".to_owned(),
    }
}

/// A device that is late by more turns leaves them out.
const MAX_LATE_TURNS: u64 = 3;
/// How long a message without an answer is sent again after the end.
const LAST_RETRIES: Duration = Duration::from_secs(30);
const LAST_RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long a device that has nothing to send waits for a refusal.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// The source address of the first device, and how many there are.
const FIRST_SOURCE: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);
const MAX_SOURCES: u32 = 0x00f0_0000;
