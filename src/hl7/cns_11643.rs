//! Texts in CNS 11643 (EUC-TW, or ISO 2022 with the eighth bit set).

use encoding_rs::BIG5;

/// The text of ASCII and the first plane of CNS 11643. Characters of the other planes, which have ideographs
/// alone, and bytes that are none, are left out.
pub(super) fn first_plane(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match (byte, behind) {
            (0..=0x7F, _) => text.push(char::from(byte)),
            (SHIFT_TO_PLANE, [plane @ 0xA1..=0xB0, row @ 0xA1..=0xFE, cell @ 0xA1..=0xFE, behind @ ..]) => {
                rest = behind;
                text.extend(character(*row, *cell).filter(|_| *plane == FIRST_PLANE));
            }
            (0xA1..=0xFE, [cell @ 0xA1..=0xFE, behind @ ..]) => {
                rest = behind;
                text.extend(character(byte, *cell));
            }
            _ => {}
        }
    }
    text
}

/// The character in this row and cell, both with the eighth bit.
fn character(row: u8, cell: u8) -> Option<char> {
    let (row, cell) = (u16::from(row & 0x7F), u16::from(cell & 0x7F));
    if row == 0x26 {
        let (first, begin) = ENCLOSED.into_iter().rev().find(|(first, _)| cell >= *first)?;
        return char::from_u32(begin + u32::from(cell - first)).filter(|_| cell <= 0x3E);
    }
    let cns = cns_place(row << 8 | cell);
    let (first, in_big5) = BIG5_RANGES.into_iter().find_map(|(begin, end, first)| {
        let (begin, end, first) = (big5_place(begin), big5_place(end), cns_place(first));
        (first..=first + end - begin).contains(&cns).then_some((first, begin))
    })?;
    let at = in_big5 + cns - first;
    let (lead, trail) = (0xA1 + at / 157, at % 157);
    let trail = if trail < 63 { 0x40 + trail } else { 0xA1 + trail - 63 };
    let bytes = [u8::try_from(lead).ok()?, u8::try_from(trail).ok()?];
    let decoded = BIG5.decode_without_bom_handling(&bytes).0;
    decoded.chars().next().filter(|character| *character != char::REPLACEMENT_CHARACTER)
}

/// The number of a code of seven bits among all of its plane.
const fn cns_place(code: u16) -> u16 {
    ((code >> 8) - 0x21) * 94 + (code & 0xFF) - 0x21
}

/// The number of a code among all of Big5.
const fn big5_place(code: u16) -> u16 {
    let trail = code & 0xFF;
    ((code >> 8) - 0xA1) * 157 + if trail < 0x7F { trail - 0x40 } else { trail - 0xA1 + 63 }
}

/// SS2 of EUC-TW: the next byte names the plane.
const SHIFT_TO_PLANE: u8 = 0x8E;
const FIRST_PLANE: u8 = 0xA1;
/// Numbers in circles and in parentheses, and small Roman numerals: the first cell of row 26, and the first
/// character (Unicode's Unihan and mapping tables of CNS 11643-1992).
const ENCLOSED: [(u16, u32); 3] = [(0x21, 0x2460), (0x2B, 0x2474), (0x35, 0x2170)];
/// The first and the last code of Big5, and the first one of plane 1, of runs in the same order (compared
/// with glibc's EUC-TW: equal but for variants of punctuation).
const BIG5_RANGES: [(u16, u16, u16); 21] = [
    (0xA140, 0xA1F5, 0x2121),
    (0xA1F6, 0xA1F6, 0x2258),
    (0xA1F7, 0xA1F7, 0x2257),
    (0xA1F8, 0xA2AE, 0x2259),
    (0xA2AF, 0xA3BF, 0x2421),
    (0xA440, 0xACFD, 0x4421),
    (0xACFE, 0xACFE, 0x5753),
    (0xAD40, 0xAFCF, 0x5323),
    (0xAFD0, 0xBBC7, 0x5754),
    (0xBBC8, 0xBE51, 0x6B51),
    (0xBE52, 0xBE52, 0x6B50),
    (0xBE53, 0xC1AA, 0x6F5C),
    (0xC1AB, 0xC2CA, 0x7536),
    (0xC2CB, 0xC2CB, 0x7535),
    (0xC2CC, 0xC360, 0x7737),
    (0xC361, 0xC3B8, 0x782E),
    (0xC3B9, 0xC3B9, 0x7865),
    (0xC3BA, 0xC3BA, 0x7864),
    (0xC3BB, 0xC455, 0x7866),
    (0xC456, 0xC456, 0x782D),
    (0xC457, 0xC67E, 0x7962),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_plane_is_read_by_its_places_in_big5() {
        for (bytes, text) in [
            (&b"\xA4\xCDONITOR-7"[..], "ＭONITOR-7"),
            (b"\xA4\xC1\xA4\xDA\xA4\xA1\xA4\xAA", "ＡＺ０９"),
            (b"\xC4\xE3\xC5\xC6", "中文"),
            (b"\x8E\xA1\xA4\xCDO\x8E\xA2\xA1\xA1\x8E", "ＭO"),
            (b"\xA6\xA1\xA6\xAB\xA6\xB5\xA6\xBF", "①⑴ⅰ"),
            (b"\xFD\xCB\xFD\xCC\xA4", "籲"),
        ] {
            assert_eq!(first_plane(bytes), text, "{bytes:X?}");
        }
    }
}
