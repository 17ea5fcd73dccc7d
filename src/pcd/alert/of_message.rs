//! Which alerts a message has, and in which order.

use std::collections::{HashMap, HashSet};

use super::danger::danger;
use super::filler::Filler;
use super::message_alerts::Alert;
use super::report::AlertReport;
use super::same_report;
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
        let mut alerts = Self::requests(message);
        if alerts.iter().any(|alert| alert.event.is_some() || alert.has_facets()) {
            alerts.retain(|alert| alert.event.is_some() || alert.has_facets());
        } else {
            // An alert without content; it is shown as such.
            alerts.truncate(1);
        }
        alerts = Self::with_parts(alerts);
        same_report::remove_repetitions(&mut alerts, message);
        let count = alerts.len();
        alerts.sort_by_cached_key(danger);
        alerts.truncate(Self::MAX);
        (alerts, count)
    }

    /// Adds OBRs without an event of their own to the alert with the same number: they are its evidence, but
    /// what their facets say counts as under one OBR.
    fn with_parts(alerts: Vec<Self>) -> Vec<Self> {
        let complete: HashSet<_> =
            alerts.iter().filter(|alert| alert.event.is_some()).filter_map(Self::filler).collect();
        let is_part = |alert: &Self| {
            alert.event.is_none() && alert.filler().is_some_and(|number| complete.contains(&number))
        };
        let (parts, mut alerts): (Vec<_>, Vec<_>) = alerts.into_iter().partition(is_part);
        let mut by_number: HashMap<Filler, Vec<usize>> = HashMap::new();
        for (at, number) in alerts.iter().enumerate().filter_map(|(at, alert)| Some((at, alert.filler()?))) {
            let places = by_number.entry(number).or_default();
            if places.len() < Self::MAX {
                places.push(at);
            }
        }
        for part in parts {
            let places = part.filler().and_then(|number| by_number.get(&number));
            for at in places.into_iter().flatten() {
                let Some(alert) = alerts.get_mut(*at) else { continue };
                part.statements().for_each(|statement| alert.add(statement));
                alert.keep_own_value();
            }
        }
        alerts
    }
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
        reports.take(Self::MAX_PER_MESSAGE).collect()
    }
}
