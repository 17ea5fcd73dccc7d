//! The acknowledgements of a message in words.

use super::element::{Html, Tone};
use super::layout::Table;
use crate::view::{AnswerView, MessageDetails};

/// What was answered, or will be.
#[must_use]
pub(super) fn answers(details: &MessageDetails<'_>) -> Table {
    let (caption, none, answers) = if details.answers_to_resends.is_empty() {
        ("What was answered", "Nothing was answered.", &details.answers)
    } else {
        (
            "Nothing was answered when it was accepted; what was answered when it came is on the page of the rejected \
             message. If its device sends it again, it is answered",
            "",
            &details.answers_to_resends,
        )
    };
    let rows = answers.iter().map(|AnswerView { code, location, error, reason }| {
        let (tone, meaning) = meaning(code);
        vec![
            Html::tag(tone, code),
            Html::text(meaning),
            Html::text(reason.as_deref().unwrap_or_default()),
            Html::code_or_nothing(location.as_deref().unwrap_or_default()),
            Html::code_or_nothing(error.as_deref().unwrap_or_default()),
        ]
    });
    Table::new(caption, &["Code", "It says", "Reason", "Where", "Error"], none).with(rows)
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
