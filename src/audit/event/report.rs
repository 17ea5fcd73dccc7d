//! Views, exports and verifications in the details of events.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::removed::RemovedMessages;
use crate::audit::chain::{Acceptance, Permit, Signature};
use crate::model::{DeviceId, NodeName, SearchKey, hexadecimal};

/// The form in which the content of a message was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ViewedAs {
    /// Its bytes.
    Raw,
    /// Its devices and values, without the patient.
    Tree,
    /// Its devices and values, and the patient.
    TreeWithPatient,
    /// What it becomes in FHIR: the resources, without values and without the patient.
    Fhir,
    /// What it becomes in FHIR, with the values and the patient.
    FhirWithPatient,
}

/// The outcome of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Settlement {
    /// The device acknowledged it: AA, or CA where it sends no application acknowledgement.
    Acknowledged,
    /// The device refused it: AE, AR, CE, CR, or a code outside HL7 table 0008.
    Refused,
    /// It expired before the device had answered: not sent, or sent without an answer.
    Expired,
    /// The device accepted it and did not report the result in time, or contradicted itself: whether it was
    /// carried out is not known.
    Unconfirmed,
    /// An operator withdrew it.
    Withdrawn,
}

/// What decided the outcome of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettledBy {
    /// The device's answer.
    Answer {
        /// MSA-1.
        code: String,
    },
    /// An answer that came after the outcome.
    LateAnswer {
        /// MSA-1.
        code: String,
        /// The outcome until then.
        replaced: Settlement,
    },
    /// The end of its time: it expired, or the result did not come.
    EndOfTime,
    /// An operator.
    Operator {
        /// The actor.
        actor: String,
    },
    /// The device was removed from the directory.
    Removal {
        /// Who removed it, or added another one under its name.
        actor: String,
    },
}

/// The selection of an export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only those of this certificate.
    pub device: Option<DeviceId>,
    /// Only this transaction or type.
    pub kind: Option<String>,
    /// Only messages received from this time on.
    pub since: Option<Timestamp>,
    /// Only rejected messages.
    pub rejected: bool,
    /// The maximum number.
    pub limit: Option<u32>,
    /// Orders instead of received messages.
    pub outbox: bool,
}

/// The format of an exported trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportFormat {
    /// One JSON object per line.
    Jsonl,
    /// One audit message of DICOM PS3.15 A.5 per line.
    Atna,
}

/// What was searched for, without the numbers and texts themselves: each is a keyed hash, the same for the
/// same number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentSearch {
    /// A number of a patient.
    pub patient: Option<SearchKey>,
    /// A number of an order.
    pub order: Option<SearchKey>,
    /// A text.
    pub text: Option<SearchKey>,
    /// The segments in which the text was looked for; none: all.
    pub segment: Option<String>,
    /// Only messages of this device.
    pub device: Option<DeviceId>,
    /// Only messages received from this time on.
    pub since: Option<Timestamp>,
    /// The actor.
    pub actor: String,
    /// The reason that the actor gave.
    pub reason: Option<String>,
}

/// The result of verifying one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainVerdict {
    /// The node of the chain.
    pub node: NodeName,
    /// The number of its last row, if it is intact.
    pub rows: Option<u64>,
    /// The number of the first wrong row, if there is one.
    pub broken_row: Option<u64>,
}

impl ViewedAs {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Tree => "tree",
            Self::TreeWithPatient => "tree-with-patient",
            Self::Fhir => "fhir",
            Self::FhirWithPatient => "fhir-with-patient",
        }
    }
}

impl Settlement {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Acknowledged, Self::Refused, Self::Expired, Self::Unconfirmed, Self::Withdrawn];

    /// The meaning of an answer.
    #[must_use]
    pub const fn answered(acknowledged: bool) -> Self {
        if acknowledged { Self::Acknowledged } else { Self::Refused }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Unconfirmed => "unconfirmed",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The settlement with this code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|settlement| settlement.code() == code)
    }
}

impl ExportFormat {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Atna => "atna",
        }
    }
}

impl Selection {
    pub(super) fn fields(&self) -> Value {
        let mut fields = Map::new();
        let optional = [
            ("device", self.device.as_ref().map(|device| device.as_str().into())),
            ("type", self.kind.as_deref().map(Value::from)),
            ("since", self.since.map(|since| since.to_string().into())),
            ("limit", self.limit.map(Value::from)),
            ("outbox", self.outbox.then_some(true.into())),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                fields.insert(key.to_owned(), value);
            }
        }
        fields.insert("rejected".to_owned(), self.rejected.into());
        fields.into()
    }
}

impl ContentSearch {
    /// The fields of the row.
    pub(super) fn fields(&self) -> Value {
        let key = |key: &Option<SearchKey>| key.map(|key| key.to_string());
        let fields = [
            ("patient", key(&self.patient)),
            ("order", key(&self.order)),
            ("text", key(&self.text)),
            ("segment", self.segment.clone()),
            ("device", self.device.as_ref().map(|device| device.as_str().to_owned())),
            ("since", self.since.map(|since| since.to_string())),
            ("actor", Some(self.actor.clone())),
            ("reason", self.reason.clone()),
        ];
        let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        given.collect::<Map<_, _>>().into()
    }
}

impl ChainVerdict {
    pub(super) fn fields(&self) -> Value {
        match (self.rows, self.broken_row) {
            (_, Some(row)) => json!({ "node": self.node.as_str(), "intact": false, "broken-row": row }),
            (rows, None) => json!({ "node": self.node.as_str(), "intact": true, "rows": rows }),
        }
    }
}

/// What a retention pass removed.
pub(super) fn pruned_fields(removed: &RemovedMessages, orders: u64, permit: &Permit) -> Value {
    let mut fields = removed.fields();
    fields.insert("orders".to_owned(), orders.into());
    fields.insert("kind".to_owned(), permit.kind.name().into());
    fields.insert("before".to_owned(), permit.before.to_string().into());
    fields.extend(signature_fields(&permit.signature));
    fields.into()
}

/// What an operator accepted of a chain.
pub(super) fn acceptance_fields(acceptance: &Acceptance, actor: &str) -> Value {
    let Acceptance { node, found, rows, until, signature } = acceptance;
    let mut fields = signature_fields(signature);
    fields.insert("node".to_owned(), node.as_str().into());
    fields.insert("found".to_owned(), found.to_string().into());
    fields.insert("rows".to_owned(), rows.as_slice().into());
    fields.insert("until".to_owned(), until.to_string().into());
    fields.insert("actor".to_owned(), actor.into());
    fields.into()
}

/// The keys of a signature in a row.
pub(super) fn signature_fields(signature: &Signature) -> Map<String, Value> {
    let field = |key: &str, value: String| (key.to_owned(), Value::String(value));
    Map::from_iter([
        field("scheme", signature.scheme.clone()),
        field("certificate", hexadecimal::encode(&signature.certificate)),
        field("signature", hexadecimal::encode(&signature.value)),
    ])
}
