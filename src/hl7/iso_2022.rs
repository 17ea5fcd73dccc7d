//! Texts in which escape sequences and shifts of ISO 2022 select the sets.

/// What the sequences of ISO 2022 make of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shifted {
    /// The text without the sequences, and with the eighth bit set in each byte that they select from another
    /// set than ASCII: as the EUC forms of these sets write it.
    pub text: Vec<u8>,
    /// Whether they select a set for which there is no decoder: another one than ASCII and its Japanese and
    /// British variants, JIS X 0201, 0208 and 0212, GB 2312, KS X 1001, the first plane of CNS 11643, the
    /// parts of ISO 8859, and UTF-8. What the text is in it is not known.
    pub has_unknown_set: bool,
}

/// What the sequences of ISO 2022 (ECMA-35) make of a text; `None` without ESC, SO and SI.
///
/// A set of several bytes in G0, G1 behind SO, single shifts, and locking shifts to G2 and G3 are followed,
/// whatever set they select. JIS X 0212 gets the prefix that it has in EUC-JP. Other bytes stay.
#[must_use]
pub fn eight_bit(bytes: &[u8]) -> Option<Shifted> {
    memchr::memchr3(ESCAPE, SHIFT_OUT, SHIFT_IN, bytes)?;
    let mut text = Vec::with_capacity(bytes.len());
    let (mut selected, mut is_shifted) = (Selected::Single, false);
    let (mut is_second, mut is_single_shift, mut has_unknown_set) = (false, false, false);
    let mut rest = bytes;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            ESCAPE => {
                let (function, behind) = function(rest);
                match function {
                    Function::Designate(set) => (selected, is_second) = (set, false),
                    Function::SingleShift => is_single_shift = true,
                    Function::LockingShift => is_shifted = true,
                    Function::UnknownSet => has_unknown_set = true,
                    Function::Other => {}
                }
                rest = behind;
            }
            SHIFT_OUT => is_shifted = true,
            SHIFT_IN => is_shifted = false,
            b'!'..=b'~' if is_shifted || std::mem::take(&mut is_single_shift) => text.push(byte | EIGHTH_BIT),
            b'!'..=b'~' if selected != Selected::Single => {
                if selected == Selected::Supplementary && !is_second {
                    text.push(EUC_PREFIX);
                }
                is_second = !is_second;
                text.push(byte | EIGHTH_BIT);
            }
            other => text.push(other),
        }
    }
    Some(Shifted { text, has_unknown_set })
}

/// What G0 is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Selected {
    /// ASCII, or a variant of it.
    Single,
    /// Another set.
    Other,
    /// JIS X 0212.
    Supplementary,
}

enum Function {
    /// Of G0.
    Designate(Selected),
    /// A set, or a coding system, for which there is no decoder.
    UnknownSet,
    SingleShift,
    LockingShift,
    Other,
}

/// What the bytes behind ESC do, and what follows them. ESC alone does nothing.
fn function(rest: &[u8]) -> (Function, &[u8]) {
    let intermediate = rest.iter().take_while(|byte| matches!(byte, b' '..=b'/')).count();
    let (intermediate, behind) = rest.split_at(intermediate);
    let (last, behind) = match (intermediate, behind) {
        ([], [b'N' | b'O', behind @ ..]) => return (Function::SingleShift, behind),
        ([], [b'n' | b'o', behind @ ..]) => return (Function::LockingShift, behind),
        ([_, ..], [last @ b'0'..=b'~', behind @ ..]) => (*last, behind),
        _ => return (Function::Other, rest),
    };
    let is_one_of = |known: &[u8]| known.contains(&last);
    let function = match intermediate {
        b"$" | b"$(" if last == b'D' => Function::Designate(Selected::Supplementary),
        b"$" | b"$(" if is_one_of(SEVERAL_BYTES) => Function::Designate(Selected::Other),
        b"$)" | b"$*" | b"$+" if is_one_of(SEVERAL_BYTES) => Function::Other,
        b"(" if last == KATAKANA => Function::Designate(Selected::Other),
        b"(" if is_one_of(VARIANTS_OF_ASCII) => Function::Designate(Selected::Single),
        b")" | b"*" | b"+" if last == KATAKANA => Function::Other,
        b"-" | b"." | b"/" if is_one_of(PARTS_OF_ISO_8859) => Function::Other,
        b"%" if is_one_of(UTF_8_AND_BACK) => Function::Other,
        // They announce, revise, or select controls.
        [b' ' | b'!' | b'"' | b'#' | b'&' | b'\'', ..] => Function::Other,
        _ => Function::UnknownSet,
    };
    (function, behind)
}

/// JIS C 6226, GB 2312, JIS X 0208, KS X 1001, the first plane of CNS 11643.
const SEVERAL_BYTES: &[u8] = b"@ABCG";
/// ISO 646 (the reference version), that of the United Kingdom, ASCII, that of Japan, and GB 1988.
const VARIANTS_OF_ASCII: &[u8] = b"@ABJT";
/// Of JIS X 0201.
const KATAKANA: u8 = b'I';
/// ISO 8859-1, 2, 3, 4, 7, 6, 8, 5, 9, 11, 10, 13, 14, 15 and 16.
const PARTS_OF_ISO_8859: &[u8] = b"ABCDFGHLMTVY_bf";
const UTF_8_AND_BACK: &[u8] = b"G@";
const ESCAPE: u8 = 0x1B;
const SHIFT_OUT: u8 = 0x0E;
const SHIFT_IN: u8 = 0x0F;
const EIGHTH_BIT: u8 = 0x80;
/// Before JIS X 0212 in EUC-JP.
const EUC_PREFIX: u8 = 0x8F;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_selected_from_other_sets_has_the_eighth_bit() {
        for (bytes, text) in [
            (&b"\x1B$B#M\x1B(BONITOR-7"[..], &b"\xA3\xCDONITOR-7"[..]),
            (b"\x1B$(B#M\x1B(JO", b"\xA3\xCDO"),
            (b"\x1B$@#M #O\x1B(B", b"\xA3\xCD \xA3\xCF"),
            (b"\x1B$)C\x0E#M\x0FONITOR", b"\xA3\xCDONITOR"),
            (b"\x1B-L\x0E<\x0FONITOR", b"\xBCONITOR"),
            (b"\x1B.F\x1BNLONITOR", b"\xCCONITOR"),
            (b"\x1B$(D\"7\x1B(B7", b"\x8F\xA2\xB77"),
            (b"\x1B(I0\x1B(B7", b"\xB07"),
            (b"MON\x1BITOR", b"MONITOR"),
            (b"MONITOR\x1B$", b"MONITOR$"),
            (b"\xCC\x1B(BONITOR", b"\xCCONITOR"),
        ] {
            let shifted = eight_bit(bytes).unwrap();
            assert_eq!(shifted.text, text, "{:?}", String::from_utf8_lossy(bytes));
            assert!(!shifted.has_unknown_set, "{:?}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(eight_bit(b"MONITOR-7 (\xC3\xBC)"), None);
    }

    // ISO-IR numbers: the international register of coded character sets.
    #[test]
    fn a_set_without_a_decoder_is_noticed() {
        let unknown: [&[u8]; 14] = [
            b"\x1B$(E*M", // ISO-IR 165, with Latin letters in another row
            b"\x1B$)E\x0E*M\x0F",
            b"\x1B$(H!!", // 172: CNS 11643, plane 2
            b"\x1B$*H\x1BN!!",
            b"\x1B$+M\x1BO!!", // 187: plane 7
            b"\x1B$(N!!",      // 202
            b"\x1B$(O!!",      // 228: JIS X 0213
            b"\x1B$)D\x0E\"7\x0F",
            b"\x1B(NMONITOR",           // 111: Cyrillic in G0
            b"\x1B)B\x0EMONITOR-7\x0F", // ASCII in G1
            b"\x1B.z",
            b"\x1B%/G",
            b"\x1B%B", // UTF-1
            b"\x1B(8", // private
        ];
        for bytes in unknown {
            assert!(eight_bit(bytes).unwrap().has_unknown_set, "{:?}", String::from_utf8_lossy(bytes));
        }
        for bytes in [&b"\x1B%GMONITOR\x1B%@"[..], b"\x1B$(G$M", b"\x1B A\x1B!@", b"\x1B[1mMONITOR"] {
            assert!(!eight_bit(bytes).unwrap().has_unknown_set, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
