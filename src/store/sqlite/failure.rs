//! What a failure of SQLite means to the caller.

use std::sync::Arc;

use crate::store::error::{DatabaseError, StoreError};

/// What a failure of the database means to the caller.
pub(in crate::store) fn failure(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code()?.parse().ok());
    let unreadable = matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_));
    meaning(code, unreadable, error.into())
}

/// The same of the connection that writes.
pub(super) fn written(error: rusqlite::Error) -> StoreError {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    let code = error.sqlite_error().map(|error| error.extended_code);
    let unreadable =
        matches!(error, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..));
    meaning(code, unreadable, error.into())
}

fn meaning(code: Option<i32>, unreadable: bool, error: DatabaseError) -> StoreError {
    // The low byte is the primary result code, https://www.sqlite.org/rescode.html
    match code.map(|code| code & 0xff) {
        Some(SQLITE_TOOBIG | SQLITE_CONSTRAINT | SQLITE_MISMATCH) => StoreError::Refused(Arc::new(error)),
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => {
            StoreError::Corrupt { place: "the database file", source: Some(Arc::new(error)) }
        }
        _ if unreadable => StoreError::Corrupt { place: "a row", source: Some(Arc::new(error)) },
        _ => StoreError::Unavailable(Arc::new(error)),
    }
}

const SQLITE_CORRUPT: i32 = 11;

const SQLITE_TOOBIG: i32 = 18;

const SQLITE_CONSTRAINT: i32 = 19;

const SQLITE_MISMATCH: i32 = 20;

const SQLITE_NOTADB: i32 = 26;
