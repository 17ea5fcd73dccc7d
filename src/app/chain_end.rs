//! Remembers the end of this node's audit chain outside of the database, and records what is found about it.

use tokio_util::sync::CancellationToken;

use crate::audit::{ChainFinding, Event};
use crate::config::ConfigHandle;
use crate::metrics::Metrics;
use crate::model::explained;
use crate::store::{ChainNote, Store};

/// An alert on the increase of a counter does not see the event that creates it.
pub(super) fn start_counters_at_zero(metrics: &Metrics) {
    for finding in ChainFinding::ALL {
        metrics.housekeeping.audit_chain_findings_total.with_label_values(&[finding.code()]);
    }
}

/// Stores the end of the chain at once and then at every `[audit] remember-every`, until `done`.
///
/// No sender waits for it. After a crash the file is at most that much older than the chain, and the chain
/// contains its older end.
pub(super) async fn remember_regularly(
    store: Store,
    metrics: Metrics,
    config: ConfigHandle,
    done: CancellationToken,
) {
    let mut unrecorded = Vec::new();
    loop {
        remember(&store).await;
        let is_refused = store.own_chain().refused().is_some();
        metrics.housekeeping.audit_chain_refused.set(is_refused.into());
        for note in store.own_chain().take_notes() {
            metrics.housekeeping.audit_chain_findings_total.with_label_values(&[note.finding.code()]).inc();
            unrecorded.push(note);
        }
        if !is_refused {
            record(&store, &mut unrecorded).await;
        }
        let pause = config.load().audit.remember_every;
        tokio::select! {
            () = done.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Stores the end of the chain now.
pub(super) async fn remember(store: &Store) {
    let chain = store.own_chain().clone();
    let was_failing = chain.warning().is_some();
    let stored = tokio::task::spawn_blocking(move || chain.store_end()).await;
    if let Err(error) = stored.unwrap_or_else(|panic| Err(std::io::Error::other(panic)))
        && !was_failing
    {
        tracing::error!(
            code = ChainFinding::EndNotStored.code(), error = %explained(&error),
            "the end of the audit chain could not be stored outside of the database; will retry"
        );
    }
}

/// Writes the findings into the audit trail; those that cannot be written wait.
async fn record(store: &Store, unrecorded: &mut Vec<ChainNote>) {
    while let Some(ChainNote { finding, node, remembered, found }) = unrecorded.first().cloned() {
        let recorded = store.audit(Event::AuditDiverged { finding, node, remembered, found }).await;
        if recorded.is_err() {
            return;
        }
        unrecorded.remove(0);
    }
}
