//! Byte masks over a range of positions, for comparisons with a secret position.

use std::hint::black_box;

/// For each of `N` positions from `first` on: 0xff where the position lies below `limit`, else 0.
///
/// `limit` is secret, `first` is public. Positions are below 2^15, so that the sign bit of a difference is
/// the comparison.
pub(super) fn below<const N: usize>(first: u16, limit: u16) -> [u8; N] {
    // The two barriers hide from the compiler how the masks depend on `limit`, and that a mask has only two
    // values. Otherwise it could turn the arithmetic on the masks into a branch.
    let limit = black_box(limit);
    let mut masks = [0; N];
    for (mask, position) in masks.iter_mut().zip(first..) {
        *mask = 0u8.wrapping_sub((position.wrapping_sub(limit) >> 15) as u8);
    }
    black_box(masks)
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn agrees_with_comparison() {
        for first in [0u16, 1, 63, 64, 18_400] {
            for limit in first.saturating_sub(3)..first + 70 {
                let expected: Vec<u8> =
                    (first..first + 64).map(|p| if p < limit { 0xff } else { 0 }).collect();
                assert_eq!(below::<64>(first, limit).as_slice(), expected, "from {first} below {limit}");
            }
        }
        assert_eq!(below::<4>(0, 18_500), [0xff; 4]);
        assert_eq!(below::<4>(18_500, 0), [0; 4]);
    }
}
