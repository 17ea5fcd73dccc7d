//! The simulated devices of the demonstration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::telling::Telling;
use crate::config::{Credential, TlsVersion};
use crate::interface_b::{Client, ClientError, Observation};
use crate::model::{Clock, MessageId};
use crate::pki::{KeyType, Role};
use crate::tls::{Connector, ConnectorSettings};

/// How long a simulated device waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// One of the cast.
#[derive(Debug, Clone, Copy)]
pub(super) struct Actor {
    /// What it is, for people.
    pub(super) title: &'static str,
    /// The Common Name of its certificate.
    pub(super) name: &'static str,
    pub(super) role: Role,
    pub(super) key: KeyType,
    pub(super) part: Part,
    /// Whom the directory lets it speak for.
    pub(super) speaks_for: &'static [&'static str],
    /// The devices that its messages name.
    pub(super) equipment: &'static [&'static str],
}

/// What is to become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Its messages are acknowledged.
    Welcome,
    /// Its certificate has been revoked (A9.4).
    Revoked,
    /// It is not in the directory (A8).
    Unknown,
    /// It names a device that it may not speak for.
    Impostor,
}

/// What one actor did and got.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
}

const MONITOR: &str = "00A037FFFE000001";

impl Actor {
    /// Everybody.
    pub(super) fn cast() -> [Self; 6] {
        let actor = |title, name, key, part| Self {
            title,
            name,
            role: Role::Device,
            key,
            part,
            speaks_for: &[],
            equipment: &[],
        };
        [
            Self {
                equipment: &[MONITOR],
                ..actor("monitor, ECC certificate", MONITOR, KeyType::Ecc, Part::Welcome)
            },
            Self {
                equipment: &["00A037FFFE000002"],
                ..actor("pump, RSA certificate", "00A037FFFE000002", KeyType::Rsa, Part::Welcome)
            },
            Self {
                role: Role::Gateway,
                speaks_for: &["00A037FFFE000011", "00A037FFFE000012"],
                equipment: &["00A037FFFE000011", "00A037FFFE000012"],
                ..actor("gateway for two ventilators", "GATEWAY-1", KeyType::Ecc, Part::Welcome)
            },
            Self {
                equipment: &["00A037FFFE000003"],
                ..actor("stolen pump, revoked certificate", "00A037FFFE000003", KeyType::Ecc, Part::Revoked)
            },
            Self {
                equipment: &["00A037FFFE000004"],
                ..actor("device that nobody entered", "00A037FFFE000004", KeyType::Rsa, Part::Unknown)
            },
            Self {
                equipment: &[MONITOR],
                ..actor("device speaking as the monitor", "00A037FFFE000005", KeyType::Ecc, Part::Impostor)
            },
        ]
    }

    /// Connects, and sends `rounds` messages for each device it names, with `pause` between rounds.
    pub(super) async fn play(
        self,
        stage: Stage,
        credential: Credential,
        rounds: u64,
        pause: Duration,
    ) -> anyhow::Result<Tally> {
        let settings = ConnectorSettings {
            credential,
            trust_anchors: stage.trust_anchors.clone(),
            versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
            suite: None,
        };
        let connector = Connector::build(&settings, &stage.clock)?;
        let mut tally = Tally::default();
        match self.converse(&stage, &connector, rounds, pause, &mut tally).await {
            Ok(()) => {}
            Err(Interrupted::Client(error)) => stage.telling.turned_away(&self, &error)?,
            Err(Interrupted::Stdout(error)) => return Err(error.into()),
        }
        Ok(tally)
    }

    async fn converse(
        self,
        stage: &Stage,
        connector: &Connector,
        rounds: u64,
        pause: Duration,
        tally: &mut Tally,
    ) -> Result<(), Interrupted> {
        let (host, port) = (stage.platform.ip().to_string(), stage.platform.port());
        let mut client = Client::connect(connector, &host, port, PATIENCE).await?;
        for round in 0..rounds {
            if round > 0 {
                tokio::time::sleep(pause).await;
            }
            for equipment in self.equipment {
                let at = stage.clock.now();
                let control_id = MessageId::at(at).to_string();
                let observation = Observation {
                    // Speaking under another's name means to use it everywhere.
                    sender: if self.part == Part::Impostor { equipment } else { self.name },
                    equipment,
                    control_id: &control_id,
                    at,
                    saturation: 95 + u8::try_from(round % 5).unwrap_or(0),
                    pulse: 68 + u8::try_from(round % 9).unwrap_or(0),
                };
                let answers = client.send(observation.to_message()).await?;
                tally.sent += 1;
                tally.acknowledged += u64::from(answers.iter().any(|answer| answer.code.is_positive()));
                stage.telling.answered(&self, equipment, &answers)?;
            }
        }
        Ok(client.close().await?)
    }
}

/// Why an actor stops early.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("stdout cannot be written")]
    Stdout(#[from] std::io::Error),
}

/// What all actors share.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) platform: SocketAddr,
    pub(super) trust_anchors: Vec<PathBuf>,
    pub(super) clock: Clock,
    pub(super) telling: Telling,
}
