//! Where a text has another one, as people see both.

use std::ops::Range;

use super::identity::{ascii, decomposed, has_no_glyph};
use crate::model::work::count;

/// A text that is looked for.
#[derive(Debug)]
pub(super) struct Known {
    characters: Vec<char>,
    /// For each beginning of it the length of the longest end that is a shorter beginning.
    borders: Vec<usize>,
}

/// Some of the characters of a text as they look, and where each stands in it.
pub(super) struct Looks(Vec<(char, usize)>);

/// The characters of a text that are found to be of a known one.
pub(super) struct Marks<'t> {
    text: &'t [char],
    /// How many finds begin at each character, less those that end before it.
    changes: Vec<i64>,
    /// How many ideographs stand before each character; filled with the first find.
    ideographs: Vec<usize>,
}

impl Known {
    pub(super) fn new(characters: Vec<char>) -> Self {
        let mut borders = vec![0; characters.len()];
        let mut length = 0;
        for at in 1..characters.len() {
            while length > 0 && characters.get(length) != characters.get(at) {
                length = borders.get(length - 1).copied().unwrap_or_default();
            }
            length += usize::from(characters.get(length) == characters.get(at));
            borders.get_mut(at).into_iter().for_each(|border| *border = length);
        }
        Self { characters, borders }
    }

    pub(super) fn characters(&self) -> &[char] {
        &self.characters
    }

    /// The letters of a name that is found whatever stands between them, and without their marks; `None` for
    /// a short one, and for what is no name.
    pub(super) fn letters_of(name: &[char]) -> Option<Self> {
        if name.iter().any(|character| character.is_numeric()) {
            return None;
        }
        let letters: Vec<char> = name.iter().copied().filter(|letter| letter.is_alphabetic()).collect();
        (letters.len() >= LONG_NAME).then(|| Self::new(letters))
    }
}

impl Looks {
    pub(super) fn of(text: &[char], is_taken: impl Fn(char) -> bool) -> Self {
        count(text.len());
        let looks =
            text.iter().enumerate().flat_map(|(at, character)| looks(*character).map(move |it| (it, at)));
        Self(looks.filter(|(look, _)| is_taken(*look)).collect())
    }

    /// Calls `found` with each place of a known text. A sender chooses both texts: each character is compared
    /// at most twice (Knuth, Morris, Pratt).
    fn find(&self, known: &Known, found: &mut impl FnMut(Range<usize>)) {
        count(2 * self.0.len());
        let Known { characters, borders } = known;
        let border = |length: usize| length.checked_sub(1).and_then(|at| borders.get(at)).copied();
        let mut length = 0;
        for (at, (look, _)) in self.0.iter().enumerate() {
            while length > 0 && characters.get(length) != Some(look) {
                length = border(length).unwrap_or_default();
            }
            length += usize::from(characters.get(length) == Some(look));
            if length == characters.len() && length > 0 {
                found(at + 1 - length..at + 1);
                length = border(length).unwrap_or_default();
            }
        }
    }

    /// Whether a known text is there at all.
    pub(super) fn has(&self, known: &Known) -> bool {
        let mut is_there = false;
        self.find(known, &mut |_| is_there = true);
        is_there
    }

    /// Where these characters stand in the text.
    fn range(&self, of: &Range<usize>) -> Option<Range<usize>> {
        let (_, first) = self.0.get(of.start)?;
        let (_, last) = self.0.get(of.end.checked_sub(1)?)?;
        Some(*first..last + 1)
    }

    /// For each character how many before it stand apart from the next one.
    fn gaps(&self) -> Vec<usize> {
        let is_apart = |[(_, one), (_, next)]: &[(char, usize); 2]| next - one > MAX_MARKS + 1;
        let mut gaps = 0;
        let counted = self.0.array_windows().map(|pair| {
            gaps += usize::from(is_apart(pair));
            gaps
        });
        std::iter::once(0).chain(counted).collect()
    }
}

impl<'t> Marks<'t> {
    pub(super) fn new(text: &'t [char]) -> Self {
        Self { text, changes: Vec::new(), ideographs: Vec::new() }
    }

    pub(super) const fn are_none(&self) -> bool {
        self.changes.is_empty()
    }

    /// The characters, and whether each is marked.
    pub(super) fn each(&self) -> impl Iterator<Item = (char, bool)> {
        let marked = self.changes.iter().scan(0, |open, change| {
            *open += change;
            Some(*open > 0)
        });
        self.text.iter().copied().zip(marked)
    }

    /// Marks the places of a known text that are whole words.
    pub(super) fn words(&mut self, known: &Known, looks: &Looks) {
        looks.find(known, &mut |place| {
            if let Some(found) = looks.range(&place)
                && (self.is_ideographic(&found) || self.is_apart(&found))
            {
                self.mark(&found);
            }
        });
    }

    /// Marks the places of the letters of a long name: with digits beside it, as in the name of an account,
    /// and with a title.
    pub(super) fn name(&mut self, known: &Known, letters: &Looks) {
        letters.find(known, &mut |place| {
            if let Some(found) = letters.range(&place)
                && (self.is_ideographic(&found) || self.is_apart_from_letters(&found))
            {
                self.mark(&found);
            }
        });
    }

    /// Marks the places of a day that are beside no digit: a number may begin with the same digits.
    pub(super) fn day(&mut self, known: &Known, looks: &Looks) {
        looks.find(known, &mut |place| {
            let Some(found) = looks.range(&place) else { return };
            let before = found.start.checked_sub(1).and_then(|at| self.text.get(at));
            let is_digit = |one: Option<&char>| one.is_some_and(|one| one.is_numeric());
            if !is_digit(before) && !is_digit(self.text.get(found.end)) {
                self.mark(&found);
            }
        });
    }

    /// Marks the places of a known number: a long one wherever it is, a shorter one only at the beginning or
    /// the end of a word, apart from zeros before it, and beside no other digit. A few digits are in many
    /// numbers of devices.
    pub(super) fn number(&mut self, known: &Known, looks: &Looks) {
        let mut gaps = Vec::new();
        looks.find(known, &mut |place| {
            if gaps.is_empty() {
                gaps = looks.gaps();
            }
            let Some(found) = looks.range(&place) else { return };
            let gap = |at: usize| gaps.get(at).copied().unwrap_or_default();
            if gap(place.start) != gap(place.end - 1) {
                return;
            }
            let before = self.text.get(..found.start).unwrap_or_default().iter().rev();
            let before = before.copied().find(|character| *character != '0');
            let neighbours = [before, self.text.get(found.end).copied()]
                .map(|one| one.filter(|one| one.is_alphanumeric()));
            let is_digit = |one: &Option<char>| one.is_some_and(char::is_numeric);
            let is_word_alone = neighbours.iter().any(Option::is_none) && !neighbours.iter().any(is_digit);
            if known.characters.len() >= LONG_NUMBER || is_word_alone {
                self.mark(&found);
            }
        });
    }

    /// Whether no letter stands beside it.
    fn is_apart(&self, found: &Range<usize>) -> bool {
        let is_word =
            |character: Option<&char>| character.is_some_and(|character| character.is_alphanumeric());
        let before = found.start.checked_sub(1).and_then(|before| self.text.get(before));
        let mut behind = self.text.get(found.end..).unwrap_or_default().iter();
        !is_word(before) && !is_word(behind.find(|character| !has_no_glyph(**character)))
    }

    /// Whether the letters beside it are none, or those of a title or of a suffix (`drsmith`, `SMITHJR`).
    fn is_apart_from_letters(&self, found: &Range<usize>) -> bool {
        let is_letter = |character: &&char| character.is_alphabetic();
        let before = self.text.get(..found.start).unwrap_or_default().iter().rev();
        let behind = self.text.get(found.end..).unwrap_or_default().iter();
        let behind = behind.skip_while(|character| has_no_glyph(**character));
        let before: Vec<char> = before.take_while(is_letter).take(MAX_TITLE + 1).copied().collect();
        let before: String = before.into_iter().rev().collect();
        let behind: String = behind.take_while(is_letter).take(MAX_TITLE + 1).collect();
        [before, behind]
            .iter()
            .all(|beside| beside.is_empty() || TITLES.iter().any(|title| title.eq_ignore_ascii_case(beside)))
    }

    /// Chinese, Japanese and Korean have no blanks between words.
    fn is_ideographic(&mut self, found: &Range<usize>) -> bool {
        if self.ideographs.is_empty() {
            let each = self.text.iter().scan(0, |before, character| {
                *before += usize::from(*character >= '\u{2E80}');
                Some(*before)
            });
            self.ideographs = std::iter::once(0).chain(each).collect();
        }
        let before = |at: usize| self.ideographs.get(at).copied().unwrap_or_default();
        before(found.end) > before(found.start)
    }

    fn mark(&mut self, found: &Range<usize>) {
        self.changes.resize(self.text.len() + 1, 0);
        for (at, change) in [(found.start, 1), (found.end, -1)] {
            self.changes.get_mut(at).into_iter().for_each(|changes| *changes += change);
        }
    }
}

/// What a character looks like, in upper case: a letter and its marks; nothing where it has no glyph.
pub(super) fn looks(character: char) -> impl Iterator<Item = char> {
    let upper = (!has_no_glyph(character)).then(|| character.to_uppercase());
    upper.into_iter().flatten().flat_map(|upper| {
        let (mut base, mut marks) = (upper, Vec::new());
        while let Some((letter, mark)) = decomposed(base) {
            base = letter;
            marks.insert(0, mark);
        }
        // A letter that looks like a dash is a letter of a name.
        let alike = ascii(base).filter(|alike| !base.is_alphabetic() || alike.is_ascii_alphanumeric());
        std::iter::once(alike.map_or(base, |alike| alike.to_ascii_uppercase())).chain(marks)
    })
}

/// What stands before and behind a name without a blank.
const TITLES: [&str; 14] =
    ["dr", "mr", "mrs", "ms", "miss", "prof", "frau", "herr", "sra", "sr", "jr", "ii", "iii", "iv"];
const MAX_TITLE: usize = 4;
/// Letters of a name that is found whatever stands between them.
const LONG_NAME: usize = 5;
/// Letters and digits of a number that is found anywhere in a text: by chance it is in one EUI-64 of hundreds
/// of millions.
const LONG_NUMBER: usize = 8;
/// Marks and blanks between two digits of a number.
const MAX_MARKS: usize = 3;
