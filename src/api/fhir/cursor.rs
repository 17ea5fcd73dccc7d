//! Where a page begins: stateless, valid on every node of the store, and checked.
//!
//! A page names the place of the last resource in its order, so that nothing is counted or remembered between
//! pages. What a reader changes in a link, the platform refuses: another place with other parameters would
//! leave out values without a word.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use subtle::ConstantTimeEq as _;

use super::answer::Failure;
use crate::fhir::search::Query;
use crate::model::PatientKey;
use crate::store::GroupPlace;

/// The place of an observation in the order of time: its time, the place of its group in the order of
/// changes, and its place in the message.
pub(super) type TimePlace = (Timestamp, u64, usize);

/// The place of the last resource of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cursor {
    /// Observations by time: the first group that has some that are not given out, and the last one.
    Time { group: GroupPlace, last: Option<TimePlace> },
    /// Observations in the order of changes: the group, and the next place in its message.
    Change { seq: u64, place: usize },
    /// Devices and others: number, change and reference of the last one.
    Resource { number: u64, seq: u64, reference: String },
}

impl Cursor {
    /// As the value of `_page`.
    pub(super) fn text(&self, query: &Query, key: &PatientKey) -> String {
        let payload = self.payload();
        let tag = key.link_tag(&signed(query, &payload));
        URL_SAFE_NO_PAD.encode(format!("{payload} {tag}"))
    }

    /// Reads the value of `_page`.
    pub(super) fn read(text: &str, query: &Query, key: &PatientKey) -> Result<Self, Failure> {
        let wrong = || {
            Failure::bad(
                "the link of this page was changed: follow the links of a Bundle as they are, or begin the search again",
            )
        };
        let decoded = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.ok_or_else(wrong)?;
        let (payload, tag) = decoded.rsplit_once(' ').ok_or_else(wrong)?;
        let expected = key.link_tag(&signed(query, payload));
        if expected.is_empty() || !bool::from(expected.as_bytes().ct_eq(tag.as_bytes())) {
            return Err(wrong());
        }
        Self::parse(payload).ok_or_else(wrong)
    }

    fn payload(&self) -> String {
        match self {
            Self::Time { group, last } => {
                let last = last.map_or_else(String::new, |(at, seq, place)| {
                    format!(" {} {seq} {place}", at.as_microsecond())
                });
                format!("t {} {}{last}", group.at.as_microsecond(), group.seq)
            }
            Self::Change { seq, place } => format!("c {seq} {place}"),
            Self::Resource { number, seq, reference } => format!("r {number} {seq} {reference}"),
        }
    }

    fn parse(payload: &str) -> Option<Self> {
        let mut parts = payload.split(' ');
        let kind = parts.next()?;
        let parts: Vec<&str> = parts.collect();
        let number = |at: usize| parts.get(at)?.parse::<u64>().ok();
        let time = |at: usize| Timestamp::from_microsecond(parts.get(at)?.parse().ok()?).ok();
        let place = |at: usize| parts.get(at)?.parse::<usize>().ok();
        match (kind, parts.len()) {
            ("t", 2 | 5) => {
                let group = GroupPlace { at: time(0)?, seq: number(1)? };
                let last = if parts.len() == 5 { Some((time(2)?, number(3)?, place(4)?)) } else { None };
                Some(Self::Time { group, last })
            }
            ("c", 2) => Some(Self::Change { seq: number(0)?, place: place(1)? }),
            ("r", 3) => {
                let reference = (*parts.get(2)?).to_owned();
                Some(Self::Resource { number: number(0)?, seq: number(1)?, reference })
            }
            _ => None,
        }
    }
}

/// What the tag of a link is of: the parameters and the place.
fn signed(query: &Query, payload: &str) -> String {
    let mut signed = format!("{}\u{1f}", query.kind.name());
    for (name, value) in &query.link {
        signed.push_str(name);
        signed.push('\u{1f}');
        signed.push_str(value);
        signed.push('\u{1f}');
    }
    signed + payload
}
