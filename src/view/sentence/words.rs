//! Words for the values of facets.

use crate::hl7::Repetition;
use crate::pcd::Observation;

/// A priority or a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::view) struct Stated {
    /// Of several the most severe; empty when the value is in no table.
    word: &'static str,
    /// The others, which contradict it.
    others: Vec<&'static str>,
    /// A value that is in no table, if it is a number.
    unknown: String,
}

impl Stated {
    /// What a facet and the flags of the event say; `None` when they say nothing. The table begins with the
    /// most severe word.
    pub(super) fn read(
        facet: Option<Observation<'_>>,
        flags: &[&[u8]],
        table: &'static [(&str, &'static str)],
    ) -> Option<Self> {
        let facet = valid(facet);
        let mut found = facet.map(|facet| words(facet, table)).unwrap_or_default();
        found.extend(flags.iter().filter_map(|flag| word(flag, table)));
        let mut in_order: Vec<_> =
            table.iter().map(|(_, word)| *word).filter(|word| found.contains(word)).collect();
        if in_order.is_empty() {
            let value = facet?.value();
            let number = String::from_utf8_lossy(value.trimmed()).into_owned();
            let is_number = number.len() <= 4 && number.bytes().all(|digit| digit.is_ascii_digit());
            let unknown = if is_number { number } else { String::new() };
            return (!value.is_empty()).then_some(Self { word: "", others: Vec::new(), unknown });
        }
        let word = in_order.remove(0);
        Some(Self { word, others: in_order, unknown: String::new() })
    }

    /// `high priority`, `physiological`, with what contradicts it.
    pub(super) fn named(&self, what: &str) -> String {
        let Self { word, others, unknown } = self;
        let others = match others.as_slice() {
            [] => String::new(),
            others => format!(" (also stated: {})", others.join(", ")),
        };
        match (*word, what) {
            ("", _) if unknown.is_empty() => format!("{what} unknown"),
            ("", _) => format!("{what} {unknown} (unknown)"),
            (word, "priority") => format!("{word} priority{others}"),
            (word, _) => format!("{word}{others}"),
        }
    }

    /// The same without the name.
    pub(in crate::view) fn text(&self) -> String {
        match self.word {
            "" if self.unknown.is_empty() => "unknown".to_owned(),
            "" => format!("{} (unknown)", self.unknown),
            _ => self.named(""),
        }
    }
}

/// The facet, unless the sender withdrew it.
pub(super) fn valid(facet: Option<Observation<'_>>) -> Option<Observation<'_>> {
    facet.filter(|facet| !is_withdrawn(facet))
}

/// Whether the sender declared an observation wrong or deleted (HL7 table 0085).
pub(super) fn is_withdrawn(observation: &Observation<'_>) -> bool {
    let status = observation.status().trimmed();
    status.eq_ignore_ascii_case(b"W") || status.eq_ignore_ascii_case(b"D")
}

/// The words of the repetitions of OBX-5 that are in a table; an empty word stands for nothing to say.
pub(super) fn words(facet: Observation<'_>, table: &'static [(&str, &'static str)]) -> Vec<&'static str> {
    let of =
        |value: Repetition<'_>| [1, 2].into_iter().find_map(|n| word(value.component(n).trimmed(), table));
    facet.value().repetitions().filter_map(of).filter(|word| !word.is_empty()).collect()
}

pub(super) fn word(value: &[u8], table: &'static [(&str, &'static str)]) -> Option<&'static str> {
    table.iter().find(|(code, _)| code.as_bytes().eq_ignore_ascii_case(value)).map(|(_, word)| *word)
}

/// Table B.8.5-2, MDC_ATTR_ALARM_PRIORITY, the highest first.
pub(super) const PRIORITIES: &[(&str, &str)] =
    &[("PH", "high"), ("PM", "medium"), ("PL", "low"), ("PI", "information"), ("PN", "no")];

/// The same, MDC_ATTR_ALERT_TYPE.
pub(super) const KINDS: &[(&str, &str)] = &[("SP", "physiological"), ("ST", "technical"), ("SA", "advisory")];

pub(super) const ABNORMALITIES: &[(&str, &str)] =
    &[("H", "high"), ("HH", "high"), ("L", "low"), ("LL", "low")];

/// OBX-8 of a measured value (appendix B.8).
pub(super) const VALIDITIES: &[(&str, &str)] =
    &[("INV", "invalid"), ("QUES", "questionable"), ("NAV", "not available"), ("CALIB", "calibration")];

/// Table B.8.5-4.
pub(super) const PHASES: &[(&str, &str)] = &[
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

pub(super) const STATES: &[(&str, &str)] = &[
    ("active", "active"),
    ("inactive", "condition over"),
    ("latched", "latched"),
    ("off", "alarm not enabled"),
];

pub(super) const INACTIVATIONS: &[(&str, &str)] = &[
    ("enabled", "audio on"),
    ("audio-paused", "audio paused"),
    ("audio-off", "audio off"),
    ("alarm-paused", "alarm paused"),
    ("alarm-off", "alarm off"),
    ("alert-acknowledged", "acknowledged"),
    ("acknowledged", "acknowledged"),
];
