//! Segments and their parts, parsed on access.
//!
//! Positions count from one, as in HL7.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

use super::encoding::{Encoding, Split};
use super::{Separators, escape};

/// One segment: a name and fields.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Segment<'m> {
    bytes: &'m [u8],
    separators: Separators,
}

/// One field: repetitions, most often a single one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'m> {
    bytes: &'m [u8],
    separators: Separators,
}

/// One repetition of a field: components.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Repetition<'m> {
    bytes: &'m [u8],
    separators: Separators,
}

/// One component: a value or subcomponents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Component<'m> {
    bytes: &'m [u8],
    separators: Separators,
}

impl<'m> Segment<'m> {
    pub(super) const fn new(bytes: &'m [u8], separators: Separators) -> Self {
        Self { bytes, separators }
    }

    /// The segment as received, without its terminator.
    #[must_use]
    pub const fn raw(&self) -> &'m [u8] {
        self.bytes
    }

    pub(super) const fn separators(&self) -> Separators {
        self.separators
    }

    /// The name, such as `OBX`: the bytes before the first separator.
    #[must_use]
    pub fn id(&self) -> &'m [u8] {
        let separator = self.separators.field;
        if let Some((id, [end, ..])) = self.bytes.split_first_chunk::<3>()
            && *end == separator
            && !id.contains(&separator)
        {
            return id;
        }
        let end = self.separators.find(separator, self.bytes).unwrap_or(self.bytes.len());
        self.bytes.get(..end).unwrap_or_default()
    }

    /// Whether this segment has that name.
    #[must_use]
    pub fn is(&self, id: &[u8]) -> bool {
        self.bytes
            .strip_prefix(id)
            .is_some_and(|rest| rest.first().is_none_or(|byte| *byte == self.separators.field))
    }

    /// Field `n`, from 1; empty when the segment is shorter. MSH-1 is the separator itself.
    #[must_use]
    pub fn field(&self, n: usize) -> Field<'m> {
        n.checked_sub(1).and_then(|skip| self.fields().nth(skip)).unwrap_or(self.part(&[]))
    }

    /// The fields, from 1.
    #[must_use]
    pub fn fields(&self) -> Fields<'m> {
        let id = self.id();
        let rest = self.bytes.get(id.len() + 1..);
        let first = if self.has_separator_as_first_field() { self.bytes.get(3..4) } else { None };
        let separators = self.separators;
        Fields { first, rest: rest.map(|rest| separators.split(Some(separators.field), rest)), separators }
    }

    /// Whether the segment has a field `n`, empty or not: cheaper than [`Segment::field`].
    pub(crate) fn reaches(&self, n: usize) -> bool {
        self.separators.encoding.count(self.separators.field, self.bytes) >= n
    }

    /// The segment with the positions of its fields, for callers that read several of them.
    pub(crate) fn indexed(&self) -> Indexed<'m> {
        // Each end is the start of the next field. A missing field ends with the segment.
        let mut ends = [self.bytes.len(); INDEXED + 1];
        if self.separators.encoding == Encoding::AsciiSafe {
            let found = memchr_iter(self.separators.field, self.bytes);
            ends.iter_mut().zip(found).for_each(|(end, found)| *end = found);
            return Indexed { segment: *self, ends, header: self.has_separator_as_first_field() };
        }
        let mut start = 0;
        for end in &mut ends {
            let rest = self.bytes.get(start..).unwrap_or_default();
            let Some(found) = self.separators.find(self.separators.field, rest) else { break };
            *end = start + found;
            start = *end + 1;
        }
        Indexed { segment: *self, ends, header: self.has_separator_as_first_field() }
    }

    /// In MSH, and in the headers of files and batches, the first field is the separator.
    fn has_separator_as_first_field(&self) -> bool {
        matches!(self.id(), b"MSH" | b"FHS" | b"BHS")
    }

    const fn part(&self, bytes: &'m [u8]) -> Field<'m> {
        Field { bytes, separators: self.separators }
    }
}

/// A segment whose fields up to the 21st were located in one pass.
#[derive(Clone, Copy)]
pub(crate) struct Indexed<'m> {
    segment: Segment<'m>,
    /// The end of the name, then the end of each field, not counting the field that is the separator.
    ends: [usize; INDEXED + 1],
    header: bool,
}

impl<'m> Indexed<'m> {
    /// The segment itself.
    pub(crate) const fn segment(&self) -> Segment<'m> {
        self.segment
    }

    /// Like [`Segment::field`].
    pub(crate) fn field(&self, n: usize) -> Field<'m> {
        let bytes = self.segment.bytes;
        let found = match (n, self.header) {
            (0, _) => None,
            (1, true) => bytes.get(3..4),
            (n, header) => {
                let before = n - 1 - usize::from(header);
                match (self.ends.get(before), self.ends.get(before + 1)) {
                    (Some(start), Some(end)) => bytes.get(*start + 1..*end),
                    _ => return self.segment.field(n),
                }
            }
        };
        self.segment.part(found.unwrap_or_default())
    }
}

/// The fields of a segment.
#[derive(Clone)]
pub struct Fields<'m> {
    first: Option<&'m [u8]>,
    rest: Option<Split<'m>>,
    separators: Separators,
}

impl<'m> Iterator for Fields<'m> {
    type Item = Field<'m>;

    fn next(&mut self) -> Option<Field<'m>> {
        let separators = self.separators;
        if let Some(bytes) = self.first.take() {
            return Some(Field { bytes, separators });
        }
        let bytes = self.rest.as_mut()?.next()?;
        Some(Field { bytes, separators })
    }
}

/// Methods that all parts of a segment share.
macro_rules! parts {
    ($($part:ident)*) => {$(
        impl<'m> $part<'m> {
            /// The bytes as received.
            #[must_use]
            pub const fn raw(&self) -> &'m [u8] {
                self.bytes
            }

            /// The bytes as received, without surrounding blanks.
            #[must_use]
            pub const fn trimmed(&self) -> &'m [u8] {
                self.bytes.trim_ascii()
            }

            /// Whether the part is blank, or HL7's explicit null `""`.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                matches!(self.trimmed(), b"" | b"\"\"")
            }
        }
    )*};
}

parts! { Field Repetition Component }

impl<'m> Field<'m> {
    pub(crate) const fn separators(&self) -> Separators {
        self.separators
    }

    /// The repetitions; at least one, possibly empty.
    pub fn repetitions(&self) -> impl Iterator<Item = Repetition<'m>> + use<'m> {
        let separators = self.separators;
        let repetitions = separators.split(Some(separators.repetition), self.bytes);
        repetitions.map(move |bytes| Repetition { bytes, separators })
    }

    /// Component `n`, from 1, of the first repetition.
    #[must_use]
    pub fn component(&self, n: usize) -> Component<'m> {
        let found = self.separators.find(self.separators.repetition, self.bytes);
        let end = found.unwrap_or(self.bytes.len());
        let bytes = self.bytes.get(..end).unwrap_or_default();
        Repetition { bytes, separators: self.separators }.component(n)
    }

    /// The field as a message with the usual separators has it: what reads like a component is one, whatever
    /// MSH-2 says.
    #[must_use]
    pub fn usual_notation(&self) -> Cow<'m, [u8]> {
        let usual = Separators { encoding: self.separators.encoding, ..Separators::STANDARD };
        let own = Separators { truncation: None, field: usual.field, ..self.separators };
        if own == usual {
            return Cow::Borrowed(self.bytes);
        }
        let mut notation = Vec::with_capacity(self.bytes.len());
        for (at, repetition) in self.repetitions().enumerate() {
            notation.extend_from_slice(if at > 0 { b"~" } else { b"" });
            for (at, component) in repetition.components().enumerate() {
                notation.extend_from_slice(if at > 0 { b"^" } else { b"" });
                for (at, part) in component.subcomponents().enumerate() {
                    notation.extend_from_slice(if at > 0 { b"&" } else { b"" });
                    escape::encode(&escape::decode(part.bytes, self.separators), usual, &mut notation);
                }
            }
        }
        Cow::Owned(notation)
    }

    /// The value of a field without components, with escape sequences decoded.
    #[must_use]
    pub fn text(&self) -> Cow<'m, [u8]> {
        escape::decode(self.bytes, self.separators)
    }
}

impl<'m> Repetition<'m> {
    /// The components; at least one, possibly empty.
    pub fn components(&self) -> impl Iterator<Item = Component<'m>> + use<'m> {
        let separators = self.separators;
        let components = separators.split(Some(separators.component), self.bytes);
        components.map(move |bytes| Component { bytes, separators })
    }

    /// Component `n`, from 1; empty when there are fewer.
    #[must_use]
    pub fn component(&self, n: usize) -> Component<'m> {
        let empty = Component { bytes: &[], separators: self.separators };
        n.checked_sub(1).and_then(|skip| self.components().nth(skip)).unwrap_or(empty)
    }
}

impl<'m> Component<'m> {
    pub(super) const fn separators(&self) -> Separators {
        self.separators
    }

    /// The subcomponents as received; at least one, possibly empty.
    pub fn subcomponents(&self) -> impl Iterator<Item = Component<'m>> + use<'m> {
        let separators = self.separators;
        let subcomponents = separators.split(separators.subcomponent, self.bytes);
        subcomponents.map(move |bytes| Self { bytes, separators })
    }

    /// Whether the value has an escape character.
    #[must_use]
    pub fn has_escape(&self) -> bool {
        self.separators.escape.is_some_and(|escape| memchr(escape, self.bytes).is_some())
    }

    /// The value without surrounding blanks, with escape sequences decoded.
    #[must_use]
    pub fn text(&self) -> Cow<'m, [u8]> {
        escape::decode(self.trimmed(), self.separators)
    }

    /// The value for people, without surrounding blanks: formatting is replaced by line breaks and blanks.
    /// What decides about a message reads [`Component::text`].
    #[must_use]
    pub fn shown_text(&self) -> Cow<'m, [u8]> {
        escape::shown(self.trimmed(), self.separators)
    }
}

/// The last indexed field; later fields are rarely read twice.
const INDEXED: usize = 21;

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(bytes: &str) -> Segment<'_> {
        Segment::new(bytes.as_bytes(), Separators::STANDARD)
    }

    #[test]
    fn fields_are_counted_from_one() {
        let obx = segment("OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC||88");
        assert_eq!((obx.id(), obx.field(1).raw(), obx.field(5).raw()), (&b"OBX"[..], &b"1"[..], &b"88"[..]));
        assert_eq!(
            (obx.field(0).raw(), obx.field(4).raw(), obx.field(6).raw()),
            (&b""[..], &b""[..], &b""[..])
        );
        assert_eq!(obx.fields().count(), 5);
        assert_eq!(segment("DSC").fields().count(), 0);
        assert_eq!(segment("DSC|").fields().count(), 1);
    }

    #[test]
    fn the_first_field_of_a_header_is_the_separator() {
        for id in ["MSH", "FHS", "BHS"] {
            let header = format!(r"{id}|^~\&|APP");
            let header = segment(&header);
            assert_eq!(header.field(1).raw(), b"|");
            assert_eq!(header.field(2).raw(), br"^~\&");
            assert_eq!(header.field(3).raw(), b"APP");
        }
    }

    #[test]
    fn an_indexed_segment_has_the_same_fields() {
        let long = format!("OBX{}", "|a^b~c".repeat(40));
        for text in [
            "",
            "OBX",
            "OBX|",
            "OBX||a||b|",
            "MSH",
            "MSH|",
            r"MSH|^~\&|APP||F",
            r"BHS|^~\&|APP",
            "MSHX|1|2",
            "MSHabc",
            long.as_str(),
            &long.replacen("OBX", "MSH", 1),
        ] {
            let segment = segment(text);
            let index = segment.indexed();
            for n in 0..50 {
                assert_eq!(index.field(n).raw(), segment.field(n).raw(), "{text} {n}");
            }
        }
    }

    #[test]
    fn a_name_is_compared_as_a_whole() {
        assert!(segment("PID|1").is(b"PID") && segment("PID").is(b"PID"));
        assert!(!segment("PIDX|1").is(b"PID") && !segment("PI|1").is(b"PID"));
    }

    #[test]
    fn repetitions_components_and_subcomponents() {
        let pid = segment(r"PID|||11111^^^FOO&&0363^NI~22222^x\T\y^^");
        let field = pid.field(3);
        assert_eq!(field.repetitions().count(), 2);
        assert_eq!(field.component(1).raw(), b"11111");
        let parts: Vec<_> = field.component(4).subcomponents().map(|part| part.raw()).collect();
        assert_eq!(parts, [&b"FOO"[..], b"", b"0363"]);
        let second = field.repetitions().nth(1).unwrap();
        assert_eq!(&*second.component(2).text(), b"x&y");
        assert_eq!(&*segment(r"NTE|1||a \E\ b").field(3).text(), br"a \ b");
        assert!(pid.reaches(3) && !pid.reaches(4));
        assert_eq!(second.component(9).raw(), b"");
    }

    #[test]
    fn what_reads_like_a_component_in_the_usual_notation_is_one() {
        let usual = segment(r"OBX|a^b&c~d\S\e");
        assert!(matches!(usual.field(1).usual_notation(), Cow::Borrowed(br"a^b&c~d\S\e")));
        let Some(separators) = Separators::parse(br"|$~/%|") else { panic!("usable separators") };
        let other = Segment::new(br"OBX|X^1^Y$b%c~d/S/e/H/", separators);
        let notation = other.field(1).usual_notation();
        assert_eq!(String::from_utf8_lossy(&notation), r"X\S\1\S\Y^b&c~d$e/H/");
    }

    #[test]
    fn blanks_and_the_explicit_null_are_no_value() {
        let obx = segment("OBX| |\"\"|0| \"\" ^1");
        assert!(obx.field(1).is_empty() && obx.field(2).is_empty() && !obx.field(3).is_empty());
        assert!(obx.field(4).component(1).is_empty() && !obx.field(4).component(2).is_empty());
    }
}
