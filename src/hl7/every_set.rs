//! What readers may see in bytes whose character set they do not take from MSH-18.

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, IBM866, ISO_2022_JP, ISO_8859_2, ISO_8859_3, ISO_8859_4,
    ISO_8859_5, ISO_8859_6, ISO_8859_7, ISO_8859_8, ISO_8859_10, ISO_8859_13, ISO_8859_14, ISO_8859_15,
    ISO_8859_16, KOI8_R, KOI8_U, MACINTOSH, SHIFT_JIS, UTF_8, WINDOWS_874, WINDOWS_1250, WINDOWS_1251,
    WINDOWS_1252, WINDOWS_1253, WINDOWS_1254, WINDOWS_1255, WINDOWS_1256, WINDOWS_1257, WINDOWS_1258,
    X_MAC_CYRILLIC,
};

use super::cns_11643::first_plane;
use super::iso_2022::eight_bit;

/// The texts that these bytes are by any of the character sets, without what a set has no character for: each
/// once. By UTF-8 also as decoders read it that accept characters in more bytes than they need.
/// With ESC, SO or SI also as their [eight-bit form](eight_bit) is read.
#[must_use]
pub fn by_every_set(bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    add_every_set(bytes, &mut all);
    if let Some(shifted) = eight_bit(bytes) {
        add_every_set(&shifted.text, &mut all);
    }
    all
}

fn add_every_set(bytes: &[u8], all: &mut Vec<String>) {
    // Of ISO 8859-1 80 to 9F are controls; encoding_rs has Windows-1252 in its place.
    let latin = bytes.iter().map(|byte| char::from(*byte)).collect();
    let decoded = SETS.iter().map(|set| set.decode_without_bom_handling(bytes).0.into_owned());
    for mut text in std::iter::once(latin).chain(decoded).chain([lenient_utf8(bytes), first_plane(bytes)]) {
        text.retain(|character| character != char::REPLACEMENT_CHARACTER);
        if !all.contains(&text) {
            all.push(text);
        }
    }
}

/// UTF-8 by the number of bytes that each first byte announces: also what is longer than it needs to be, and
/// pairs of surrogates (Unicode Technical Report 26). Bytes that continue nothing are left out.
fn lenient_utf8(bytes: &[u8]) -> String {
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        let (length, bits) = match first {
            0..=0x7F => (0, u32::from(*first)),
            0xC0..=0xDF => (1, u32::from(first & 0x1F)),
            0xE0..=0xEF => (2, u32::from(first & 0x0F)),
            0xF0..=0xF7 => (3, u32::from(first & 0x07)),
            _ => continue,
        };
        let more = rest.iter().take(length).take_while(|byte| matches!(byte, 0x80..=0xBF));
        let (count, code) =
            more.fold((0, bits), |(count, code), byte| (count + 1, code << 6 | u32::from(byte & 0x3F)));
        if count < length {
            continue;
        }
        rest = rest.get(length..).unwrap_or_default();
        match (u16::try_from(code), char::from_u32(code)) {
            // A surrogate too: the next one may complete it.
            (Ok(unit), _) => units.push(unit),
            (_, Some(character)) => units.extend_from_slice(character.encode_utf16(&mut [0; 2])),
            _ => {}
        }
    }
    String::from_utf16_lossy(&units)
}

/// The sets in which ASCII is ASCII: those of HL7 table 0211, and those that decoders fall back to.
const SETS: [&Encoding; 34] = [
    UTF_8,
    WINDOWS_1252,
    WINDOWS_1250,
    WINDOWS_1251,
    WINDOWS_1253,
    WINDOWS_1254,
    WINDOWS_1255,
    WINDOWS_1256,
    WINDOWS_1257,
    WINDOWS_1258,
    WINDOWS_874,
    ISO_8859_2,
    ISO_8859_3,
    ISO_8859_4,
    ISO_8859_5,
    ISO_8859_6,
    ISO_8859_7,
    ISO_8859_8,
    ISO_8859_10,
    ISO_8859_13,
    ISO_8859_14,
    ISO_8859_15,
    ISO_8859_16,
    KOI8_R,
    KOI8_U,
    IBM866,
    MACINTOSH,
    X_MAC_CYRILLIC,
    GB18030,
    BIG5,
    EUC_KR,
    EUC_JP,
    SHIFT_JIS,
    ISO_2022_JP,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_by_every_set() {
        for (bytes, text) in [
            (&b"MONITOR\xE2\x80\x937"[..], "MONITOR\u{2013}7"),
            (b"MONITOR\x967", "MONITOR\u{2013}7"),
            (b"MONITOR\x967", "MONITOR\u{96}7"),
            (b"\xCC\xCENITOR-7", "МОNITOR-7"),
            (b"\xBC\xBENITOR-7", "МОNITOR-7"),
            (b"\xED\xEFNITOR-7", "МОNITOR-7"),
            (b"\xA3\xCD\xA3\xCF\xA3\xAD\xA3\xB7", "ＭＯ－７"),
            (b"\x82\x6C\x82\x6E", "ＭＯ"),
            (b"MON\xFFITOR-7", "MONITOR-7"),
            (b"\x1B$B#M\x1B(BONITOR-7", "ＭONITOR-7"),
            (b"\x1B$)C\x0E#M\x0FONITOR-7", "ＭONITOR-7"),
            (b"\x1B-L\x0E<\x0FONITOR-7", "МONITOR-7"),
            (b"\x1B.F\x1BNLONITOR-7", "ΜONITOR-7"),
            (b"\x1B$(G$M\x1B(BONITOR-7", "ＭONITOR-7"),
            (b"\xA4\xCDONITOR-7", "ＭONITOR-7"),
            (b"\xC1\x8DONITOR-7", "MONITOR-7"),
            (b"\xE0\x81\x8DONITOR-7", "MONITOR-7"),
            (b"\xED\xA0\xB5\xED\xB7\xA0ONITOR-7", "\u{1D5E0}ONITOR-7"),
        ] {
            let all = by_every_set(bytes);
            assert!(all.contains(&text.to_owned()), "{text}: {all:?}");
        }
        assert_eq!(by_every_set(b"PUMP-7").len(), 1, "ASCII is ASCII in all of them");
    }
}
