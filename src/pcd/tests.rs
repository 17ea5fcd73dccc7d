//! The cost of reading a message of an authorized device.

use crate::hl7::Message;
use crate::model::work::assert_linear;
use crate::pcd::{Claim, Transaction};

fn read(text: &[u8]) {
    let Ok(message) = Message::parse(text) else { return };
    for segment in message.segments() {
        for field in segment.fields() {
            for repetition in field.repetitions() {
                repetition.components().for_each(|component| drop(component.text()));
            }
        }
    }
    let _ = message.acknowledgement();
    let _ = Claim::all_of(&message, Transaction::of(&message));
}

#[test]
fn the_cost_of_reading_a_message_is_linear() {
    let header =
        |set: &str| format!("MSH|^~\\&|A|B|C|D|20260101||ORU^R01^ORU_R01|1|P|2.6||||||{set}|\rPID|1\r");
    for set in ["UNICODE UTF-8", "GB 18030-2000", "ISO IR87", "8859/1"] {
        for (what, part) in [
            ("segments", "OBX|1|ST|a^b||c|||||R|||||||X^^0030E60000000001^EUI-64\r"),
            ("fields", "|a"),
            ("repetitions", "~a"),
            ("components", "^a"),
            ("subcomponents", "&a"),
            ("escapes", "\\T\\"),
            ("unfinished escapes", "\\"),
            ("line feeds", "\n"),
            ("line feeds with a header", "\nMSH|^~\\&|"),
            ("blanks", " "),
            ("high bytes", "\u{84}\u{30}"),
            ("shifts", "\u{1b}$B"),
            ("line breaks of Unicode", "\u{85}"),
            ("letters between line breaks", "O\u{85}"),
            ("odd names", "\robx|1||MDC_ATTR_SYS_ID|1|5"),
            ("names with dropped bytes", "\u{85}O\u{ff}\u{85}B"),
            ("types behind a long unit", "^DNS"),
            ("joined lines", "\u{ff}\rOBX|1"),
        ] {
            assert_linear(&format!("{set}, {what}"), |parts| {
                let text = format!("{}OBX|1|ST|a{}", header(set), part.repeat(parts));
                read(text.as_bytes());
            });
        }
        assert_linear(&format!("{set}, repetitions of OBX-18"), |parts| {
            let units: String =
                (0..parts).map(|unit| format!("~{unit:08}^^0030E60000000001^EUI-64")).collect();
            read(format!("{}OBX|1|ST|a^b||c|||||R|||||||X{units}", header(set)).as_bytes());
        });
    }
}
