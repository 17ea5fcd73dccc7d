//! PostgreSQL: a server that several nodes share. Each node has one connection that writes, a pool that
//! reads, and one connection that listens for changes of the device directory.

pub(in crate::store) mod address;
mod connection;
pub(in crate::store) mod durability;
pub(in crate::store) mod endpoint;
pub(in crate::store) mod failure;
pub(in crate::store) mod integrity;
pub(in crate::store) mod listener;
pub(in crate::store) mod location;
pub(in crate::store) mod open;
mod password;
pub(in crate::store) mod pool;
mod relay;
pub(in crate::store) mod report;
mod rereader;
pub(in crate::store) mod rights;
mod rows;
pub(in crate::store) mod schema;
mod single_statement;
mod writer;
