//! What speaks against the clock of this machine. A certificate that seems to have expired may be valid, and
//! the clock wrong.

use crate::config;
use crate::model::Clock;
use crate::store::{OwnChain, Store};

/// Why the clock of this machine is not believed, if the store of the configuration can be read and says so.
pub(super) async fn of_configuration(config: &config::Store, clock: &Clock) -> Option<String> {
    let chain = OwnChain::new(config.node.clone());
    let store = Store::open_to_read(chain, &config.url, clock.clone()).await.ok()?;
    let doubt = of_store(&store, config, clock).await;
    store.close().await;
    doubt
}

/// The same for a store that is open.
pub(super) async fn of_store(store: &Store, config: &config::Store, clock: &Clock) -> Option<String> {
    let known = store.confirmed_clock().await.ok()??;
    let difference = clock.now().duration_since(known.at);
    (difference.unsigned_abs() > config.max_clock_difference).then(|| {
        format!(
            "a clock was believed last at {:.0}, and this one is further from it than store.max-clock-difference: \
             retention pauses; correct the clock, or, if it is right, confirm it: store retention --force",
            known.at
        )
    })
}
