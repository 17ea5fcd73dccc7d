//! Signs the audit trail at the configured interval.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::config::ConfigHandle;
use crate::store::Store;
use crate::tls::Acceptor;

/// Signs at once, and then at every `[audit] sign-every` until `done` is cancelled.
///
/// Rows after the last signature can be rewritten undetected by anyone with write access to the database.
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

/// Signs the rows since the last signature. The log shows the position and its hash: with a copy of the log
/// an auditor can find out that the end of the trail was cut off.
pub(super) async fn sign(store: &Store, acceptor: &Acceptor) {
    match store.sign_audit(acceptor).await {
        Ok(Some(head)) => {
            tracing::info!(number = head.number, hash = %head.hash, "the audit trail is signed");
        }
        Ok(None) => {}
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the audit trail could not be signed; the next attempt follows after audit.sign-every"
            );
        }
    }
}
