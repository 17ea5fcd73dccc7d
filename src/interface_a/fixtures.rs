//! Sessions and messages for tests.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;

use super::pending_replies::PendingReplies;
use super::registry::SessionInfo;
use super::relay::Relay;
use super::session::{Context, Now, Session};
use crate::authz::DirectoryHandle;
use crate::authz::{Device, DeviceKind, DeviceStatus, Directory};
use crate::config::{Config, ConfigHandle, Overrides};
use crate::hl7::AcknowledgeAs;
use crate::model::{Clock, PatientKey, SessionId};
use crate::tls::Peer;

pub(super) const NAME: &str = "00A037FFFE000001";
/// The limits that tests vary.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) idle_timeout: Duration,
    pub(super) frame_timeout: Duration,
    pub(super) max_frame: usize,
    pub(super) in_flight: usize,
    pub(super) max_violations: u32,
}

pub(super) const LIMITS: Limits = Limits {
    idle_timeout: Duration::from_secs(900),
    frame_timeout: Duration::from_secs(30),
    max_frame: 64 * 1024,
    in_flight: 32,
    max_violations: 3,
};

impl Limits {
    pub(super) fn applied_to(self, mut config: Config) -> Config {
        config.interface_a.idle_timeout = self.idle_timeout;
        config.interface_a.frame_timeout = self.frame_timeout;
        config.interface_a.max_frame = self.max_frame;
        config.interface_a.in_flight = self.in_flight;
        config.devices.max_violations = self.max_violations;
        config
    }
}

pub(super) fn clock() -> Clock {
    Clock::manual(Timestamp::from_second(1_750_000_000).unwrap())
}

pub(super) fn now(clock: &Clock) -> Now {
    Now { wall: clock.now(), instant: clock.instant() }
}

pub(super) fn config() -> Config {
    let text = "[tls]\nclient-trust-anchors = [\"root.pem\"]\necc = { chain = \"c.pem\", key = \"k.pem\" }\n";
    Config::parse(text, Path::new("platform.toml"), &Overrides::default()).unwrap()
}

/// The configuration of a gateway.
pub(super) fn gateway_config() -> Config {
    let text = "[tls]\nclient-trust-anchors = [\"root.pem\"]\necc = { chain = \"c.pem\", key = \"k.pem\" }\n\
                [gateway]\nplatform = \"platform.example:2575\"\n";
    Config::parse(text, Path::new("platform.toml"), &Overrides::default()).unwrap()
}

pub(super) fn handle(config: Config) -> ConfigHandle {
    Arc::new(ArcSwap::from_pointee(config))
}

pub(super) fn device() -> Device {
    Device {
        id: NAME.parse().unwrap(),
        kind: DeviceKind::Device,
        status: DeviceStatus::Active,
        speaks_for: Vec::new(),
        issuers: Vec::new(),
        silent_after: None,
        expected: false,
        receives_orders: true,
        note: String::new(),
        learns_until: None,
        about: crate::authz::About::default(),
        acknowledge: AcknowledgeAs::AsAsked,
    }
}

pub(super) fn info(clock: &Clock) -> SessionInfo {
    SessionInfo {
        id: SessionId::at(clock.now()),
        device: NAME.parse().unwrap(),
        peer: "192.0.2.7:50123".parse().unwrap(),
        since: clock.now(),
        version: "TLSv1_3",
        suite: "TLS13_AES_256_GCM_SHA384",
    }
}

/// The peer that sends as [`NAME`].
pub(super) fn peer() -> Peer {
    Peer::for_tests(device(), "192.0.2.7:50123".parse().unwrap())
}

pub(super) fn directory(devices: Vec<Device>) -> DirectoryHandle {
    let handle = DirectoryHandle::default();
    handle.store(Arc::new(Directory::from(devices)));
    handle
}

/// A session of [`NAME`] that applies `config`.
pub(super) fn session_with(config: ConfigHandle, pending_replies: PendingReplies, clock: &Clock) -> Session {
    session_of(device(), config, pending_replies, clock)
}

/// A session of this device.
pub(super) fn session_of(
    device: Device,
    config: ConfigHandle,
    pending_replies: PendingReplies,
    clock: &Clock,
) -> Session {
    let peer = Peer::for_tests(device.clone(), "192.0.2.7:50123".parse().unwrap());
    let directory = directory(vec![device]);
    let patient_key = PatientKey::new(b"key");
    let (relay, share) = (Relay::default(), Arc::default());
    let context = Context { config, directory, pending_replies, patient_key, relay, share };
    Session::open(peer, SessionId::at(clock.now()), context, now(clock))
}

/// A session of [`NAME`].
pub(super) fn session(pending_replies: PendingReplies, limits: Limits, clock: &Clock) -> Session {
    session_with(handle(limits.applied_to(config())), pending_replies, clock)
}

/// A message about `device`, in its frame; it asks for an accept acknowledgement.
pub(super) fn frame_about(device: &str, control_id: &str) -> Vec<u8> {
    framed(&format!(
        "MSH|^~\\&|{device}|WARD|||20260101120000+0000||ORU^R01^ORU_R01|{control_id}|P|2.6|||AL|NE|||||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO\rOBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||{device}^^{device}^EUI-64\r"
    ))
}

/// A message of the device about itself.
pub(super) fn frame(control_id: &str) -> Vec<u8> {
    frame_about(NAME, control_id)
}

/// The device's acknowledgement of a message of ours.
pub(super) fn acknowledgement(of: &str) -> Vec<u8> {
    framed(&format!("MSH|^~\\&|{NAME}|WARD|||20260101120000+0000||ACK^R01^ACK|A{of}|P|2.6\rMSA|CA|{of}\r"))
}

pub(super) fn framed(message: &str) -> Vec<u8> {
    [b"\x0B", message.as_bytes(), b"\x1C\r"].concat()
}

/// MSA-1 and MSA-2 of every acknowledgement among these bytes.
pub(super) fn acknowledgements(bytes: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let segments = text.split('\r').filter_map(|segment| segment.strip_prefix("MSA|"));
    let pair = |segment: &str| {
        let mut fields = segment.split('|');
        (fields.next().unwrap().to_owned(), fields.next().unwrap_or_default().to_owned())
    };
    segments.map(pair).collect()
}
