//! TLS as the specification wants it, on rustls: the only folder that names rustls.

pub mod provider;
