//! `[store]`: where messages and the audit trail are stored, and for how long.

use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::SignedDuration;
use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::key::{Key, ReloadClass};
use super::quantity;
use crate::model::{NodeName, SchemaName, StoreRisk, StoreRisks, StoreUrl};

/// The store, and the retention of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Store {
    /// `sqlite:PATH` or `postgres://USER@HOST/DATABASE`. Once validated it names the password file too.
    #[serde(serialize_with = "url_digest", deserialize_with = "url")]
    pub url: StoreUrl,
    /// The file with the password of the PostgreSQL user; only its owner may read it.
    pub password_file: Option<PathBuf>,
    /// The schema of the PostgreSQL database that holds the tables. Once validated, `url` names it too.
    #[serde(serialize_with = "schema_text", deserialize_with = "schema")]
    pub schema: SchemaName,
    /// The states of the store in which it may lose or hide acknowledged messages.
    #[serde(serialize_with = "risk_codes", deserialize_with = "risks")]
    pub accepted_risks: StoreRisks,
    /// How long `serve` waits at its start for a PostgreSQL server that cannot be used yet.
    #[serde(with = "quantity::duration")]
    pub start_wait: Duration,
    /// The name of this node, under which its audit chain is stored; the default is the name of the machine.
    #[serde(serialize_with = "node_text", deserialize_with = "node")]
    pub node: NodeName,
    /// What happens when the store does not contain the end of the audit chain that this node remembers.
    pub when_behind: WhenBehind,
    /// What a start does when there is no store.
    pub when_missing: WhenMissing,
    /// Retention of accepted messages and settled orders.
    pub retain_messages: Retain,
    /// Retention of rejected messages, where it is another.
    pub retain_rejected: Option<Retain>,
    /// Retention of large accepted messages, where it is shorter.
    pub retain_large: Option<Retain>,
    /// The bytes of accepted messages, large ones among them, beyond which the oldest go before their age.
    #[serde(with = "quantity::optional_size")]
    pub retain_messages_size: Option<u64>,
    /// The same of rejected messages.
    #[serde(with = "quantity::optional_size")]
    pub retain_rejected_size: Option<u64>,
    /// The same of large accepted messages.
    #[serde(with = "quantity::optional_size")]
    pub retain_large_size: Option<u64>,
    /// Accepted messages of this size and more are large.
    #[serde(with = "quantity::size")]
    pub large_from: usize,
    /// Retention of the audit trail; never shorter than that of the messages that it accounts for.
    pub retain_audit: Retain,
    /// Retention removes nothing while the clock is further than this from the expected time.
    #[serde(with = "quantity::duration")]
    pub max_clock_difference: Duration,
    /// How old the last `store backup` of a store in a file may become.
    pub max_backup_age: BackupAge,
    /// The percent of the disk of a store in a file below which the free rest is a finding; 0: the rate at
    /// which it is taken decides alone.
    pub min_free_percent: u64,
    /// `serve` migrates a store by itself up to this number of rows: messages and audit trail together.
    pub max_migration_rows: u64,
    /// `serve` migrates a store by itself when the estimated time is not longer than this.
    #[serde(with = "quantity::duration")]
    pub max_migration_time: Duration,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: StoreUrl::new("sqlite:data/platform.db"),
            password_file: None,
            schema: SchemaName::default(),
            accepted_risks: StoreRisks::default(),
            start_wait: Duration::from_mins(2),
            node: NodeName::from_hostname(),
            when_behind: WhenBehind::default(),
            when_missing: WhenMissing::default(),
            retain_messages: Retain::For(Duration::from_hours(30 * 24)),
            retain_rejected: None,
            retain_large: None,
            retain_messages_size: None,
            retain_rejected_size: None,
            retain_large_size: None,
            large_from: 256 << 10,
            retain_audit: Retain::Forever,
            max_clock_difference: Duration::from_hours(3 * 24),
            max_backup_age: BackupAge::AtMost(Duration::from_hours(26)),
            min_free_percent: 5,
            max_migration_rows: 1_000_000,
            max_migration_time: Duration::from_mins(1),
        }
    }
}

impl Store {
    /// How long rejected messages are retained: as long as accepted ones, unless it is configured.
    #[must_use]
    pub fn retain_rejected(&self) -> Retain {
        self.retain_rejected.unwrap_or(self.retain_messages)
    }

    /// How long large messages are retained: as long as other accepted ones, unless it is configured.
    #[must_use]
    pub fn retain_large(&self) -> Retain {
        self.retain_large.unwrap_or(self.retain_messages)
    }
}

impl Store {
    /// The ages of accepted, rejected and large messages; `None`: forever.
    #[must_use]
    pub fn message_ages(&self) -> [Option<SignedDuration>; 3] {
        [self.retain_messages, self.retain_rejected(), self.retain_large()].map(Retain::age)
    }

    /// The limits by size of accepted, rejected and large messages, in bytes; `None`: there is none.
    #[must_use]
    pub const fn message_sizes(&self) -> [Option<u64>; 3] {
        [self.retain_messages_size, self.retain_rejected_size, self.retain_large_size]
    }
}

/// What happens when the store does not contain the end of the audit chain that this node remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenBehind {
    /// Nothing is written until an operator accepts the end of the store's chain.
    #[default]
    Refuse,
    /// The platform continues with the chain as it is, and records that.
    Continue,
}

/// What a start does when there is no store. A store that was moved away, or whose disk is not mounted, is
/// missing as well: the directory of an empty one would refuse every device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenMissing {
    /// The start makes one, unless this node remembers rows of its audit chain.
    #[default]
    Create,
    /// The start is refused: the site has had a store.
    Refuse,
}

/// How long rows are retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retain {
    /// `"forever"`.
    Forever,
    /// Until they reach this age.
    For(Duration),
}

impl Retain {
    /// The age; `None`: forever.
    #[must_use]
    pub fn age(self) -> Option<SignedDuration> {
        match self {
            Self::Forever => None,
            Self::For(time) => SignedDuration::try_from(time).ok(),
        }
    }

    /// Whether rows are retained at least as long as under `other`.
    pub(super) fn covers(self, other: Self) -> bool {
        match (self, other) {
            (Self::Forever, _) => true,
            (Self::For(_), Self::Forever) => false,
            (Self::For(own), Self::For(other)) => own >= other,
        }
    }
}

impl<'de> Deserialize<'de> for Retain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "forever" => Ok(Self::Forever),
            _ => quantity::duration::deserialize(text.into_deserializer()).map(Self::For),
        }
    }
}

impl Serialize for Retain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Forever => serializer.serialize_str("forever"),
            Self::For(time) => quantity::duration::serialize(time, serializer),
        }
    }
}

/// How old the last backup may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupAge {
    /// `"any"`: the store is copied by other means.
    Any,
    /// Beyond this age it is a finding.
    AtMost(Duration),
}

impl<'de> Deserialize<'de> for BackupAge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "any" => Ok(Self::Any),
            _ => quantity::duration::deserialize(text.into_deserializer()).map(Self::AtMost),
        }
    }
}

impl Serialize for BackupAge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => serializer.serialize_str("any"),
            Self::AtMost(age) => quantity::duration::serialize(age, serializer),
        }
    }
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StoreUrl, D::Error> {
    String::deserialize(deserializer).map(StoreUrl::new)
}

/// A URL may hold a password. Equal URLs have equal digests within one process, and a digest reveals nothing.
fn url_digest<S: Serializer>(url: &StoreUrl, serializer: S) -> Result<S::Ok, S::Error> {
    static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    serializer.serialize_u64(SECRET.hash_one(url.secret()))
}

fn risks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StoreRisks, D::Error> {
    let codes = Vec::<String>::deserialize(deserializer)?;
    let risk = |code: String| {
        let known = || {
            let acceptable = StoreRisk::ALL.into_iter().filter(|risk| risk.is_acceptable());
            acceptable.map(StoreRisk::code).collect::<Vec<_>>().join(", ")
        };
        StoreRisk::from_code(&code)
            .filter(|risk| risk.is_acceptable())
            .ok_or_else(|| de::Error::custom(format_args!("\"{code}\" is none of {}", known())))
    };
    codes.into_iter().map(risk).collect()
}

fn risk_codes<S: Serializer>(risks: &StoreRisks, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(risks.iter().map(StoreRisk::code))
}

fn schema<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SchemaName, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map_err(|error| de::Error::custom(format_args!("\"{name}\": {error}")))
}

fn schema_text<S: Serializer>(schema: &SchemaName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(schema)
}

fn node<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NodeName, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map_err(|error| de::Error::custom(format_args!("\"{name}\": {error}")))
}

fn node_text<S: Serializer>(node: &NodeName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(node)
}

// The servers and the node's audit chain are opened when the process starts. Each new connection reads the
// password, and each retention pass its limits.
pub(super) const KEYS: &[Key] = &[
    Key::new("store.url", ReloadClass::Restart),
    Key::new("store.password-file", ReloadClass::Applied),
    Key::new("store.schema", ReloadClass::Restart),
    Key::new("store.accepted-risks", ReloadClass::Applied),
    Key::new("store.start-wait", ReloadClass::Restart).timeout(),
    Key::new("store.node", ReloadClass::Restart),
    Key::new("store.when-behind", ReloadClass::Restart),
    Key::new("store.when-missing", ReloadClass::Restart),
    Key::new("store.retain-messages", ReloadClass::Applied).retention(),
    Key::new("store.retain-rejected", ReloadClass::Applied).retention(),
    Key::new("store.retain-large", ReloadClass::Applied).retention(),
    Key::new("store.retain-messages-size", ReloadClass::Applied).bytes(MIN_SIZE..=MAX_SIZE),
    Key::new("store.retain-rejected-size", ReloadClass::Applied).bytes(MIN_SIZE..=MAX_SIZE),
    Key::new("store.retain-large-size", ReloadClass::Applied).bytes(MIN_SIZE..=MAX_SIZE),
    Key::new("store.large-from", ReloadClass::Applied).bytes(16 << 10..=256 << 20),
    Key::new("store.retain-audit", ReloadClass::Applied).retention(),
    Key::new("store.max-clock-difference", ReloadClass::Applied).timeout(),
    Key::new("store.max-backup-age", ReloadClass::Applied).timeout(),
    Key::new("store.min-free-percent", ReloadClass::Applied).count(0..=50),
    Key::new("store.max-migration-rows", ReloadClass::Restart),
    Key::new("store.max-migration-time", ReloadClass::Restart).timeout(),
];

/// The smallest and the largest limit by size.
const MIN_SIZE: u64 = 1 << 20;
const MAX_SIZE: u64 = 1 << 50;
