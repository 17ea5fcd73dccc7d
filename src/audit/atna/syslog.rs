//! An audit message on the wire: RFC 5424 in the frames of RFC 5425, as IHE ITI TF-2 3.20 requires.

use jiff::Timestamp;

use super::outcome::Outcome;
use crate::model::NodeName;

/// An audit message, ready to be sent or exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtnaMessage {
    /// The document, on one line, in UTF-8 without a byte order mark.
    pub xml: String,
    /// How the event ended.
    pub outcome: Outcome,
}

/// The process that sends.
#[derive(Debug, Clone, Copy)]
pub struct Originator<'a> {
    /// HOSTNAME.
    pub node: &'a NodeName,
    /// PROCID.
    pub process: u32,
}

impl AtnaMessage {
    /// Appends the message to `frames`: its length in octets, a blank, the syslog message (RFC 5425 4.3).
    /// `at` is when the event happened.
    pub fn frame(&self, originator: Originator<'_>, at: Timestamp, frames: &mut Vec<u8>) {
        let priority = FACILITY * 8 + self.outcome.severity();
        let Originator { node, process } = originator;
        // No structured data, and no byte order mark (RFC 5424 6.4): IHE ITI TF-2 3.20.4.1.2 discourages it.
        let message =
            format!("<{priority}>1 {at} {node} {APPLICATION} {process} {MESSAGE_ID} - {}", self.xml);
        frames.extend_from_slice(message.len().to_string().as_bytes());
        frames.push(b' ');
        frames.extend_from_slice(message.as_bytes());
    }
}

impl Outcome {
    /// DICOM PS3.15 A.6: normal but significant, or a warning.
    const fn severity(self) -> u8 {
        match self {
            Self::Success => 5,
            Self::Minor | Self::Serious | Self::Major => 4,
        }
    }
}

/// Security and authorization messages.
const FACILITY: u8 = 10;
const APPLICATION: &str = "pcd-platform";
/// IHE ITI TF-2 3.20.4.1.2.
const MESSAGE_ID: &str = "IHE+RFC-3881";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_begins_with_its_length_in_octets() {
        let node: NodeName = "node-1".parse().unwrap();
        let originator = Originator { node: &node, process: 17 };
        let at = Timestamp::from_microsecond(1_750_000_000_123_456).unwrap();
        let mut frames = Vec::new();
        for (xml, outcome) in [("<a b=\"é\"/>", Outcome::Success), ("<a/>", Outcome::Serious)] {
            AtnaMessage { xml: xml.to_owned(), outcome }.frame(originator, at, &mut frames);
        }
        let text = String::from_utf8(frames).unwrap();
        let head = "2025-06-15T15:06:40.123456Z node-1 pcd-platform 17 IHE+RFC-3881 -";
        let first = format!("<85>1 {head} <a b=\"é\"/>");
        let second = format!("<84>1 {head} <a/>");
        assert_eq!(text, format!("{} {first}{} {second}", first.len(), second.len()));
    }
}
