//! Opens a store: assembles the database, the queue in front of its writer, and the readers.

use crate::model::{Clock, NodeName, StoreUrl};
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::read::reader::Reader;
use crate::store::write::queue::Queue;
use crate::store::{postgres, sqlite};

impl Store {
    /// Opens the store at `url` and migrates its schema. `url` is `sqlite:PATH`, which is created if it does
    /// not exist, or `postgres://USER@HOST/DATABASE`.
    ///
    /// # Errors
    /// When the URL has another form, the store cannot be opened, or its schema has another version.
    pub async fn open(url: impl Into<StoreUrl>, clock: Clock) -> Result<Self, StoreError> {
        Self::open_as(NodeName::from_hostname(), url, clock).await
    }

    /// Opens the store as the node `node`. Each node writes its own audit chain.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_as(node: NodeName, url: impl Into<StoreUrl>, clock: Clock) -> Result<Self, StoreError> {
        let url = url.into();
        let (queue, reader, checkpointer_ended) = if url.is_postgres() {
            let location = postgres::location::Location::parse(&url)?;
            let (writer, pool) = postgres::open::open(location, node.clone()).await?;
            (Queue::start(writer), Reader::Postgres(pool), None)
        } else {
            let location = sqlite::location::Location::parse(url.secret())?;
            let (writer, pool) = sqlite::open::open(location, node.clone()).await?;
            let ended = writer.checkpointer_ended();
            (Queue::start_on_its_own_thread(writer)?, Reader::Sqlite(pool), Some(ended))
        };
        Ok(Self::new(queue, reader, url, node, clock, checkpointer_ended))
    }
}
