//! Whether the alert of a PCD-04 has its facets (IHE PCD TF vol. 2, 3.4 and tables B.8.5-1 to B.8.5-4).

use std::collections::{HashMap, HashSet};

use super::finding::Finding;
use crate::hl7::{ContentError, Location, Message, Repetition};
use crate::pcd::alert::{INACTIVATIONS, PHASES, STATES};
use crate::pcd::{Alert, AlertReport, Observation};

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
        for (facet, missing) in [
            (alert.event, "alert-event-missing"),
            (alert.phase, "alert-phase-missing"),
            (alert.state, "alert-state-missing"),
        ] {
            if facet.is_none() {
                found(missing, ContentError::SegmentSequence, obr(alert.position));
            }
        }
        // The state of inactivation may be empty, and repeated.
        for (facet, table, may_be_empty, unknown) in [
            (alert.phase, PHASES, false, "alert-phase-unknown"),
            (alert.state, STATES, false, "alert-state-unknown"),
            (alert.inactivation, INACTIVATIONS, true, "alert-inactivation-unknown"),
        ] {
            let Some(facet) = facet else { continue };
            let is_known =
                |value: Repetition<'_>| (may_be_empty && value.is_empty()) || in_table(value, table);
            let is_empty = facet.value().is_empty();
            if !(is_empty && may_be_empty) && (is_empty || !facet.value().repetitions().all(is_known)) {
                let location = Location::field(*b"OBX", sequences.of(&facet, message), 5);
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
    let has_flag = |table: &[&'static str]| {
        let flags = alert.event.map(|event| event.flags());
        flags.is_some_and(|flags| flags.repetitions().any(|flag| in_table(flag, table)))
    };
    for (is_there, missing) in [
        (alert.source.is_some() || alert.measured.is_some(), "alert-source-missing"),
        (alert.inactivation.is_some(), "alert-inactivation-missing"),
        (alert.priority.is_some() || has_flag(PRIORITIES), "alert-priority-missing"),
        (alert.kind.is_some() || has_flag(KINDS), "alert-type-missing"),
    ] {
        if !is_there {
            push(Finding::advice(missing, ContentError::SegmentSequence, obr(alert.position)));
        }
    }
    for (facet, table, unknown, contradiction) in [
        (alert.priority, PRIORITIES, "alert-priority-unknown", "alert-priority-contradiction"),
        (alert.kind, KINDS, "alert-type-unknown", "alert-type-contradiction"),
    ] {
        let mut push = |rule| push(Finding::advice(rule, ContentError::TableValue, obr(alert.position)));
        let values: Vec<_> = facet.into_iter().flat_map(|facet| facet.value().repetitions()).collect();
        let flags = alert.event.into_iter().flat_map(|event| event.flags().repetitions());
        if values.iter().any(|value| !value.is_empty() && !in_table(*value, table)) {
            push(unknown);
        }
        let stated: HashSet<_> =
            values.into_iter().chain(flags).filter_map(|value| code_in(value, table)).collect();
        if stated.len() > 1 {
            push(contradiction);
        }
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
    code_in(value, table).is_some()
}

/// The code of the table that a value is, alone or as a code with its text.
fn code_in(value: Repetition<'_>, table: &[&'static str]) -> Option<&'static str> {
    let known = |word: &[u8]| table.iter().find(|known| known.as_bytes().eq_ignore_ascii_case(word));
    [1, 2].into_iter().find_map(|n| known(&value.component(n).shown_text())).copied()
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

/// OBX-8 of an event (table B.8.5-2).
const PRIORITIES: &[&str] = &["PH", "PM", "PL", "PN", "PI", "PU"];

const KINDS: &[&str] = &["SP", "ST", "SA"];
