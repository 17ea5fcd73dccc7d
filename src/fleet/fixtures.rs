//! Rows for tests.

use jiff::Timestamp;

use crate::model::{Refusal, RefusalFacts, ShownCertificate};
use crate::store::{Contact, RefusedRoom, RefusedRow};

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + second).unwrap()
}

pub(crate) fn shown() -> ShownCertificate {
    ShownCertificate {
        fingerprint: "ab".to_owned(),
        serial: "0a".to_owned(),
        issuer: "CN=CA".to_owned(),
        not_before: at(0),
        not_after: at(1_000_000),
        key: "ECC P-256".to_owned(),
    }
}

/// A device that was connected then, and is not now.
pub(crate) fn contact(device: &str, second: i64) -> Contact {
    Contact {
        device: device.parse().unwrap(),
        node: "main".parse().unwrap(),
        is_connected: false,
        peer: "192.0.2.7:50123".to_owned(),
        tls_version: "TLSv1_2".to_owned(),
        tls_suite: "SUITE".to_owned(),
        connected_at: at(second),
        disconnected_at: Some(at(second + 1)),
        ended_why: "peer-closed".to_owned(),
        last_message_at: None,
        accepted_at: None,
        rejected_at: None,
        day: "2025-06-15".to_owned(),
        messages_today: 0,
        certificate: shown(),
    }
}

/// A refusal of a device with a good chain.
pub(crate) fn refusal(device: &str, refusal: Refusal, second: i64) -> RefusedRow {
    RefusedRow {
        room: RefusedRoom::Verified,
        who: device.to_owned(),
        device: Some(device.parse().unwrap()),
        refusal,
        node: "main".parse().unwrap(),
        peer: "192.0.2.7:50124".to_owned(),
        first: at(second),
        last: at(second),
        count: 3,
        facts: RefusalFacts { certificate: Some(shown()), ..RefusalFacts::default() },
    }
}
