//! Sizes and costs. docs/explanation/growth.md says which are measured, and which are assumed.

use std::fmt::Write;

/// Times are in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) nodes: u64,
    pub(crate) devices: u64,
    /// Between two messages of a device.
    pub(crate) interval: u64,
    pub(crate) node_cores: u64,
    pub(crate) database_cores: u64,
    /// Processor of a node for one message.
    pub(crate) node_message: u64,
    /// Processor of a node for one session: the full handshake, the decision, the registration.
    pub(crate) node_session: u64,
    /// Processor of the database for one batch, besides its messages.
    pub(crate) database_batch: u64,
    /// Processor of the database for each message of a batch.
    pub(crate) database_message: u64,
    /// One synchronisation of the write-ahead log; commits that wait meanwhile share the next one.
    pub(crate) synchronise: u64,
    /// There and back between a node and the database; a batch takes three of them, two to read it back.
    pub(crate) round_trip: u64,
    /// Bytes of the store for one message.
    pub(crate) stored: u64,
    /// How long the database is away when its standby takes over.
    pub(crate) failover: u64,
    /// After a negative acknowledgement the device sends the message again after this time.
    pub(crate) repeat: u64,
    /// Length of the simulation.
    pub(crate) length: u64,
    pub(crate) seed: u64,
    /// Processor of the database for a new session: its audit row, its contact.
    pub(crate) database_session: u64,
}

/// Name, default, and what it is; in the order in which [`Options::checked`] takes them.
const KEYS: [(&str, u64, &str); 17] = [
    ("nodes", 100, "nodes of the platform"),
    ("devices", 100_000, "devices, each with one session"),
    ("interval-ms", 10_000, "from one message of a device to the next"),
    ("node-cores", 2, "cores of a node"),
    ("database-cores", 32, "cores of the database"),
    ("node-message-us", 370, "processor of a node for a message"),
    ("node-session-us", 1_600, "processor of a node for a new session"),
    ("database-batch-us", 650, "processor of the database for a batch"),
    ("database-message-us", 30, "and for each message in it"),
    ("synchronise-us", 1_000, "synchronising the write-ahead log once"),
    ("round-trip-us", 200, "network, there and back"),
    ("stored-bytes", 1_200, "store for a message"),
    ("failover-ms", 30_000, "the database is away when its standby takes over"),
    ("repeat-ms", 10_000, "a device repeats after a negative acknowledgement"),
    ("length-ms", 180_000, "length of each simulation; what happens, happens after a third"),
    ("seed", 1, "of the random numbers"),
    ("database-session-us", 300, "processor of the database for a new session"),
];

impl Options {
    /// The options of the command line; `--bench` is what cargo adds.
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut values = KEYS.map(|(_, value, _)| value);
        let mut arguments = arguments.filter(|argument| argument != "--bench");
        while let Some(argument) = arguments.next() {
            let at = KEYS.iter().position(|(name, ..)| argument.strip_prefix("--") == Some(*name));
            let value = arguments.next().and_then(|value| value.parse().ok());
            let (Some(at), Some(value)) = (at, value) else { return Err(help()) };
            values[at] = value;
        }
        Self::checked(values)
    }

    fn checked(values: [u64; 17]) -> Result<Self, String> {
        let [nodes, devices, interval, node_cores, database_cores, ..] = values;
        if [nodes, devices, interval, node_cores, database_cores].contains(&0) {
            return Err("nodes, devices, interval-ms and cores are 1 at least".to_owned());
        }
        Ok(Self {
            nodes,
            devices,
            interval: interval * 1000,
            node_cores,
            database_cores,
            node_message: values[5],
            node_session: values[6],
            database_batch: values[7],
            database_message: values[8],
            synchronise: values[9],
            round_trip: values[10],
            stored: values[11],
            failover: values[12] * 1000,
            repeat: values[13] * 1000,
            length: values[14] * 1000,
            seed: values[15],
            database_session: values[16],
        })
    }

    /// What is simulated, and what follows without a simulation.
    pub(crate) fn describe(&self) -> String {
        let each_second = self.devices * 1_000_000 / self.interval;
        let a_day = each_second * 86_400 * self.stored / 1_000_000_000;
        format!(
            "{} devices on {} nodes of {} cores, one database of {} cores: {each_second} messages a second, \
             {} a node; the store grows by {a_day} GB a day.\n",
            self.devices,
            self.nodes,
            self.node_cores,
            self.database_cores,
            each_second / self.nodes
        )
    }
}

fn help() -> String {
    let mut help = "cargo bench --bench fleet -- [--NAME NUMBER]...\n".to_owned();
    for (name, value, text) in KEYS {
        let _ = write!(help, "\n  --{name:<20} {text} ({value})");
    }
    help
}
