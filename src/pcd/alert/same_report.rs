//! Which alerts of one message are the same report twice.

use std::collections::HashMap;

use super::message_alerts::{Alert, place_of};
use super::report::AlertKey;
use crate::hl7::Message;

/// What identifies a report in its message: its key, and the place of its event.
type Identity = (AlertKey, Option<[u32; 4]>);

/// Removes the repetitions of each report: OBRs with the same segments. Reports that have the same key but
/// other contents stay, and say so.
pub(super) fn remove_repetitions(alerts: &mut Vec<Alert<'_>>, message: &Message<'_>) {
    let contents = contents(message);
    let mut known: HashMap<Identity, HashMap<usize, usize>> = HashMap::new();
    let identity = |alert: &Alert<'_>| {
        let place = alert.event.and_then(|event| place_of(&event));
        alert.report().map(|report| (report.key, place))
    };
    alerts.retain(|alert| {
        let Some(identity) = identity(alert) else { return true };
        let content = contents.get(alert.position).copied().unwrap_or(alert.position);
        let first = known.entry(identity).or_default().entry(content).or_insert(alert.position);
        // Under one OBR nothing is a repetition.
        *first == alert.position
    });
    let differs = |alert: &Alert<'_>| {
        identity(alert).and_then(|it| known.get(&it)).is_some_and(|contents| contents.len() > 1)
    };
    for alert in alerts {
        alert.is_reported_differently = differs(alert);
    }
}

/// For each OBR of a message the number of its content: OBRs with the same segments have the same one. The
/// first field is the number of the segment in the message, and says nothing.
fn contents(message: &Message<'_>) -> Vec<usize> {
    let mut requests: Vec<Vec<[&[u8]; 2]>> = Vec::new();
    for segment in message.segments() {
        let is_request = segment.is(b"OBR");
        // What precedes the first OBR is an alert of its own.
        if is_request || (requests.is_empty() && segment.is(b"OBX")) {
            requests.push(Vec::new());
        }
        let Some(request) = requests.last_mut() else { continue };
        let own = segment.raw();
        let is_numbered = is_request || segment.is(b"OBX") || segment.is(b"NTE");
        let behind = if is_numbered { segment.field(1).raw().len() + ID_AND_SEPARATOR } else { 0 };
        request.push([segment.id(), own.get(behind..).unwrap_or_default()]);
    }
    let mut known = HashMap::new();
    let mut numbers = Vec::with_capacity(requests.len());
    for request in requests {
        let next = known.len();
        numbers.push(*known.entry(request).or_insert(next));
    }
    numbers
}

/// `OBX|`.
const ID_AND_SEPARATOR: usize = 4;
