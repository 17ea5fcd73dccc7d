//! Which alerts of one message are the same report twice.

use std::collections::HashMap;

use super::facet::place_of;
use super::message_alerts::Alert;
use super::report::{event_of, own_time, phase_of};
use crate::hl7::{Field, Message};

/// What identifies a report in its message: its key, and the place of its event. Texts of the OBR, which may
/// have any number of alerts, are there by their number.
#[derive(PartialEq, Eq, Hash)]
struct Identity {
    filler: usize,
    event: Vec<u8>,
    phase: Vec<u8>,
    time: usize,
    equipment: Vec<u8>,
    place: Option<[u32; 4]>,
}

/// The different identities of a message, and the different times in them, by number.
#[derive(Default)]
struct Numbers<'m> {
    identities: HashMap<Identity, usize>,
    times: HashMap<&'m [u8], usize>,
    /// Of OBR-7, by the position of the OBR.
    times_of_requests: HashMap<usize, usize>,
}

/// The alerts without the repetitions of each report: OBRs with the same segments. Reports that have the same
/// key but other contents stay, and say so.
pub(super) fn without_repetitions<'m>(alerts: Vec<Alert<'m>>, message: &Message<'_>) -> Vec<Alert<'m>> {
    let contents = contents(message);
    let mut numbers = Numbers::default();
    let mut all: Vec<_> = alerts.into_iter().map(|alert| (numbers.of(&alert), alert)).collect();
    let mut known: HashMap<usize, HashMap<usize, usize>> = HashMap::new();
    all.retain(|(identity, alert)| {
        let Some(identity) = *identity else { return true };
        let content = contents.get(alert.position).copied().unwrap_or(alert.position);
        let first = known.entry(identity).or_default().entry(content).or_insert(alert.position);
        // Under one OBR nothing is a repetition.
        *first == alert.position
    });
    let contents_of = |identity: Option<usize>| known.get(&identity?).map(HashMap::len);
    let alerts = all.into_iter().map(|(identity, alert)| {
        let is_reported_differently = contents_of(identity).is_some_and(|contents| contents > 1);
        Alert { is_reported_differently, ..alert }
    });
    alerts.collect()
}

impl<'m> Numbers<'m> {
    /// The number of the identity of an alert; `None` when it cannot be identified.
    fn of(&mut self, alert: &Alert<'m>) -> Option<usize> {
        let request = alert.request.as_ref()?;
        let identity = Identity {
            filler: request.filler_number?,
            event: event_of(alert),
            phase: phase_of(alert),
            time: match own_time(alert) {
                Some(time) => self.time(time.trimmed()),
                None => self.time_of_request(alert.position, request.time)?,
            },
            equipment: alert.equipment(),
            place: alert.event.and_then(|event| place_of(&event)),
        };
        let next = self.identities.len();
        Some(*self.identities.entry(identity).or_insert(next))
    }

    fn time(&mut self, time: &'m [u8]) -> usize {
        let next = self.times.len();
        *self.times.entry(time).or_insert(next)
    }

    fn time_of_request(&mut self, position: usize, time: Field<'m>) -> Option<usize> {
        if let Some(known) = self.times_of_requests.get(&position) {
            return Some(*known);
        }
        let number = (!time.is_empty()).then(|| self.time(time.trimmed()))?;
        self.times_of_requests.insert(position, number);
        Some(number)
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
