//! `[interface-a]`: the listener for devices.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::key::{Key, ReloadClass};
use super::network::Network;
use super::quantity;

/// The listener for devices (A1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct InterfaceA {
    /// Addresses to listen on; the default is port 2575 on every address, IPv6 and IPv4.
    pub listen: Vec<SocketAddr>,
    /// Concurrent connections; further ones wait in the kernel's backlog.
    pub max_connections: usize,
    /// Connections of one address (IPv6: one /64) whose handshake is not complete; further ones are refused.
    pub connections_per_address: usize,
    /// Sessions of one device. Beyond it one that is idle makes way, or the new one is refused.
    pub sessions_per_device: usize,
    /// Sessions of one gateway, which keeps a pool of them; beyond it as for devices.
    pub sessions_per_gateway: usize,
    /// Sessions that one device may open in a minute; further ones are refused.
    pub new_sessions_per_device: u32,
    /// Connections of all addresses whose handshake is not complete; beyond, the one that has kept the
    /// platform waiting longest, of the address with the most of them, is closed.
    pub max_incomplete_connections: usize,
    /// TLS handshakes that compute at once; further ones wait, none is dropped. A handshake that waits for
    /// its peer does not count.
    pub max_handshakes: usize,
    /// TLS handshakes of one address (IPv6: one /64) that compute at once; further ones wait.
    pub handshakes_per_address: usize,
    /// Addresses without these shares: many devices connect through one NAT gateway or relay.
    pub shared_addresses: Vec<Network>,
    /// Networks of monitoring probes. Their connections are counted; those that present no certificate get no
    /// audit row and no log line.
    pub health_checks: Vec<Network>,
    /// Networks of load balancers that send a header of the PROXY protocol. From them every connection begins
    /// with one, and counts for the address that it states.
    pub proxy_protocol: Vec<Network>,
    /// From the accepted connection to the complete ClientHello.
    #[serde(with = "quantity::duration")]
    pub hello_timeout: Duration,
    /// From the ClientHello to the finished handshake, without the time that it waits for the platform.
    #[serde(with = "quantity::duration")]
    pub handshake_timeout: Duration,
    /// A connection whose peer no longer answers, not even on the level of TCP, ends after this time.
    #[serde(with = "quantity::duration")]
    pub dead_peer_timeout: Duration,
    /// A session without a byte from the peer ends after this time.
    #[serde(with = "quantity::duration")]
    pub idle_timeout: Duration,
    /// From the first byte of a frame to its last.
    #[serde(with = "quantity::duration")]
    pub frame_timeout: Duration,
    /// Payload bytes of the largest frame.
    #[serde(with = "quantity::size")]
    pub max_frame: usize,
    /// Memory of the frames that are not complete, of all connections together.
    pub frame_memory: FrameMemory,
    /// Percent of the memory of the control group at which no further connections and no large frames are
    /// taken.
    pub memory_mark: u64,
    /// Messages of one connection that are being stored at once.
    pub in_flight: usize,
    /// How long a shutdown waits for messages that are being stored.
    #[serde(with = "quantity::duration")]
    pub drain_timeout: Duration,
}

impl Default for InterfaceA {
    fn default() -> Self {
        Self {
            // A1: port 2575. `[::]` accepts IPv4 too.
            listen: vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, 2575))],
            max_connections: 20_000,
            // A hospital behind NAT has open sessions, which do not count, and few handshakes at a time.
            connections_per_address: 512,
            sessions_per_device: 64,
            sessions_per_gateway: 256,
            // A gateway that connects for each message, 20 times a second, or one that opens its 64 sessions
            // again every three seconds.
            new_sessions_per_device: 1200,
            max_incomplete_connections: 4096,
            max_handshakes: 256,
            handshakes_per_address: 64,
            shared_addresses: Vec::new(),
            health_checks: Vec::new(),
            proxy_protocol: Vec::new(),
            hello_timeout: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(10),
            dead_peer_timeout: Duration::from_mins(2),
            idle_timeout: Duration::from_mins(15),
            frame_timeout: Duration::from_secs(30),
            max_frame: 16 << 20,
            frame_memory: FrameMemory::Automatic,
            memory_mark: 85,
            in_flight: 32,
            drain_timeout: Duration::from_secs(20),
        }
    }
}

/// A limit of the memory of incomplete frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FrameMemory {
    /// `"automatic"`: a quarter of the memory that the process may use, and at most 64 MiB.
    #[default]
    Automatic,
    /// This number of bytes.
    Bytes(usize),
}

impl<'de> Deserialize<'de> for FrameMemory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "automatic" => Ok(Self::Automatic),
            _ => quantity::size::deserialize(text.into_deserializer()).map(Self::Bytes),
        }
    }
}

impl Serialize for FrameMemory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Automatic => serializer.serialize_str("automatic"),
            Self::Bytes(bytes) => quantity::size::serialize(bytes, serializer),
        }
    }
}

// The sockets, the connection limit and the threads for handshakes are made when the process starts.
// Everything else is read when it is used; a session that waits looks for another timeout regularly.
pub(super) const KEYS: &[Key] = &[
    Key::new("interface-a.listen", ReloadClass::Restart),
    Key::new("interface-a.max-connections", ReloadClass::Restart).count(1..=1_000_000),
    Key::new("interface-a.connections-per-address", ReloadClass::Applied).count(1..=1_000_000),
    Key::new("interface-a.sessions-per-device", ReloadClass::Applied).count(1..=1_000_000),
    Key::new("interface-a.sessions-per-gateway", ReloadClass::Applied).count(1..=1_000_000),
    Key::new("interface-a.new-sessions-per-device", ReloadClass::Applied).count(1..=1_000_000),
    Key::new("interface-a.max-incomplete-connections", ReloadClass::Applied).count(1..=1_000_000),
    Key::new("interface-a.max-handshakes", ReloadClass::Restart).count(1..=100_000),
    Key::new("interface-a.handshakes-per-address", ReloadClass::Restart).count(1..=100_000),
    Key::new("interface-a.shared-addresses", ReloadClass::Applied),
    Key::new("interface-a.health-checks", ReloadClass::Applied),
    Key::new("interface-a.proxy-protocol", ReloadClass::Applied),
    Key::new("interface-a.hello-timeout", ReloadClass::Applied).timeout(),
    Key::new("interface-a.handshake-timeout", ReloadClass::Applied).timeout(),
    // Less than a few round trips of a slow network would end good connections.
    Key::new("interface-a.dead-peer-timeout", ReloadClass::Applied)
        .time(Duration::from_secs(4), Duration::from_hours(1)),
    Key::new("interface-a.idle-timeout", ReloadClass::Applied).timeout(),
    Key::new("interface-a.frame-timeout", ReloadClass::Applied).timeout(),
    // The smallest readable MSH fits 1 KiB; no message of a device needs a quarter of a gigabyte.
    Key::new("interface-a.max-frame", ReloadClass::Applied).bytes(1 << 10..=256 << 20),
    Key::new("interface-a.frame-memory", ReloadClass::Applied).bytes(1 << 20..=64 << 30),
    Key::new("interface-a.memory-mark", ReloadClass::Applied).count(50..=99),
    Key::new("interface-a.in-flight", ReloadClass::Applied).count(1..=10_000),
    Key::new("interface-a.drain-timeout", ReloadClass::Applied).timeout(),
];
