//! The configuration as one session applies it.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::config::{Config, ConfigHandle};
use crate::hl7::Sender;
use crate::pcd::MessagePolicy;

/// The current configuration, and what a session derives from it.
///
/// A reload reaches open sessions: each session calls [`Settings::refresh`] before every message.
#[derive(Debug)]
pub(super) struct Settings {
    handle: ConfigHandle,
    config: Arc<Config>,
    policy: MessagePolicy,
    sender: Sender,
    zone: TimeZone,
}

impl Settings {
    pub(super) fn new(handle: ConfigHandle) -> Self {
        let config = handle.load_full();
        let zone = config.messages.zone.time_zone();
        Self { policy: MessagePolicy::from(&*config), sender: sender(&config), zone, config, handle }
    }

    /// Applies the configuration that a reload has published since the last call. True when there was one.
    pub(super) fn refresh(&mut self) -> bool {
        // Without a reload this is one atomic load: it is called for each message.
        if Arc::ptr_eq(&self.config, &self.handle.load()) {
            return false;
        }
        *self = Self::new(Arc::clone(&self.handle));
        true
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Which messages are accepted.
    pub(super) const fn policy(&self) -> &MessagePolicy {
        &self.policy
    }

    /// MSH-3 and MSH-4 of acknowledgements.
    pub(super) const fn sender(&self) -> &Sender {
        &self.sender
    }

    /// The zone of times in messages that state none, and of the times in acknowledgements, which state it.
    pub(super) const fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

fn sender(config: &Config) -> Sender {
    Sender { application: config.messages.application.clone(), facility: config.messages.facility.clone() }
}
