//! Distinguished names as RFC 4514 writes them.

/// The attributes of a name, `KEYWORD=VALUE`, without the blanks around them: those of a value are escaped.
#[must_use]
pub fn name_attributes(name: &str) -> Vec<&str> {
    let (mut parts, mut start, mut is_escaped) = (Vec::new(), 0, false);
    for (position, character) in name.char_indices() {
        if !is_escaped && matches!(character, ',' | '+') {
            parts.push(name.get(start..position).unwrap_or_default());
            start = position.saturating_add(1);
        }
        is_escaped = !is_escaped && character == '\\';
    }
    parts.push(name.get(start..).unwrap_or_default());
    parts.into_iter().map(trim_blanks).collect()
}

/// Without the blanks around it; an escaped blank at the end stays.
fn trim_blanks(part: &str) -> &str {
    let part = part.trim_start_matches(' ');
    let trimmed = part.trim_end_matches(' ');
    let backslashes = trimmed.bytes().rev().take_while(|byte| *byte == b'\\').count();
    let is_escaped = backslashes % 2 == 1 && trimmed.len() < part.len();
    part.get(..trimmed.len().saturating_add(usize::from(is_escaped))).unwrap_or(trimmed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_at_separators_that_are_not_escaped() {
        assert_eq!(name_attributes("CN=a, OU=b+O=c"), ["CN=a", "OU=b", "O=c"]);
        assert_eq!(name_attributes(r"CN=a\,b,O=c\\,OU=d\ "), [r"CN=a\,b", r"O=c\\", r"OU=d\ "]);
        assert_eq!(name_attributes(""), [""]);
        assert_eq!(name_attributes("Gerät,,"), ["Gerät", "", ""]);
    }
}
