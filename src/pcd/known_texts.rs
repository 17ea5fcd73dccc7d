//! The texts that identify a patient, in the forms in which they are looked for.

use super::looks::{Known, looks};
use crate::hl7::{MessageTime, Precision};

/// Texts that identify the patient of a message, as they look (`looks`).
#[derive(Debug, Default)]
pub(super) struct KnownTexts {
    /// Texts that are found as words of their own.
    pub(super) words: Vec<Known>,
    /// The letters of long names.
    pub(super) names: Vec<Known>,
    /// Dates of birth.
    pub(super) days: Vec<Day>,
    /// The letters and digits of texts with a digit, without the zeros before them.
    pub(super) numbers: Vec<Known>,
}

/// A day that is looked for where its year is: most texts have no such year.
#[derive(Debug)]
pub(super) struct Day {
    pub(super) year: Known,
    day: MessageTime,
}

impl Day {
    /// The day in the notations in which people write it.
    pub(super) fn notations(&self) -> Vec<Known> {
        let texts = DAYS.iter().map(|format| self.day.wall.strftime(format).to_string());
        texts.map(|text| Known::new(text.chars().flat_map(looks).collect())).collect()
    }
}

impl KnownTexts {
    pub(super) const fn are_none(&self) -> bool {
        self.words.is_empty() && self.names.is_empty() && self.days.is_empty()
    }

    /// How many texts are looked for.
    pub(super) const fn len(&self) -> usize {
        self.words.len() + self.names.len() + self.numbers.len() + self.days.len() * (1 + DAYS.len())
    }

    /// Adds a text that is hidden as it is, and a long name in other spellings too.
    pub(super) fn add_text(&mut self, text: &str) {
        let known = all(text.chars().flat_map(looks), text.len());
        let length: usize = known.iter().map(|character| character.len_utf8()).sum();
        if length >= MIN_BYTES {
            self.add_letters(&known);
            add(&mut self.words, known);
        }
    }

    /// Adds the parts of a name between blanks, hyphens, apostrophes and other marks, and the spelling that
    /// has two letters for one with a mark. A word that messages have for other things is no part of a name.
    pub(super) fn add_parts_of_name(&mut self, name: &str) {
        for part in parts_of(name).filter(|part| is_name(part)) {
            self.add_text(part);
            let spelled: String = part.chars().map(spelling).collect();
            if spelled != part {
                self.add_text(&spelled);
            }
        }
    }

    /// Adds what people write as one word: both names, or an initial and the family name.
    pub(super) fn add_full_name(&mut self, family: &str, given: &str) {
        let parts: Vec<&str> = match (family, given) {
            (name, "") => parts_of(name).collect(),
            (family, given) => vec![family, given],
        };
        let &[family, given, ..] = parts.as_slice() else { return };
        let [family, given] = [family, given].map(|name| {
            let letters = name.chars().flat_map(looks).filter(|letter| letter.is_alphabetic());
            letters.collect::<Vec<char>>()
        });
        if family.is_empty() || given.is_empty() {
            return;
        }
        self.add_letters(&[&*family, &*given].concat());
        self.add_letters(&[&*given, &*family].concat());
        if family.len() >= MIN_WITH_INITIAL {
            let initial = given.get(..1).unwrap_or_default();
            self.add_letters(&[initial, &*family].concat());
            self.add_letters(&[&*family, initial].concat());
        }
    }

    /// Adds a day.
    pub(super) fn add_day(&mut self, day: MessageTime) {
        if day.precision >= Precision::Day && self.days.len() < MAX_DAYS {
            let year = Known::new(day.wall.strftime("%Y").to_string().chars().collect());
            self.days.push(Day { year, day });
        }
    }

    pub(super) fn add_number(&mut self, text: &str) {
        let letters = text.chars().flat_map(looks).filter(|character| character.is_alphanumeric());
        let known = all(letters.skip_while(|character| *character == '0'), text.len());
        if known.iter().any(char::is_ascii_digit) && known.len() >= MIN_NUMBER {
            add(&mut self.numbers, known);
        }
    }

    fn add_letters(&mut self, name: &[char]) {
        let letters = Known::letters_of(name);
        let is_new = |letters: &Known| {
            self.names.len() < MAX_TEXTS
                && !self.names.iter().any(|known| known.characters() == letters.characters())
        };
        if let Some(letters) = letters.filter(is_new) {
            self.names.push(letters);
        }
    }
}

/// These characters of a text of so many bytes, in one allocation as a rule.
fn all(characters: impl Iterator<Item = char>, bytes: usize) -> Vec<char> {
    let mut all = Vec::with_capacity(bytes);
    all.extend(characters);
    all
}

fn add(all: &mut Vec<Known>, text: Vec<char>) {
    if all.len() < MAX_TEXTS && !all.iter().any(|known| known.characters() == text) {
        all.push(Known::new(text));
    }
}

/// The words of a name.
fn parts_of(name: &str) -> impl Iterator<Item = &str> {
    name.split(|character: char| !character.is_alphanumeric() && !is_mark(character))
        .filter(|part| !part.is_empty())
}

/// A mark that combines with the letter before it.
const fn is_mark(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36F}')
}

/// Whether a part of a name is long enough, and a word that messages have for nothing else.
fn is_name(part: &str) -> bool {
    let is_word = part.chars().all(|letter| letter.is_alphabetic() || is_mark(letter));
    is_word && !COMMON.iter().any(|common| common.eq_ignore_ascii_case(part))
}

/// How people write a letter where their keyboard has it not.
fn spelling(letter: char) -> std::borrow::Cow<'static, str> {
    let two = match letter {
        'ä' | 'æ' => "ae",
        'ö' | 'ø' | 'œ' => "oe",
        'ü' => "ue",
        'å' => "aa",
        'Ä' | 'Æ' => "Ae",
        'Ö' | 'Ø' | 'Œ' => "Oe",
        'Ü' => "Ue",
        'Å' => "Aa",
        'ß' => "ss",
        other => return other.to_string().into(),
    };
    two.into()
}

/// Words of devices and of tests that stand in fields for names too. As a whole component they are hidden.
const COMMON: [&str; 24] = [
    "ALARM", "BABY", "CHILD", "DEMO", "DEVICE", "FEMALE", "GIRL", "HIGH", "INFANT", "MALE", "MONITOR",
    "MOTHER", "NAME", "NEWBORN", "NONE", "NULL", "PATIENT", "PUMP", "START", "STOP", "TEST", "TWIN",
    "UNKNOWN", "VALUE",
];
/// Days as people write them.
const DAYS: [&str; 19] = [
    "%Y%m%d",
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y %m %d",
    "%d.%m.%Y",
    "%-d.%-m.%Y",
    "%d/%m/%Y",
    "%-d/%-m/%Y",
    "%m/%d/%Y",
    "%-m/%-d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d%m%Y",
    "%m%d%Y",
    "%b %-d, %Y",
    "%B %-d, %Y",
    "%-d %b %Y",
    "%-d %B %Y",
];
/// Shorter texts are words of other meanings, and numbers of measurements.
const MIN_BYTES: usize = 4;
/// A message has one patient; more texts are an attack on the time of the reader.
const MAX_TEXTS: usize = 200;
/// Dates of birth: those of a patient and of relatives.
const MAX_DAYS: usize = 16;
/// Letters and digits of a number that is found in other spellings. A shorter one is only found as it is.
const MIN_NUMBER: usize = 6;
/// Letters of a family name that is found behind an initial: a shorter one makes other words.
const MIN_WITH_INITIAL: usize = 5;
