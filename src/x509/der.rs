//! A strict DER parser and writer (X.690 section 10): definite lengths in their shortest form, one-octet
//! tags, no trailing bytes.
//!
//! It serves signed data from the network, OCSP responses and CRLs. Every element keeps its exact bytes, so
//! that signatures are verified over the received bytes and never over a new encoding. A CRL of two hundred
//! thousand entries is parsed without a copy.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::time::NO_EXPIRY;
use crate::model::work::count;

/// The bytes are not DER, or not the expected structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the DER encoding of the expected structure")]
pub struct Malformed;

/// Universal BOOLEAN.
pub const BOOLEAN: u8 = 0x01;
/// Universal INTEGER.
pub const INTEGER: u8 = 0x02;
/// Universal BIT STRING.
pub const BIT_STRING: u8 = 0x03;
/// Universal OCTET STRING.
pub const OCTET_STRING: u8 = 0x04;
/// Universal NULL.
pub const NULL: u8 = 0x05;
/// Universal OBJECT IDENTIFIER.
pub const OBJECT_IDENTIFIER: u8 = 0x06;
/// Universal ENUMERATED.
pub const ENUMERATED: u8 = 0x0a;
/// Universal UTCTime.
pub const UTC_TIME: u8 = 0x17;
/// Universal GeneralizedTime.
pub const GENERALIZED_TIME: u8 = 0x18;
/// Universal SEQUENCE, constructed.
pub const SEQUENCE: u8 = 0x30;

/// The tag of a primitive element in the context-specific class.
#[must_use]
pub const fn context(number: u8) -> u8 {
    0x80 | number
}

/// The tag of a constructed element in the context-specific class.
#[must_use]
pub const fn constructed(number: u8) -> u8 {
    0xa0 | number
}

/// One element: tag, length, content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// The identifier octet.
    pub tag: u8,
    /// The content octets.
    pub content: &'a [u8],
    /// The whole element, with tag and length.
    pub raw: &'a [u8],
}

/// Reads a sequence of elements.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Element<'a> {
    /// Parses bytes that are exactly one element with this tag.
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub fn whole(der: &'a [u8], tag: u8) -> Result<Self, Malformed> {
        let mut reader = Reader::new(der);
        let element = reader.expect(tag)?;
        reader.finish()?;
        Ok(element)
    }

    /// A reader of the content of a constructed element.
    #[must_use]
    pub const fn reader(&self) -> Reader<'a> {
        Reader::new(self.content)
    }

    /// The content of an INTEGER in its shortest form.
    ///
    /// # Errors
    /// When it is empty or padded.
    pub fn integer(&self) -> Result<&'a [u8], Malformed> {
        match self.content {
            [] | [0x00, 0x00..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => Err(Malformed),
            octets => Ok(octets),
        }
    }

    /// The content of a BOOLEAN.
    ///
    /// # Errors
    /// When it is neither of the two values of DER.
    pub fn boolean(&self) -> Result<bool, Malformed> {
        match self.content {
            [0x00] => Ok(false),
            [0xff] => Ok(true),
            _ => Err(Malformed),
        }
    }

    /// The content of a BIT STRING of whole octets.
    ///
    /// # Errors
    /// When it has unused bits.
    pub fn bit_string_octets(&self) -> Result<&'a [u8], Malformed> {
        match self.content {
            [0, octets @ ..] => Ok(octets),
            _ => Err(Malformed),
        }
    }

    /// A UTCTime or GeneralizedTime in the form of RFC 5280 4.1.2.5: to the second, in UTC. A leap second is
    /// the second after it. A time after [`NO_EXPIRY`], such as 99991231235959Z, is [`NO_EXPIRY`].
    ///
    /// # Errors
    /// When it has another form, or is not a time.
    pub fn time(&self) -> Result<Timestamp, Malformed> {
        let (year, rest) = match (self.tag, self.content) {
            (UTC_TIME, [a, b, rest @ ..]) => {
                let year = two(*a, *b)?;
                (if year >= 50 { 1900 + i16::from(year) } else { 2000 + i16::from(year) }, rest)
            }
            (GENERALIZED_TIME, [a, b, c, d, rest @ ..]) => {
                (i16::from(two(*a, *b)?) * 100 + i16::from(two(*c, *d)?), rest)
            }
            _ => return Err(Malformed),
        };
        let &[mo, mo1, d, d1, h, h1, mi, mi1, s, s1, b'Z'] = rest else { return Err(Malformed) };
        let (second, is_leap_second) = match two(s, s1)? {
            60 => (59, true),
            second => (second, false),
        };
        let time = DateTime::new(year, two(mo, mo1)?, two(d, d1)?, two(h, h1)?, two(mi, mi1)?, second, 0)
            .map_err(|_| Malformed)?;
        // Timestamps end some hours before the year 9999 does.
        let time = Offset::UTC.to_timestamp(time).map_or(NO_EXPIRY, |time| time.min(NO_EXPIRY));
        if !is_leap_second {
            return Ok(time);
        }
        Ok(time.checked_add(SignedDuration::from_secs(1)).map_or(NO_EXPIRY, |time| time.min(NO_EXPIRY)))
    }
}

impl<'a> Reader<'a> {
    /// Reads `der` from its start.
    #[must_use]
    pub const fn new(der: &'a [u8]) -> Self {
        Self { rest: der }
    }

    /// Whether no bytes are left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The number of remaining bytes.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next element, with any tag.
    ///
    /// # Errors
    /// At the end, or when the bytes are not DER.
    pub fn element(&mut self) -> Result<Element<'a>, Malformed> {
        count(1);
        let [tag, first, rest @ ..] = self.rest else { return Err(Malformed) };
        // X.690 8.1.2.4: tags above 30 have more octets. No structure that we parse has such a tag.
        if tag & 0x1f == 0x1f {
            return Err(Malformed);
        }
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            // X.690 10.1: 0x80 is the indefinite form, which DER forbids. Four octets suffice for four
            // gigabytes.
            0x81..=0x84 => long_length(usize::from(first & 0x7f), rest)?,
            _ => return Err(Malformed),
        };
        let (content, after) = rest.split_at_checked(length).ok_or(Malformed)?;
        let size = self.rest.len().saturating_sub(after.len());
        let (raw, _) = self.rest.split_at_checked(size).ok_or(Malformed)?;
        self.rest = after;
        Ok(Element { tag: *tag, content, raw })
    }

    /// The next element, which must have this tag.
    ///
    /// # Errors
    /// When it has another tag, or there is none.
    pub fn expect(&mut self, tag: u8) -> Result<Element<'a>, Malformed> {
        let element = self.element()?;
        if element.tag == tag { Ok(element) } else { Err(Malformed) }
    }

    /// The next element if it has this tag.
    ///
    /// # Errors
    /// When it has this tag and is malformed.
    pub fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, Malformed> {
        match self.rest.first() {
            Some(next) if *next == tag => self.element().map(Some),
            _ => Ok(None),
        }
    }

    /// Checks that no bytes are left.
    ///
    /// # Errors
    /// When bytes are left.
    pub const fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// X.690 10.1: the shortest form only.
fn long_length(octets: usize, rest: &[u8]) -> Result<(usize, &[u8]), Malformed> {
    let (length, rest) = rest.split_at_checked(octets).ok_or(Malformed)?;
    if length.first() == Some(&0) {
        return Err(Malformed);
    }
    let length = length.iter().fold(0_usize, |sum, octet| (sum << 8) | usize::from(*octet));
    if length < 0x80 { Err(Malformed) } else { Ok((length, rest)) }
}

fn two(tens: u8, ones: u8) -> Result<i8, Malformed> {
    match (tens, ones) {
        (b'0'..=b'9', b'0'..=b'9') => i8::try_from((tens - b'0') * 10 + (ones - b'0')).map_err(|_| Malformed),
        _ => Err(Malformed),
    }
}

/// Encodes one element: tag, definite length in its shortest form, content.
#[must_use]
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut out = Vec::with_capacity(content.len().saturating_add(6));
    out.push(tag);
    match significant.as_slice() {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        // A usize has at most eight octets, so the count fits the seven bits of X.690 8.1.3.5.
        long => {
            out.push(0x80 | long.iter().fold(0_u8, |count, _| count.saturating_add(1)));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
    out
}

/// Encodes a SEQUENCE of encoded elements.
#[must_use]
pub fn sequence(elements: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, &elements.concat())
}

/// Encodes a GeneralizedTime in seconds, in UTC.
#[must_use]
pub fn generalized_time(at: Timestamp) -> Vec<u8> {
    if at >= NO_EXPIRY {
        return element(GENERALIZED_TIME, b"99991231235959Z");
    }
    element(GENERALIZED_TIME, at.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_encoded_in_their_shortest_form() {
        assert_eq!(element(4, &[]), [4, 0]);
        assert_eq!(element(4, &[7; 127])[..2], [4, 127]);
        assert_eq!(element(4, &[7; 128])[..3], [4, 0x81, 128]);
        assert_eq!(element(4, &[7; 300])[..4], [4, 0x82, 1, 44]);
    }

    #[test]
    fn non_der_encodings_are_refused() {
        let whole = |der: &[u8]| Element::whole(der, der[0]).map(|_| ());
        assert_eq!(whole(&[0x30, 0]), Ok(()));
        // Indefinite length, a superfluous length octet, the long form of a short length, two-octet tag,
        // truncations.
        for der in [
            &[0x30, 0x80, 0, 0][..],
            &[4, 0x82, 0, 1, 7],
            &[4, 0x81, 1, 7],
            &[0x1f, 1, 0],
            &[4, 2, 7],
            &[4, 0x85, 0, 0, 0, 0, 1, 7],
            &[4],
        ] {
            assert_eq!(whole(der), Err(Malformed), "{der:x?}");
        }
        assert_eq!(whole(&[0x30, 0, 0]), Err(Malformed), "trailing byte");
        let integer = |content: &[u8]| Element { tag: INTEGER, content, raw: content }.integer().is_ok();
        assert!(integer(&[0, 0x80]) && integer(&[0xff, 0x7f]) && integer(&[0]));
        assert!(!integer(&[]) && !integer(&[0, 0x7f]) && !integer(&[0xff, 0x80]));
    }

    #[test]
    fn times_are_accepted_in_one_form_only() {
        let time = |tag, text: &str| {
            let content = text.as_bytes();
            Element { tag, content, raw: content }.time().map(|time| time.to_string())
        };
        assert_eq!(time(UTC_TIME, "491231235959Z").unwrap(), "2049-12-31T23:59:59Z");
        assert_eq!(time(UTC_TIME, "500101000000Z").unwrap(), "1950-01-01T00:00:00Z");
        assert_eq!(time(GENERALIZED_TIME, "20500101000000Z").unwrap(), "2050-01-01T00:00:00Z");
        for wrong in ["20500101000000", "20500101000000.5Z", "20500101000000+0100", "20501301000000Z", ""] {
            assert_eq!(time(GENERALIZED_TIME, wrong), Err(Malformed), "{wrong}");
        }
        assert_eq!(time(UTC_TIME, "161231235960Z").unwrap(), "2017-01-01T00:00:00Z", "a leap second");
        assert_eq!(time(GENERALIZED_TIME, "20161231235960Z").unwrap(), "2017-01-01T00:00:00Z");
        assert!(time(GENERALIZED_TIME, "20161231235961Z").is_err());
        assert_eq!(time(GENERALIZED_TIME, "00000101000000Z").unwrap(), "0000-01-01T00:00:00Z");
        for end in ["99991230000000Z", "99991231235959Z", "99991231235960Z"] {
            assert_eq!(time(GENERALIZED_TIME, end).unwrap(), NO_EXPIRY.to_string(), "{end}");
        }
        assert!(time(GENERALIZED_TIME, "99991229235959Z").unwrap() < NO_EXPIRY.to_string());
        assert_eq!(time(GENERALIZED_TIME, "99991301000000Z"), Err(Malformed));
        let at: Timestamp = "2026-11-23T16:30:00Z".parse().unwrap();
        assert_eq!(Element::whole(&generalized_time(at), GENERALIZED_TIME).unwrap().time(), Ok(at));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 256,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn encoded_elements_parse(
            tag in prop::sample::select(vec![2_u8, 4, 0x30, 0xa3]),
            length in 0..70_000_usize,
        ) {
            let content = vec![7; length];
            let der = element(tag, &content);
            let read = Element::whole(&der, tag).unwrap();
            prop_assert_eq!(read.content, content.as_slice());
            prop_assert_eq!(read.raw, der.as_slice());
        }

        #[test]
        fn no_bytes_make_parsing_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut reader = Reader::new(&bytes);
            while let Ok(element) = reader.element() {
                let _ = (element.integer(), element.boolean(), element.bit_string_octets(), element.time());
            }
        }
    }
}
