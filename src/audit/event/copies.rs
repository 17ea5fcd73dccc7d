//! Messages of which the store had a copy.

use serde_json::{Value, json};

use super::Event;
use super::replaced_copy::ReplacedCopy;

impl Event {
    pub(super) fn copy_fields(&self) -> Value {
        match self {
            Self::MessageResent { message, session, device, digest, times } => {
                let mut fields = json!({
                    "message": message.to_string(),
                    "session": session.to_string(),
                    "device": device.as_str(),
                    "sha256": digest.to_string(),
                });
                if let Some(fields) = fields.as_object_mut().filter(|_| *times > 1) {
                    fields.insert("times".to_owned(), (*times).into());
                }
                fields
            }
            Self::CopyReplaced(replaced) | Self::CopyRenewed(replaced) => {
                let ReplacedCopy { message, copy, device, digest } = replaced;
                json!({
                    "message": message.to_string(),
                    "copy": copy.to_string(),
                    "device": device.as_str(),
                    "sha256": digest.to_string(),
                })
            }
            _ => Value::Null,
        }
    }
}
