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
    /// What a facet and the flags of the event say; `None` when they say nothing. The table begins with the
    /// most severe word.
    pub(super) fn read(
        facet: Option<Observation<'_>>,
        flags: &[&[u8]],
        table: &'static [(&str, &'static str)],
    ) -> Option<Self> {
        let standing = facet.map(|facet| Standing::of(&facet));
        let mark = standing.as_ref().and_then(Standing::mark).map(str::to_owned);
        let is_void = standing.as_ref().is_some_and(Standing::is_void);
        let facet = facet.filter(|_| !is_void);
        let of_facet = facet.map(|facet| words(facet, table)).unwrap_or_default();
        let doubt = mark.clone().filter(|_| !of_facet.is_empty());
        let of_flags = flags.iter().filter_map(|flag| word(flag, table));
        let found: Vec<_> = of_facet.into_iter().chain(of_flags).collect();
        let mut in_order: Vec<_> =
            table.iter().map(|(_, word)| *word).filter(|word| found.contains(word)).collect();
        if !in_order.is_empty() {
            let word = in_order.remove(0);
            return Some(Self { word, others: in_order, reason: String::new(), doubt });
        }
        let reason = match facet.map(|facet| facet.value()) {
            None => mark?,
            Some(value) if value.is_empty() => return None,
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

/// What a facet says in words of its table; `None` without the facet or its value.
pub(in crate::view) fn meaning(
    facet: Option<Observation<'_>>,
    what: &str,
    table: &'static [(&str, &'static str)],
) -> Option<String> {
    let facet = facet?;
    let standing = Standing::of(&facet);
    if let Standing::Void(reason) = standing {
        return Some(format!("{what} {reason}"));
    }
    let value = facet.value();
    if value.is_empty() {
        return None;
    }
    let known = words(facet, table);
    let count = value.repetitions().filter(|value| !value.is_empty()).count();
    let mut text = known.join(" and ");
    if known.is_empty() {
        text = format!("{what} unknown");
    } else if known.len() < count {
        text.push_str(" and another that is unknown");
    }
    if let Some(doubt) = standing.mark() {
        text.push_str(&format!(" ({doubt})"));
    }
    Some(text)
}

/// The facet, unless it has no valid value.
pub(super) fn valid(facet: Option<Observation<'_>>) -> Option<Observation<'_>> {
    facet.filter(|facet| !Standing::of(facet).is_void())
}

/// The words of the repetitions of OBX-5 that are in a table; an empty word stands for nothing to say.
pub(super) fn words(facet: Observation<'_>, table: &'static [(&str, &'static str)]) -> Vec<&'static str> {
    let of =
        |value: Repetition<'_>| [1, 2].into_iter().find_map(|n| word(value.component(n).trimmed(), table));
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

/// Table B.8.5-4.
pub(in crate::view) const PHASES: &[(&str, &str)] = &[
    ("tpoint", "single event"),
    ("start", "start"),
    ("start_only", "start (no end follows)"),
    ("continue", "continues"),
    ("end", "end"),
    ("present", "present"),
    ("update", "update"),
    ("escalate", "escalated"),
    ("deescalate", "de-escalated"),
    ("de-escalate", "de-escalated"),
    ("stop", "stop"),
    ("reset", "reset"),
    ("inactivate", "inactivated"),
    ("acknowledged", "acknowledged"),
];

pub(in crate::view) const STATES: &[(&str, &str)] = &[
    ("active", "active"),
    ("inactive", "condition over"),
    ("latched", "latched"),
    ("off", "alarm not enabled"),
];

pub(in crate::view) const INACTIVATIONS: &[(&str, &str)] = &[
    ("enabled", "audio on"),
    ("audio-paused", "audio paused"),
    ("audio-off", "audio off"),
    ("alarm-paused", "alarm paused"),
    ("alarm-off", "alarm off"),
    ("alert-acknowledged", "acknowledged"),
    ("acknowledged", "acknowledged"),
];
