//! Hospital systems that read what devices sent: whose they are, and what each may read. Pure.
//!
//! An organisation has clients; a client has certificates, secrets and rights. A [`Reader`] is a client that
//! was admitted for one request.

mod oid;
mod reader;
mod scope;

pub use oid::{Oid, OidError};
pub use reader::Reader;
pub use scope::{Interaction, Scope, ScopeError, Scopes};
