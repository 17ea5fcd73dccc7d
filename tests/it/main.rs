//! The platform as its peers and its operators see it: one binary, started for real.

mod openssl;
mod pki;
