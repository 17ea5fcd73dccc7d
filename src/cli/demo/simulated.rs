//! The simulated devices of the demonstration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::progress::Progress;
use crate::config::{Credential, TlsVersion};
use crate::interface_b::{Client, ClientError, Observation};
use crate::model::{Clock, MessageId};
use crate::pki::{KeyType, Role};
use crate::tls::{Connector, ConnectorSettings};

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
    pub(super) clock: Clock,
    pub(super) progress: Progress,
}

impl SimulatedDevice {
    /// All devices of the demonstration.
    pub(super) const fn all() -> [Self; 6] {
        let monitor = Self::new("monitor, ECC certificate", MONITOR, KeyType::Ecc, &[MONITOR]);
        [
            monitor,
            Self::new("pump, RSA certificate", PUMP, KeyType::Rsa, &[PUMP]),
            Self {
                role: Role::Gateway,
                speaks_for: &VENTILATORS,
                ..Self::new("gateway for two ventilators", "GATEWAY-1", KeyType::Ecc, &VENTILATORS)
            },
            Self {
                expected: Expected::Revoked,
                ..Self::new("stolen pump, revoked certificate", STOLEN_PUMP, KeyType::Ecc, &[STOLEN_PUMP])
            },
            Self {
                expected: Expected::NotInDirectory,
                ..Self::new("device that is not in the directory", UNKNOWN, KeyType::Rsa, &[UNKNOWN])
            },
            Self {
                expected: Expected::IdentityMismatch,
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
        Self { title, name, role, key, expected, speaks_for: &[], equipment }
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
        };
        let connector = Connector::build(&settings, &environment.clock)?;
        let mut tally = Tally::default();
        match self.send_all(&environment, &connector, rounds, interval, &mut tally).await {
            Ok(()) => {}
            Err(Interrupted::Client(error)) => environment.progress.refused(self.title, &error)?,
            Err(Interrupted::Stdout(error)) => return Err(error.into()),
        }
        Ok(tally)
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
                    pulse: 68 + u8::try_from(round % 9).unwrap_or(0),
                };
                let answers = client.send(observation.to_message()).await?;
                tally.sent += 1;
                tally.acknowledged += u64::from(answers.iter().any(|answer| answer.code.is_positive()));
                environment.progress.acknowledged(self.title, equipment, &answers)?;
            }
        }
        Ok(client.close().await?)
    }
}

/// Why a simulated device stops early.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot write to stdout")]
    Stdout(#[from] std::io::Error),
}

/// The connection, and each wait for an acknowledgement.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(20);

const MONITOR: &str = "00A037FFFE000001";
const PUMP: &str = "00A037FFFE000002";
const STOLEN_PUMP: &str = "00A037FFFE000003";
const UNKNOWN: &str = "00A037FFFE000004";
const IMPOSTOR: &str = "00A037FFFE000005";
const VENTILATORS: [&str; 2] = ["00A037FFFE000011", "00A037FFFE000012"];
