//! The connections that read.

use sqlx::{PgPool, SqlitePool};

use crate::store::error::StoreError;
use crate::store::row::Row;
use crate::store::statement::Statement;
use crate::store::{postgres, sqlite};

/// Connections that read; a long listing does not hold up a short one, nor the writer.
pub(in crate::store) enum Reader {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Reader {
    /// The rows that answer a statement.
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
