//! The pool of connections that read.

use sqlx::{PgPool, SqlitePool};

use crate::store::error::StoreError;
use crate::store::row::Row;
use crate::store::statement::Statement;
use crate::store::{postgres, sqlite};

/// A pool of connections that read. A long listing blocks neither other listings nor the writer.
pub(in crate::store) enum Reader {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Reader {
    /// The rows that a statement returns.
    pub(in crate::store) async fn fetch(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(pool) => sqlite::pool::fetch(pool, statement).await,
            Self::Postgres(pool) => postgres::pool::fetch(pool, statement).await,
        }
    }

    pub(in crate::store) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}
