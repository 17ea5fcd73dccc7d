//! Numbers that look random and depend on their arguments only.

/// A number that is the same for the same arguments (splitmix64).
pub(super) const fn mixed(seed: u64, stream: u64, n: u64) -> u64 {
    let mut state = seed
        .wrapping_add(stream.wrapping_mul(0xd134_2543_de82_ef95))
        .wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// A number from 0 to below 1.
pub(super) fn fraction(seed: u64, stream: u64, n: u64) -> f64 {
    // 32 bits are exact in a double.
    f64::from(u32::try_from(mixed(seed, stream, n) >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

/// A number from `low` to `high`.
pub(super) fn between(seed: u64, stream: u64, low: f64, high: f64) -> f64 {
    low + (high - low) * fraction(seed, stream, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_depend_on_each_argument_and_fill_their_range() {
        assert_eq!(mixed(1, 2, 3), mixed(1, 2, 3));
        let all = [mixed(1, 2, 3), mixed(2, 2, 3), mixed(1, 3, 3), mixed(1, 2, 4)];
        assert!((1..4).all(|n| !all[..n].contains(&all[n])), "{all:?}");
        let drawn: Vec<_> = (0..1000).map(|n| between(n, 7, 10.0, 20.0)).collect();
        assert!(drawn.iter().all(|value| (10.0..=20.0).contains(value)));
        assert!(drawn.iter().any(|value| *value < 11.0) && drawn.iter().any(|value| *value > 19.0));
    }
}
