//! The platform as its peers and its operators see it: one binary, started for real.

// `cfg(test)` tells Clippy that helper functions may unwrap as tests do.
#[cfg(test)]
mod openssl;
#[cfg(test)]
mod pki;
