//! The fields that a transaction requires.
//!
//! A field is required where both the IHE PCD Technical Framework (vol. 2, tables B.1-1, B.5-1, B.6-1, B.7-1,
//! B.8-1 and those of section 3) and NIST's conformance profiles require it; `docs/reference/profiles.md`
//! lists the differences.

use crate::pcd::Transaction;

/// A field that every segment of its name must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Required {
    pub(super) segment: [u8; 3],
    pub(super) field: u8,
    pub(super) component: Option<u8>,
    pub(super) rule: &'static str,
}

const fn field(segment: [u8; 3], field: u8, rule: &'static str) -> Required {
    Required { segment, field, component: None, rule }
}

const fn component(segment: [u8; 3], field: u8, component: u8, rule: &'static str) -> Required {
    Required { segment, field, component: Some(component), rule }
}

/// The required fields of a transaction, in groups that transactions share.
pub(super) const fn required_of(transaction: Transaction) -> &'static [&'static [Required]] {
    match transaction {
        Transaction::Pcd03 => &[HEADER, MODE, PATIENT, ORDER],
        Transaction::Pcd09 => &[HEADER, PATIENT_ID, REPORT],
        Transaction::Watchdog => &[HEADER, MODE, STRUCTURE, REPORT, PATH],
        _ => &[HEADER, MODE, STRUCTURE, PATIENT_ID, PATIENT, REPORT, PATH],
    }
}

/// Table B.1-1.
const HEADER: &[Required] = &[
    field(*b"MSH", 7, "msh-time-missing"),
    component(*b"MSH", 9, 2, "msh-trigger-missing"),
    field(*b"MSH", 11, "msh-processing-id-missing"),
    field(*b"MSH", 12, "msh-version-missing"),
];

/// Table B.1-1. PCD-09 lacks them, or has them where they are known (3.9.4.1.2).
const MODE: &[Required] = &[
    field(*b"MSH", 3, "msh-sending-application-missing"),
    field(*b"MSH", 15, "msh-accept-acknowledgement-missing"),
    field(*b"MSH", 16, "msh-application-acknowledgement-missing"),
    field(*b"MSH", 21, "msh-profile-missing"),
];

const STRUCTURE: &[Required] = &[component(*b"MSH", 9, 3, "msh-structure-missing")];

/// Table B.5-1. A patient who is not identified has an empty id with its authority, or `""`.
const PATIENT_ID: &[Required] = &[field(*b"PID", 3, "pid-identifier-missing")];

/// Tables B.5-1 and B.6-1. An unknown name is `^^^^^^U`.
const PATIENT: &[Required] = &[field(*b"PID", 5, "pid-name-missing"), field(*b"PV1", 2, "pv1-class-missing")];

/// Tables B.7-1 and B.8-1. OBR-7 is required where it is known only.
const REPORT: &[Required] = &[
    field(*b"OBR", 1, "obr-number-missing"),
    field(*b"OBR", 3, "obr-filler-missing"),
    field(*b"OBR", 4, "obr-service-missing"),
    field(*b"OBX", 1, "obx-number-missing"),
    field(*b"OBX", 3, "obx-identifier-missing"),
    field(*b"OBX", 11, "obx-status-missing"),
];

/// Table B.8-1. In PCD-09 the field is empty for a document.
const PATH: &[Required] = &[field(*b"OBX", 4, "obx-path-missing")];

/// 3.3.4.4. RXG-5 depends on the kind of pump.
const ORDER: &[Required] = &[
    field(*b"PID", 3, "pid-identifier-missing"),
    field(*b"ORC", 1, "orc-control-missing"),
    field(*b"ORC", 2, "orc-placer-missing"),
    field(*b"ORC", 9, "orc-time-missing"),
    field(*b"ORC", 19, "orc-action-by-missing"),
    field(*b"RXG", 1, "rxg-number-missing"),
    field(*b"RXG", 4, "rxg-give-code-missing"),
    field(*b"RXR", 1, "rxr-route-missing"),
    field(*b"OBX", 1, "obx-number-missing"),
    field(*b"OBX", 3, "obx-identifier-missing"),
];
