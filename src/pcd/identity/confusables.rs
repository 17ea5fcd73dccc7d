//! Characters that look like a letter, a digit or a mark of ASCII.
//!
//! Facts of the Unicode Standard: compatibility mappings (UAX #15), canonical decompositions of single
//! letters, the properties White_Space and Dash, and of the confusable characters (UTS #39) those that look
//! like ASCII.

use std::sync::LazyLock;

/// The ASCII character that this one looks like, or is a compatible form of; a blank for every white space.
/// Upper and lower case are kept.
pub(in crate::pcd) fn ascii(character: char) -> Option<char> {
    if character.is_ascii() {
        return Some(if character.is_whitespace() { ' ' } else { character });
    }
    if character.is_whitespace() {
        return Some(' ');
    }
    in_series(u32::from(character)).or_else(|| alike(character))
}

/// A letter and its mark in place of a letter with a mark.
pub(in crate::pcd) fn decomposed(letter: char) -> Option<(char, char)> {
    let table = &*BY_COMPOSED;
    let at = table.binary_search_by_key(&letter, |(composed, ..)| *composed).ok()?;
    table.get(at).map(|(_, base, mark)| (*base, *mark))
}

/// The character of a series that has the order of ASCII.
fn in_series(code: u32) -> Option<char> {
    if (MATH_LETTERS.0..=MATH_LETTERS.1).contains(&code) {
        let place = (code - MATH_LETTERS.0) % 52;
        let (first, place) = if place < 26 { ('A', place) } else { ('a', place - 26) };
        return char::from_u32(u32::from(first) + place);
    }
    if (MATH_DIGITS.0..=MATH_DIGITS.1).contains(&code) {
        return char::from_digit((code - MATH_DIGITS.0) % 10, 10);
    }
    if let Some(zero) = ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code)) {
        return char::from_digit(code - zero, 10);
    }
    let (start, _, first) = SERIES.iter().find(|(start, end, _)| (*start..=*end).contains(&code))?;
    char::from_u32(u32::from(*first) + (code - start))
}

fn alike(character: char) -> Option<char> {
    let table = &*BY_LOOK;
    let at = table.binary_search_by_key(&character, |(other, _)| *other).ok()?;
    table.get(at).map(|(_, ascii)| *ascii)
}

/// [`ALIKE`], [`DASHES`] and [`BLANKS`] in the order of the characters: every character of a name is looked
/// up.
static BY_LOOK: LazyLock<Vec<(char, char)>> = LazyLock::new(|| {
    let pairs = ALIKE.iter().flat_map(|(ascii, others)| others.chars().map(move |other| (other, *ascii)));
    let dashes = DASHES.iter().flat_map(|(first, last)| (*first..=*last).filter_map(char::from_u32));
    let signs = dashes.map(|dash| (dash, '-')).chain(BLANKS.map(|blank| (blank, ' ')));
    let mut table: Vec<_> = signs.chain(pairs).collect();
    table.sort_by_key(|(other, _)| *other);
    table.dedup_by_key(|(other, _)| *other);
    table
});

/// [`COMPOSED`] in the order of the characters: each with its base and its mark.
static BY_COMPOSED: LazyLock<Vec<(char, char, char)>> = LazyLock::new(|| {
    let mut table = Vec::new();
    for (mark, letters) in COMPOSED {
        let mut letters = letters.chars();
        while let (Some(composed), Some(base)) = (letters.next(), letters.next()) {
            table.push((composed, base, *mark));
        }
    }
    table.sort_by_key(|(composed, ..)| *composed);
    table.dedup_by_key(|(composed, ..)| *composed);
    table
});

/// Characters of ASCII, and those that look like them.
const ALIKE: &[(char, &str)] = &[
    ('A', "\u{391}\u{410}\u{13AA}\u{1D2C}\u{A4EE}"),
    ('B', "\u{392}\u{412}\u{13F4}\u{16D2}\u{1D2E}\u{212C}\u{A4D0}"),
    ('C', "\u{3F9}\u{421}\u{13DF}\u{2102}\u{212D}\u{216D}\u{A4DA}"),
    ('D', "\u{13A0}\u{1D30}\u{2145}\u{216E}\u{A4D3}"),
    ('E', "\u{395}\u{415}\u{13AC}\u{1D31}\u{2130}\u{A4F0}"),
    ('F', "\u{3DC}\u{2131}\u{A4DD}"),
    ('G', "\u{50C}\u{13C0}\u{1D33}\u{A4D6}"),
    ('H', "\u{397}\u{41D}\u{13BB}\u{1D34}\u{210B}\u{210C}\u{210D}\u{A4E7}"),
    ('I', "\u{399}\u{406}\u{4C0}\u{16C1}\u{1D35}\u{2110}\u{2111}\u{2160}\u{A4F2}"),
    ('J', "\u{37F}\u{408}\u{13AB}\u{1D36}\u{A4D9}"),
    ('K', "\u{39A}\u{41A}\u{13E6}\u{16D5}\u{1D37}\u{212A}\u{A4D7}"),
    ('L', "\u{13DE}\u{1D38}\u{2112}\u{216C}\u{A4E1}"),
    ('M', "\u{39C}\u{3FA}\u{41C}\u{13B7}\u{16D6}\u{1D39}\u{2133}\u{216F}\u{A4DF}"),
    ('N', "\u{39D}\u{1D3A}\u{2115}\u{A4E0}"),
    ('O', "\u{39F}\u{41E}\u{555}\u{1D3C}\u{A4F3}"),
    ('P', "\u{3A1}\u{420}\u{13E2}\u{1D3E}\u{2119}\u{A4D1}"),
    ('Q', "\u{51A}\u{211A}"),
    ('R', "\u{13A1}\u{13D2}\u{1D3F}\u{211B}\u{211C}\u{211D}\u{A4E3}"),
    ('S', "\u{405}\u{54F}\u{13D5}\u{13DA}\u{A4E2}"),
    ('T', "\u{3A4}\u{422}\u{13A2}\u{1D40}\u{A4D4}"),
    ('U', "\u{54D}\u{1D41}\u{A4F4}"),
    ('V', "\u{474}\u{13D9}\u{2164}\u{2C7D}\u{A4E6}"),
    ('W', "\u{51C}\u{13B3}\u{13D4}\u{1D42}\u{A4EA}"),
    ('X', "\u{3A7}\u{425}\u{16EA}\u{2169}\u{A4EB}"),
    ('Y', "\u{3A5}\u{3D2}\u{423}\u{4AE}\u{A4EC}"),
    ('Z', "\u{396}\u{13C3}\u{2124}\u{2128}\u{A4DC}"),
    ('a', "\u{AA}\u{251}\u{3B1}\u{430}\u{1D00}\u{1D43}"),
    ('b', "\u{184}\u{299}\u{42C}\u{44C}\u{13CF}\u{1D47}"),
    ('c', "\u{3F2}\u{441}\u{1D04}\u{217D}"),
    ('d', "\u{501}\u{13E7}\u{1D05}\u{1D48}\u{2146}\u{217E}"),
    ('e', "\u{435}\u{454}\u{4BD}\u{1D07}\u{1D49}\u{212F}\u{2147}"),
    ('f', "\u{17F}\u{192}\u{1E9D}"),
    ('g', "\u{261}\u{262}\u{581}\u{1D4D}\u{1D83}\u{210A}"),
    ('h', "\u{29C}\u{2B0}\u{4BB}\u{570}\u{13C2}\u{210E}"),
    ('i', "\u{131}\u{269}\u{26A}\u{3B9}\u{456}\u{4CF}\u{1D62}\u{2139}\u{2148}\u{2170}"),
    ('j', "\u{2B2}\u{3F3}\u{458}\u{1D0A}\u{2149}\u{2C7C}"),
    ('k', "\u{138}\u{3BA}\u{43A}\u{1D0B}\u{1D4F}"),
    ('l', "\u{29F}\u{2113}\u{217C}"),
    ('m', "\u{43C}\u{1D0D}\u{1D50}\u{217F}"),
    ('n', "\u{274}\u{3B7}\u{43F}\u{578}\u{57C}"),
    ('o', "\u{BA}\u{3BF}\u{3C3}\u{43E}\u{585}\u{1D0F}\u{1D52}\u{2134}"),
    ('p', "\u{3C1}\u{440}\u{1D18}\u{1D56}"),
    ('q', "\u{51B}\u{563}\u{566}"),
    ('r', "\u{280}\u{2B3}\u{433}\u{1D26}\u{1D63}"),
    ('s', "\u{455}\u{A731}"),
    ('t', "\u{3C4}\u{442}\u{1D1B}\u{1D57}"),
    ('u', "\u{28B}\u{3C5}\u{57D}\u{1D1C}\u{1D58}\u{1D64}"),
    ('v', "\u{3BD}\u{475}\u{1D20}\u{1D5B}\u{1D65}\u{2174}"),
    ('w', "\u{2B7}\u{3C9}\u{448}\u{461}\u{51D}\u{561}\u{1D21}"),
    ('x', "\u{3C7}\u{445}\u{2179}"),
    ('y', "\u{28F}\u{2B8}\u{3B3}\u{443}\u{4AF}\u{1EFF}"),
    ('z', "\u{1D22}"),
    ('3', "\u{1B7}\u{417}\u{437}\u{4E0}"),
    ('4', "\u{13CE}"),
    ('6', "\u{431}"),
    ('8', "\u{222}\u{223}"),
    ('.', "\u{2024}"),
    ('\'', "\u{B4}\u{2B9}\u{2BC}\u{2C8}\u{2018}\u{2019}\u{201A}\u{201B}\u{2032}"),
    ('"', "\u{AB}\u{BB}\u{201C}\u{201D}\u{201E}\u{201F}\u{2033}\u{2039}\u{203A}"),
    (':', "\u{2D0}\u{2F8}\u{5C3}\u{2236}\u{A789}"),
    ('/', "\u{2044}\u{2215}\u{2571}"),
    ('_', "\u{2CD}"),
    ('~', "\u{2DC}\u{223C}"),
    ('*', "\u{204E}\u{2217}"),
    ('|', "\u{1C0}\u{2223}"),
    ('(', "\u{2768}\u{FD3E}"),
    ('{', "\u{2774}"),
    ('[', "\u{2772}"),
    (')', "\u{2769}\u{FD3F}"),
    ('}', "\u{2775}"),
    (']', "\u{2773}"),
    (',', "\u{66B}"),
];

/// Mathematical letters: alphabets of 52.
const MATH_LETTERS: (u32, u32) = (0x1D400, 0x1D6A3);
const MATH_DIGITS: (u32, u32) = (0x1D7CE, 0x1D7FF);

/// The zeros of decimal digits.
const ZEROS: [u32; 25] = [
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xED0, 0xF20,
    0x1040, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1B50, 0x1BB0, 0x2080, 0xA620, 0x1FBF0,
];

/// The first and the last character of a series, and what the first one is like.
const SERIES: [(u32, u32, char); 19] = [
    (0xFF01, 0xFF5E, '!'),
    (0x24B6, 0x24CF, 'A'),
    (0x24D0, 0x24E9, 'a'),
    (0x249C, 0x24B5, 'a'),
    (0x1F110, 0x1F129, 'A'),
    (0x1F130, 0x1F149, 'A'),
    (0x1F150, 0x1F169, 'A'),
    (0x1F170, 0x1F189, 'A'),
    (0x1F1E6, 0x1F1FF, 'A'),
    (0x2460, 0x2468, '1'),
    (0x2474, 0x247C, '1'),
    (0x2776, 0x277E, '1'),
    (0x2780, 0x2788, '1'),
    (0x24EA, 0x24EA, '0'),
    (0xB2, 0xB3, '2'),
    (0xB9, 0xB9, '1'),
    (0x2070, 0x2070, '0'),
    (0x2074, 0x2079, '4'),
    (0x1F101, 0x1F10A, '0'),
];

/// White space only by its look: an empty pattern of Braille, signs for a blank, empty note heads and
/// hieroglyphs.
const BLANKS: [char; 7] =
    ['\u{2800}', '\u{2420}', '\u{2422}', '\u{2423}', '\u{1D159}', '\u{13441}', '\u{13442}'];

/// Strokes from left to right at about the height of a hyphen, first and last: the property Dash (Unicode 16,
/// which has all of the category Pd), and strokes of other scripts, of tables and of mathematics.
#[rustfmt::skip]
const DASHES: [(u32, u32); 55] = [
    (0x58A, 0x58A), (0x5BE, 0x5BE), (0x1400, 0x1400), (0x1806, 0x1806), (0x2010, 0x2015), (0x2053, 0x2053),
    (0x207B, 0x207B), (0x208B, 0x208B), (0x2212, 0x2212), (0x2E17, 0x2E17), (0x2E1A, 0x2E1A), (0x2E3A, 0x2E3B),
    (0x2E40, 0x2E40), (0x2E5D, 0x2E5D), (0x301C, 0x301C), (0x3030, 0x3030), (0x30A0, 0x30A0), (0xFE31, 0xFE32),
    (0xFE58, 0xFE58), (0xFE63, 0xFE63), (0xFF0D, 0xFF0D), (0x10D6E, 0x10D6E), (0x10EAD, 0x10EAD),
    // Arabic, Coptic, Kana, ideographs, Hangul, syllabics.
    (0x6D4, 0x6D4), (0x2CBA, 0x2CBB), (0x30FC, 0x30FC), (0xFF70, 0xFF70), (0x4E00, 0x4E00), (0x2F00, 0x2F00),
    (0x31D0, 0x31D0), (0x3161, 0x3161), (0x1173, 0x1173), (0xFFDA, 0xFFDA), (0x1428, 0x1428), (0x3192, 0x3192),
    // Modifiers, macrons and overlines.
    (0xAF, 0xAF), (0x2C9, 0x2C9), (0x2D7, 0x2D7), (0x203E, 0x203E), (0xFFE3, 0xFFE3), (0xFE49, 0xFE4C),
    (0x2027, 0x2027), (0x2043, 0x2043), (0x30FB, 0x30FB), (0xFF65, 0xFF65),
    // Lines of tables, technical and mathematical signs.
    (0x2500, 0x2501), (0x2504, 0x2505), (0x2508, 0x2509), (0x254C, 0x254D), (0x2574, 0x2574), (0x2576, 0x2576),
    (0x2578, 0x257E), (0x23AF, 0x23AF), (0x23BA, 0x23BD), (0x2796, 0x2796),
];

/// Each mark, and pairs of a letter with it and that letter. Capitals only: a text is compared in upper case.
const COMPOSED: &[(char, &str)] = &[
    ('\u{30A}', "\u{212B}A"),
    ('\u{300}', "ÀAÈEÌIÒOÙUǛÜǸNЀЕЍИḔĒṐŌẀWẦÂẰĂỀÊỒÔỜƠỪƯỲY"),
    ('\u{301}', "ÁAÉEÍIÓOÚUÝYĆCĹLŃNŔRŚSŹZǗÜǴGǺÅǼÆǾØ΅¨ΆΑΈΕΉΗΊΙΌΟΎΥΏΩϓϒЃГЌКḈÇḖĒḮÏḰKḾMṌÕṒŌṔPṸŨẂWẤÂẮĂẾÊỐÔỚƠỨƯ"),
    ('\u{302}', "ÂAÊEÎIÔOÛUĈCĜGĤHĴJŜSŴWŶYẐZẬẠỆẸỘỌ"),
    ('\u{303}', "ÃAÑNÕOĨIŨUṼVẪÂẴĂẼEỄÊỖÔỠƠỮƯỸY"),
    ('\u{308}', "ÄAËEÏIÖOÜUŸYΪΙΫΥϔϒЁЕЇІӒАӚӘӜЖӞЗӤИӦОӪӨӬЭӰУӴЧӸЫḦHṎÕṺŪẄWẌX"),
    ('\u{30A}', "ÅAŮU"),
    ('\u{327}', "ÇCĢGĶKĻLŅNŖRŞSŢTȨEḐDḨH"),
    ('\u{304}', "ĀAĒEĪIŌOŪUǕÜǞÄǠȦǢÆǬǪȪÖȬÕȰȮȲYӢИӮУḠGḸḶṜṚ"),
    ('\u{306}', "ĂAĔEĞGĬIŎOŬUЎУЙИӁЖӐАӖЕḜȨẶẠ"),
    ('\u{328}', "ĄAĘEĮIŲUǪO"),
    ('\u{307}', "ĊCĖEĠGİIŻZȦAȮOḂBḊDḞFḢHṀMṄNṖPṘRṠSṤŚṦŠṨṢṪTẆWẊXẎY"),
    ('\u{30C}', "ČCĎDĚEĽLŇNŘRŠSŤTŽZǍAǏIǑOǓUǙÜǦGǨKǮƷȞH"),
    ('\u{30B}', "ŐOŰUӲУ"),
    ('\u{31B}', "ƠOƯU"),
    ('\u{30F}', "ȀAȄEȈIȌOȐRȔUѶѴ"),
    ('\u{311}', "ȂAȆEȊIȎOȒRȖU"),
    ('\u{326}', "ȘSȚT"),
    ('\u{325}', "ḀA"),
    ('\u{323}', "ḄBḌDḤHḲKḶLṂMṆNṚRṢSṬTṾVẈWẒZẠAẸEỊIỌOỢƠỤUỰƯỴY"),
    ('\u{331}', "ḆBḎDḴKḺLṈNṞRṮTẔZ"),
    ('\u{32D}', "ḒDḘEḼLṊNṰTṶU"),
    ('\u{330}', "ḚEḬIṴU"),
    ('\u{32E}', "ḪH"),
    ('\u{324}', "ṲU"),
    ('\u{309}', "ẢAẨÂẲĂẺEỂÊỈIỎOỔÔỞƠỦUỬƯỶY"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_look_like_ascii_are_that_character() {
        for (alike, expected) in [
            ("\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}\u{2015}", "------"),
            ("\u{2212}\u{FE58}\u{FE63}\u{FF0D}", "----"),
            ("\u{6D4}\u{2CBA}\u{5BE}\u{58A}\u{1806}\u{207B}\u{208B}", "-------"),
            ("\u{2E3A}\u{2E40}\u{30FC}\u{FF70}\u{4E00}\u{2500}\u{AF}", "-------"),
            ("\u{A0}\u{2003}\u{202F}\u{3000}\t", "     "),
            ("\u{2800}\u{2423}\u{1680}", "   "),
            ("\u{212A}\u{FF2B}\u{1D40A}\u{1D5DE}\u{24C0}\u{1F13A}\u{41A}\u{39A}", "KKKKKKKK"),
            ("\u{1D7D5}\u{1D7FD}\u{FF17}\u{2466}\u{2077}\u{2087}\u{667}\u{96D}", "77777777"),
            ("\u{430}\u{435}\u{3BF}\u{440}\u{3F2}\u{445}", "aeopcx"),
            ("\u{410}\u{412}\u{421}\u{395}", "ABCE"),
        ] {
            let found: String = alike.chars().map(|character| ascii(character).unwrap()).collect();
            assert_eq!(found, expected, "{alike}");
        }
        for other in "ÄÖÜéñЖДЩФΨΩΔ日本".chars() {
            assert_eq!(ascii(other), None, "{other}");
        }
    }

    #[test]
    fn a_letter_with_a_mark_is_a_letter_and_a_mark() {
        assert_eq!(decomposed('Ä'), Some(('A', '\u{308}')));
        assert_eq!(decomposed('\u{212B}'), Some(('A', '\u{30A}')));
        assert_eq!(decomposed('Й'), Some(('И', '\u{306}')));
        assert_eq!((decomposed('A'), decomposed('Ж')), (None, None));
    }
}
