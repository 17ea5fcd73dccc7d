//! A signer for tests, and one of each event.

use std::net::SocketAddr;

use jiff::Timestamp;

use super::event::*;
use super::{
    Acceptance, ChainHead, Distrust, MessageKind, Permit, SignError, Signature, SignatureVerifier, Signer,
};
use crate::authz::{About, Device, DeviceKind};
use crate::hl7::AcknowledgeAs;
use crate::model::{DeviceId, Fingerprint, MessageId, NodeName, PatientKey, Refusal, Searched, SessionId};

/// Signs by repeating the message, so that a signature over another message never verifies.
pub(crate) struct Repeating;

impl Signer for Repeating {
    fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        Ok(Signature { scheme: "none".to_owned(), certificate: vec![1], value: message.to_vec() })
    }
}

impl SignatureVerifier for Repeating {
    fn verify(&self, message: &[u8], signature: &Signature, _: Timestamp) -> Result<(), Distrust> {
        if signature.value == message { Ok(()) } else { Err(Distrust::Forged) }
    }
}

/// One of each, in the order of [`Event::NAMES`].
pub(crate) fn every_event() -> Vec<Event> {
    let at = Timestamp::from_second(1_750_000_000).unwrap();
    let (message, session) = (MessageId::at(at), SessionId::at(at));
    let digest = Fingerprint::sha256(b"MSH|");
    let device: DeviceId = "PUMP-1".parse().unwrap();
    let (id, actor) = (|| device.clone(), || "alice".to_owned());
    let entry = |acknowledge| Box::new(entry(id(), acknowledge));
    vec![
        Event::PlatformStarted { version: "1.0".to_owned(), listen: vec!["[::]:2575".parse().unwrap()] },
        Event::PlatformStopped { reason: StopReason::Requested },
        Event::ConfigurationChanged {
            keys: vec!["tls.ecc".to_owned()],
            new_sessions: vec!["tls.ecc".to_owned()],
            restart: Vec::new(),
            by: ReloadedBy::Signal,
        },
        Event::ConfigurationRefused {
            fault: ConfigurationFault::Values,
            keys: vec!["admin.listen".to_owned()],
            by: ReloadedBy::Http("m.weber".to_owned()),
        },
        Event::CertificatesChanged { old: Vec::new(), new: installed() },
        Event::ClockUnconfirmed { clock: at, expected: Timestamp::UNIX_EPOCH },
        Event::ClockConfirmed { clock: at, release_before: at, actor: actor() },
        Event::SizeLimitReached(SizeLimit { kind: MessageKind::Large, bytes: 7, limit: 5, before: at }),
        Event::ConnectionAccepted {
            session,
            peer: peer(),
            balancer: Some("192.0.2.80".parse().unwrap()),
            device: id(),
            certificate: certificate(),
            revocation: vec![evidence()],
        },
        Event::ConnectionRefused {
            peer: peer(),
            balancer: None,
            refusal: Refusal::Revoked,
            certificate: Some(certificate()),
            extension: None,
            revocation: vec![evidence()],
        },
        Event::RefusalsCounted {
            peers: RefusedPeers::Certificate {
                certificate: certificate(),
                peer: peer(),
                refusal: Refusal::Revoked,
            },
            count: RefusalCount { count: 7, first: at, last: at },
        },
        Event::SessionsCounted {
            device: id(),
            sessions: Box::new(CountedSessions {
                revocation: vec![evidence()],
                ..CountedSessions::one(at, Fingerprint::sha256(b""), peer().ip(), SessionEnd::PeerClosed)
            }),
        },
        Event::SessionEnded { session, device: id(), why: SessionEnd::Withdrawn(Refusal::Revoked) },
        Event::MessageAccepted { message, session, device: id(), digest, large: true },
        Event::MessageRejected { message, session, device: id(), digest, code: "type".to_owned() },
        Event::MessageResent { message, session, device: id(), digest, times: 7 },
        Event::CopyReplaced(ReplacedCopy { message, copy: message, device: id(), digest }),
        Event::CopyRenewed(ReplacedCopy { message, copy: message, device: id(), digest }),
        Event::IdentityViolation { message, session, device: id(), identity: "00A0".to_owned() },
        Event::RejectionsNotStored { device: id(), since: at, messages: 7, bytes: 700 },
        Event::BytesBetweenFrames { session, device: id(), count: 7 },
        Event::FeedSilent { device: id(), last: at, threshold: 90 },
        Event::FeedResumed { device: id(), pause: 600 },
        Event::FeedsBehindSilent(FeedsBehind {
            device: id(),
            identities: vec!["00A0".to_owned()],
            others: 41,
            last: Some(at),
        }),
        Event::FeedsBehindResumed(FeedsBehind {
            device: id(),
            identities: vec!["00A0".to_owned()],
            others: 0,
            last: None,
        }),
        Event::DeviceAdded { entry: entry(AcknowledgeAs::Accept), actor: actor() },
        Event::DeviceChanged { entry: entry(AcknowledgeAs::AsAsked), actor: actor() },
        Event::DeviceSuspended { device: id(), actor: actor() },
        Event::DeviceResumed { device: id(), actor: actor() },
        Event::DeviceRemoved { device: id(), actor: actor() },
        Event::DeviceMerged { device: id(), removed: id(), actor: actor() },
        Event::DeviceLearningStarted { device: id(), until: at, actor: actor() },
        Event::DeviceLearningEnded { device: id(), actor: actor() },
        Event::DeviceIdentitiesForgotten { device: id(), identity: Some("7".to_owned()), actor: actor() },
        Event::SouthboundQueued { message, device: id(), expires: at, actor: actor() },
        Event::SouthboundSent { message, device: id() },
        Event::SouthboundSettled {
            message,
            device: id(),
            settlement: Settlement::Refused,
            basis: SettledBy::LateAnswer { code: "AR".to_owned(), replaced: Settlement::Acknowledged },
        },
        Event::MessageReconsidered {
            message,
            original: message,
            received_at: at,
            device: id(),
            digest,
            rejection: "identity-mismatch".to_owned(),
            actor: actor(),
        },
        Event::MessageViewed {
            message,
            device: id(),
            viewed_as: ViewedAs::TreeWithPatient,
            actor: actor(),
            reason: None,
        },
        Event::MessagesSearched(Box::new(ContentSearch {
            patient: PatientKey::new(b"key").search_key(Searched::Patient, "4711"),
            device: Some(id()),
            since: Some(at),
            actor: actor(),
            reason: Some("transfer".to_owned()),
            ..ContentSearch::default()
        })),
        Event::ContentRefused(RefusedLook { what: "/messages/search".to_owned(), actor: actor() }),
        Event::ReadRefused(Box::new(RefusedRead {
            peer: "192.0.2.7".parse().unwrap(),
            reason: "expired",
            certificate: None,
            others: 2,
        })),
        Event::ClientsChanged(Box::new(ClientsChange {
            change: "client-added",
            organisation: "2.25.1".to_owned(),
            client: Some("ehr".to_owned()),
            detail: Some("system/Observation.rs".to_owned()),
            actor: actor(),
        })),
        Event::SubscriptionsChanged(Box::new(SubscriptionsChange {
            change: "subscription-added",
            subscription: "ward-3".to_owned(),
            organisation: "2.25.1".to_owned(),
            detail: Some("{}".to_owned()),
            actor: actor(),
        })),
        Event::PartnerServed(Box::new(PartnerServed {
            service: "notification-acknowledged",
            client: "ehr".to_owned(),
            organisation: "2.25.1".to_owned(),
            certificate: Some(digest),
            peer: std::net::IpAddr::from([192, 0, 2, 7]),
            request: Some("4711".to_owned()),
            notification: Some(message.to_string()),
            count: 1,
            patients: vec!["0a1b".to_owned()],
        })),
        Event::AuthorizationDecided(Box::new(AuthorizationDecided {
            person: "CN=Ada".to_owned(),
            certificate: digest,
            peer: "192.0.2.7".parse().unwrap(),
            client: "ehr".to_owned(),
            decision: "allowed",
            scopes: "system/Observation.rs".to_owned(),
            redirect_uri: "https://ehr.example/callback".to_owned(),
        })),
        Event::TokenGranted(Box::new(TokenGranted {
            client: "ehr".to_owned(),
            organisation: Some("2.25.1".to_owned()),
            method: "private_key_jwt",
            certificate: digest,
            is_bound: true,
            peer: "192.0.2.7".parse().unwrap(),
            scopes: "system/Observation.rs".to_owned(),
            ends: at,
            purpose: Some("urn:oid:2.25.2: TREAT".to_owned()),
            person: Some("CN=Ada".to_owned()),
        })),
        Event::TokenRevoked(Box::new(TokenRevoked {
            client: "ehr".to_owned(),
            peer: "192.0.2.7".parse().unwrap(),
            reason: Some("code-used"),
        })),
        Event::Enrolment(EnrolmentEvent::Refused(Box::new(RefusedRead {
            peer: "192.0.2.7".parse().unwrap(),
            reason: "wrong-code",
            certificate: None,
            others: 0,
        }))),
        Event::Enrolment(EnrolmentEvent::Requested(Box::new(EnrolmentRequest {
            enrolment: "abcd2345".to_owned(),
            role: "device",
            name: "PUMP-1".to_owned(),
            subject: "CN=PUMP-1".to_owned(),
            key: digest.to_string(),
            peer: "192.0.2.7".parse().unwrap(),
            renews: Some(digest),
        }))),
        Event::Enrolment(EnrolmentEvent::Changed(Box::new(EnrolmentChange {
            change: "issued",
            enrolment: "abcd2345".to_owned(),
            role: "device",
            name: "PUMP-1".to_owned(),
            detail: Some(format!("sha256:{digest}")),
            actor: actor(),
        }))),
        Event::MessagesExported {
            selection: Selection { device: Some(id()), since: Some(at), ..Selection::default() },
            actor: actor(),
        },
        Event::MessagesPruned {
            removed: Box::new([message].into_iter().collect()),
            orders: 6,
            permit: Box::new(Permit::sign(&Repeating, &node(), MessageKind::Accepted, at).unwrap()),
        },
        Event::PersonLoggedIn { actor: actor() },
        Event::PersonLoggedOut(Logout { why: "idle".to_owned(), actor: actor() }),
        Event::StoreCopied { actor: actor() },
        Event::IndexRebuilt { actor: actor() },
        Event::PatientsLinked(PatientsLink {
            patient: "0123456789abcdef0123456789abcdef".to_owned(),
            replaced_by: Some("fedcba9876543210fedcba9876543210".to_owned()),
            actor: actor(),
        }),
        Event::ResourcesRead(Box::new(ResourcesRead {
            client: "ehr".to_owned(),
            organisation: Some("2.25.1".to_owned()),
            certificate: digest,
            peer: std::net::IpAddr::from([192, 0, 2, 7]),
            interaction: "search-type",
            kind: "Observation",
            person: Some("CN=Ada".to_owned()),
            count: 50,
            requests: 1,
            patients: vec!["5ad0c1f2e3b4a5968778695a4b3c2d1e".to_owned()],
            more_patients: 2,
        })),
        Event::AuditExported { format: ExportFormat::Jsonl, since: Some(at), actor: actor() },
        Event::AuditVerified {
            chains: vec![
                ChainVerdict { node: node(), rows: Some(7), broken_row: None },
                ChainVerdict { node: node(), rows: None, broken_row: Some(3) },
            ],
            missing_heads: Vec::new(),
            actor: actor(),
        },
        Event::AuditPruned { link: ChainHead::START, before: at },
        Event::AuditRowsLost(LostRows { count: 7, first: at, last: at }),
        Event::AuditDiverged {
            finding: ChainFinding::StoreBehind,
            node: Some(node()),
            remembered: Some(ChainHead::START),
            found: ChainHead::START,
        },
        Event::AuditEndAccepted { remembered: ChainHead::START, found: ChainHead::START, actor: actor() },
        Event::AuditFaultAccepted {
            acceptance: Box::new(
                Acceptance::sign(&Repeating, node(), ChainHead::START, vec![7], at).unwrap(),
            ),
            actor: actor(),
        },
        Event::AuditSigned {
            link: ChainHead::START,
            signature: Signature {
                scheme: "ecdsa_secp256r1_sha256".to_owned(),
                certificate: vec![0x30],
                value: vec![0x30],
            },
            chains: vec![(node(), ChainHead::START)],
        },
    ]
}

pub(crate) fn peer() -> SocketAddr {
    "192.0.2.7:50123".parse().unwrap()
}

fn entry(id: DeviceId, acknowledge: AcknowledgeAs) -> Device {
    Device {
        kind: DeviceKind::Gateway,
        speaks_for: vec!["00A037*".parse().unwrap()],
        acknowledge,
        silent_after: Some("2m".parse().unwrap()),
        receives_orders: false,
        about: about(),
        ..Device::new(id)
    }
}

fn about() -> About {
    About {
        name: "ICU-14".to_owned(),
        ward: "ICU".to_owned(),
        model: "P7".to_owned(),
        serial: "4711".to_owned(),
        owner: "BME".to_owned(),
    }
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

pub(crate) fn certificate() -> Certificate {
    Certificate {
        common_name: Some("PUMP-1".to_owned()),
        issuer: "CN=Issuing \"CA\"".to_owned(),
        serial: "0a1b".to_owned(),
        fingerprint: Fingerprint::sha256(b""),
        unfit: None,
    }
}

pub(crate) fn installed() -> Vec<Installed> {
    [InstalledRole::PlatformEcc, InstalledRole::PlatformRsa, InstalledRole::TrustAnchor]
        .map(|role| Installed {
            role,
            fingerprint: Fingerprint::sha256(role.code().as_bytes()).to_string(),
            key: Fingerprint::sha256(b"key").to_string(),
            subject: "CN=platform".to_owned(),
            serial: "0a1b".to_owned(),
        })
        .to_vec()
}

pub(crate) fn node() -> NodeName {
    "node-1".parse().unwrap()
}
