//! The pool of connections that read.

use sqlx::SqlitePool;

use crate::store::error::StoreError;
use crate::store::postgres::pool::ReadPool;
use crate::store::row::Row;
use crate::store::statement::Statement;
use crate::store::{postgres, sqlite};

/// A pool of connections that read. A long listing blocks neither other listings nor the writer.
pub(in crate::store) enum Reader {
    Sqlite(SqlitePool),
    Postgres(ReadPool),
}

impl Reader {
    /// Whether a server is read.
    pub(in crate::store) const fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Another pool of connections to the same database, which are opened on demand.
    pub(in crate::store) fn another(&self) -> Self {
        match self {
            Self::Sqlite(pool) => {
                let options = (*pool.connect_options()).clone();
                Self::Sqlite(pool.options().clone().connect_lazy_with(options))
            }
            Self::Postgres(pool) => Self::Postgres(pool.another()),
        }
    }

    /// The rows that a statement returns.
    pub(in crate::store) async fn fetch(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(pool) => sqlite::pool::fetch(pool, statement).await,
            Self::Postgres(pool) => postgres::pool::fetch(pool, statement).await,
        }
    }

    /// Rows until `size` of them exceeds `max_bytes`, and whether there are more. Rows that do not fit are
    /// not held.
    pub(in crate::store) async fn fetch_page<T: Send>(
        &self,
        statement: Statement,
        max_bytes: usize,
        read: fn(&Row) -> Result<T, StoreError>,
        size: fn(&T) -> usize,
    ) -> Result<(Vec<T>, bool), StoreError> {
        let (mut page, mut bytes) = (Vec::new(), 0_usize);
        let mut is_cut = false;
        let mut take = |row: Row| {
            let item = read(&row)?;
            bytes = bytes.saturating_add(size(&item));
            // A row that is larger than a page is a page.
            is_cut = bytes > max_bytes && !page.is_empty();
            if !is_cut {
                page.push(item);
            }
            Ok(!is_cut)
        };
        match self {
            Self::Sqlite(pool) => sqlite::pool::for_each(pool, statement, &mut take).await?,
            Self::Postgres(pool) => postgres::pool::for_each(pool, statement, &mut take).await?,
        }
        Ok((page, is_cut))
    }

    pub(in crate::store) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}
