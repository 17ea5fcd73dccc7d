//! The number of a term, as readers may write and read it.

/// The number that the text of a code stands for: also with a sign, leading zeros, or a fraction of zeros.
pub(super) fn code_number(text: &str) -> Option<u32> {
    let text = text.trim().trim_start_matches('+');
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|digit| digit == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    if whole.is_empty() {
        return None;
    }
    let mut digits = whole.chars().map(|digit| digit.to_digit(10));
    digits.try_fold(0_u32, |value, digit| value.checked_mul(10)?.checked_add(digit?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_of_a_number_are_one_number() {
        for text in ["67972", " 067972 ", "+67972", "0000000000000067972", "67972.", "67972.00"] {
            assert_eq!(code_number(text), Some(67972), "{text}");
        }
        for text in ["", "+", ".0", "67972.1", "6797 2", "99999999999", "x"] {
            assert_eq!(code_number(text), None, "{text}");
        }
    }
}
