//! CRL numbers.

use std::cmp::Ordering;

/// Whether CRL number `number` is lower than `other`. Both are contents of non-negative INTEGERs.
#[must_use]
pub fn is_older(number: &[u8], other: &[u8]) -> bool {
    compare(number, other) == Ordering::Less
}

pub(super) fn compare(number: &[u8], other: &[u8]) -> Ordering {
    let (number, other) = (significant(number), significant(other));
    number.len().cmp(&other.len()).then_with(|| number.cmp(other))
}

fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    number.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_zeros_do_not_matter() {
        assert!(is_older(&[9], &[1, 0]) && is_older(&[0, 0x80], &[0x01, 0x00]) && is_older(&[0], &[1]));
        assert!(!is_older(&[0, 5], &[5]) && !is_older(&[2, 0], &[1, 0xff]));
    }
}
