//! Receives notifications about changes of the device directory by any node.

use std::time::Duration;

use sqlx::postgres::PgListener;

use super::pool::ReadPool;

/// A connection that listens for notifications, and reconnects when it is lost.
#[derive(Debug)]
pub(in crate::store) struct Listener {
    pool: ReadPool,
    listener: Option<PgListener>,
}

impl Listener {
    pub(in crate::store) const fn new(pool: ReadPool) -> Self {
        Self { pool, listener: None }
    }

    /// Returns when the directory has changed or may have changed, and after a second in any case: a
    /// notification can be lost with the connection.
    pub(in crate::store) async fn changed(&mut self) {
        if tokio::time::timeout(POLL_INTERVAL, self.notification()).await.is_ok() {
            // Changes come in bursts, and after each all nodes read the whole directory: wait for the rest.
            tokio::time::sleep(DEBOUNCE).await;
            while self.listener.as_mut().and_then(PgListener::next_buffered).is_some() {}
        }
    }

    async fn notification(&mut self) {
        if self.listener.is_none() {
            // A new connection has missed earlier notifications: return once, so that the caller checks.
            match self.listen().await {
                Ok(listener) => self.listener = Some(listener),
                Err(_) => std::future::pending().await,
            }
            return;
        }
        let notification = match &mut self.listener {
            Some(listener) => listener.try_recv().await,
            None => return,
        };
        if notification.is_err() {
            self.listener = None;
            std::future::pending::<()>().await;
        }
    }

    async fn listen(&self) -> Result<PgListener, sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.pool.current()).await?;
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

    /// A change without a notification is found within the second that a node may take.
    const _: () = assert!(POLL_INTERVAL.as_millis() <= 1000 && DEBOUNCE.as_millis() <= 100);

    #[tokio::test]
    async fn a_change_without_a_notification_is_found_by_polling() {
        let place = TestStore::on_postgres();
        let (here, there) = (place.open_as("here").await, place.open_as("there").await);
        let without_notify =
            "CREATE OR REPLACE FUNCTION device_changed() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN UPDATE device_revision SET value = value + 1; RETURN NULL; END $$";
        place.execute(without_notify).await.unwrap();
        let Reader::Postgres(pool) = here.reader() else { panic!() };
        let mut listener = Listener::new(pool.clone());
        listener.notification().await;
        let before = here.device_revision().await.unwrap();
        there.add_device(gateway("A"), "alice").await.unwrap();
        // Without polling this would never return.
        tokio::time::timeout(Duration::from_secs(30), listener.changed()).await.unwrap();
        assert!(here.device_revision().await.unwrap() > before);
        assert!(
            listener.listener.as_mut().and_then(PgListener::next_buffered).is_none(),
            "no notification was sent"
        );
    }

    #[tokio::test]
    async fn changes_are_notified_also_after_the_connection_was_lost() {
        let place = TestStore::on_postgres();
        let store = place.open().await;
        let Reader::Postgres(pool) = store.reader() else { panic!() };
        let mut listener = Listener::new(pool.clone());
        let mut notified =
            async || tokio::time::timeout(Duration::from_secs(30), listener.notification()).await.unwrap();
        notified().await;
        store.add_device(gateway("A"), "alice").await.unwrap();
        notified().await;
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND query LIKE 'LISTEN%'";
        place.execute(cut).await.unwrap();
        // Returns once for the new connection, which may have missed a notification.
        notified().await;
        store.add_device(gateway("B"), "alice").await.unwrap();
        notified().await;
    }
}
