//! Devices that insist: each sends a message until the platform has acknowledged it, and only then the next.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pcd_platform::interface_b::{Client, ClientError};
use pcd_platform::pki::KeyType;
use pcd_platform::tls::Connector;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::harness::{Site, connector, message};

/// Devices on a thread of their own.
pub struct Fleet {
    runtime: Runtime,
    shared: Arc<Shared>,
    commands: watch::Sender<bool>,
}

/// A message that was acknowledged.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The Common Name of the device, and MSH-10.
    pub message: (String, String),
    /// When the device sent it first.
    pub began: Instant,
    /// When the acknowledgement came.
    pub ended: Instant,
    /// How often the platform asked for the message later (207).
    pub refusals: usize,
    /// How often its connection was lost, or could not be made.
    pub lost_connections: usize,
}

#[derive(Default)]
struct Shared {
    /// Where the nodes listen now.
    nodes: Mutex<Vec<SocketAddr>>,
    /// Devices whose message is not acknowledged yet.
    busy: Mutex<usize>,
    deliveries: Mutex<Vec<Delivery>>,
    /// Answers with 207.
    refusals: AtomicUsize,
    /// What no device may see.
    faults: Mutex<Vec<String>>,
}

struct Device {
    name: String,
    connector: Connector,
    shared: Arc<Shared>,
    commands: watch::Receiver<bool>,
    client: Option<Client>,
    /// The node that it tries next.
    node: usize,
    sent: usize,
}

pub fn name(number: usize) -> String {
    format!("OUTAGE-{number}")
}

impl Fleet {
    /// `count` devices, which rest.
    pub fn new(site: &Site, count: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let (commands, receiver) = watch::channel(false);
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        for number in 0..count {
            let own = site.certificate(&name(number), KeyType::Ecc);
            let device = Device {
                name: name(number),
                connector: connector(site, &own, None).unwrap(),
                shared: Arc::clone(&shared),
                commands: receiver.clone(),
                client: None,
                node: number,
                sent: 0,
            };
            runtime.spawn(device.run());
        }
        Self { runtime, shared, commands }
    }

    /// Where the nodes listen from now on.
    pub fn nodes(&self, addresses: &[SocketAddr]) {
        *self.shared.nodes.lock().unwrap() = addresses.to_vec();
    }

    /// The devices send.
    pub fn run(&self) {
        self.commands.send(true).unwrap();
    }

    /// The devices send no new message; returns when the last one is acknowledged.
    pub fn rest(&self) {
        // A device becomes busy under this lock, so none begins after this.
        {
            let _busy = self.shared.busy.lock().unwrap();
            self.commands.send(false).unwrap();
        }
        // However slow the machine is, the messages are acknowledged one after the other.
        let busy = || *self.shared.busy.lock().unwrap();
        let (mut left, mut since) = (busy(), Instant::now());
        while left > 0 {
            assert!(since.elapsed() < NO_PROGRESS, "{left} messages are not acknowledged");
            std::thread::sleep(Duration::from_millis(20));
            let now = busy();
            if now < left {
                (left, since) = (now, Instant::now());
            }
        }
        let faults = self.shared.faults.lock().unwrap();
        assert!(faults.is_empty(), "{faults:?}");
    }

    /// All acknowledged messages so far.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.deliveries.lock().unwrap().clone()
    }

    /// How often the platform asked a device to send its message later.
    pub fn refusals(&self) -> usize {
        self.shared.refusals.load(Ordering::Relaxed)
    }

    /// Ends the devices.
    pub fn end(self) {
        drop(self.commands);
        self.runtime.shutdown_timeout(Duration::from_secs(5));
    }
}

impl Device {
    async fn run(mut self) {
        while self.commands.wait_for(|sends| *sends).await.is_ok() {
            {
                let mut busy = self.shared.busy.lock().unwrap();
                if !*self.commands.borrow() {
                    continue;
                }
                *busy += 1;
            }
            let delivery = self.deliver().await;
            self.shared.deliveries.lock().unwrap().push(delivery);
            *self.shared.busy.lock().unwrap() -= 1;
            tokio::time::sleep(SEND_INTERVAL).await;
        }
    }

    /// Sends a message until it is acknowledged.
    async fn deliver(&mut self) -> Delivery {
        self.sent += 1;
        let id = self.sent.to_string();
        let began = Instant::now();
        let (mut refusals, mut lost_connections) = (0, 0);
        // The same bytes each time: a resend.
        let text = message(&self.name, &id);
        loop {
            match self.attempt(&text).await {
                Ok(true) => break,
                Ok(false) => refusals += 1,
                Err(_) => {
                    lost_connections += 1;
                    self.client = None;
                    self.node += 1;
                }
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
        let message = (self.name.clone(), id);
        Delivery { message, began, ended: Instant::now(), refusals, lost_connections }
    }

    /// Whether the platform accepted the message; if not, it asked for it later.
    async fn attempt(&mut self, text: &bytes::Bytes) -> Result<bool, ClientError> {
        if self.client.is_none() {
            self.client = Some(self.connect().await?);
        }
        let Some(client) = &mut self.client else { return Ok(false) };
        let answers = client.send(text.clone()).await?;
        let [answer] = answers.as_slice() else {
            self.report(format!("{} answers", answers.len()));
            return Ok(false);
        };
        match (answer.code.as_str(), answer.reason.as_deref()) {
            ("CA", _) => return Ok(true),
            ("CE", Some("store-unavailable")) => {
                self.shared.refusals.fetch_add(1, Ordering::Relaxed);
            }
            _ => self.report(format!("{answer:?}")),
        }
        Ok(false)
    }

    async fn connect(&self) -> Result<Client, ClientError> {
        let to = {
            let nodes = self.shared.nodes.lock().unwrap();
            nodes[self.node % nodes.len()]
        };
        Client::connect(&self.connector, &to.ip().to_string(), to.port(), ANSWER_TIMEOUT).await
    }

    fn report(&self, fault: String) {
        self.shared.faults.lock().unwrap().push(format!("{}: {fault}", self.name));
    }
}

const SEND_INTERVAL: Duration = Duration::from_millis(50);
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// How long no message is acknowledged at most, also on a busy machine.
const NO_PROGRESS: Duration = Duration::from_secs(180);
/// Longer than the platform takes to say that its store does not answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
