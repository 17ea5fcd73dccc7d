//! Fields of a message as text: decoded by the character set of the message, without escape sequences.

use crate::hl7::{CharacterSet, Component, Field, MessageTime, Repetition};
use crate::pcd::nomenclature::{
    Coded, contradicts_itself, find_term, find_unit, named_otherwise, unit_contradicts_itself,
};
use crate::pcd::{KnownPatient, Observation};

/// Text as its sender wrote it, which may name the patient. It becomes a `String` by [`SentText::covered`]
/// only, so that nothing is shown that was not searched for the patient.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct SentText(String);

impl SentText {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text with `[patient]` in place of what names the patient.
    pub(super) fn covered(self, patient: &KnownPatient) -> String {
        patient.hide(self.0)
    }

    /// The text, if it is a time: the day on which a patient is born is a day for other things too.
    pub(super) fn time(&self) -> Option<&str> {
        MessageTime::parse(self.0.as_bytes()).is_ok().then_some(&*self.0)
    }

    /// The text of MSH-9 and MSH-10, by which messages are found: they stay as they came.
    pub(super) fn of_header(self) -> String {
        self.0
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_alike(&self, other: &Self) -> bool {
        self.0.as_str().eq_ignore_ascii_case(other.0.as_str())
    }

    /// Texts with a separator between them. They are covered as one: a name may be written in parts.
    pub(super) fn joined(parts: impl IntoIterator<Item = Self>, separator: &str) -> Self {
        Self(parts.into_iter().map(|part| part.0).collect::<Vec<_>>().join(separator))
    }

    /// The text without blanks around it.
    pub(super) fn trimmed(self) -> Self {
        Self(self.0.trim().to_owned())
    }

    /// The text without separators at its end.
    fn without_last(self, separator: char) -> Self {
        Self(self.0.trim_end_matches(separator).to_owned())
    }
}

/// A component of a code or an identifier: formatting stays, since none belongs there.
pub(super) fn identifier(component: Component<'_>, characters: CharacterSet) -> SentText {
    SentText(decoded_identifier(component, characters))
}

fn decoded_identifier(component: Component<'_>, characters: CharacterSet) -> String {
    characters.decode(&component.text()).trim().to_owned()
}

/// The text of a component in a field that is shown with its separators: one that the text itself contains is
/// escaped, so that nothing reads like a component that is none.
fn separated(component: Component<'_>, characters: CharacterSet) -> String {
    let part = |part: Component<'_>| {
        let text = decoded_identifier(part, characters);
        if !text.contains(['|', '^', '~', '&']) {
            return text;
        }
        let mut shown = String::with_capacity(text.len() + 8);
        for character in text.chars() {
            match character {
                '|' => shown.push_str(r"\F\"),
                '^' => shown.push_str(r"\S\"),
                '~' => shown.push_str(r"\R\"),
                '&' => shown.push_str(r"\T\"),
                other => shown.push(other),
            }
        }
        shown
    };
    component.subcomponents().map(part).collect::<Vec<_>>().join("&")
}

/// The text of a component.
pub(super) fn component(component: Component<'_>, characters: CharacterSet) -> SentText {
    let text = characters.decode(&component.shown_text()).trim().to_owned();
    SentText(if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text })
}

/// A field with `^` between its components, `&` between its subcomponents and `~` between its repetitions,
/// whatever the separators of the message are.
pub(super) fn whole(field: Field<'_>, characters: CharacterSet) -> SentText {
    if field.is_empty() {
        return SentText::default();
    }
    let repetition = |one: Repetition<'_>| {
        one.components().map(|part| separated(part, characters)).collect::<Vec<_>>().join("^")
    };
    SentText(field.repetitions().map(repetition).collect::<Vec<_>>().join("~"))
}

/// The components of a repetition with `^` between them.
pub(super) fn flag(one: Repetition<'_>, characters: CharacterSet) -> SentText {
    let parts = one.components().map(|part| identifier(part, characters));
    SentText::joined(parts, "^").without_last('^')
}

/// A coded element.
pub(super) fn term(field: Field<'_>, characters: CharacterSet) -> SentTerm {
    let mut repetitions = field.repetitions();
    repetitions.next().map_or_else(SentTerm::default, |one| term_at(one, 1, characters))
}

/// The term of a coded element that begins with component `first`.
pub(super) fn term_at(one: Repetition<'_>, first: usize, characters: CharacterSet) -> SentTerm {
    let part = |n| identifier(one.component(first + n), characters);
    SentTerm { code: part(0), name: part(1), system: part(2) }
}

/// A term as its sender wrote it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct SentTerm {
    code: SentText,
    name: SentText,
    system: SentText,
}

impl SentTerm {
    /// The term without what names the patient. Only a reference id, a number and a unit that the tables have
    /// can be no name and no number of a patient.
    pub(super) fn covered(self, patient: &KnownPatient) -> Term {
        let Self { code, name, system } = self;
        let is_mdc = system.0.is_empty() && name.0.starts_with("MDC_");
        let own = if is_mdc { "MDC" } else { &system.0 };
        let is_known = |coded: Coded<'_>| find_term(coded).is_some() || find_unit(coded).is_some();
        let has_known_name = is_known(Coded { code: "", name: &name.0, system: &system.0 });
        let has_known_code = is_known(Coded { code: &code.0, name: "", system: own });
        let coded = Coded { code: &code.0, name: &name.0, system: &system.0 };
        let is_contradiction = contradicts_itself(coded) || unit_contradicts_itself(coded);
        let cover = |text: SentText, is_known: bool| if is_known { text.0 } else { text.covered(patient) };
        Term {
            contradicts_itself: is_contradiction,
            code: cover(code, has_known_code),
            name: cover(name, has_known_name),
            system: system.covered(patient),
        }
    }
}

/// A term of a coding system.
#[derive(serde::Serialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub struct Term {
    /// The code, for example `150456`.
    pub code: String,
    /// The reference id, for example `MDC_PULS_OXIM_SAT_O2`.
    pub name: String,
    /// The coding system.
    pub system: String,
    /// Whether code and name do not belong together: neither is believed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub contradicts_itself: bool,
}

impl Term {
    /// Whether there is neither code nor name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.code.is_empty() && self.name.is_empty()
    }

    /// `MDC_PULS_OXIM_SAT_O2 (150456)`; with the coding system where it is another than MDC and UCUM:
    /// `monitoring of patient (182777000, SCT)`.
    #[must_use]
    pub fn text(&self) -> String {
        named(&self.code, &self.name, &self.system)
    }

    /// The reference id, or the code if there is none.
    #[must_use]
    pub fn short(&self) -> &str {
        if self.name.is_empty() { &self.code } else { &self.name }
    }
}

/// OBX-5 for people.
pub(super) enum Observed {
    /// Numbers and times. They are never hidden because they equal a number or a day of the patient.
    Parsed(String),
    /// Everything else: also text where OBX-2 says that there is a number.
    Text(SentText),
}

/// OBX-5. A number is shown digit for digit as it was received: trailing zeros are precision.
pub(super) fn observed(observation: &Observation<'_>, characters: CharacterSet) -> Observed {
    let (kind, value) = (observation.value_type().trimmed(), observation.value());
    let is_coded = matches!(kind, b"CE" | b"CF" | b"CNE" | b"CWE");
    let one = |repetition: Repetition<'_>| {
        let parts: Vec<_> = repetition.components().map(|part| component(part, characters)).collect();
        match kind {
            _ if is_coded => coded(&parts),
            b"SN" if is_structured_number(&parts) => SentText::joined(parts, ""),
            // Names, addresses and telephone numbers are read as they are spoken.
            b"XPN" | b"PN" | b"XCN" | b"CN" | b"XAD" | b"AD" | b"XTN" | b"TN" => {
                SentText::joined(parts.into_iter().filter(|part| !part.is_empty()), " ")
            }
            // Samples of a waveform: a missing one has its place. Components that are joined would be a value
            // that was not sent.
            b"NA" | b"MA" => SentText::joined(parts, "^"),
            _ => SentText::joined(parts, "^").without_last('^'),
        }
    };
    let text = SentText::joined(value.repetitions().map(one), "; ");
    if is_parsed(kind, value) { Observed::Parsed(text.0) } else { Observed::Text(text) }
}

/// Whether a value of this type is nothing but numbers or times.
fn is_parsed(kind: &[u8], value: Field<'_>) -> bool {
    let is_number = |text: &str| {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        digits.parse::<f64>().is_ok() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let is_time = |text: &str| MessageTime::parse(text.as_bytes()).is_ok();
    // The precision of a time in earlier versions, and the signs of an SN.
    let is_sign = |text: &str| text.chars().count() == 1 || ["<=", ">=", "<>"].contains(&text);
    let is_clock = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'+' | b'-'));
    let is_parsed = |part: Component<'_>| {
        let Ok(text) = std::str::from_utf8(part.trimmed()) else { return false };
        text.is_empty()
            || match kind {
                b"NM" | b"NA" | b"MA" => is_number(text),
                b"SN" => is_number(text) || is_sign(text),
                b"DT" | b"DTM" | b"TS" | b"DR" => is_time(text) || is_sign(text),
                b"TM" => is_clock(text),
                _ => false,
            }
    };
    let mut parts =
        value.repetitions().flat_map(|one| one.components()).flat_map(|part| part.subcomponents());
    parts.all(is_parsed)
}

/// Whether these are the components of an SN: comparator, number, separator, number.
fn is_structured_number(parts: &[SentText]) -> bool {
    let part = |n: usize| parts.get(n).map_or("", |part| &*part.0);
    let is_number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
    let has_comparator = ["", "<", ">", "<=", ">=", "=", "<>"].contains(&part(0));
    let is_single = part(2).is_empty() && part(3).is_empty() || part(2) == "+" && part(3).is_empty();
    let is_pair = ["-", "+", "/", ".", ":"].contains(&part(2)) && is_number(part(3));
    has_comparator
        && is_number(part(1))
        && (is_single || is_pair)
        && parts.iter().skip(4).all(SentText::is_empty)
}

/// A coded element: its name and its code, the alternatives, and the original text (CWE.9) where it says
/// more.
pub(super) fn coded(parts: &[SentText]) -> SentText {
    let part = |n: usize| parts.get(n).map_or("", |part| &*part.0);
    let mut terms = [0, 3, 9].map(|first| named(part(first), part(first + 1), part(first + 2))).to_vec();
    terms.retain(|term| !term.is_empty());
    terms.dedup();
    let shown = terms.join(", also ");
    let original = part(8);
    SentText(match original {
        "" => shown,
        _ if shown.is_empty() => original.to_owned(),
        _ if [part(0), part(1)].contains(&original) => shown,
        _ => format!("{shown}, \u{201C}{original}\u{201D}"),
    })
}

/// A term with its code and its coding system. Where both do not belong together it says so: a reader takes
/// the name for right.
fn named(code: &str, name: &str, system: &str) -> String {
    let coded = Coded { code, name, system };
    if contradicts_itself(coded) {
        return format!("{name} (contradicts its number {code})");
    }
    if let Some(own) = named_otherwise(coded) {
        return format!("{name} ({code}, in MDC: {own})");
    }
    let is_usual = ["", "MDC", "UCUM"].iter().any(|usual| usual.eq_ignore_ascii_case(system));
    match (name, code) {
        ("", "") => String::new(),
        (name, "") if is_usual => name.to_owned(),
        ("", code) if is_usual => code.to_owned(),
        (name, code) if is_usual && name == code => name.to_owned(),
        (name, code) if is_usual => format!("{name} ({code})"),
        (text, "") | ("", text) => format!("{text} ({system})"),
        (name, code) if name == code => format!("{name} ({system})"),
        (name, code) => format!("{name} ({code}, {system})"),
    }
}

/// Whether a type is a document, or a pointer to one (ED, RP).
pub(super) fn is_document(kind: &[u8]) -> bool {
    matches!(kind, b"ED" | b"RP")
}

/// The start of a long text, ending with `…`; `None` when the text is short.
pub(super) fn shortened(text: &str) -> Option<String> {
    let (end, _) = text.char_indices().nth(MAX_CHARACTERS)?;
    Some(format!("{}\u{2026}", text.get(..end).unwrap_or_default().trim_end()))
}

/// Characters of a value that are shown unless the caller asks for all of it.
const MAX_CHARACTERS: usize = 240;
