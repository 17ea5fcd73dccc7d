//! Lists of identity patterns as an operator writes them.

use std::str::FromStr;

use super::pattern::{IdentityPattern, IdentityPatternError};

/// One or more patterns, separated by commas or semicolons: a person who writes `A1,A2` means two devices. A
/// separator that belongs to an identity has a backslash before it (`Bed 3\, left`).
///
/// One rule for the command line, the API, pages and files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternList(Vec<IdentityPattern>);

impl PatternList {
    /// The patterns, at least one.
    #[must_use]
    pub fn into_patterns(self) -> Vec<IdentityPattern> {
        self.0
    }
}

impl FromStr for PatternList {
    type Err = IdentityPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = separated(text);
        let patterns = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
        let patterns: Vec<_> = patterns.map(str::parse).collect::<Result<_, _>>()?;
        if patterns.is_empty() { Err(IdentityPatternError::Empty) } else { Ok(Self(patterns)) }
    }
}

impl IdentityPattern {
    /// The pattern as one in a [`PatternList`].
    #[must_use]
    pub fn to_argument(&self) -> String {
        let mut text = String::new();
        for character in self.to_string().chars() {
            if SEPARATORS.contains(&character) {
                text.push('\\');
            }
            text.push(character);
        }
        text
    }

    /// The identities that this one would be as a list. An earlier version took `A1,A2` for one identity,
    /// which no message has.
    #[must_use]
    pub fn as_list(&self) -> Option<Vec<Self>> {
        let list: PatternList = self.to_string().parse().ok()?;
        Some(list.0).filter(|patterns| patterns.len() > 1)
    }
}

fn separated(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut characters) = (Vec::new(), String::new(), text.chars().peekable());
    while let Some(character) = characters.next() {
        let escaped = characters.next_if(|next| character == '\\' && SEPARATORS.contains(next));
        match (character, escaped) {
            (_, Some(separator)) => part.push(separator),
            (',' | ';', None) => parts.push(std::mem::take(&mut part)),
            (character, None) => part.push(character),
        }
    }
    parts.push(part);
    parts
}

const SEPARATORS: [char; 2] = [',', ';'];

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        let patterns = text.parse::<PatternList>().unwrap().into_patterns();
        patterns.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn commas_and_semicolons_separate_identities() {
        assert_eq!(list("A1,A2"), ["A1", "A2"]);
        assert_eq!(list(" 00A037* ; *^mindray.com^DNS, A&B "), ["00A037*", "*^mindray.com^DNS", "A&B"]);
        assert_eq!(list("A1,,;"), ["A1"]);
        assert_eq!(list("Bed 3, left"), ["Bed 3", "left"]);
        assert_eq!("*".parse::<PatternList>(), Err(IdentityPatternError::Everything));
        assert_eq!("A,*".parse::<PatternList>(), Err(IdentityPatternError::Everything));
        assert_eq!(" , ".parse::<PatternList>(), Err(IdentityPatternError::Empty));
    }

    #[test]
    fn a_separator_in_an_identity_is_written_with_a_backslash() {
        assert_eq!(list(r"Bed 3\, left,A1"), ["Bed 3, left", "A1"]);
        assert_eq!(list(r"A\1"), [r"A\1"]);
        let pattern = IdentityPattern::from_stored("a;b,c").unwrap();
        assert_eq!(pattern.to_argument(), r"a\;b\,c");
        assert_eq!(list(&pattern.to_argument()), ["a;b,c"]);
        assert_eq!(pattern.as_list().map(|patterns| patterns.len()), Some(3));
        assert_eq!(IdentityPattern::from_stored("A1").unwrap().as_list(), None);
    }
}
