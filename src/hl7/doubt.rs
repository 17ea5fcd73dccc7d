//! Which bytes some decoder may take for a part of a character.

use super::encoding::ESCAPE;

/// Follows a text byte by byte, for every decoder at once.
///
/// A decoder of several bytes may take the byte behind any byte of 80 to FF for a part of its character, or
/// for a part of a malformed one, in GB 18030 also the one behind a digit there, in EUC three bytes. Between
/// a shift and its end every byte may be a part of a character: ISO 2022, also with SO, and HZ.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Doubt {
    /// How many of the next bytes may be a part of a character that has begun.
    reach: u8,
    /// The byte before is one of 80 to FF.
    is_behind_lead: bool,
    /// The number of bytes since a designation of ISO 2022, and whether two bytes are one character.
    designated: Option<(usize, bool)>,
    /// A shift that decoders do not end at the same byte.
    is_lasting: bool,
}

impl Doubt {
    /// Whether some decoder may take `byte` for a part of a character. `rest` follows it.
    pub(super) fn step(&mut self, byte: u8, rest: &[u8]) -> bool {
        let is_reached = self.reach > 0;
        let is_uncertain = is_reached || self.designated.is_some() || self.is_lasting;
        let is_behind_lead = std::mem::replace(&mut self.is_behind_lead, !byte.is_ascii());
        self.reach = match byte {
            SINGLE_SHIFT_2 | SINGLE_SHIFT_3 => 3,
            0x80.. => self.reach.saturating_sub(1).max(1),
            b'0'..=b'9' if is_behind_lead => self.reach.saturating_sub(1).max(1),
            _ => self.reach.saturating_sub(1),
        };
        if byte == ESCAPE {
            self.escape(rest, is_reached);
        } else if byte == SHIFT_OUT || byte == b'~' && rest.first() == Some(&b'{') {
            self.is_lasting = true;
        } else if let Some((since, _)) = &mut self.designated {
            *since = since.wrapping_add(1);
        }
        is_uncertain
    }

    fn escape(&mut self, rest: &[u8], is_reached: bool) {
        match rest {
            [b'(', b'B' | b'J', ..] => {
                // Behind half a character, or a lead byte, some decoders do not see it.
                let is_seen = self.designated.is_none_or(|(since, is_double)| !is_double || since % 2 == 0);
                self.is_lasting |= is_reached || !is_seen;
                self.designated = None;
            }
            [b'$', b'(', ..] => self.designate(3, true),
            [b'$', ..] => self.designate(2, true),
            _ => self.designate(2, false),
        }
    }

    /// The sequence goes on for `length` bytes, which are not counted.
    fn designate(&mut self, length: usize, is_double: bool) {
        self.is_lasting |= self.designated.is_some_and(|(since, is_double)| is_double && since % 2 != 0);
        self.designated = Some((0_usize.wrapping_sub(length), is_double));
    }
}

/// In EUC of Taiwan four bytes are one character.
const SINGLE_SHIFT_2: u8 = 0x8E;
/// In EUC of Japan three bytes are one character.
const SINGLE_SHIFT_3: u8 = 0x8F;
/// Selects G1 in ISO 2022.
const SHIFT_OUT: u8 = 0x0E;
