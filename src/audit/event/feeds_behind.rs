//! Devices that send through a gateway.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::model::DeviceId;

/// Devices behind a gateway that have become silent, or send again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedsBehind {
    /// The Common Name of the gateway.
    pub device: DeviceId,
    /// The first of the devices.
    pub identities: Vec<String>,
    /// How many more there are.
    pub others: usize,
    /// When the first of them was last heard; `None` when they send again.
    pub last: Option<Timestamp>,
}

impl FeedsBehind {
    pub(super) fn fields(&self) -> Value {
        let Self { device, identities, others, last } = self;
        let mut fields = Map::new();
        fields.insert("device".to_owned(), device.as_str().into());
        fields.insert("identities".to_owned(), json!(identities));
        fields.insert("others".to_owned(), json!(others));
        fields.extend(last.map(|last| ("last".to_owned(), last.to_string().into())));
        Value::Object(fields)
    }
}
