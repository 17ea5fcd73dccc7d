//! Honest devices: each has a session, sends a message a second, and connects again from time to time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pcd_platform::interface_b::Client;
use pcd_platform::tls::Connector;
use tokio::task::JoinSet;

use super::phase::{Clockwork, Phase};
use crate::harness::{Platform, SOON, Site, message};
use crate::revocation::certificate;

/// What the honest devices have seen.
#[derive(Debug, Default)]
pub struct Experience {
    /// Name and control id of each acknowledged message.
    pub acknowledged: Vec<(String, String)>,
    pub messages: Latencies,
    /// Connection, handshake and first message.
    pub connections: Latencies,
    /// What failed, and in which phase.
    pub failures: Vec<(Phase, String)>,
}

/// Durations of the two kinds of phases.
#[derive(Debug, Default)]
pub struct Latencies {
    pub quiet: Vec<Duration>,
    pub attacked: Vec<Duration>,
}

impl Latencies {
    fn add(&mut self, phase: Phase, took: Duration) {
        match phase {
            Phase::Quiet => self.quiet.push(took),
            Phase::Attacked => self.attacked.push(took),
            Phase::Settling | Phase::Over => {}
        }
    }
}

/// An honest device.
pub struct Device {
    name: String,
    connector: Connector,
}

pub fn name(number: usize) -> String {
    format!("HONEST-{number}")
}

/// Devices whose status a prompt responder gives.
pub fn devices(site: &Site, count: usize, responder: &str) -> Vec<Device> {
    let make = |number| {
        let name = name(number);
        let own = certificate(site, &name, &[responder.to_owned()], &[]);
        Device { connector: crate::harness::connector(site, &own, None).unwrap(), name }
    };
    (0..count).map(make).collect()
}

/// Runs the devices until the soak is over.
pub async fn run(devices: Vec<Device>, platform: &Platform, clockwork: Arc<Clockwork>) -> Experience {
    let experience = Arc::new(Mutex::new(Experience::default()));
    let mut running = JoinSet::new();
    for (number, device) in devices.into_iter().enumerate() {
        let task = Task {
            device,
            to: platform.address,
            clockwork: Arc::clone(&clockwork),
            experience: Arc::clone(&experience),
            sent: 0,
        };
        // They do not all send at once.
        running.spawn(task.run(Duration::from_millis(u64::try_from(number).unwrap() * 37 % 1000)));
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    Arc::into_inner(experience).unwrap().into_inner().unwrap()
}

struct Task {
    device: Device,
    to: std::net::SocketAddr,
    clockwork: Arc<Clockwork>,
    experience: Arc<Mutex<Experience>>,
    sent: usize,
}

impl Task {
    async fn run(mut self, delay: Duration) {
        tokio::time::sleep(delay).await;
        while !self.clockwork.is_over() {
            if let Err(error) = self.session().await {
                let phase = self.clockwork.phase();
                self.experience.lock().unwrap().failures.push((phase, error));
                tokio::time::sleep(SEND_INTERVAL).await;
            }
        }
    }

    /// One session with some messages.
    async fn session(&mut self) -> Result<(), String> {
        let (phase, began) = (self.clockwork.phase(), Instant::now());
        let host = self.to.ip().to_string();
        let client = Client::connect(&self.device.connector, &host, self.to.port(), SOON).await;
        let mut client = client.map_err(|error| format!("connecting: {error:?}"))?;
        self.send(&mut client).await?;
        if phase == self.clockwork.phase() {
            self.experience.lock().unwrap().connections.add(phase, began.elapsed());
        }
        for _ in 0..MESSAGES_PER_SESSION {
            tokio::time::sleep(SEND_INTERVAL).await;
            if self.clockwork.is_over() {
                break;
            }
            let (phase, began) = (self.clockwork.phase(), Instant::now());
            self.send(&mut client).await?;
            if phase == self.clockwork.phase() {
                self.experience.lock().unwrap().messages.add(phase, began.elapsed());
            }
        }
        client.close().await.map_err(|error| format!("closing: {error:?}"))
    }

    async fn send(&mut self, client: &mut Client) -> Result<(), String> {
        self.sent += 1;
        let (name, id) = (&self.device.name, self.sent.to_string());
        let answers = client.send(message(name, &id)).await.map_err(|error| format!("sending: {error:?}"))?;
        match answers.as_slice() {
            [answer] if answer.code.as_str() == "CA" => {
                self.experience.lock().unwrap().acknowledged.push((name.clone(), id));
                Ok(())
            }
            other => Err(format!("answers: {other:?}")),
        }
    }
}

const SEND_INTERVAL: Duration = Duration::from_secs(1);
/// With a hundred devices, about three connect every second.
const MESSAGES_PER_SESSION: usize = 30;
