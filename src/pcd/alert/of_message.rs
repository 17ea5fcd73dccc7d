//! Which alerts a message has, and in which order.

use std::collections::{HashMap, HashSet};

use super::danger::danger;
use super::draft::Draft;
use super::message_alerts::Alert;
use super::report::AlertReport;
use super::requests::Requests;
use super::same_report::without_repetitions;
use crate::hl7::Message;

impl<'m> Alert<'m> {
    /// The alerts of a message: one, if the sender conforms to the profile; the most dangerous first, at most
    /// [`Alert::MAX`].
    #[must_use]
    pub fn all_of(message: &'m Message<'_>) -> Vec<Self> {
        Self::counted(message).0
    }

    /// The same, and how many alerts the message has.
    ///
    /// An alert may have several OBR: further ones carry the devices and the evidence, such as waveforms. An
    /// OBR is an alert of its own when it has facets of one, and is not a repetition: an OBR with the same
    /// segments. What has the same key and other contents is another report.
    #[must_use]
    pub fn counted(message: &'m Message<'_>) -> (Vec<Self>, usize) {
        let mut drafts = Requests::read(message);
        if drafts.iter().any(|draft| draft.event.is_some() || draft.has_facets()) {
            drafts.retain(|draft| draft.event.is_some() || draft.has_facets());
        } else {
            // An alert without content; it is shown as such.
            drafts.truncate(1);
        }
        let alerts = with_parts(drafts).into_iter().map(Draft::finish).collect();
        let mut alerts = without_repetitions(alerts, message);
        let count = alerts.len();
        alerts.sort_by_cached_key(danger);
        alerts.truncate(Self::MAX);
        (alerts, count)
    }
}

/// Adds OBRs without an event of their own to the alert with the same number: they are its evidence, but
/// what their facets say counts as under one OBR.
fn with_parts(drafts: Vec<Draft<'_>>) -> Vec<Draft<'_>> {
    let complete: HashSet<_> =
        drafts.iter().filter(|draft| draft.event.is_some()).filter_map(Draft::filler_number).collect();
    let is_part = |draft: &Draft<'_>| {
        draft.event.is_none() && draft.filler_number().is_some_and(|number| complete.contains(&number))
    };
    let (parts, mut drafts): (Vec<_>, Vec<_>) = drafts.into_iter().partition(is_part);
    let mut by_number: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        let Some(number) = draft.filler_number() else { continue };
        let places = by_number.entry(number).or_default();
        if places.len() < Alert::MAX {
            places.push(at);
        }
    }
    for part in parts {
        let places = part.filler_number().and_then(|number| by_number.get(&number));
        for at in places.into_iter().flatten() {
            let Some(draft) = drafts.get_mut(*at) else { continue };
            draft.add_part(&part);
        }
    }
    drafts
}

impl AlertReport {
    /// The reports of a message: an alert report (PCD-04) has one by the profile, or more.
    ///
    /// At most [`AlertReport::MAX_PER_MESSAGE`], those of the most dangerous alerts, because a device could
    /// put any number into a message.
    #[must_use]
    pub fn all_of(message: &Message<'_>) -> Vec<Self> {
        let mut known = HashSet::new();
        let alerts = Alert::all_of(message);
        let reports =
            alerts.iter().filter_map(Alert::report).filter(|report| known.insert(report.key.clone()));
        let mut reports: Vec<_> = reports.take(Self::MAX_PER_MESSAGE).collect();
        // A message may have the beginning of an alert and its end: the beginning is recorded first.
        reports.sort_by_key(|report| report.continues.is_some());
        reports
    }
}
