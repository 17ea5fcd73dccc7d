//! Signs the audit trail at the configured interval.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::chain_end;
use crate::audit::{Distrust, Signature, SignatureVerifier};
use crate::config::{ConfigHandle, Tls};
use crate::metrics::Metrics;
use crate::model::explained;
use crate::store::Store;
use crate::tls::{Acceptor, AuditSignatureVerifier};

/// Signs at once, and then at every `[audit] sign-every` until `done` is cancelled.
///
/// Rows after the last signature can be rewritten undetected by anyone with write access to the database.
pub(super) async fn sign_regularly(
    store: Store,
    acceptor: Arc<Acceptor>,
    config: ConfigHandle,
    metrics: Metrics,
    done: CancellationToken,
) {
    loop {
        let began = store.now();
        let is_signed = sign(&store, &acceptor, &config.load().tls).await;
        if is_signed {
            metrics.operation.audit_signed_timestamp_seconds.set(began.as_second());
        }
        let retry = async {
            if is_signed {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(RETRY_DELAY).await;
        };
        tokio::select! {
            () = done.cancelled() => return,
            () = retry => {}
            () = wait(&config) => {}
        }
    }
}

/// Waits for `sign-every`, which a reload may change meanwhile.
async fn wait(config: &ConfigHandle) {
    let mut waited = Duration::ZERO;
    loop {
        let left = config.load().audit.sign_every.saturating_sub(waited);
        if left.is_zero() {
            return;
        }
        let step = left.min(RECONFIGURE_INTERVAL);
        tokio::time::sleep(step).await;
        waited += step;
    }
}

/// Signs the rows since the last signature. The log shows the position and its hash: with a copy of the log
/// an auditor can find out that the end of the trail was cut off. False when it could not be signed.
pub(super) async fn sign(store: &Store, acceptor: &Acceptor, tls: &Tls) -> bool {
    match store.sign_audit(acceptor, &OwnSignatures(tls, OnceLock::new())).await {
        Ok(Some(head)) => {
            tracing::info!(number = head.number, hash = %head.hash, "the audit trail is signed");
            chain_end::remember(store).await;
        }
        Ok(None) => {}
        Err(error) => {
            tracing::error!(
                error = %explained(&error),
                "the audit trail could not be signed; the next attempt follows within ten seconds"
            );
            return false;
        }
    }
    true
}

/// Verifies what operators have signed with the key of the platform. It is seldom needed, so the certificates
/// are loaded then.
struct OwnSignatures<'a>(&'a Tls, OnceLock<Option<AuditSignatureVerifier>>);

impl SignatureVerifier for OwnSignatures<'_> {
    fn verify(&self, message: &[u8], signature: &Signature, at: Timestamp) -> Result<(), Distrust> {
        let verifier = self.1.get_or_init(|| AuditSignatureVerifier::load(self.0).ok());
        verifier.as_ref().ok_or(Distrust::OtherSigner)?.verify(message, signature, at)
    }
}

/// How soon a signature is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(10);
/// How soon a changed `sign-every` is noticed.
const RECONFIGURE_INTERVAL: Duration = Duration::from_secs(1);
