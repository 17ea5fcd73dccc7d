//! A10: clients that insist on the status of every certificate of the platform's, and the responders that the
//! platform asks for it. The clients are other people's, and none of them can reach a responder.

mod bouncycastle;
mod forwarded;
mod gnutls;
mod jsse;
mod keeping;
mod openssl;
mod promise;
mod renewed;
mod wolfssl;
