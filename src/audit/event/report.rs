//! What people were shown and given, and what they found.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::model::{DeviceId, NodeName};

/// How the content of a message was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ViewedAs {
    /// Its bytes.
    Raw,
    /// Its devices and values, without the patient.
    Tree,
    /// Its devices and values, and the patient.
    TreeWithPatient,
}

/// What became of a message for a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Settlement {
    /// The device has acknowledged it: AA, or CA where it is not to say more.
    Acknowledged,
    /// The device does not take it: AE, AR, CE, CR, or no code of HL7 table 0008.
    Refused,
    /// Its time was over before the device had said all that it is to say.
    Expired,
    /// Whoever is responsible for it took it back.
    Withdrawn,
}

/// Which messages were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only those of this certificate.
    pub device: Option<DeviceId>,
    /// Only this transaction or type.
    pub kind: Option<String>,
    /// Only what arrived then or later.
    pub since: Option<Timestamp>,
    /// Only what was rejected.
    pub rejected: bool,
    /// At most so many.
    pub limit: Option<u32>,
    /// Those for devices, and not those of devices.
    pub outbox: bool,
}

/// The form of an exported trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportFormat {
    /// One JSON object per line.
    Jsonl,
    /// One audit message of DICOM PS3.15 A.5 per line.
    Atna,
}

/// What became of the verification of one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainVerdict {
    /// Whose chain.
    pub node: NodeName,
    /// The number of its last row, when it is whole.
    pub rows: Option<u64>,
    /// The number of the first row that is wrong, when one is.
    pub broken_row: Option<u64>,
}

impl ViewedAs {
    /// The stable word.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Tree => "tree",
            Self::TreeWithPatient => "tree-with-patient",
        }
    }
}

impl Settlement {
    const ALL: [Self; 4] = [Self::Acknowledged, Self::Refused, Self::Expired, Self::Withdrawn];

    /// What an answer means.
    #[must_use]
    pub const fn answered(acknowledged: bool) -> Self {
        if acknowledged { Self::Acknowledged } else { Self::Refused }
    }

    /// The stable word.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The settlement with this word.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|settlement| settlement.code() == code)
    }
}

impl ExportFormat {
    /// The stable word.
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

impl ChainVerdict {
    pub(super) fn fields(&self) -> Value {
        match (self.rows, self.broken_row) {
            (_, Some(row)) => json!({ "node": self.node.as_str(), "intact": false, "broken-row": row }),
            (rows, None) => json!({ "node": self.node.as_str(), "intact": true, "rows": rows }),
        }
    }
}
