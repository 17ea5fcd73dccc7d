//! The audit trail, signed with the platform's key from time to time.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::config::ConfigHandle;
use crate::store::Store;
use crate::tls::Acceptor;

/// Signs at once, and then again and again until `done`.
///
/// What is not signed yet somebody with access to the database could compute anew unnoticed.
pub(super) async fn sign_regularly(
    store: Store,
    acceptor: Arc<Acceptor>,
    config: ConfigHandle,
    done: CancellationToken,
) {
    loop {
        sign(&store, &acceptor).await;
        tokio::select! {
            () = done.cancelled() => return,
            () = tokio::time::sleep(config.load().audit.sign_every) => {}
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
