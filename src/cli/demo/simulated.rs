//! The simulated devices of the demonstration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::progress::Progress;
use crate::config::{Credential, TlsVersion};
use crate::interface_b::{Alarm, Client, ClientError, Observation, Phase};
use crate::model::{Clock, MessageId, SilentAfter, explained};
use crate::pki::{KeyType, Role};
use crate::tls::{Connector, ConnectorSettings, StatusCheck};

/// A simulated device or gateway.
#[derive(Debug, Clone, Copy)]
pub(super) struct SimulatedDevice {
    /// Its name in progress lines and its note in the directory.
    pub(super) title: &'static str,
    /// The Common Name of its certificate.
    pub(super) name: &'static str,
    pub(super) role: Role,
    pub(super) key: KeyType,
    pub(super) expected: Expected,
    /// The device identities that the directory allows in its messages, besides its own.
    pub(super) speaks_for: &'static [&'static str],
    /// The devices that its messages name.
    pub(super) equipment: &'static [&'static str],
    /// What staff call it, and its ward.
    pub(super) about: (&'static str, &'static str),
    pub(super) habit: Habit,
}

/// What a simulated device does besides sending values, until the demonstration ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    Steady,
    /// Its pulse rate rises above its limit now and then: it reports an alarm (PCD-04) and its end.
    Alarms,
    /// It leaves after a few messages, is missed, and comes back.
    Leaves,
}

/// What the platform must do with a simulated device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// Acknowledge its messages.
    Acknowledged,
    /// Refuse the connection: the certificate is revoked (A9.4).
    Revoked,
    /// Refuse the connection: the device is not in the directory (A8).
    NotInDirectory,
    /// Reject its messages: they name a device that it may not speak for.
    IdentityMismatch,
}

/// Messages of one device.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
}

/// What all simulated devices share.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    pub(super) platform: SocketAddr,
    pub(super) trust_anchors: Vec<PathBuf>,
    /// How the stapled status of the platform is evaluated (B18).
    pub(super) status: StatusCheck,
    pub(super) clock: Clock,
    pub(super) progress: Progress,
}

impl SimulatedDevice {
    /// All devices of the demonstration.
    pub(super) const fn all() -> [Self; 6] {
        [
            Self {
                about: ("Monitor ICU-3", "ICU"),
                habit: Habit::Alarms,
                ..Self::new("monitor, ECC certificate", MONITOR, KeyType::Ecc, &[MONITOR])
            },
            Self {
                about: ("Pump ICU-14", "ICU"),
                habit: Habit::Leaves,
                ..Self::new("pump, RSA certificate", PUMP, KeyType::Rsa, &[PUMP])
            },
            Self {
                role: Role::Gateway,
                speaks_for: &VENTILATORS,
                about: ("Gateway of 2 East", "2 East"),
                ..Self::new("gateway for two ventilators", "GATEWAY-1", KeyType::Ecc, &VENTILATORS)
            },
            Self {
                expected: Expected::Revoked,
                about: ("Pump 3W-7", "3 West"),
                ..Self::new("stolen pump, revoked certificate", STOLEN_PUMP, KeyType::Ecc, &[STOLEN_PUMP])
            },
            Self {
                expected: Expected::NotInDirectory,
                ..Self::new("device that is not in the directory", UNKNOWN, KeyType::Rsa, &[UNKNOWN])
            },
            Self {
                expected: Expected::IdentityMismatch,
                about: ("Monitor 3W-2", "3 West"),
                ..Self::new("device that claims to be the monitor", IMPOSTOR, KeyType::Ecc, &[MONITOR])
            },
        ]
    }

    const fn new(
        title: &'static str,
        name: &'static str,
        key: KeyType,
        equipment: &'static [&'static str],
    ) -> Self {
        let (role, expected) = (Role::Device, Expected::Acknowledged);
        let (about, habit) = (("", ""), Habit::Steady);
        Self { title, name, role, key, expected, speaks_for: &[], equipment, about, habit }
    }

    /// The silence after which the directory misses it.
    pub(super) const fn silent_after(&self) -> Option<SilentAfter> {
        match self.habit {
            Habit::Leaves => Some(SilentAfter::Fixed(MISSED_AFTER)),
            Habit::Steady | Habit::Alarms => None,
        }
    }

    /// Connects and sends `rounds` messages about each piece of its equipment, with `interval` between
    /// rounds.
    pub(super) async fn run(
        self,
        environment: Environment,
        credential: Credential,
        rounds: u64,
        interval: Duration,
    ) -> anyhow::Result<Tally> {
        let settings = ConnectorSettings {
            credential,
            trust_anchors: environment.trust_anchors.clone(),
            versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
            suite: None,
            status: Some(environment.status.clone()),
        };
        let connector = Connector::build(&settings, &environment.clock)?;
        let mut tally = Tally::default();
        let mut reported = None;
        let leaves = self.habit == Habit::Leaves && !interval.is_zero();
        let at_once = if leaves { ROUNDS_BEFORE_LEAVING } else { rounds };
        loop {
            let before = tally.sent;
            match self.send_all(&environment, &connector, at_once, interval, &mut tally).await {
                Ok(()) if leaves => {
                    environment.progress.line(&format!(
                        "{:34} leaves for {} seconds: the platform misses it",
                        self.title,
                        ABSENCE.as_secs()
                    ))?;
                    tokio::time::sleep(ABSENCE).await;
                    continue;
                }
                Ok(()) => return Ok(tally),
                Err(Interrupted::Stdout(error)) => return Err(error.into()),
                Err(Interrupted::Client(error)) => {
                    // Each reason once, until it gets through again.
                    let text = explained(&error);
                    if tally.sent > before || reported.as_ref() != Some(&text) {
                        environment.progress.refused(self.title, &error)?;
                    }
                    reported = Some(text);
                }
            }
            if interval.is_zero() {
                return Ok(tally);
            }
            // As a real device does.
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    async fn send_all(
        self,
        environment: &Environment,
        connector: &Connector,
        rounds: u64,
        interval: Duration,
        tally: &mut Tally,
    ) -> Result<(), Interrupted> {
        let (host, port) = (environment.platform.ip().to_string(), environment.platform.port());
        let mut client = Client::connect(connector, &host, port, CLIENT_TIMEOUT).await?;
        for round in 0..rounds {
            if round > 0 {
                tokio::time::sleep(interval).await;
            }
            for equipment in self.equipment {
                let at = environment.clock.now();
                let control_id = MessageId::at(at).to_string();
                let observation = Observation {
                    // The impostor uses the other device's name in MSH-3 as well.
                    sender: if self.expected == Expected::IdentityMismatch { equipment } else { self.name },
                    equipment,
                    control_id: &control_id,
                    at,
                    saturation: 95 + u8::try_from(round % 5).unwrap_or(0),
                    pulse: if self.alarm(round, interval).is_some() { ALARM_PULSE } else { pulse(round) },
                };
                let answers = client.send(observation.to_message()).await?;
                tally.sent += 1;
                tally.acknowledged += u64::from(answers.iter().any(|answer| answer.code.is_positive()));
                environment.progress.acknowledged(self.title, "PCD-01", equipment, &answers)?;
            }
            if let Some(phase) = self.alarm(round, interval) {
                self.report(environment, &mut client, round, phase).await?;
            }
        }
        Ok(client.close().await?)
    }

    /// The phase of the alarm in this round, if there is one. There is none where each device sends the same
    /// number of messages and ends.
    fn alarm(self, round: u64, interval: Duration) -> Option<Phase> {
        if self.habit != Habit::Alarms || interval.is_zero() {
            return None;
        }
        match round % ALARM_EVERY {
            ALARM_START => Some(Phase::Start),
            at if at > ALARM_START && at < ALARM_END => Some(Phase::Continue),
            ALARM_END => Some(Phase::End),
            _ => None,
        }
    }

    /// Reports an alarm: all rounds of one alarm have its number.
    async fn report(
        self,
        environment: &Environment,
        client: &mut Client,
        round: u64,
        phase: Phase,
    ) -> Result<(), Interrupted> {
        let at = environment.clock.now();
        let control_id = MessageId::at(at).to_string();
        let number = format!("{}-{}", self.name, round / ALARM_EVERY);
        let pulse = if phase == Phase::End { pulse(round) } else { ALARM_PULSE };
        let alarm = Alarm { device: self.name, control_id: &control_id, number: &number, at, phase, pulse };
        let answers = client.send(alarm.to_message()).await?;
        let what = format!("PCD-04 (alarm, {})", phase.as_str());
        Ok(environment.progress.acknowledged(self.title, &what, self.name, &answers)?)
    }
}

/// The pulse rate without an alarm.
fn pulse(round: u64) -> u8 {
    68 + u8::try_from(round % 9).unwrap_or(0)
}

/// Why a simulated device stops early.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot write to stdout")]
    Stdout(#[from] std::io::Error),
}

/// An alarm begins in the third round of every fifteen.
const ALARM_EVERY: u64 = 15;
const ALARM_START: u64 = 2;
const ALARM_END: u64 = 6;
/// Beats per minute, above the limit of 120.
const ALARM_PULSE: u8 = 165;
/// What a device that leaves sends before.
const ROUNDS_BEFORE_LEAVING: u64 = 6;
/// How long it is away.
const ABSENCE: Duration = Duration::from_secs(20);
/// The silence after which it is missed.
const MISSED_AFTER: Duration = Duration::from_secs(8);
/// How soon a device tries again that was refused, or whose session ended.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// The connection, and each wait for an acknowledgement.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(20);

const MONITOR: &str = "00A037FFFE000001";
const PUMP: &str = "00A037FFFE000002";
const STOLEN_PUMP: &str = "00A037FFFE000003";
const UNKNOWN: &str = "00A037FFFE000004";
const IMPOSTOR: &str = "00A037FFFE000005";
const VENTILATORS: [&str; 2] = ["00A037FFFE000011", "00A037FFFE000012"];
