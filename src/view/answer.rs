//! What the sender of a message is answered.

use std::fmt;

use serde::Serialize;

use crate::hl7::{Field, Message};

/// An acknowledgement.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AnswerView {
    /// MSA-1.
    pub code: String,
    /// ERR-2, the place of the fault.
    pub location: Option<String>,
    /// ERR-3.1, the code of HL7 table 0357.
    pub error: Option<String>,
    /// ERR-5.2, the reason in words.
    pub reason: Option<String>,
}

impl AnswerView {
    /// The acknowledgement `message`.
    #[must_use]
    pub fn read(message: &Message<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let of_error = |n: usize, part: fn(Field<'_>) -> Vec<u8>| {
            let value = part(message.segment(b"ERR")?.field(n));
            (!value.is_empty()).then(|| text(&value))
        };
        Self {
            code: message.segment(b"MSA").map_or_else(String::new, |msa| text(msa.field(1).raw())),
            location: of_error(2, |field| field.raw().to_vec()),
            error: of_error(3, |field| component_of(field, 1)),
            reason: of_error(5, |field| component_of(field, 2)),
        }
    }

    /// The acknowledgements in frames (MLLP: 0x0B … 0x1C 0x0D).
    #[must_use]
    pub fn of_frames(frames: &[u8]) -> Vec<Self> {
        let messages = frames.split(|byte| *byte == END_BLOCK).filter_map(|part| {
            let begin = part.iter().position(|byte| *byte == START_BLOCK)?;
            Message::parse(part.get(begin + 1..)?).ok()
        });
        messages.map(|message| Self::read(&message)).collect()
    }
}

impl fmt::Display for AnswerView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        let parts = [(", error ", &self.error), (" at ", &self.location), (": ", &self.reason)];
        let known = parts.into_iter().filter_map(|(before, part)| Some((before, part.as_ref()?)));
        known.into_iter().try_for_each(|(before, part)| write!(f, "{before}{part}"))
    }
}

fn component_of(field: Field<'_>, n: u8) -> Vec<u8> {
    field.component(n.into()).text().into_owned()
}

const START_BLOCK: u8 = 0x0B;
const END_BLOCK: u8 = 0x1C;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_is_an_answer() {
        let frames = b"\x0bMSH|^~\\&|P|||||||1|P|2.6\rMSA|CA|7\r\x1c\r\x0bMSH|^~\\&|P|||||||2|P|2.6\rMSA|AR|7\rERR||OBX^1^3|207^x|E|identity-mismatch^not allowed\r\x1c\r";
        let shown: Vec<_> = AnswerView::of_frames(frames).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["CA", "AR, error 207 at OBX^1^3: not allowed"]);
        assert!(AnswerView::of_frames(b"").is_empty());
    }
}
