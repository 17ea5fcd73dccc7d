//! Classifies errors of SQLite.

use std::sync::Arc;

use crate::store::error::{DatabaseError, StoreError};

/// Classifies an error from reading by what the caller can do about it.
pub(in crate::store) fn read_error(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code()?.parse().ok());
    let unreadable = matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_));
    classify(code, unreadable, error.into())
}

/// Whether the file holds something else than a database.
pub(super) fn is_not_database(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse().ok());
    code.is_some_and(|code: i32| code & 0xff == SQLITE_NOTADB)
}

/// Whether SQLite refuses a row of the schema. There is no code of its own for it.
pub(super) fn is_malformed(message: &str) -> bool {
    message.contains("malformed database schema")
}

/// Classifies an error from writing.
pub(super) fn write_error(error: rusqlite::Error) -> StoreError {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    let code = error.sqlite_error().map(|error| error.extended_code);
    let unreadable =
        matches!(error, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..));
    classify(code, unreadable, error.into())
}

fn classify(code: Option<i32>, unreadable: bool, error: DatabaseError) -> StoreError {
    if code == Some(SQLITE_IOERR_GETTEMPPATH) {
        return StoreError::NoTemporaryFolder(Arc::new(error));
    }
    // The low byte is the primary result code, https://www.sqlite.org/rescode.html
    match code.map(|code| code & 0xff) {
        Some(SQLITE_TOOBIG | SQLITE_CONSTRAINT | SQLITE_MISMATCH) => StoreError::Refused(Arc::new(error)),
        Some(SQLITE_CORRUPT) if is_malformed(&error.to_string()) => StoreError::Malformed(Arc::new(error)),
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => {
            StoreError::Corrupt { place: "the database file", source: Some(Arc::new(error)) }
        }
        _ if unreadable => StoreError::Corrupt { place: "a row", source: Some(Arc::new(error)) },
        _ => StoreError::Unavailable(Arc::new(error)),
    }
}

const SQLITE_IOERR_GETTEMPPATH: i32 = 6410;

const SQLITE_CORRUPT: i32 = 11;

const SQLITE_TOOBIG: i32 = 18;

const SQLITE_CONSTRAINT: i32 = 19;

const SQLITE_MISMATCH: i32 = 20;

const SQLITE_NOTADB: i32 = 26;
