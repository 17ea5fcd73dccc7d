//! Hears at once when another node has changed the device directory.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};

/// A connection that listens; it comes back by itself.
#[derive(Debug)]
pub(in crate::store) struct Listener {
    pool: PgPool,
    listener: Option<PgListener>,
}

impl Listener {
    pub(in crate::store) const fn new(pool: PgPool) -> Self {
        Self { pool, listener: None }
    }

    /// Returns when the directory has changed or may have, and after a second in any case: a notice can be lost with
    /// the connection.
    pub(in crate::store) async fn changed(&mut self) {
        if tokio::time::timeout(POLL_INTERVAL, self.notice()).await.is_ok() {
            // Changes seldom come alone, and each makes all nodes read the whole directory.
            tokio::time::sleep(DEBOUNCE).await;
            while self.listener.as_mut().and_then(PgListener::next_buffered).is_some() {}
        }
    }

    async fn notice(&mut self) {
        if self.listener.is_none() {
            // Whoever begins to listen has missed what came before, and looks once.
            match self.listen().await {
                Ok(listener) => self.listener = Some(listener),
                Err(_) => std::future::pending().await,
            }
            return;
        }
        let heard = match &mut self.listener {
            Some(listener) => listener.try_recv().await,
            None => return,
        };
        if heard.is_err() {
            self.listener = None;
            std::future::pending::<()>().await;
        }
    }

    async fn listen(&self) -> Result<PgListener, sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen("pcd_device").await?;
        Ok(listener)
    }
}

const POLL_INTERVAL: Duration = Duration::from_secs(1);
const DEBOUNCE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures::{TestStore, gateway};
    use crate::store::read::reader::Reader;

    /// What nobody tells is found within the second that every node may take.
    const _: () = assert!(POLL_INTERVAL.as_millis() <= 1000 && DEBOUNCE.as_millis() <= 100);

    #[tokio::test]
    async fn a_change_of_which_no_notice_comes_is_found_all_the_same() {
        let place = TestStore::on_postgres();
        let (here, there) = (place.open_as("here").await, place.open_as("there").await);
        let mute = "CREATE OR REPLACE FUNCTION device_changed() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN UPDATE device_revision SET value = value + 1; RETURN NULL; END $$";
        place.execute(mute).await.unwrap();
        let Reader::Postgres(pool) = here.reader() else { panic!() };
        let mut listener = Listener::new(pool.clone());
        listener.notice().await;
        let before = here.device_revision().await.unwrap();
        there.add_device(gateway("A"), "alice").await.unwrap();
        // Whoever waited for a notice alone would never return.
        tokio::time::timeout(Duration::from_secs(30), listener.changed()).await.unwrap();
        assert!(here.device_revision().await.unwrap() > before);
        assert!(listener.listener.as_mut().and_then(PgListener::next_buffered).is_none(), "nobody has told");
    }

    #[tokio::test]
    async fn a_change_is_told_without_asking_also_after_the_connection_was_lost() {
        let place = TestStore::on_postgres();
        let store = place.open().await;
        let Reader::Postgres(pool) = store.reader() else { panic!() };
        let mut listener = Listener::new(pool.clone());
        let mut notice =
            async || tokio::time::timeout(Duration::from_secs(30), listener.notice()).await.unwrap();
        notice().await;
        store.add_device(gateway("A"), "alice").await.unwrap();
        notice().await;
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND query LIKE 'LISTEN%'";
        place.execute(cut).await.unwrap();
        // The new connection may have missed something.
        notice().await;
        store.add_device(gateway("B"), "alice").await.unwrap();
        notice().await;
    }
}
