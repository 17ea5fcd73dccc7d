//! Which alert of several is shown first.

use super::message_alerts::Alert;
use super::terms::{INACTIVATIONS, is_void, word};
use crate::pcd::Observation;

/// The order of alerts: the smaller is the more dangerous.
///
/// One that lives is before one that is over, both before one of a test, and one without a valid event is the
/// last. Then the priority counts: one that is not stated, or unknown, may be high. A silenced alert is
/// before one that is heard.
pub(super) fn danger(alert: &Alert<'_>) -> (u8, u8, u8) {
    let has_no_value = alert.event.is_some_and(|event| is_void(&event));
    let is_not_clinical = alert.observations().any(|observation| observation.is_not_clinical());
    let counts = match (has_no_value, is_not_clinical, is_over(alert)) {
        (true, ..) => 3,
        (_, true, _) => 2,
        (.., true) => 1,
        _ => 0,
    };
    let flags: Vec<_> = alert.event.iter().flat_map(Observation::flag_words).collect();
    // Nothing is no priority: the empty place in the table is for what is not stated.
    let flags = flags.iter().filter_map(|flag| word(PRIORITIES, flag)).filter(|word| !word.is_empty());
    let stated = words(alert, alert.priority, PRIORITIES).into_iter().chain(flags);
    let rank = |words: &[&str], one| words.iter().position(|known| *known == one);
    let priority = stated.filter_map(|one| rank(PRIORITIES, one)).min().unwrap_or(UNSTATED);
    let silenced = words(alert, alert.inactivation, INACTIVATIONS).into_iter();
    let is_silenced = silenced.into_iter().any(|one| one != "enabled");
    (counts, u8::try_from(priority).unwrap_or(u8::MAX), u8::from(!is_silenced))
}

/// Whether nothing says that it lives: its state, or its phase without one.
fn is_over(alert: &Alert<'_>) -> bool {
    let states = words(alert, alert.state, &["inactive", "active", "latched", "off"]);
    let phases = words(alert, alert.phase, super::terms::PHASES);
    match states.as_slice() {
        [] => !phases.is_empty() && phases.iter().all(|phase| ENDS.contains(phase)),
        states => states.iter().all(|state| *state == "inactive"),
    }
}

/// The valid words of a table that a facet has, in any of its statements.
fn words<'m>(alert: &Alert<'m>, facet: Option<Observation<'m>>, table: &[&'static str]) -> Vec<&'static str> {
    let statements = alert.stated(facet).filter(|statement| !is_void(statement));
    let values = statements.flat_map(|statement| statement.value().repetitions().collect::<Vec<_>>());
    values
        .filter_map(|value| {
            let word = |n| word(table, value.component(n).trimmed()).filter(|word| !word.is_empty());
            [1, 2].into_iter().find_map(word)
        })
        .collect()
}

/// MDC_ATTR_ALARM_PRIORITY (table B.8.5-2), the highest first. A priority that is not stated is where the
/// empty place is.
const PRIORITIES: &[&str] = &["PH", "PM", "", "PL", "PU", "PI", "PN"];
const UNSTATED: usize = 2;

/// Phases with which an alert ends.
const ENDS: [&str; 2] = ["end", "stop"];
