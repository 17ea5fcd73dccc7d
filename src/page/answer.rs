//! The acknowledgements of a message in words.

use super::element::{Html, Tone};
use super::layout::Table;
use crate::hl7::Message;
use crate::view::AnswerView;

/// What was answered: the frames of the acknowledgement.
#[must_use]
pub(super) fn answers(frames: &[u8]) -> Table {
    let rows = split(frames).filter_map(|frame| Message::parse(frame).ok()).map(|message| {
        let answer = AnswerView::read(&message);
        let (tone, meaning) = meaning(&answer.code);
        vec![
            Html::joined([Html::tag(tone, &answer.code)]),
            Html::text(meaning),
            Html::text(&answer.reason.unwrap_or_default()),
            Html::code_or_nothing(&answer.location.unwrap_or_default()),
            Html::code_or_nothing(&answer.error.unwrap_or_default()),
        ]
    });
    let columns = ["Code", "It says", "Reason", "Where", "Error"];
    Table::new("What was answered", &columns, "Nothing was answered.").with(rows)
}

/// The messages in the frames (MLLP: 0x0B … 0x1C 0x0D).
fn split(frames: &[u8]) -> impl Iterator<Item = &[u8]> {
    frames.split(|byte| *byte == END_BLOCK).filter_map(|part| {
        let begin = part.iter().position(|byte| *byte == START_BLOCK)?;
        part.get(begin + 1..)
    })
}

/// MSA-1 in words (HL7 table 0008).
fn meaning(code: &str) -> (Tone, &'static str) {
    match code {
        "CA" => (Tone::Good, "received and stored"),
        "AA" => (Tone::Good, "received, stored and accepted"),
        "CE" => (Tone::Bad, "not stored: an error of the platform; the device keeps it"),
        "CR" => (Tone::Bad, "rejected; the device must not send it again as it is"),
        "AE" => (Tone::Bad, "an error in the message"),
        "AR" => (Tone::Bad, "rejected"),
        _ => (Tone::Quiet, ""),
    }
}

const START_BLOCK: u8 = 0x0B;
const END_BLOCK: u8 = 0x1C;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_is_an_answer() {
        let frames = b"\x0bMSH|^~\\&|P|||||||1|P|2.6\rMSA|CA|7\r\x1c\r\x0bMSH|^~\\&|P|||||||2|P|2.6\rMSA|AR|7\rERR||OBX^1^3|207^x|E|identity-mismatch^not allowed\r\x1c\r";
        let table = answers(frames);
        assert_eq!(table.len(), 2);
        let html = table.to_string();
        assert!(html.contains("received and stored") && html.contains("not allowed"), "{html}");
        assert!(answers(b"").to_string().contains("Nothing was answered"));
    }
}
