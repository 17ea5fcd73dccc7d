//! SQLite: one file, one writing connection, a few reading ones.

pub(in crate::store) mod backup;
mod checkpoint;
pub(in crate::store) mod failure;
pub(in crate::store) mod location;
pub(in crate::store) mod open;
pub(in crate::store) mod pool;
mod writer;
