//! One observation: OBX, and its position in the device (OBX-4).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::nomenclature::Coded;
use crate::hl7::{Component, Field, Segment};

/// An OBX segment with named fields (IHE PCD TF vol. 2, appendix B.8).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Observation<'m>(Segment<'m>);

/// OBX-4: the position of an observation in the device, `MDS.VMD.CHANNEL.METRIC[.FACET[.SUBFACET]]` (appendix
/// B.8.3). Zero skips a level, and missing parts are zero: `1`, `1.0.0` and `1.0.0.0` are the device itself.
/// Paths sort in tree order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObservationPath([u32; 6]);

/// The levels of a device (IEEE 11073-10201).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Medical device system.
    Mds,
    /// Virtual medical device.
    Vmd,
    /// Channel.
    Channel,
    /// Metric; in alerts the source of the alert.
    Metric,
    /// A property of a metric, or of an alert.
    Facet,
    /// A part of a facet.
    Subfacet,
}

/// A value of OBX-4 that is not a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "OBX-4 holds one to six numbers with dots between them, MDS.VMD.CHANNEL.METRIC.FACET.SUBFACET, not all of them zero"
)]
pub struct ObservationPathError;

impl<'m> Observation<'m> {
    /// The observation in a segment, if it is an OBX.
    #[must_use]
    pub fn of(segment: Segment<'m>) -> Option<Self> {
        segment.is(b"OBX").then_some(Self(segment))
    }

    /// OBX-2, as `NM`.
    #[must_use]
    pub fn value_type(&self) -> Field<'m> {
        self.0.field(2)
    }

    /// OBX-3.
    #[must_use]
    pub fn identifier(&self) -> Field<'m> {
        self.0.field(3)
    }

    /// OBX-3.1, usually the number of the term.
    #[must_use]
    pub fn code(&self) -> Component<'m> {
        self.0.field(3).component(1)
    }

    /// OBX-3.2, as `MDC_PULS_OXIM_SAT_O2`.
    #[must_use]
    pub fn name(&self) -> Component<'m> {
        self.0.field(3).component(2)
    }

    /// OBX-3.3, as `MDC`.
    #[must_use]
    pub fn system(&self) -> Component<'m> {
        self.0.field(3).component(3)
    }

    /// OBX-3.
    #[must_use]
    pub fn term(&self) -> Coded<'m> {
        Coded::of(self.0.field(3), 1)
    }

    /// OBX-4 as received.
    #[must_use]
    pub fn sub_id(&self) -> Field<'m> {
        self.0.field(4)
    }

    /// OBX-4.
    ///
    /// # Errors
    /// When it is empty or not a path.
    pub fn path(&self) -> Result<ObservationPath, ObservationPathError> {
        ObservationPath::read(self.0.field(4))
    }

    /// OBX-5 as received: trailing zeros are precision.
    #[must_use]
    pub fn value(&self) -> Field<'m> {
        self.0.field(5)
    }

    /// OBX-6.
    #[must_use]
    pub fn units(&self) -> Field<'m> {
        self.0.field(6)
    }

    /// OBX-7.
    #[must_use]
    pub fn range(&self) -> Field<'m> {
        self.0.field(7)
    }

    /// OBX-8.
    #[must_use]
    pub fn flags(&self) -> Field<'m> {
        self.0.field(8)
    }

    /// OBX-17: how the value was obtained (`AMEAS`), or that it is a setting (`MSET`).
    #[must_use]
    pub fn method(&self) -> Field<'m> {
        self.0.field(17)
    }

    /// OBX-20: the site of the body.
    #[must_use]
    pub fn site(&self) -> Field<'m> {
        self.0.field(20)
    }

    /// OBX-11.
    #[must_use]
    pub fn status(&self) -> Field<'m> {
        self.0.field(11)
    }

    /// OBX-14.
    #[must_use]
    pub fn time(&self) -> Field<'m> {
        self.0.field(14)
    }

    /// OBX-18.
    #[must_use]
    pub fn equipment(&self) -> Field<'m> {
        self.0.field(18)
    }

    /// The code in OBX-11, without escape sequences; the whole field, which no table has, where its
    /// repetitions differ.
    #[must_use]
    pub fn status_code(&self) -> Cow<'m, [u8]> {
        let mut codes = self.status().repetitions().map(|status| status.component(1).shown_text());
        let Some(first) = codes.next() else { return Cow::Borrowed(&[]) };
        if codes.all(|code| code.is_empty() || code.eq_ignore_ascii_case(&first)) {
            first
        } else {
            Cow::Borrowed(self.status().trimmed())
        }
    }

    /// The words in OBX-8, of every component and repetition, without escape sequences: some senders write a
    /// flag behind another one, or as its text.
    pub fn flag_words(&self) -> impl Iterator<Item = Cow<'m, [u8]>> + use<'m> {
        let components = self.flags().repetitions().flat_map(|flag| flag.components());
        components.flat_map(|part| part.subcomponents()).map(|part| part.shown_text())
    }

    /// Whether the sender declared the observation wrong or deleted (OBX-11, HL7 table 0085).
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        let status = self.status_code();
        status.eq_ignore_ascii_case(b"W") || status.eq_ignore_ascii_case(b"D")
    }

    /// OBX itself, for its other fields.
    #[must_use]
    pub const fn segment(&self) -> Segment<'m> {
        self.0
    }

    /// Whether OBX-8 marks a test or demonstration value instead of a clinical one. Show it wherever the
    /// value is shown.
    #[must_use]
    pub fn is_not_clinical(&self) -> bool {
        let flagged = |flag: &[u8]| flag.eq_ignore_ascii_case(b"TEST") || flag.eq_ignore_ascii_case(b"DEMO");
        self.flag_words().any(|flag| flagged(&flag))
    }
}

impl ObservationPath {
    /// The path in a field.
    pub(super) fn read(field: Field<'_>) -> Result<Self, ObservationPathError> {
        std::str::from_utf8(field.trimmed()).map_err(|_| ObservationPathError)?.parse()
    }

    /// The level of the path.
    #[must_use]
    pub fn level(&self) -> Level {
        match self.0 {
            [.., subfacet] if subfacet > 0 => Level::Subfacet,
            [.., facet, _] if facet > 0 => Level::Facet,
            [_, _, _, metric, ..] if metric > 0 => Level::Metric,
            [_, _, channel, ..] if channel > 0 => Level::Channel,
            [_, vmd, ..] if vmd > 0 => Level::Vmd,
            _ => Level::Mds,
        }
    }

    /// The number of the facet; `None` for what is no facet.
    #[must_use]
    pub fn facet(&self) -> Option<u32> {
        let [.., facet, _] = self.0;
        (facet > 0).then_some(facet)
    }

    /// The numbers of the metric and what contains it, which the facets of one alert share.
    pub(super) const fn place(&self) -> [u32; 4] {
        let [mds, vmd, channel, metric, ..] = self.0;
        [mds, vmd, channel, metric]
    }

    /// All of its numbers; those that are not written are 0.
    #[must_use]
    pub const fn numbers(&self) -> [u32; 6] {
        self.0
    }

    /// Whether `other` lies below this path, at any depth.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        let depth = self.level() as usize + 1;
        self.level() < other.level()
            && self.0.iter().zip(other.0).take(depth).all(|(own, other)| *own == other)
    }
}

impl FromStr for ObservationPath {
    type Err = ObservationPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut path = [0; 6];
        let mut parts = text.trim().split('.');
        for (part, written) in path.iter_mut().zip(parts.by_ref()) {
            if !written.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(ObservationPathError);
            }
            *part = written.parse().map_err(|_| ObservationPathError)?;
        }
        if parts.next().is_some() || path == [0; 6] { Err(ObservationPathError) } else { Ok(Self(path)) }
    }
}

impl fmt::Display for ObservationPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [mds, vmd, channel, metric, facet, subfacet] = self.0;
        write!(f, "{mds}.{vmd}.{channel}.{metric}")?;
        match (facet, subfacet) {
            (0, 0) => Ok(()),
            (facet, 0) => write!(f, ".{facet}"),
            (facet, subfacet) => write!(f, ".{facet}.{subfacet}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Message;

    fn path(text: &str) -> ObservationPath {
        text.parse().unwrap()
    }

    #[test]
    fn a_path_has_a_level() {
        for (text, level) in [
            ("1", Level::Mds),
            ("1.0.0.0", Level::Mds),
            ("1.2.0.0", Level::Vmd),
            ("1.0.1", Level::Channel),
            ("1.0.0.1", Level::Metric),
            ("0.0.0.1", Level::Metric),
            (" 1.3.1.150456.1 ", Level::Facet),
            ("1.3.1.150456.1.2", Level::Subfacet),
            ("1.3.1.150456.0.2", Level::Subfacet),
        ] {
            assert_eq!(path(text).level(), level, "{text}");
        }
        assert_eq!((path("1"), path("1.0.1.1.0").to_string()), (path("1.0.0.0"), "1.0.1.1".into()));
        for text in ["1.3.1.150456.1", "1.3.1.150456.1.2", "1.3.1.150456.0.2"] {
            assert_eq!(path(text).to_string(), text);
        }
        assert_eq!(path("1.3.1.7.1.0"), path("1.3.1.7.1"));
    }

    #[test]
    fn other_values_are_not_paths() {
        for text in ["", "0", "0.0.0.0", "1.", ".1", "1..1", "1.2.3.4.5.6.7", "a", "1.-1", "+1", "4294967296"]
        {
            assert_eq!(text.parse::<ObservationPath>(), Err(ObservationPathError), "{text}");
        }
    }

    #[test]
    fn containment_is_by_level_not_by_text() {
        assert!(path("1").contains(&path("1.2.0.0")) && path("1").contains(&path("1.0.0.1")));
        assert!(path("1.2.0.0").contains(&path("1.2.1.7.3")));
        assert!(path("1.2.1.7.3").contains(&path("1.2.1.7.3.1")));
        assert!(!path("1.2.1.7.2").contains(&path("1.2.1.7.3.1")));
        assert!(!path("1.2.0.0").contains(&path("1.20.1.7")) && !path("1.2.0.0").contains(&path("1.0.0.7")));
        assert!(!path("1.2.1.7").contains(&path("1.2.1.7")) && !path("1.2.1.7").contains(&path("1.2.1.8.1")));
    }

    #[test]
    fn a_value_that_is_not_clinical_is_flagged() {
        let flagged = |flags: &str| {
            let text = format!("MSH|^~\\&|\rOBX|1|NM|1^X^MDC|1.0.0.1|5.00|||{flags}\r");
            let message = Message::parse(text.as_bytes()).unwrap();
            let observation = message.segments().find_map(Observation::of).unwrap();
            assert_eq!(observation.value().raw(), b"5.00");
            observation.is_not_clinical()
        };
        assert!(flagged("TEST") && flagged("L~demo^X"));
        for hidden in [r"\X54455354\", r"\H\TEST\N\", "x^TEST", "L&TEST", "H~^Test"] {
            assert!(flagged(hidden), "{hidden}");
        }
        assert!(!flagged("") && !flagged("TESTED~L"));
    }

    #[test]
    fn a_status_counts_in_every_notation_and_not_where_it_contradicts_itself() {
        let of = |status: &str| {
            let text = format!("MSH|^~\\&|\rOBX|1|NM|1^X^MDC|1.0.0.1|5||||||{status}\r");
            let message = Message::parse(text.as_bytes()).unwrap();
            let observation = message.segments().find_map(Observation::of).unwrap();
            (observation.status_code().into_owned(), observation.is_withdrawn())
        };
        for status in ["W", "w", "W^x", r"\X57\", r"\H\W\N\", "W~W", "D~"] {
            assert!(of(status).1, "{status}");
        }
        for (status, code) in [("F~W", "F~W"), ("W~F", "W~F"), ("F", "F"), ("", ""), ("F~", "F")] {
            assert_eq!(of(status), (code.as_bytes().to_vec(), false), "{status}");
        }
    }
}
