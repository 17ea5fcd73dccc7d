//! Classifies errors of PostgreSQL.

use std::sync::Arc;

use crate::store::error::StoreError;

/// Classifies an error by what the caller can do about it.
pub(in crate::store) fn classify(error: sqlx::Error) -> StoreError {
    let code = code(&error);
    // The first two characters are the class, https://www.postgresql.org/docs/current/errcodes-appendix.html
    if is_row_conflict(&error) {
        return StoreError::Unreachable(Arc::new(error));
    }
    match (code.as_deref().and_then(|code| code.get(..2)), &error) {
        (Some(DATA | INTEGRITY | RAISED | LIMIT), _) => StoreError::Refused(Arc::new(error.into())),
        (Some(CORRUPTED), _) if matches!(code.as_deref(), Some("XX001" | "XX002")) => {
            StoreError::Corrupt { place: "the database", source: Some(Arc::new(error.into())) }
        }
        (Some(ACCESS), _) if is_denied(code.as_deref()) => StoreError::Denied(Arc::new(error)),
        (Some(ACCESS), _) if is_not_understood(code.as_deref()) => StoreError::NotUnderstood(Arc::new(error)),
        // The class has privileges, and what a view, a rule or a changed column does to a statement.
        (Some(ACCESS), _) => StoreError::NoTable(Arc::new(error)),
        (Some(NOT_SUPPORTED | STATE), _) if is_no_table(code.as_deref()) => {
            StoreError::NoTable(Arc::new(error))
        }
        (_, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => {
            StoreError::Corrupt { place: "a row", source: Some(Arc::new(error.into())) }
        }
        _ => StoreError::Unreachable(Arc::new(error)),
    }
}

/// Whether the server has rolled back the transaction because of a conflict with another one. A retry may
/// succeed.
pub(super) fn is_conflict(error: &StoreError) -> bool {
    let (StoreError::Unreachable(error) | StoreError::NoTable(error)) = error else { return false };
    // serialization_failure, deadlock_detected, and a statement that was prepared before a table changed
    matches!(code(error).as_deref(), Some("40001" | "40P01" | "0A000")) || is_row_conflict(error)
}

/// lock_not_available: the wait for a lock has lasted for `lock_timeout`.
pub(super) fn is_lock_timeout(error: &sqlx::Error) -> bool {
    code(error).as_deref() == Some("55P03")
}

/// feature_not_supported (a rule in place of an INSERT), object_not_in_prerequisite_state (a view that takes
/// no rows)
fn is_no_table(code: Option<&str>) -> bool {
    matches!(code, Some("0A000" | "55000"))
}

/// insufficient_privilege; undefined_table: without `USAGE` on its schema it cannot be seen
fn is_denied(code: Option<&str>) -> bool {
    matches!(code, Some("42501" | "42P01"))
}

/// syntax_error, undefined_object, ambiguous_function, undefined_function: the statements of the platform
/// have none of these by themselves.
fn is_not_understood(code: Option<&str>) -> bool {
    matches!(code, Some("42601" | "42704" | "42725" | "42883"))
}

/// Whether another process of this node has written to its audit chain while this one waited for the lock.
fn is_row_conflict(error: &sqlx::Error) -> bool {
    let constraint = error.as_database_error().and_then(|error| error.constraint());
    constraint.is_some_and(|name| name == "audit_node_number_key")
}

/// Whether the connection is lost, or the server is closing it.
pub(in crate::store) fn is_broken(error: &StoreError) -> bool {
    let StoreError::Unreachable(error) = error else { return false };
    match code(error) {
        // 57P01 to 57P03: the server is stopping, has crashed, or is not ready yet.
        Some(code) => code.starts_with("57P") || code.starts_with("08"),
        None => true,
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}

const DATA: &str = "22";
const INTEGRITY: &str = "23";
/// A trigger's `RAISE EXCEPTION`.
const RAISED: &str = "P0";
const LIMIT: &str = "54";
const CORRUPTED: &str = "XX";
/// Among them `insufficient_privilege` and `undefined_table`.
const ACCESS: &str = "42";
const NOT_SUPPORTED: &str = "0A";
const STATE: &str = "55";
