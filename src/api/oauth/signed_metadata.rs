//! The metadata of UDAP that were signed last: each stranger may ask for them.

use std::sync::{Arc, Mutex, PoisonError};

/// The metadata that were signed last. Clones share them.
#[derive(Debug, Clone, Default)]
pub(in crate::api) struct SignedMetadata(Arc<Mutex<Option<Signed>>>);

#[derive(Debug)]
struct Signed {
    about: String,
    at: i64,
    jwt: String,
}

impl SignedMetadata {
    /// What was signed about the same within an hour; else what `sign` makes now.
    pub(super) fn get_or_sign(
        &self,
        (about, now): (String, i64),
        sign: impl FnOnce() -> Option<String>,
    ) -> Option<String> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |last: &&Signed| last.about == about && (0..KEPT_SECONDS).contains(&(now - last.at));
        if let Some(last) = last.as_ref().filter(is_fresh) {
            return Some(last.jwt.clone());
        }
        let jwt = sign()?;
        *last = Some(Signed { about, at: now, jwt: jwt.clone() });
        Some(jwt)
    }
}

/// How long they are served again.
const KEPT_SECONDS: i64 = 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_signed_within_an_hour_is_served_again() {
        let (metadata, count) = (SignedMetadata::default(), std::cell::Cell::new(0));
        let get = |about: &str, now| {
            let sign = || {
                count.set(count.get() + 1);
                Some(format!("{about} {now}"))
            };
            metadata.get_or_sign((about.to_owned(), now), sign).unwrap()
        };
        assert_eq!((get("a", 0), get("a", KEPT_SECONDS - 1)), ("a 0".to_owned(), "a 0".to_owned()));
        assert_eq!(count.get(), 1);
        // An hour later, for another base, and after the clock has gone back.
        assert_eq!(get("a", KEPT_SECONDS), format!("a {KEPT_SECONDS}"));
        assert_eq!((get("b", KEPT_SECONDS), get("b", 0)), (format!("b {KEPT_SECONDS}"), "b 0".to_owned()));
    }
}
