//! Statements that change one row.

use crate::store::error::{ClientsConflict, StoreError};
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;

/// Executes a statement that changes one row, or is the conflict.
pub(in crate::store) async fn one(
    connection: &mut impl Connection,
    statement: Statement,
    conflict: ClientsConflict,
) -> Result<(), StoreError> {
    match connection.execute(statement).await? {
        0 => Err(StoreError::Clients(conflict)),
        _ => Ok(()),
    }
}
