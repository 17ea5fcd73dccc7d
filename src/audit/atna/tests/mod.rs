mod schema;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use roxmltree::{Document, Node};

use super::*;
use crate::audit::Event;
use crate::audit::fixtures::{certificate, every_event, node, peer};
use crate::audit::{Certificate, RefusalCount, RefusedPeers, SessionEnd, StopReason};
use crate::model::{Refusal, SessionId};

fn message_of(event: &Event) -> Option<AtnaMessage> {
    let (name, details, node) = (event.name(), event.details(), node());
    let at = Timestamp::from_microsecond(1_750_000_000_123_456).unwrap();
    RecordedEvent { node: &node, at, event: name, details: &details }.message(Some("St. Elsewhere"))
}

fn one(name: &str) -> Event {
    every_event().into_iter().find(|event| event.name() == name).unwrap()
}

/// The codes of the children of this name.
fn codes<'a>(parent: Node<'a, 'a>, name: &str) -> Vec<&'a str> {
    parent
        .children()
        .filter(|child| child.has_tag_name(name))
        .map(|child| child.attribute("csd-code").unwrap())
        .collect()
}

fn child<'a>(parent: Node<'a, 'a>, name: &str) -> Node<'a, 'a> {
    parent.children().find(|child| child.has_tag_name(name)).unwrap_or_else(|| panic!("no {name}"))
}

/// The details of an object, decoded.
fn details(object: Node<'_, '_>) -> Vec<(String, String)> {
    let details = object.children().filter(|child| child.has_tag_name("ParticipantObjectDetail"));
    details
        .map(|detail| {
            let value = STANDARD.decode(detail.attribute("value").unwrap()).unwrap();
            (detail.attribute("type").unwrap().to_owned(), String::from_utf8(value).unwrap())
        })
        .collect()
}

#[test]
fn every_event_has_an_atna_message_or_is_listed_without_one() {
    // EventID, action, outcome, EventTypeCodes
    let expected = [
        ("platform-started", "110100", "E", "0", vec!["110120"]),
        ("platform-stopped", "110100", "E", "0", vec!["110121"]),
        ("configuration-changed", "110113", "E", "0", vec!["110129"]),
        ("configuration-refused", "110113", "E", "4", vec!["110128"]),
        ("certificates-changed", "110113", "E", "0", vec!["110129"]),
        ("connection-refused", "110113", "E", "8", vec!["110126"]),
        ("refusals-counted", "110113", "E", "8", vec!["110126"]),
        ("session-ended", "110113", "E", "8", vec!["110126"]),
        ("message-accepted", "110107", "C", "0", vec![]),
        ("message-rejected", "110107", "C", "4", vec![]),
        ("identity-violation", "110113", "E", "8", vec!["110132"]),
        ("device-added", "110113", "E", "0", vec!["110137"]),
        ("device-changed", "110113", "E", "0", vec!["110137"]),
        ("device-suspended", "110113", "E", "0", vec!["110137"]),
        ("device-resumed", "110113", "E", "0", vec!["110137"]),
        ("device-removed", "110113", "E", "0", vec!["110137"]),
        ("device-merged", "110113", "E", "0", vec!["110137"]),
        ("device-learning-started", "110113", "E", "0", vec!["110137"]),
        ("device-learning-ended", "110113", "E", "0", vec!["110137"]),
        ("device-identities-forgotten", "110113", "E", "0", vec!["110137"]),
        ("southbound-sent", "110106", "R", "0", vec![]),
        ("message-reconsidered", "110110", "C", "0", vec![]),
        ("message-viewed", "110110", "R", "0", vec![]),
        ("messages-searched", "110112", "E", "0", vec![]),
        ("content-refused", "110113", "E", "8", vec!["110132"]),
        ("read-refused", "110113", "E", "8", vec!["110126"]),
        ("clients-changed", "110113", "E", "0", vec!["110137"]),
        ("authorization-decided", "110113", "E", "0", vec!["110126"]),
        ("token-granted", "110113", "E", "0", vec!["110126"]),
        ("enrolment-refused", "110113", "E", "8", vec!["110126"]),
        ("enrolment-requested", "110113", "E", "0", vec!["110137"]),
        ("enrolment-changed", "110113", "E", "0", vec!["110137"]),
        ("messages-exported", "110106", "R", "0", vec![]),
        ("person-logged-in", "110114", "E", "0", vec!["110122"]),
        ("person-logged-out", "110114", "E", "0", vec!["110123"]),
        ("store-copied", "110106", "R", "0", vec![]),
        ("resources-read", "110112", "E", "0", vec![]),
        ("audit-exported", "110101", "R", "0", vec![]),
        ("audit-diverged", "110113", "E", "8", vec!["110129"]),
        ("audit-end-accepted", "110113", "E", "8", vec!["110129"]),
        ("audit-fault-accepted", "110113", "E", "8", vec!["110129"]),
        // One of its two chains is broken.
        ("audit-verified", "110101", "R", "8", vec![]),
    ];
    let not = [
        "clock-unconfirmed",
        "clock-confirmed",
        "size-limit-reached",
        "connection-accepted",
        "sessions-counted",
        "message-resent",
        "copy-replaced",
        "copy-renewed",
        "rejections-not-stored",
        "bytes-between-frames",
        "feed-silent",
        "feed-resumed",
        "feeds-behind-silent",
        "feeds-behind-resumed",
        "index-rebuilt",
        "patients-linked",
        "token-revoked",
        "subscriptions-changed",
        "partner-served",
        "southbound-queued",
        "southbound-settled",
        "messages-pruned",
        "audit-pruned",
        "audit-rows-lost",
        "audit-signed",
    ];
    for event in every_event() {
        let Some(message) = message_of(&event) else {
            assert!(not.contains(&event.name()), "{} has no message", event.name());
            continue;
        };
        let known = expected.iter().find(|(name, ..)| *name == event.name());
        let Some((_, id, action, outcome, kinds)) = known else { panic!("{} is not expected", event.name()) };
        let document = Document::parse(&message.xml).unwrap();
        let identification = child(document.root_element(), "EventIdentification");
        assert_eq!(codes(identification, "EventID"), [*id], "{}", event.name());
        assert_eq!(codes(identification, "EventTypeCode"), *kinds, "{}", event.name());
        assert_eq!(identification.attribute("EventActionCode"), Some(*action), "{}", event.name());
        assert_eq!(identification.attribute("EventOutcomeIndicator"), Some(*outcome), "{}", event.name());
        assert_eq!(identification.attribute("EventDateTime"), Some("2025-06-15T15:06:40.123456Z"));
        let source = child(document.root_element(), "AuditSourceIdentification");
        assert_eq!(source.attribute("AuditSourceID"), Some("node-1"));
        assert_eq!(source.attribute("AuditEnterpriseSiteID"), Some("St. Elsewhere"));
    }
    assert_eq!(expected.len() + not.len(), Event::NAMES.len());
}

#[test]
fn a_refused_peer_is_reported_with_address_and_certificate() {
    let message = message_of(&one("connection-refused")).unwrap();
    let document = Document::parse(&message.xml).unwrap();
    let root = document.root_element();
    let peers: Vec<_> = root.children().filter(|child| child.has_tag_name("ActiveParticipant")).collect();
    assert_eq!(peers.len(), 2);
    assert_eq!(peers[1].attribute("UserID"), Some("PUMP-1"));
    assert_eq!(peers[1].attribute("NetworkAccessPointID"), Some("192.0.2.7"));
    assert_eq!(peers[1].attribute("NetworkAccessPointTypeCode"), Some("2"));
    // PS3.15 A.5.3.11: the performing participant is not the requestor.
    assert!(peers.iter().all(|peer| peer.attribute("UserIsRequestor") == Some("false")));
    let object = child(root, "ParticipantObjectIdentification");
    assert_eq!(object.attribute("ParticipantObjectID"), Some("192.0.2.7"));
    assert_eq!(codes(object, "ParticipantObjectIDTypeCode"), ["110182"]);
    let details = details(object);
    let known = certificate();
    for (kind, value) in [
        ("Alert Description", "connection refused: revoked"),
        ("serial", &*known.serial),
        ("issuer", &*known.issuer),
        ("fingerprint", &*known.fingerprint.to_string()),
    ] {
        assert!(details.contains(&(kind.to_owned(), value.to_owned())), "{kind}: {details:?}");
    }

    // A name cannot change the structure of the document.
    let hostile = "x\"/><AuditMessage>&\u{1}";
    let certificate = Some(Certificate { common_name: Some(hostile.to_owned()), ..certificate() });
    let event = Event::ConnectionRefused {
        peer: peer(),
        balancer: None,
        refusal: Refusal::UnknownDevice,
        certificate,
        extension: None,
        revocation: Vec::new(),
    };
    let message = message_of(&event).unwrap();
    let document = Document::parse(&message.xml).unwrap();
    let named = document.descendants().filter(|node| node.has_tag_name("AuditMessage")).count();
    assert_eq!(named, 1);
    assert!(message.xml.contains("x&quot;/&gt;&lt;AuditMessage&gt;&amp;\u{fffd}"), "{}", message.xml);
}

#[test]
fn counted_refusals_are_one_alert_with_their_number() {
    let at = Timestamp::from_second(1_750_000_000).unwrap();
    let count = RefusalCount { count: 4711, first: at, last: at };
    let address = RefusedPeers::Address {
        address: "2001:db8::".parse().unwrap(),
        device: None,
        refusal: Refusal::ProtocolViolation,
    };
    let others = RefusedPeers::Others { refusals: [(Refusal::Expired, 4711)].into() };
    let events = [address, others].map(|peers| Event::RefusalsCounted { peers, count });
    let alerts = ["connection refused: protocol-violation", r#"connections refused: {"expired":4711}"#];
    for (event, alert) in events.iter().zip(alerts) {
        let message = message_of(event).unwrap();
        let document = Document::parse(&message.xml).unwrap();
        let object = child(document.root_element(), "ParticipantObjectIdentification");
        let details = details(object);
        for (kind, value) in [("Alert Description", alert), ("count", "4711"), ("last", &at.to_string())] {
            assert!(details.contains(&(kind.to_owned(), value.to_owned())), "{kind}: {details:?}");
        }
    }
    let message = message_of(&one("refusals-counted")).unwrap();
    assert!(message.xml.contains(r#"UserID="PUMP-1""#), "{}", message.xml);
}

#[test]
fn the_actor_is_the_requestor_and_the_sender_is_the_source() {
    let requestors = |name: &str| -> Vec<(String, Vec<String>)> {
        let message = message_of(&one(name)).unwrap();
        let document = Document::parse(&message.xml).unwrap();
        let all = document.root_element().children().filter(|child| child.has_tag_name("ActiveParticipant"));
        all.filter(|one| one.attribute("UserIsRequestor") == Some("true"))
            .map(|one| {
                let roles = codes(one, "RoleIDCode").iter().map(ToString::to_string).collect();
                (one.attribute("UserID").unwrap().to_owned(), roles)
            })
            .collect()
    };
    let alice =
        |roles: &[&str]| vec![("alice@node-1".to_owned(), roles.iter().map(ToString::to_string).collect())];
    assert_eq!(requestors("message-viewed"), alice(&[]));
    assert_eq!(requestors("messages-exported"), alice(&["110153"]));
    assert_eq!(requestors("audit-exported"), alice(&[]));
    assert_eq!(requestors("device-suspended"), alice(&[]));
    assert_eq!(requestors("message-accepted"), [("PUMP-1".to_owned(), vec!["110153".to_owned()])]);
}

// PS3.15 A.5.3.11: the Alert Description is mandatory, and a node is name@domain or an address.
#[test]
fn every_security_alert_describes_itself_and_names_its_subject() {
    let mut alerts = 0;
    for event in every_event() {
        let Some(message) = message_of(&event).filter(|message| message.xml.contains("\"110113\"")) else {
            continue;
        };
        alerts += 1;
        let document = Document::parse(&message.xml).unwrap();
        let object = child(document.root_element(), "ParticipantObjectIdentification");
        let described =
            details(object).iter().any(|(kind, text)| kind == "Alert Description" && !text.is_empty());
        assert!(described, "{}", event.name());
        let id = object.attribute("ParticipantObjectID").unwrap();
        if codes(object, "ParticipantObjectIDTypeCode") == ["110182"] {
            assert!(
                id.ends_with("@node-1") || id.parse::<std::net::IpAddr>().is_ok(),
                "{}: {id}",
                event.name()
            );
        }
    }
    assert!(alerts > 10, "{alerts}");
}

#[test]
fn outcomes_match_the_events() {
    let stopped = |reason| message_of(&Event::PlatformStopped { reason }).unwrap().outcome;
    assert_eq!(stopped(StopReason::Requested), Outcome::Success);
    assert_eq!(stopped(StopReason::Fault), Outcome::Major);
    let ended = |why| {
        let session = SessionId::at(Timestamp::UNIX_EPOCH);
        message_of(&Event::SessionEnded { session, device: "PUMP-1".parse().unwrap(), why })
    };
    assert_eq!(ended(SessionEnd::PeerClosed), None, "a session that ends gracefully is no alert");
    assert_eq!(ended(SessionEnd::Withdrawn(Refusal::SuspendedDevice)).unwrap().outcome, Outcome::Serious);
}

#[test]
fn no_message_exceeds_the_size_that_receivers_must_accept() {
    let long = "ä<".repeat(20_000);
    let certificate = Some(Certificate { common_name: Some(long.clone()), issuer: long, ..certificate() });
    let refusal = Refusal::UntrustedIssuer;
    let event = Event::ConnectionRefused {
        peer: peer(),
        balancer: None,
        refusal,
        certificate,
        extension: None,
        revocation: Vec::new(),
    };
    let message = message_of(&event).unwrap();
    assert!(message.xml.len() < 16_384, "{}", message.xml.len());
    Document::parse(&message.xml).unwrap();
}

#[test]
fn a_row_of_a_later_version_or_a_damaged_one_has_no_message() {
    let node = node();
    let row = |event, details| {
        RecordedEvent { node: &node, at: Timestamp::UNIX_EPOCH, event, details }.message(None)
    };
    assert_eq!(row("coffee-brewed", "{}"), None);
    assert_eq!(row("platform-started", "{"), None);
    let bare = row("platform-started", "{}").unwrap();
    assert!(!bare.xml.contains("AuditEnterpriseSiteID"));
}
