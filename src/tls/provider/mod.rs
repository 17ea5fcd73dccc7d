//! The cryptography that the specification wants and rustls does not have, in the shape that a rustls
//! `CryptoProvider` takes (A3).

pub mod cbc;
