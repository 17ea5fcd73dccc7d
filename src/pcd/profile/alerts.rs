//! Whether the alert of a PCD-04 has its facets (IHE PCD TF vol. 2, 3.4 and tables B.8.5-1 to B.8.5-4).

use std::collections::{HashMap, HashSet};

use super::finding::Finding;
use crate::hl7::{ContentError, Location, Message, Repetition};
use crate::pcd::{Alert, AlertReport, Facet, Observation};

/// Checks the alerts of a message and passes findings to `found`.
///
/// 3.4: a message has one alert. The alert may have several OBR, of which further ones carry evidence.
pub(super) fn check(message: &Message<'_>, mut push: impl FnMut(Finding)) {
    let mut found = |rule, error, location| push(Finding::violation(rule, error, location));
    let (alerts, count) = Alert::counted(message);
    if alerts.is_empty() {
        found("alert-event-missing", ContentError::SegmentSequence, obr(0));
    }
    let (mut numbers, mut requests) = (HashSet::new(), HashSet::new());
    // Several OBR with one number and equipment are one alert; several events under one OBR are not.
    let mut in_order: Vec<_> = alerts.iter().collect();
    in_order.sort_by_key(|alert| alert.position);
    let mut others = in_order.into_iter().filter(|alert| {
        let is_further = !requests.insert(alert.position);
        numbers.insert((alert.filler(), alert.equipment())) || is_further
    });
    if let Some(second) = others.nth(1) {
        found("alert-several", ContentError::SegmentSequence, obr(second.position));
    }
    if count > AlertReport::MAX_PER_MESSAGE {
        let last = alerts.get(AlertReport::MAX_PER_MESSAGE).map_or(0, |alert| alert.position);
        push(Finding::advice("alert-not-all-shown", ContentError::SegmentSequence, obr(last)));
    }
    let mut found = |rule, error, location| push(Finding::violation(rule, error, location));
    let mut sequences = Sequences::default();
    for alert in &alerts {
        for (is_there, missing) in [
            (alert.event.is_some(), "alert-event-missing"),
            (!alert.facet(Facet::Phase).is_none(), "alert-phase-missing"),
            (!alert.facet(Facet::State).is_none(), "alert-state-missing"),
        ] {
            if !is_there {
                found(missing, ContentError::SegmentSequence, obr(alert.position));
            }
        }
        // The state of inactivation may be empty, and repeated.
        for (facet, may_be_empty, unknown) in [
            (Facet::Phase, false, "alert-phase-unknown"),
            (Facet::State, false, "alert-state-unknown"),
            (Facet::Inactivation, true, "alert-inactivation-unknown"),
        ] {
            let is_known =
                |value: Repetition<'_>| (may_be_empty && value.is_empty()) || in_table(value, facet.codes());
            let breaks = |stated: &Observation<'_>| {
                let value = stated.value();
                if value.is_empty() { !may_be_empty } else { !value.repetitions().all(is_known) }
            };
            if let Some(stated) = alert.facet(facet).observations().find(breaks) {
                let location = Location::field(*b"OBX", sequences.of(&stated, message), 5);
                found(unknown, ContentError::TableValue, location);
            }
        }
    }
    alerts.iter().for_each(|alert| advise(alert, &mut push));
}

/// Passes what an alert lacks of table B.8.5-2 and the receiver can do without: advice, because many devices
/// send alerts without it and none of them may be lost.
///
/// Facet 2 is the source: the term of the source, or the measured value. Priority and type may stand in OBX-8
/// of the event.
fn advise(alert: &Alert<'_>, mut push: impl FnMut(Finding)) {
    let is_there = |facet| !alert.facet(facet).is_none();
    let is_stated = |facet| is_there(facet) || !alert.codes(facet).is_empty();
    for (is_there, missing) in [
        (is_there(Facet::Source) || is_there(Facet::Measured), "alert-source-missing"),
        (is_there(Facet::Inactivation), "alert-inactivation-missing"),
        (is_stated(Facet::Priority), "alert-priority-missing"),
        (is_stated(Facet::Kind), "alert-type-missing"),
    ] {
        if !is_there {
            push(Finding::advice(missing, ContentError::SegmentSequence, obr(alert.position)));
        }
    }
    for (facet, unknown, contradiction) in [
        (Facet::Priority, "alert-priority-unknown", "alert-priority-contradiction"),
        (Facet::Kind, "alert-type-unknown", "alert-type-contradiction"),
    ] {
        let mut push = |rule| push(Finding::advice(rule, ContentError::TableValue, obr(alert.position)));
        if alert.facet(facet).has_unknown() {
            push(unknown);
        }
        if alert.codes(facet).len() > 1 {
            push(contradiction);
        }
    }
    if alert.has_facets_elsewhere() {
        push(Finding::advice("alert-facet-elsewhere", ContentError::SegmentSequence, obr(alert.position)));
    }
    if alert.contradicts_itself || alert.is_reported_differently {
        push(Finding::advice("alert-facet-contradiction", ContentError::TableValue, obr(alert.position)));
    }
    if alert.has_further_events {
        push(Finding::advice("alert-further-event", ContentError::SegmentSequence, obr(alert.position)));
    }
}

fn obr(position: usize) -> Location {
    Location::segment(*b"OBR", u32::try_from(position.saturating_add(1)).unwrap_or(u32::MAX))
}

/// Whether a value is in its table, alone or as a code with its text.
fn in_table(value: Repetition<'_>, table: &[&'static str]) -> bool {
    let is_known = |code: &[u8]| table.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(code));
    [1, 2].into_iter().any(|n| is_known(&value.component(n).shown_text()))
}

/// The numbers of the OBX of a message, from 1. They are counted once, when the first is asked for.
#[derive(Default)]
struct Sequences(Option<HashMap<*const u8, u32>>);

impl Sequences {
    fn of(&mut self, observation: &Observation<'_>, message: &Message<'_>) -> u32 {
        let place = |observation: &Observation<'_>| observation.segment().raw().as_ptr();
        let all = self.0.get_or_insert_with(|| {
            message.segments().filter_map(Observation::of).map(|one| place(&one)).zip(1..).collect()
        });
        all.get(&place(observation)).copied().unwrap_or(1)
    }
}
