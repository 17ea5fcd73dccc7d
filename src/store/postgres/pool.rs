//! The pool of connections that read.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::Executor as _;
use sqlx::postgres::{PgPool, PgPoolOptions, Postgres};
use tracing::log::LevelFilter;

use super::failure::classify;
use super::location::{CONNECT_TIMEOUT, Location, Route};
use crate::store::error::StoreError;
use crate::store::row::Row;
use crate::store::statement::Statement;

/// Read-only connections to the server that the writer uses, which are opened on demand. Clones share them.
#[derive(Clone)]
pub(in crate::store) struct ReadPool(Arc<Shared>);

impl fmt::Debug for ReadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadPool").field(&self.0.location).finish()
    }
}

struct Shared {
    location: Location,
    opened: Mutex<Opened>,
}

struct Opened {
    route: Route,
    pool: PgPool,
}

impl ReadPool {
    pub(super) fn open(location: Location) -> Self {
        let route = location.route();
        let pool = open(&location, &route);
        Self(Arc::new(Shared { location, opened: Mutex::new(Opened { route, pool }) }))
    }

    /// Another pool of connections to the same server.
    pub(in crate::store) fn another(&self) -> Self {
        Self::open(self.0.location.clone())
    }

    /// The pool of the current server. After a failover it is a new one, because a former primary that still
    /// runs would be read without the messages that are stored now.
    pub(in crate::store) fn current(&self) -> PgPool {
        let Shared { location, opened } = &*self.0;
        let route = location.route();
        let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.route != route {
            if opened.route.endpoint == route.endpoint {
                opened.pool.set_connect_options(location.options(&route));
            } else {
                let former = std::mem::replace(&mut opened.pool, open(location, &route));
                tokio::spawn(async move { former.close().await });
            }
            opened.route = route;
        }
        opened.pool.clone()
    }

    pub(in crate::store) async fn close(&self) {
        self.current().close().await;
    }
}

fn open(location: &Location, route: &Route) -> PgPool {
    PgPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        // What waits for a slow store fills no log.
        .acquire_slow_level(LevelFilter::Debug)
        .acquire_timeout(CONNECT_TIMEOUT)
        .after_connect(|connection, _| Box::pin(async { connection.execute(READ_ONLY).await.map(drop) }))
        .connect_lazy_with(location.options(route))
}

pub(in crate::store) async fn fetch(pool: &ReadPool, statement: Statement) -> Result<Vec<Row>, StoreError> {
    let pool = pool.current();
    // The server's own timeout is shorter; this one ends if the server is gone without closing the
    // connection.
    let rows = tokio::time::timeout(READ_TIMEOUT, statement.query::<Postgres>().fetch_all(&pool));
    let rows = rows.await.map_err(|_| StoreError::Timeout(READ_TIMEOUT))?.map_err(classify)?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}

/// Passes each row to `take`, for as long as that returns true.
pub(in crate::store) async fn for_each(
    pool: &ReadPool,
    statement: Statement,
    take: &mut (impl FnMut(Row) -> Result<bool, StoreError> + Send),
) -> Result<(), StoreError> {
    let pool = pool.current();
    let reading = async {
        let mut rows = statement.query::<Postgres>().fetch(&pool);
        while let Some(row) = rows.try_next().await.map_err(classify)? {
            if !take(Row::Postgres(row))? {
                break;
            }
        }
        Ok(())
    };
    tokio::time::timeout(READ_TIMEOUT, reading).await.map_err(|_| StoreError::Timeout(READ_TIMEOUT))?
}

/// Four concurrent listings, and one connection that listens for changes of the directory.
const MAX_CONNECTIONS: u32 = 4 + 1;

const READ_TIMEOUT: Duration = Duration::from_secs(70);

/// Settings of the read-only connections. Listings are short and read an index in its order, so plans are
/// compared by the number of rows that they read. With the default costs the planner prefers to scan the
/// latest rows, which lie side by side, until the page is full. For a device that fell silent a million
/// messages ago that scan reads everything. It also prefers hash and merge joins where an index lookup per
/// row would stop at a full page, and parallel workers, whose start takes longer than the page.
const READ_ONLY: &str = "
SET default_transaction_read_only = on; SET statement_timeout = '60s';
SET random_page_cost = 0; SET seq_page_cost = 0; SET enable_hashjoin = off; SET enable_mergejoin = off;
SET max_parallel_workers_per_gather = 0";
