//! SQLite: one file, one connection that writes, and a pool of connections that read.

pub(in crate::store) mod backup;
mod checkpoint;
pub(in crate::store) mod database_file;
pub(in crate::store) mod disk;
pub(in crate::store) mod failure;
mod integrity;
pub(in crate::store) mod location;
pub(in crate::store) mod migrator;
pub(in crate::store) mod open;
pub(in crate::store) mod pool;
mod rereader;
pub(in crate::store) mod schema;
mod temporary;
mod writer;
