//! Records up to which time the clock was confirmed.

use jiff::Timestamp;

use crate::store::error::StoreError;
use crate::store::statement::Statement;
use crate::store::write::connection::Connection;

/// The clock was believed at `at`. An operator who confirms it also allows to remove what was received before
/// `release_before`.
pub(in crate::store) async fn confirm(
    connection: &mut impl Connection,
    at: Timestamp,
    release_before: Option<Timestamp>,
) -> Result<(), StoreError> {
    let statement = match release_before {
        None => Statement::new(UPSERT_TIME).bind(at),
        Some(release_before) => Statement::new(UPSERT_BOTH).bind(at).bind(release_before),
    };
    connection.execute(statement).await.map(drop)
}

/// Nothing is released any more, unless an operator has released something else meanwhile.
pub(in crate::store) async fn take_release(
    connection: &mut impl Connection,
    release_before: Timestamp,
) -> Result<(), StoreError> {
    connection.execute(Statement::new(TAKE_RELEASE).bind(release_before)).await.map(drop)
}

const TAKE_RELEASE: &str = "UPDATE confirmed_clock SET release_before = 0 WHERE release_before = $1";

const UPSERT_TIME: &str = "
INSERT INTO confirmed_clock (one, at, release_before) VALUES (1, $1, 0)
ON CONFLICT (one) DO UPDATE SET at = excluded.at";

const UPSERT_BOTH: &str = "
INSERT INTO confirmed_clock (one, at, release_before) VALUES (1, $1, $2)
ON CONFLICT (one) DO UPDATE SET at = excluded.at, release_before = excluded.release_before";
