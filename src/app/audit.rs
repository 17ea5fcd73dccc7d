//! The audit trail, signed with the platform's key from time to time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::store::Store;
use crate::tls::Acceptor;

/// How much of the trail somebody with access to the database could compute anew unnoticed.
const INTERVAL: Duration = Duration::from_mins(5);

/// Signs at once, and then again and again until `done`.
pub(super) async fn sign_regularly(store: Store, acceptor: Arc<Acceptor>, done: CancellationToken) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = done.cancelled() => return,
            _ = ticks.tick() => sign(&store, &acceptor).await,
        }
    }
}

/// Signs what is new. The log gets the place and its hash: kept elsewhere, they show whether the trail was cut there.
pub(super) async fn sign(store: &Store, acceptor: &Acceptor) {
    match store.sign_audit(acceptor).await {
        Ok(Some(link)) => {
            tracing::info!(number = link.number, hash = %link.hash, "the audit trail is signed")
        }
        Ok(None) => {}
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the audit trail could not be signed");
        }
    }
}
