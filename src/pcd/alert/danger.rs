//! Which alert of several is shown first.

use super::facet::Facet;
use super::message_alerts::Alert;
use super::terms::{PRIORITIES, is_void};

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
    let priority = alert.codes(Facet::Priority).first().map_or(UNSTATED, |code| priority_of(code));
    let is_silenced = alert.codes(Facet::Inactivation).iter().any(|code| *code != "enabled");
    (counts, u8::try_from(priority).unwrap_or(u8::MAX), u8::from(!is_silenced))
}

/// Whether nothing says that it lives: its state, or its phase without one.
fn is_over(alert: &Alert<'_>) -> bool {
    let (states, phases) = (alert.codes(Facet::State), alert.codes(Facet::Phase));
    match states.as_slice() {
        [] => !phases.is_empty() && phases.iter().all(|phase| ENDS.contains(phase)),
        states => states.iter().all(|state| *state == "inactive"),
    }
}

/// The place of a priority in the order of alerts: one that is not stated may be high, so it is after medium.
fn priority_of(code: &str) -> usize {
    let at = PRIORITIES.iter().position(|known| *known == code).unwrap_or(UNSTATED);
    if at < UNSTATED { at } else { at + 1 }
}

/// After high and medium.
const UNSTATED: usize = 2;

/// Phases with which an alert ends.
const ENDS: [&str; 2] = ["end", "stop"];
