//! Times without end.

use jiff::Timestamp;

/// The end of a validity without end: 99991231235959Z (RFC 5280 4.1.2.5, IEEE 802.1AR), and every other time
/// of the last two days of the year 9999, which [`Timestamp`] cannot hold in full.
pub const NO_EXPIRY: Timestamp = Timestamp::constant(NO_EXPIRY_SECOND, 0);

/// The end of a validity for people: the time, or "no expiry".
#[must_use]
pub fn expiry_text(end: Timestamp) -> String {
    if end >= NO_EXPIRY { "no expiry".to_owned() } else { end.to_string() }
}

/// 9999-12-30T00:00:00Z, in seconds since 1970.
const NO_EXPIRY_SECOND: i64 = 253_402_128_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validity_without_end_is_shown_as_no_expiry() {
        assert_eq!(expiry_text(NO_EXPIRY), "no expiry");
        let before: Timestamp = "9999-12-29T23:59:59Z".parse().unwrap();
        assert_eq!(expiry_text(before), before.to_string());
    }
}
