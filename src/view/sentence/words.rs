//! Words for the values of facets.

pub(super) use crate::pcd::find_word as word;
use crate::pcd::{Alert, Facet, Observation, Standing, Stated};

/// A facet of an alert in words. The sentence, the tree, JSON and lists have it from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::view) struct InWords {
    facet: Facet,
    /// The code that counts: of several the most dangerous; `None` when there is no valid one of the table.
    pub(in crate::view) code: Option<&'static str>,
    /// The other codes that are stated, also at other places of the device.
    pub(in crate::view) other_codes: Vec<&'static str>,
    /// The code in words; with others that do not contradict it.
    words: Vec<&'static str>,
    /// Words that contradict it.
    others: Vec<&'static str>,
    /// Words at places of the device where the event is not.
    others_elsewhere: Vec<&'static str>,
    /// Why there is no word: `20 (unknown)`, `withdrawn`.
    reason: String,
    /// Doubts about the facet.
    doubts: Vec<String>,
}

impl InWords {
    /// What an alert states of a facet, and for priority and type OBX-8 of its event; `None` when they say
    /// nothing.
    pub(in crate::view) fn read(alert: &Alert<'_>, facet: Facet) -> Option<Self> {
        let stated = alert.facet(facet);
        let codes = alert.codes(facet);
        let (words, others) = in_order(facet, &codes);
        let unknown = (stated.has_unknown() && !codes.is_empty()).then_some(UNKNOWN);
        let elsewhere = stated.codes_elsewhere();
        let mut doubts: Vec<_> = stated.observations().filter_map(|one| mark(&one)).collect();
        doubts.dedup();
        if stated.is_elsewhere() {
            doubts.insert(0, "stated at another place".to_owned());
        }
        let reason = if codes.is_empty() { reason(stated)? } else { String::new() };
        // A facet that does not count says nothing of a flag that does.
        let counts = !stated.codes().is_empty();
        Some(Self {
            facet,
            code: codes.first().copied(),
            other_codes: codes.iter().skip(1).chain(elsewhere).copied().collect(),
            others: others.into_iter().chain(unknown).collect(),
            others_elsewhere: words_of(facet, elsewhere).filter(|word| !words.contains(word)).collect(),
            words,
            reason,
            doubts: if counts { doubts } else { Vec::new() },
        })
    }

    /// `high priority`, `physiological`, `start`, with what contradicts it; `what` it is stands before what
    /// is no word.
    pub(in crate::view) fn named(&self, what: &str) -> String {
        if self.words.is_empty() {
            return format!("{what} {}", self.reason);
        }
        let is_priority = self.facet == Facet::Priority;
        self.with_notes(self.words.join(" and ") + if is_priority { " priority" } else { "" })
    }

    /// The same without what it is.
    pub(in crate::view) fn text(&self) -> String {
        if self.words.is_empty() { self.reason.clone() } else { self.with_notes(self.words.join(" and ")) }
    }

    /// The same with its code, where that is another word: `inactive (condition over)`.
    pub(in crate::view) fn with_code(&self) -> String {
        match (self.code, self.words.as_slice()) {
            (Some(code), [word]) if word.eq_ignore_ascii_case(code) => self.text(),
            (Some(code), _) => format!("{code} ({})", self.text()),
            (None, _) => self.text(),
        }
    }

    fn with_notes(&self, mut text: String) -> String {
        for (note, words) in [
            ("also stated", self.others.as_slice()),
            ("also stated at another place", self.others_elsewhere.as_slice()),
        ] {
            if !words.is_empty() {
                text.push_str(&format!(" ({note}: {})", words.join(", ")));
            }
        }
        if !self.doubts.is_empty() {
            text.push_str(&format!(" ({})", self.doubts.join(", ")));
        }
        text
    }
}

/// The words of codes, and those that contradict the first.
fn in_order(facet: Facet, codes: &[&'static str]) -> (Vec<&'static str>, Vec<&'static str>) {
    let mut all: Vec<_> = words_of(facet, codes).collect();
    all.dedup();
    let may_be_together = |word: &&str| TOGETHER.contains(word);
    let is_together = all.first().is_some_and(may_be_together);
    let at = all.iter().take(1).len();
    let (first, rest) = all.split_at(at);
    let (together, others): (Vec<_>, Vec<_>) =
        rest.iter().copied().partition(|word| is_together && may_be_together(word));
    (first.iter().copied().chain(together).collect(), others)
}

fn words_of(facet: Facet, codes: &[&'static str]) -> impl Iterator<Item = &'static str> {
    codes.iter().filter_map(move |code| word(code.as_bytes(), table(facet)))
}

/// Why a facet without a word of its table has none; `None` without the facet or its value.
fn reason(stated: &Stated<'_>) -> Option<String> {
    let observation = stated.observation()?;
    match Standing::of(&observation) {
        Standing::Void(reason) => Some(reason.to_owned()),
        _ => stated.has_unknown().then(|| unknown(observation.value().trimmed())),
    }
}

fn mark(observation: &Observation<'_>) -> Option<String> {
    Standing::of(observation).mark().map(str::to_owned)
}

/// A value that is in no table. A text could be anything, so only a number is repeated.
fn unknown(value: &[u8]) -> String {
    let is_number = value.len() <= MAX_DIGITS && value.iter().all(u8::is_ascii_digit);
    let number = if is_number { String::from_utf8_lossy(value) } else { "".into() };
    if number.is_empty() { "unknown".to_owned() } else { format!("{number} (unknown)") }
}

/// The facet, unless it has no valid value.
pub(super) fn valid(facet: Option<Observation<'_>>) -> Option<Observation<'_>> {
    facet.filter(|facet| !Standing::of(facet).is_void())
}

/// The words for the codes of a facet; the order of danger is that of [`Facet::codes`].
const fn table(facet: Facet) -> &'static [(&'static str, &'static str)] {
    match facet {
        Facet::Phase => PHASES,
        Facet::State => STATES,
        Facet::Inactivation => INACTIVATIONS,
        Facet::Priority => PRIORITIES,
        Facet::Kind => KINDS,
        Facet::Measured | Facet::Source | Facet::Text => &[],
    }
}

/// Table B.8.5-2, MDC_ATTR_ALARM_PRIORITY.
const PRIORITIES: &[(&str, &str)] = &[
    ("PH", "high"),
    ("PM", "medium"),
    ("PL", "low"),
    ("PU", "unknown"),
    ("PI", "information"),
    ("PN", "no"),
];

/// The same, MDC_ATTR_ALERT_TYPE.
const KINDS: &[(&str, &str)] = &[("SP", "physiological"), ("ST", "technical"), ("SA", "advisory")];

pub(super) const ABNORMALITIES: &[(&str, &str)] =
    &[("H", "high"), ("HH", "high"), ("L", "low"), ("LL", "low")];

/// Table B.8.5-4.
const PHASES: &[(&str, &str)] = &[
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

/// Table B.8.5-2, MDC_ATTR_ALARM_STATE.
const STATES: &[(&str, &str)] = &[
    ("active", "active"),
    ("latched", "latched"),
    ("off", "alarm not enabled"),
    ("inactive", "condition over"),
];

/// The same, MDC_ATTR_ALARM_INACTIVATION_STATE.
const INACTIVATIONS: &[(&str, &str)] = &[
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

/// Digits of a value that no table has: more may be the number of a patient.
const MAX_DIGITS: usize = 3;
/// What stands for a value that no table has.
const UNKNOWN: &str = "another that is unknown";
