//! The bound that every target puts on the cost of its parser.

use pcd_platform::model::work::measure;

/// Runs a parser on an input of this length. More steps than a constant number for each byte are a finding.
pub fn bounded<T>(length: usize, parse: impl FnOnce() -> T) -> T {
    let (result, steps) = measure(parse);
    let length = u64::try_from(length).expect("it fits");
    assert!(steps <= BASE + STEPS_PER_BYTE * length, "{steps} steps for {length} bytes");
    result
}

/// Steps that do not depend on the input: the certificates of a scene, say.
const BASE: u64 = 200_000;
/// A byte is looked at a few times: once for each level of a structure.
const STEPS_PER_BYTE: u64 = 200;
