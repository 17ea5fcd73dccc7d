//! The order of segments.

use super::finding::Finding;
use crate::hl7::{ContentError, Location, Message};

/// A piece of a message structure.
pub(super) enum Item {
    Segment([u8; 3], Occurs),
    /// Recognised by its first segment, or by any optional segment before its first required one.
    Group(&'static [Item], Occurs),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Occurs {
    Once,
    Optional,
    AtLeastOnce,
    Any,
}

use Item::{Group, Segment};
use Occurs::{Any, AtLeastOnce, Once, Optional};

/// The first deviation of the segments from the grammar. Z segments are allowed everywhere.
pub(super) fn check(grammar: &[Item], message: &Message<'_>) -> Option<Finding> {
    let names: Vec<[u8; 3]> = message
        .segments()
        .map(|segment| segment.id().try_into().unwrap_or(*b"???"))
        .filter(|name| !matches!(name, [b'Z', ..]))
        .collect();
    let mut reader = Reader { names: &names, at: 0 };
    let stopped = reader.items(grammar).err();
    let error = ContentError::SegmentSequence;
    match (names.get(reader.at), stopped) {
        (Some(name), _) => {
            let before = names.iter().take(reader.at + 1).filter(|known| *known == name).count();
            let sequence = u32::try_from(before).unwrap_or(u32::MAX);
            Some(Finding::violation("segment-sequence", error, Location::segment(*name, sequence)))
        }
        (None, Some(missing)) => {
            Some(Finding::violation("segment-missing", error, Location::segment(missing, 1)))
        }
        (None, None) => None,
    }
}

struct Reader<'n> {
    names: &'n [[u8; 3]],
    at: usize,
}

impl Reader<'_> {
    /// Consumes as many segments as the items allow; the error is the name of the missing segment.
    fn items(&mut self, items: &[Item]) -> Result<(), [u8; 3]> {
        items.iter().try_for_each(|item| self.item(item))
    }

    fn item(&mut self, item: &Item) -> Result<(), [u8; 3]> {
        let occurs = item.occurs();
        let mut times = 0;
        while item.begins_with(self.names.get(self.at)) && (times == 0 || occurs.repeats()) {
            match item {
                Segment(..) => self.at += 1,
                Group(items, _) => self.items(items)?,
            }
            times += 1;
        }
        if times == 0 && occurs.is_required() { Err(item.first_required()) } else { Ok(()) }
    }
}

impl Item {
    const fn occurs(&self) -> Occurs {
        match self {
            Segment(_, occurs) | Group(_, occurs) => *occurs,
        }
    }

    fn begins_with(&self, next: Option<&[u8; 3]>) -> bool {
        match self {
            Segment(name, _) => next == Some(name),
            Group(items, _) => {
                let required =
                    items.iter().position(|item| item.occurs().is_required()).unwrap_or(items.len());
                items.iter().take(required + 1).any(|item| item.begins_with(next))
            }
        }
    }

    fn first_required(&self) -> [u8; 3] {
        match self {
            Segment(name, _) => *name,
            Group(items, _) => {
                let required = items.iter().find(|item| item.occurs().is_required());
                required.or(items.first()).map_or(*b"???", Self::first_required)
            }
        }
    }
}

impl Occurs {
    const fn repeats(self) -> bool {
        matches!(self, AtLeastOnce | Any)
    }

    const fn is_required(self) -> bool {
        matches!(self, Once | AtLeastOnce)
    }
}

/// ORU_R01 (HL7 2.6 ch. 7, 7.3.1), and ORU_R40 as IHE PCD constrains it, with the segments that HL7 2.7 and
/// 2.8 added.
pub(super) const GRAMMAR_ORU: &[Item] = &[
    Segment(*b"MSH", Once),
    Segment(*b"SFT", Any),
    Segment(*b"UAC", Optional),
    Group(
        &[
            Group(
                &[
                    Segment(*b"PID", Once),
                    Segment(*b"PD1", Optional),
                    Segment(*b"PRT", Any),
                    Segment(*b"NTE", Any),
                    Segment(*b"NK1", Any),
                    Segment(*b"OBX", Any),
                    Group(
                        &[Segment(*b"PV1", Once), Segment(*b"PV2", Optional), Segment(*b"PRT", Any)],
                        Optional,
                    ),
                ],
                Optional,
            ),
            Group(
                &[
                    Segment(*b"ORC", Optional),
                    Segment(*b"OBR", Once),
                    Segment(*b"NTE", Any),
                    Segment(*b"ROL", Any),
                    Segment(*b"PRT", Any),
                    Group(&[Segment(*b"TQ1", Once), Segment(*b"TQ2", Any)], Any),
                    Segment(*b"CTD", Optional),
                    Group(&[Segment(*b"OBX", Once), Segment(*b"PRT", Any), Segment(*b"NTE", Any)], Any),
                    Segment(*b"FT1", Any),
                    Segment(*b"CTI", Any),
                    Group(&[Segment(*b"SPM", Once), Segment(*b"OBX", Any)], Any),
                ],
                AtLeastOnce,
            ),
        ],
        AtLeastOnce,
    ),
    Segment(*b"DSC", Optional),
];

/// RGV_O15 (HL7 2.6 ch. 4, 4.13.9) as IHE PCD TF vol. 2, table 3.3.4.2-1, constrains it.
pub(super) const GRAMMAR_RGV: &[Item] = &[
    Segment(*b"MSH", Once),
    Segment(*b"SFT", Any),
    Segment(*b"UAC", Optional),
    Segment(*b"NTE", Any),
    Group(
        &[
            Segment(*b"PID", Once),
            Segment(*b"NTE", Any),
            Segment(*b"AL1", Any),
            Group(&[Segment(*b"PV1", Once), Segment(*b"PV2", Optional)], Optional),
        ],
        Optional,
    ),
    Group(
        &[
            Segment(*b"ORC", Once),
            Group(
                &[
                    Segment(*b"RXG", Once),
                    Group(&[Segment(*b"TQ1", Once), Segment(*b"TQ2", Any)], Any),
                    Segment(*b"RXR", AtLeastOnce),
                    Segment(*b"RXC", Any),
                    Group(&[Segment(*b"OBX", Once), Segment(*b"NTE", Any)], Any),
                ],
                AtLeastOnce,
            ),
        ],
        AtLeastOnce,
    ),
];
