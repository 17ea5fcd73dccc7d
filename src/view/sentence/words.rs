//! Words for the values of facets.

use crate::hl7::Repetition;
use crate::pcd::Observation;
use crate::view::standing::Standing;
pub(super) use crate::view::standing::word;

/// A priority or a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::view) struct Stated {
    /// Of several the most severe; empty when there is no valid word of the table.
    word: &'static str,
    /// The others, which contradict it.
    others: Vec<&'static str>,
    /// Why there is no word: `20 (unknown)`, `withdrawn`.
    reason: String,
    /// A doubt about the facet.
    doubt: Option<String>,
}

impl Stated {
    /// What the statements of a facet and the flags of the event say; `None` when they say nothing. The table
    /// begins with the most severe word.
    pub(super) fn read<'m>(
        facets: impl Iterator<Item = Observation<'m>>,
        flags: &[&[u8]],
        table: &'static [(&str, &'static str)],
    ) -> Option<Self> {
        let mut facets: Vec<_> = facets.collect();
        let standing = facets.first().map(Standing::of);
        let mark = standing.as_ref().and_then(Standing::mark).map(str::to_owned);
        if standing.as_ref().is_some_and(Standing::is_void) {
            facets.clear();
        }
        let of_facets: Vec<_> = facets.iter().flat_map(|facet| words(*facet, table)).collect();
        let doubt = mark.clone().filter(|_| !of_facets.is_empty());
        let has_unknown = of_facets.len() < count(&facets);
        let of_flags = flags.iter().filter_map(|flag| word(flag, table));
        let found: Vec<_> = of_facets.into_iter().chain(of_flags).collect();
        let mut in_order = ranked(&found, table);
        if !in_order.is_empty() {
            let word = in_order.remove(0);
            in_order.extend(has_unknown.then_some("another that is unknown"));
            return Some(Self { word, others: in_order, reason: String::new(), doubt });
        }
        let reason = match facets.first().map(|facet| facet.value()) {
            None => mark?,
            Some(_) if count(&facets) == 0 => return None,
            Some(value) => unknown(value.trimmed()),
        };
        Some(Self { word: "", others: Vec::new(), reason, doubt: None })
    }

    /// `high priority`, `physiological`, with what contradicts it.
    pub(super) fn named(&self, what: &str) -> String {
        let Self { word, others, reason, doubt } = self;
        if word.is_empty() {
            return format!("{what} {reason}");
        }
        let mut text = if what == "priority" { format!("{word} priority") } else { (*word).to_owned() };
        if !others.is_empty() {
            text.push_str(&format!(" (also stated: {})", others.join(", ")));
        }
        if let Some(doubt) = doubt {
            text.push_str(&format!(" ({doubt})"));
        }
        text
    }

    /// The same without the name.
    pub(in crate::view) fn text(&self) -> String {
        if self.word.is_empty() { self.reason.clone() } else { self.named("") }
    }
}

/// A value that is in no table. A text could be anything, so only a number is repeated.
fn unknown(value: &[u8]) -> String {
    let is_number = value.len() <= 4 && value.iter().all(u8::is_ascii_digit);
    let number = if is_number { String::from_utf8_lossy(value) } else { "".into() };
    if number.is_empty() { "unknown".to_owned() } else { format!("{number} (unknown)") }
}

/// What the statements of a facet say in words of its table; `None` without the facet or its value. Of
/// several words it is the one that the table has first, and `also stated` with the others.
pub(in crate::view) fn meaning<'m>(
    facets: impl IntoIterator<Item = Observation<'m>>,
    what: &str,
    table: &'static [(&str, &'static str)],
) -> Option<String> {
    let facets: Vec<_> = facets.into_iter().collect();
    if let Standing::Void(reason) = Standing::of(facets.first()?) {
        return Some(format!("{what} {reason}"));
    }
    let count = count(&facets);
    if count == 0 {
        return None;
    }
    let found: Vec<_> = facets.iter().flat_map(|facet| words(*facet, table)).collect();
    let known = ranked(&found, table);
    let may_be_together = |word: &&str| TOGETHER.contains(word);
    let is_together = known.first().is_some_and(may_be_together);
    let (mut shown, mut others): (Vec<_>, Vec<_>) =
        known.into_iter().partition(|word| is_together && may_be_together(word));
    if shown.is_empty() && !others.is_empty() {
        shown.push(others.remove(0));
    }
    let mut text = shown.join(" and ");
    if !others.is_empty() {
        text.push_str(&format!(" (also stated: {})", others.join(", ")));
    }
    if found.is_empty() {
        text = format!("{what} unknown");
    } else if found.len() < count {
        text.push_str(" and another that is unknown");
    }
    let mut doubts: Vec<_> =
        facets.iter().filter_map(|facet| Standing::of(facet).mark().map(str::to_owned)).collect();
    doubts.dedup();
    if !doubts.is_empty() {
        text.push_str(&format!(" ({})", doubts.join(", ")));
    }
    Some(text)
}

/// How many values the statements of a facet have.
fn count(facets: &[Observation<'_>]) -> usize {
    let values = facets.iter().flat_map(|facet| facet.value().repetitions());
    values.filter(|value| !value.is_empty()).count()
}

/// The words of a table that are there, in its order, each once.
fn ranked(found: &[&'static str], table: &'static [(&str, &'static str)]) -> Vec<&'static str> {
    let mut words: Vec<&str> =
        table.iter().map(|(_, word)| *word).filter(|word| found.contains(word)).collect();
    words.dedup();
    words
}

/// The facet, unless it has no valid value.
pub(super) fn valid(facet: Option<Observation<'_>>) -> Option<Observation<'_>> {
    facet.filter(|facet| !Standing::of(facet).is_void())
}

/// The words of the repetitions of OBX-5 that are in a table; an empty word stands for nothing to say.
pub(super) fn words(facet: Observation<'_>, table: &'static [(&str, &'static str)]) -> Vec<&'static str> {
    let of = |value: Repetition<'_>| {
        [1, 2].into_iter().find_map(|n| word(&value.component(n).shown_text(), table))
    };
    facet.value().repetitions().filter_map(of).filter(|word| !word.is_empty()).collect()
}

/// Table B.8.5-2, MDC_ATTR_ALARM_PRIORITY, the highest first.
pub(super) const PRIORITIES: &[(&str, &str)] = &[
    ("PH", "high"),
    ("PM", "medium"),
    ("PL", "low"),
    ("PU", "unknown"),
    ("PI", "information"),
    ("PN", "no"),
];

/// The same, MDC_ATTR_ALERT_TYPE.
pub(super) const KINDS: &[(&str, &str)] = &[("SP", "physiological"), ("ST", "technical"), ("SA", "advisory")];

pub(super) const ABNORMALITIES: &[(&str, &str)] =
    &[("H", "high"), ("HH", "high"), ("L", "low"), ("LL", "low")];

/// Table B.8.5-4, what asks for most attention first.
pub(in crate::view) const PHASES: &[(&str, &str)] = &[
    ("escalate", "escalated"),
    ("start", "start"),
    ("start_only", "start (no end follows)"),
    ("tpoint", "single event"),
    ("present", "present"),
    ("continue", "continues"),
    ("update", "update"),
    ("deescalate", "de-escalated"),
    ("de-escalate", "de-escalated"),
    ("acknowledged", "acknowledged"),
    ("inactivate", "inactivated"),
    ("reset", "reset"),
    ("stop", "stop"),
    ("end", "end"),
];

/// The same order.
pub(in crate::view) const STATES: &[(&str, &str)] = &[
    ("active", "active"),
    ("latched", "latched"),
    ("off", "alarm not enabled"),
    ("inactive", "condition over"),
];

/// The more is silent, the earlier.
pub(in crate::view) const INACTIVATIONS: &[(&str, &str)] = &[
    ("alarm-off", "alarm off"),
    ("audio-off", "audio off"),
    ("alarm-paused", "alarm paused"),
    ("audio-paused", "audio paused"),
    ("alert-acknowledged", "acknowledged"),
    ("acknowledged", "acknowledged"),
    ("enabled", "audio on"),
];

/// States of the signals that do not contradict each other.
const TOGETHER: [&str; 5] = ["alarm off", "audio off", "alarm paused", "audio paused", "acknowledged"];
