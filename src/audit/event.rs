//! The closed list of what the audit trail tells.

use std::net::SocketAddr;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::chain::{Link, Signature, hexadecimal};
use crate::authz::{DeviceKind, DeviceStatus};
use crate::hl7::AcknowledgeAs;
use crate::model::{DeviceId, Fingerprint, MessageId, Refusal, SessionId};

/// Something that an auditor may ask about.
///
/// Closed on purpose: the row in the trail, the label of `pcd_audit_events_total` and the word that
/// `audit list --event` takes all derive from the variant. Details are identifiers and codes, never the content of
/// a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The platform accepts connections from now on.
    PlatformStarted {
        /// The version of the program.
        version: String,
        /// The addresses of Interface A.
        listen: Vec<SocketAddr>,
    },
    /// The platform has ended its work.
    PlatformStopped {
        /// Why.
        reason: StopReason,
    },
    /// Another configuration is in force.
    ConfigurationChanged {
        /// The tables of the file in which something differs; never values, which may be secret.
        sections: Vec<String>,
    },
    /// A device was let in (A8, A9).
    ConnectionAccepted {
        /// The session that began.
        session: SessionId,
        /// Where it came from.
        peer: SocketAddr,
        /// Who it is.
        device: DeviceId,
        /// By which certificate.
        certificate: Certificate,
        /// How it is known that none of its certificates has been revoked.
        revocation: Vec<CertificateStatus>,
    },
    /// A peer was not let in (A8, A9.4).
    ConnectionRefused {
        /// Where it came from.
        peer: SocketAddr,
        /// Why.
        refusal: Refusal,
        /// The certificate it showed, when one could be read.
        certificate: Option<Certificate>,
        /// What was found out about the revocation of its certificates.
        revocation: Vec<CertificateStatus>,
    },
    /// A session is over.
    SessionEnded {
        /// Which.
        session: SessionId,
        /// Whose.
        device: DeviceId,
        /// Why.
        why: SessionEnd,
    },
    /// A message was stored and is acknowledged.
    MessageAccepted {
        /// Its name in the store.
        message: MessageId,
        /// The session it came in.
        session: SessionId,
        /// The certificate's Common Name.
        device: DeviceId,
    },
    /// A message was stored as rejected.
    MessageRejected {
        /// Its name in the store.
        message: MessageId,
        /// The session it came in.
        session: SessionId,
        /// The certificate's Common Name.
        device: DeviceId,
        /// The code of the reason.
        code: String,
    },
    /// A message claims an identity that its certificate does not speak for.
    IdentityViolation {
        /// Its name in the store.
        message: MessageId,
        /// The session it came in.
        session: SessionId,
        /// The certificate's Common Name.
        device: DeviceId,
        /// The device identity that was claimed.
        identity: String,
    },
    /// A peer sent bytes that belong to no frame; told once, when its session ends.
    BytesBetweenFrames {
        /// The session they came in.
        session: SessionId,
        /// The certificate's Common Name.
        device: DeviceId,
        /// How many.
        count: u64,
    },
    /// A device that sent regularly, or promised to, has stopped.
    FeedSilent {
        /// Its Common Name.
        device: DeviceId,
        /// When it was heard last.
        last: Timestamp,
        /// Seconds in which nothing came.
        patience: u64,
    },
    /// A device that had stopped is heard again.
    FeedResumed {
        /// Its Common Name.
        device: DeviceId,
        /// Seconds in which nothing came.
        pause: u64,
    },
    /// An entry came into the directory.
    DeviceAdded {
        /// Its Common Name.
        device: DeviceId,
        /// Device or gateway.
        kind: DeviceKind,
        /// Whether it may connect.
        status: DeviceStatus,
        /// Whom it speaks for besides itself.
        speaks_for: Vec<String>,
        /// How it is acknowledged.
        acknowledge: AcknowledgeAs,
        /// Who did it.
        actor: String,
    },
    /// An entry of the directory says something else now.
    DeviceChanged {
        /// Its Common Name.
        device: DeviceId,
        /// Device or gateway.
        kind: DeviceKind,
        /// Whom it speaks for besides itself.
        speaks_for: Vec<String>,
        /// How it is acknowledged.
        acknowledge: AcknowledgeAs,
        /// Who did it.
        actor: String,
    },
    /// A device may not connect any more.
    DeviceSuspended {
        /// Its Common Name.
        device: DeviceId,
        /// Who did it.
        actor: String,
    },
    /// A device may connect again.
    DeviceResumed {
        /// Its Common Name.
        device: DeviceId,
        /// Who did it.
        actor: String,
    },
    /// An entry left the directory.
    DeviceRemoved {
        /// Its Common Name.
        device: DeviceId,
        /// Who did it.
        actor: String,
    },
    /// The platform's key vouches for the chain up to a row before this one.
    AuditSigned {
        /// The last row that is signed.
        link: Link,
        /// The signature over it.
        signature: Signature,
    },
}

/// What the trail says of a certificate: enough to find it at its issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The subject's Common Name, when there is exactly one.
    pub common_name: Option<String>,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// SHA-256 over the DER.
    pub fingerprint: Fingerprint,
}

/// What was found out about the revocation of one certificate, and by whom: the evidence of A9.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateStatus {
    /// The serial number in hexadecimal.
    pub serial: String,
    /// `good`, `revoked` or `undetermined`.
    pub verdict: &'static str,
    /// `ocsp`, `ocsp-cache`, `crl` or `crl-cache`; none when nothing was found.
    pub source: Option<&'static str>,
    /// When it was known to be so.
    pub this_update: Option<String>,
    /// Until when it counts.
    pub next_update: Option<String>,
    /// Where it was fetched.
    pub url: Option<String>,
    /// Who signed.
    pub responder: Option<String>,
}

/// Why the platform stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// It was asked to.
    Requested,
    /// A part of it failed.
    Fault,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionEnd {
    /// The peer closed it in good order.
    PeerClosed,
    /// The connection broke.
    ConnectionLost,
    /// Nothing came for too long.
    IdleTimeout,
    /// A frame was begun and not finished in time.
    FrameTimeout,
    /// A frame was larger than allowed.
    FrameTooLarge,
    /// What came was not MLLP.
    NotFramed,
    /// A message could not be read, and the operator wants the connection closed then.
    Unreadable,
    /// Too many messages in a row claimed identities that the certificate does not speak for.
    Violations,
    /// The right to be connected went away while connected.
    Withdrawn(Refusal),
    /// The platform stops.
    Shutdown,
    /// A fault of ours.
    Fault,
}

impl Event {
    /// The names of all events, for metrics that start at zero and for the command line.
    pub const NAMES: [&'static str; 18] = [
        "platform-started",
        "platform-stopped",
        "configuration-changed",
        "connection-accepted",
        "connection-refused",
        "session-ended",
        "message-accepted",
        "message-rejected",
        "identity-violation",
        "bytes-between-frames",
        "feed-silent",
        "feed-resumed",
        "device-added",
        "device-changed",
        "device-suspended",
        "device-resumed",
        "device-removed",
        Self::AUDIT_SIGNED,
    ];

    /// The name of [`Event::AuditSigned`], which is read again when the chain is verified.
    pub(crate) const AUDIT_SIGNED: &'static str = "audit-signed";

    /// The stable name of the event.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PlatformStarted { .. } => "platform-started",
            Self::PlatformStopped { .. } => "platform-stopped",
            Self::ConfigurationChanged { .. } => "configuration-changed",
            Self::ConnectionAccepted { .. } => "connection-accepted",
            Self::ConnectionRefused { .. } => "connection-refused",
            Self::SessionEnded { .. } => "session-ended",
            Self::MessageAccepted { .. } => "message-accepted",
            Self::MessageRejected { .. } => "message-rejected",
            Self::IdentityViolation { .. } => "identity-violation",
            Self::BytesBetweenFrames { .. } => "bytes-between-frames",
            Self::FeedSilent { .. } => "feed-silent",
            Self::FeedResumed { .. } => "feed-resumed",
            Self::DeviceAdded { .. } => "device-added",
            Self::DeviceChanged { .. } => "device-changed",
            Self::DeviceSuspended { .. } => "device-suspended",
            Self::DeviceResumed { .. } => "device-resumed",
            Self::DeviceRemoved { .. } => "device-removed",
            Self::AuditSigned { .. } => Self::AUDIT_SIGNED,
        }
    }

    /// The details in canonical JSON: one object, keys in the order of their bytes, no white space.
    #[must_use]
    pub fn details(&self) -> String {
        self.fields().to_string()
    }

    fn fields(&self) -> Value {
        match self {
            Self::PlatformStarted { version, listen } => {
                let listen: Vec<String> = listen.iter().map(ToString::to_string).collect();
                json!({ "version": version, "listen": listen })
            }
            Self::PlatformStopped { reason } => json!({ "reason": reason.code() }),
            Self::ConfigurationChanged { sections } => json!({ "sections": sections }),
            Self::ConnectionAccepted { session, peer, device, certificate, revocation } => json!({
                "session": session.to_string(),
                "peer": peer.to_string(),
                "device": device.as_str(),
                "certificate": certificate.fields(),
                "revocation": revocation.iter().map(CertificateStatus::fields).collect::<Vec<_>>(),
            }),
            Self::ConnectionRefused { peer, refusal, certificate, revocation } => {
                let mut fields = Map::new();
                fields.insert("peer".to_owned(), peer.to_string().into());
                fields.insert("refusal".to_owned(), refusal.code().into());
                if let Some(certificate) = certificate {
                    fields.insert("certificate".to_owned(), certificate.fields());
                }
                if !revocation.is_empty() {
                    let statuses: Vec<Value> = revocation.iter().map(CertificateStatus::fields).collect();
                    fields.insert("revocation".to_owned(), statuses.into());
                }
                fields.into()
            }
            Self::SessionEnded { session, device, why } => json!({
                "session": session.to_string(),
                "device": device.as_str(),
                "why": why.code(),
            }),
            Self::MessageAccepted { message, session, device } => json!({
                "message": message.to_string(),
                "session": session.to_string(),
                "device": device.as_str(),
            }),
            Self::MessageRejected { message, session, device, code } => json!({
                "message": message.to_string(),
                "session": session.to_string(),
                "device": device.as_str(),
                "code": code,
            }),
            Self::IdentityViolation { message, session, device, identity } => json!({
                "message": message.to_string(),
                "session": session.to_string(),
                "device": device.as_str(),
                "identity": identity,
            }),
            Self::BytesBetweenFrames { session, device, count } => json!({
                "session": session.to_string(),
                "device": device.as_str(),
                "count": count,
            }),
            Self::FeedSilent { device, last, patience } => json!({
                "device": device.as_str(),
                "last": last.to_string(),
                "patience-seconds": patience,
            }),
            Self::FeedResumed { device, pause } => json!({
                "device": device.as_str(),
                "pause-seconds": pause,
            }),
            Self::DeviceAdded { device, kind, status, speaks_for, acknowledge, actor } => json!({
                "device": device.as_str(),
                "kind": kind.as_str(),
                "status": status.as_str(),
                "speaks-for": speaks_for,
                "acknowledge": acknowledge.as_str(),
                "actor": actor,
            }),
            Self::DeviceChanged { device, kind, speaks_for, acknowledge, actor } => json!({
                "device": device.as_str(),
                "kind": kind.as_str(),
                "speaks-for": speaks_for,
                "acknowledge": acknowledge.as_str(),
                "actor": actor,
            }),
            Self::DeviceSuspended { device, actor }
            | Self::DeviceResumed { device, actor }
            | Self::DeviceRemoved { device, actor } => json!({ "device": device.as_str(), "actor": actor }),
            Self::AuditSigned { link, signature } => json!({
                "number": link.number,
                "hash": link.hash.to_string(),
                "scheme": signature.scheme,
                "certificate": hexadecimal(&signature.certificate),
                "signature": hexadecimal(&signature.value),
            }),
        }
    }
}

impl Certificate {
    fn fields(&self) -> Value {
        let mut fields = Map::new();
        if let Some(name) = &self.common_name {
            fields.insert("common-name".to_owned(), name.as_str().into());
        }
        fields.insert("issuer".to_owned(), self.issuer.as_str().into());
        fields.insert("serial".to_owned(), self.serial.as_str().into());
        fields.insert("fingerprint".to_owned(), self.fingerprint.to_string().into());
        fields.into()
    }
}

impl CertificateStatus {
    fn fields(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("serial".to_owned(), self.serial.as_str().into());
        fields.insert("verdict".to_owned(), self.verdict.into());
        let optional = [
            ("source", self.source),
            ("this-update", self.this_update.as_deref()),
            ("next-update", self.next_update.as_deref()),
            ("url", self.url.as_deref()),
            ("responder", self.responder.as_deref()),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                fields.insert(key.to_owned(), value.into());
            }
        }
        fields.into()
    }
}

impl StopReason {
    /// The stable code of the reason.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Fault => "fault",
        }
    }
}

impl SessionEnd {
    /// The stable code of the reason; a withdrawn right goes by the code of the refusal.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer-closed",
            Self::ConnectionLost => "connection-lost",
            Self::IdleTimeout => "idle-timeout",
            Self::FrameTimeout => "frame-timeout",
            Self::FrameTooLarge => "frame-too-large",
            Self::NotFramed => "not-framed",
            Self::Unreadable => "unreadable-message",
            Self::Violations => "violations",
            Self::Withdrawn(refusal) => refusal.code(),
            Self::Shutdown => "shutdown",
            Self::Fault => "fault",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn every_event() -> Vec<Event> {
        let at = Timestamp::from_second(1_750_000_000).unwrap();
        let (message, session) = (MessageId::at(at), SessionId::at(at));
        let device: DeviceId = "PUMP-1".parse().unwrap();
        let (id, actor) = (|| device.clone(), || "alice".to_owned());
        let (kind, status) = (DeviceKind::Gateway, DeviceStatus::Active);
        let speaks_for = || vec!["00A037*".to_owned()];
        vec![
            Event::PlatformStarted { version: "1.0".to_owned(), listen: vec!["[::]:2575".parse().unwrap()] },
            Event::PlatformStopped { reason: StopReason::Requested },
            Event::ConfigurationChanged { sections: vec!["tls".to_owned()] },
            Event::ConnectionAccepted {
                session,
                peer: peer(),
                device: id(),
                certificate: certificate(),
                revocation: vec![evidence()],
            },
            Event::ConnectionRefused {
                peer: peer(),
                refusal: Refusal::Revoked,
                certificate: Some(certificate()),
                revocation: vec![evidence()],
            },
            Event::SessionEnded { session, device: id(), why: SessionEnd::Withdrawn(Refusal::Revoked) },
            Event::MessageAccepted { message, session, device: id() },
            Event::MessageRejected { message, session, device: id(), code: "type".to_owned() },
            Event::IdentityViolation { message, session, device: id(), identity: "00A0".to_owned() },
            Event::BytesBetweenFrames { session, device: id(), count: 7 },
            Event::FeedSilent { device: id(), last: at, patience: 90 },
            Event::FeedResumed { device: id(), pause: 600 },
            Event::DeviceAdded {
                device: id(),
                kind,
                status,
                speaks_for: speaks_for(),
                acknowledge: AcknowledgeAs::Accept,
                actor: actor(),
            },
            Event::DeviceChanged {
                device: id(),
                kind,
                speaks_for: speaks_for(),
                acknowledge: AcknowledgeAs::AsAsked,
                actor: actor(),
            },
            Event::DeviceSuspended { device: id(), actor: actor() },
            Event::DeviceResumed { device: id(), actor: actor() },
            Event::DeviceRemoved { device: id(), actor: actor() },
            Event::AuditSigned {
                link: Link::START,
                signature: Signature {
                    scheme: "ecdsa_secp256r1_sha256".to_owned(),
                    certificate: vec![0x30],
                    value: vec![0x30],
                },
            },
        ]
    }

    fn peer() -> SocketAddr {
        "192.0.2.7:50123".parse().unwrap()
    }

    fn evidence() -> CertificateStatus {
        CertificateStatus {
            serial: "0a1b".to_owned(),
            verdict: "good",
            source: Some("ocsp"),
            this_update: Some("2026-01-01T00:00:00Z".to_owned()),
            next_update: None,
            url: Some("http://ca.example/ocsp".to_owned()),
            responder: Some("CN=CA".to_owned()),
        }
    }

    fn certificate() -> Certificate {
        Certificate {
            common_name: Some("PUMP-1".to_owned()),
            issuer: "CN=Issuing \"CA\"".to_owned(),
            serial: "0a1b".to_owned(),
            fingerprint: Fingerprint::of(b""),
        }
    }

    #[test]
    fn every_event_has_a_name_of_its_own_that_is_listed() {
        let names: Vec<_> = every_event().iter().map(Event::name).collect();
        assert_eq!(names, Event::NAMES);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }

    #[test]
    fn details_are_canonical_json_in_kebab_case() {
        for event in every_event() {
            let details = event.details();
            let fields: std::collections::BTreeMap<String, Value> = serde_json::from_str(&details).unwrap();
            let kebab = |key: &String| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            assert!(fields.keys().all(kebab), "{details}");
            // A map that sorts its keys writes the same bytes.
            assert_eq!(serde_json::to_string(&fields).unwrap(), details);
        }
    }

    #[test]
    fn a_refusal_tells_its_code_and_the_certificate_when_there_was_one() {
        let refusal = Refusal::Expired;
        let without =
            Event::ConnectionRefused { peer: peer(), refusal, certificate: None, revocation: Vec::new() };
        assert_eq!(without.details(), r#"{"peer":"192.0.2.7:50123","refusal":"expired"}"#);
        let nameless = Certificate { common_name: None, ..certificate() };
        let with = Event::ConnectionRefused {
            peer: peer(),
            refusal,
            certificate: Some(nameless),
            revocation: Vec::new(),
        };
        let fingerprint = Fingerprint::of(b"");
        assert_eq!(
            with.details(),
            format!(
                r#"{{"certificate":{{"fingerprint":"{fingerprint}","issuer":"CN=Issuing \"CA\"","serial":"0a1b"}},"peer":"192.0.2.7:50123","refusal":"expired"}}"#
            )
        );
    }

    #[test]
    fn a_session_that_lost_its_right_ends_with_the_code_of_the_refusal() {
        assert_eq!(SessionEnd::Withdrawn(Refusal::SuspendedDevice).code(), Refusal::SuspendedDevice.code());
        assert_eq!(SessionEnd::IdleTimeout.code(), "idle-timeout");
    }
}
