//! What is posted: JSON.

use jiff::Timestamp;
use serde::Serialize;

use super::difference::{Difference, Reported};
use crate::finding::{Finding, FindingView, Severity};
use crate::model::MessageId;

/// A notification.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Payload<'a> {
    /// `findings` or `test`.
    kind: &'static str,
    /// The same for each attempt to deliver it.
    id: String,
    /// When it was made.
    time: String,
    /// The node that reports.
    node: &'a str,
    version: &'static str,
    /// The most severe of what begins.
    worst: Option<&'static str>,
    /// One line for chats and pagers.
    text: String,
    begun: Vec<FindingView<'a>>,
    resolved: Vec<&'a Reported>,
    /// Findings that are not listed here because they are too many; `pcd-platform status` lists them.
    more: usize,
}

/// The notification of a difference. With `is_resolved`, what has ended is in it.
pub(super) fn body(
    id: MessageId,
    now: Timestamp,
    node: &str,
    difference: &Difference,
    is_resolved: bool,
) -> String {
    let Difference { begun, ended, .. } = difference;
    let ended: &[Reported] = if is_resolved { ended } else { &[] };
    let mut sorted: Vec<&Finding> = begun.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let listed = |count: usize| count.min(MAX_LISTED);
    let payload = Payload {
        kind: "findings",
        id: id.to_string(),
        time: format!("{now:.0}"),
        node,
        version: env!("CARGO_PKG_VERSION"),
        worst: begun.iter().map(|finding| finding.severity).max().map(Severity::code),
        text: text(node, &sorted, ended.len()),
        begun: sorted.iter().take(MAX_LISTED).map(|finding| finding.view()).collect(),
        resolved: ended.iter().take(MAX_LISTED).collect(),
        more: begun.len() - listed(begun.len()) + ended.len() - listed(ended.len()),
    };
    serde_json::to_string(&payload).unwrap_or_default()
}

/// A notification that says only that notifications arrive.
#[must_use]
pub fn test_body(id: MessageId, now: Timestamp, node: &str) -> String {
    let payload = Payload {
        kind: "test",
        id: id.to_string(),
        time: format!("{now:.0}"),
        node,
        version: env!("CARGO_PKG_VERSION"),
        worst: None,
        text: format!("pcd-platform {node}: a test of notifications"),
        begun: Vec::new(),
        resolved: Vec::new(),
        more: 0,
    };
    serde_json::to_string(&payload).unwrap_or_default()
}

fn text(node: &str, begun: &[&Finding], ended: usize) -> String {
    let first = begun.first().map(|finding| {
        let more = if begun.len() > 1 { format!(" (and {} more)", begun.len() - 1) } else { String::new() };
        let what = without_markup(&finding.what());
        format!("{} {}: {what}{more}", finding.severity, finding.subject)
    });
    let ended = match ended {
        0 => None,
        1 => Some("1 finding ended".to_owned()),
        count => Some(format!("{count} findings ended")),
    };
    let parts: Vec<_> = first.into_iter().chain(ended).collect();
    format!("pcd-platform {node}: {}", parts.join("; "))
}

/// The beginning of a sentence for a chat. It may have a name from a certificate that no CA signed: links,
/// mentions and markup in it would be in the name of the platform.
fn without_markup(what: &str) -> String {
    let plain = what.replace("://", ": //");
    plain.chars().map(|letter| if MARKUP.contains(letter) { '·' } else { letter }).take(MAX_TEXT).collect()
}

/// What begins links, mentions and markup in chats.
const MARKUP: &str = "<>[]|@*";
/// Findings of each kind in one notification.
const MAX_LISTED: usize = 50;
/// Characters of a finding in the line of text.
const MAX_TEXT: usize = 300;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::finding::Subject;
    use crate::finding::facts::{DeviceSilent, RestartPending};

    fn silent(device: usize) -> Finding {
        let last = Timestamp::from_second(1_749_999_880).unwrap().into();
        let facts = DeviceSilent { through: None, last, seconds: 120 };
        Finding::new(Subject::Device(format!("PUMP-{device}")), facts)
    }

    // A stranger chooses the names in a certificate.
    #[test]
    fn the_line_for_a_chat_has_no_link_and_no_mention() {
        let what =
            "no such root here: OU=log in at <https://evil.example|here> [x](http://evil) <!channel> @all";
        let shown = without_markup(what);
        assert!(!shown.contains(['<', '>', '[', ']', '|', '@']) && !shown.contains("://"), "{shown}");
        assert!(shown.starts_with("no such root here: OU=log in at ·https: //evil.example·here·"), "{shown}");
    }

    #[test]
    fn a_notification_has_the_findings_with_their_next_step_and_a_line_of_text() {
        let now = Timestamp::from_second(1_750_000_000).unwrap();
        let pending = Finding::new(Subject::Platform, RestartPending { keys: vec!["log.level".to_owned()] });
        let difference = Difference { begun: vec![pending, silent(1)], ..Difference::default() };
        let id = MessageId::at(now);
        let body: Value = serde_json::from_str(&body(id, now, "ward-7", &difference, true)).unwrap();
        assert_eq!(
            body["text"],
            "pcd-platform ward-7: urgent device PUMP-1: it has sent nothing for 2 min 0 s; its last message came \
             at 2025-06-15T15:04:40Z (and 1 more)"
        );
        let facts = serde_json::json!({"last": "2025-06-15T15:04:40Z", "seconds": 120});
        assert_eq!(
            (&body["begun"][0]["code"], &body["begun"][0]["facts"]),
            (&"device-silent".into(), &facts)
        );
        assert_eq!((&body["worst"], &body["kind"]), (&"urgent".into(), &"findings".into()));
        assert_eq!(body["id"], id.to_string());
        assert_eq!(body["begun"][0]["name"], "PUMP-1");
        assert_eq!(body["begun"][1]["help"], "/help/restart-pending");
        assert_eq!((body["begun"].as_array().unwrap().len(), &body["more"]), (2, &0.into()));
    }

    #[test]
    fn a_notification_of_thousands_of_findings_stays_small() {
        let now = Timestamp::from_second(1_750_000_000).unwrap();
        let difference = Difference { begun: (0..4096).map(silent).collect(), ..Difference::default() };
        let text = body(MessageId::at(now), now, "n", &difference, true);
        assert!(text.len() < 32 << 10, "{}", text.len());
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((body["begun"].as_array().unwrap().len(), &body["more"]), (50, &4046.into()));
    }
}
