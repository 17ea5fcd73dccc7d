//! The schema of a store: what it is, what this program expects, and the way from one to the other.

pub(in crate::store) mod embedded;
pub(in crate::store) mod pending;
pub(in crate::store) mod plan;
pub(in crate::store) mod policy;
pub(in crate::store) mod state;
