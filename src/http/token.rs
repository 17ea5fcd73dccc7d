//! The tokens that forms send back: no other page can know them.

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use subtle::ConstantTimeEq as _;

use crate::model::hexadecimal;

/// The token of a person, as long as this process runs.
pub(super) fn of_person(person: &str) -> String {
    let Some(key) = &*KEY else { return String::new() };
    hexadecimal::encode(hmac::sign(key, person.as_bytes()).as_ref())
}

/// Whether `given` is the token, in a time that does not depend on where they differ. An empty token fits
/// nothing.
pub(super) fn fits(token: &str, given: &str) -> bool {
    !token.is_empty() && bool::from(token.as_bytes().ct_eq(given.as_bytes()))
}

/// New in each process. Without randomness there are no tokens, and nothing can be changed from a page.
static KEY: LazyLock<Option<hmac::Key>> =
    LazyLock::new(|| hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_that_of_one_person() {
        let (alice, bob) = (of_person("alice"), of_person("bob"));
        assert!(alice.len() == 64 && alice != bob);
        assert!(fits(&alice, &of_person("alice")));
        assert!(!fits(&alice, &bob) && !fits(&alice, "") && !fits("", ""));
    }
}
