//! Gateway mode: forwards what devices send to another platform, and its orders to the devices.
//!
//! Towards devices a gateway is a platform (Interface A): a message is acknowledged once it is durable here.
//! The transaction that stores it also queues it. `queue` says what is forwarded next: of each device and
//! class one message at a time, alarms first. Each `uplink` connects to the platform again and again
//! (`connecting`, Interface B). A `session` is one connection, with several messages under way; `flight`
//! matches the acknowledgements by MSA-2. What the platform has acknowledged is settled in the store, or
//! later where the store cannot take it (`unrecorded`). Everything else is sent again, with the same bytes,
//! so that the platform recognises it. `orders` puts messages of the platform into the outbox, for the
//! device that they name, and passes on what the device answers.

mod answer;
mod connecting;
mod desk;
mod durable;
mod flight;
mod history;
mod job;
mod log_limit;
mod orders;
mod pardons;
mod passed;
mod platform;
mod queue;
mod session;
mod status;
mod suspects;
mod unrecorded;
mod uplink;
mod window;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::desk::Gateway;
pub use self::durable::{DurableClient, NotKept};
use self::orders::Orders;
use self::platform::SharedConnector;
pub use self::platform::{SetupError, connector};
use self::queue::Queue;
pub use self::status::{Away, MissingResults, Status, StuckForward, Uplinks};
use self::uplink::Uplink;
use crate::model::explained;
use crate::store::{ForwardBacklog, StoreError};

impl Gateway {
    /// Forwards until `done`. Without `[gateway]` it waits for a reload that adds it.
    pub async fn run(self, done: CancellationToken) {
        let mut waits = tokio::time::interval(LOOK);
        let connections = loop {
            if let Some(gateway) = &self.config.load().gateway {
                break gateway.connections;
            }
            tokio::select! {
                () = done.cancelled() => return,
                _ = waits.tick() => {}
            }
        };
        let (relay, metrics) = (self.registry.relay().clone(), self.metrics.clone());
        let clock = self.clock.clone();
        let queue = Queue::new(self.store.clone(), relay, metrics, clock, done.clone());
        let queue = Arc::new(queue.with_max_frame(self.config.load().interface_a.max_frame));
        let orders = Orders::new(&self, done.clone());
        let connector = SharedConnector::default();
        let mut parts = JoinSet::new();
        parts.spawn(orders.clone().run());
        for number in 0..connections {
            let (queue, orders, connector) = (Arc::clone(&queue), orders.clone(), connector.clone());
            let uplink = Uplink { gateway: self.clone(), number, queue, orders, connector };
            parts.spawn(uplink.run(done.clone()));
        }
        parts.spawn(Arc::clone(&queue).record_held());
        parts.spawn(self.clone().look_regularly(Arc::clone(&queue), orders, done.clone()));
        while let Some(ended) = parts.join_next().await {
            if let Err(panic) = ended {
                // The supervisor starts all of it again; what was under way is sent again.
                std::panic::resume_unwind(panic.into_panic());
            }
        }
    }

    /// Finds what other processes have queued, or a former one has left, and publishes the numbers.
    async fn look_regularly(self, queue: Arc<Queue>, orders: Orders, done: CancellationToken) {
        let mut next = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
        let (relay, mut is_adopted, mut unreadable) = (self.registry.relay().clone(), false, 0);
        loop {
            tokio::select! {
                () = done.cancelled() => return,
                lanes = relay.arrivals() => {
                    lanes.into_iter().for_each(|lane| queue.add(lane));
                    continue;
                }
                () = &mut next => {}
            }
            let began = self.clock.instant();
            is_adopted = is_adopted || self.adopt(&orders).await.is_ok();
            match self.look(&queue, &mut unreadable).await {
                Ok(()) => {}
                // What is wrong with the store is a finding of its own.
                Err(error) => {
                    tracing::debug!(error = %explained(&error), "the forward queue cannot be read");
                    // An outage is found all the same.
                    self.status.publish_again(&self.clock, &self.metrics);
                }
            }
            // To count a million messages takes a while, and is done less often.
            let took = self.clock.instant().saturating_duration_since(began);
            next.set(tokio::time::sleep(LOOK.max(took * 20)));
        }
    }

    /// Takes over what a process under another name has left in a file: nothing else forwards it, and its
    /// devices have their acknowledgements.
    async fn adopt(&self, orders: &Orders) -> Result<(), StoreError> {
        let adopted = self.store.adopt_forwards().await?;
        if adopted > 0 {
            tracing::warn!(adopted, "messages and orders of another node name in this file are taken over");
            orders.adopt();
        }
        Ok(())
    }

    async fn look(&self, queue: &Queue, unreadable: &mut u64) -> Result<(), StoreError> {
        let (mut messages, mut by_device) = (0, HashMap::<_, usize>::new());
        let waiting = self.store.forward_lanes().await?;
        if waiting.unreadable != *unreadable {
            *unreadable = waiting.unreadable;
            report_unreadable(waiting.unreadable);
        }
        for (lane, count) in waiting.lanes {
            messages += count;
            *by_device.entry(lane.device.clone()).or_default() +=
                usize::try_from(count).unwrap_or(usize::MAX);
            queue.add(lane);
        }
        let backlog = ForwardBacklog { messages, oldest: self.store.oldest_own_forward().await? };
        self.registry.relay().set_queued(by_device);
        let awaited = self.registry.relay().awaited();
        self.metrics.gateway.awaited.set(i64::try_from(awaited).unwrap_or(i64::MAX));
        self.status.publish(backlog, &self.clock, &self.metrics);
        Ok(())
    }
}

fn report_unreadable(messages: u64) {
    if messages == 0 {
        return tracing::info!("all rows of the forward queue can be read again");
    }
    tracing::error!(messages, "rows of the forward queue cannot be read; their messages are not forwarded");
}

/// How often the queue in the store is looked at, besides the messages that come.
const LOOK: Duration = Duration::from_secs(1);
