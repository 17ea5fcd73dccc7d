//! Counts the steps of the parsers of foreign bytes, in tests and under a fuzzer. An input whose cost grows
//! faster than its length is a finding. In every other build nothing is counted, at no cost.

#[cfg(any(test, fuzzing))]
use std::cell::Cell;

/// Runs `work` and returns the number of steps that parsers on this thread took; 0 where nothing is counted.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = steps();
    let result = work();
    (result, steps().wrapping_sub(before))
}

/// Counts steps: an element, a comparison, or a byte that was looked at.
#[cfg(any(test, fuzzing))]
pub(crate) fn count(steps: usize) {
    STEPS.with(|all| all.set(all.get().wrapping_add(steps as u64)));
}

/// Counts nothing.
#[cfg(not(any(test, fuzzing)))]
#[inline(always)]
pub(crate) const fn count(_steps: usize) {}

#[cfg(any(test, fuzzing))]
fn steps() -> u64 {
    STEPS.with(Cell::get)
}

#[cfg(not(any(test, fuzzing)))]
const fn steps() -> u64 {
    0
}

#[cfg(any(test, fuzzing))]
thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// Asserts that twice as many parts cost at most two and a half times as many steps.
#[cfg(test)]
pub(crate) fn assert_linear(what: &str, parse: impl Fn(usize)) {
    for parts in [200, 400, 800, 1600] {
        let [small, large] = [parts, 2 * parts].map(|parts| measure(|| parse(parts)).1);
        assert!(small > 0, "{what}: nothing is counted");
        assert!(
            2 * large <= 5 * small + SLACK,
            "{what}: {small} steps for {parts} parts, and {large} for twice as many"
        );
    }
}

/// Steps that do not depend on the input.
#[cfg(test)]
const SLACK: u64 = 200;
