//! All keys of the file.

use super::key::{Key, ReloadClass};
use super::{
    admin, api, audit, devices, enrol, fhir, gateway, interface_a, messages, notifications, notify,
    operations, orders, revocation, store, tls,
};

/// Every key, in the order of the sections.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    SECTIONS.into_iter().flatten()
}

/// The class of a key by its full name.
pub(super) fn class(name: &str) -> ReloadClass {
    // The tests prove that every key is listed. "Restart" is the answer that promises nothing.
    all().find(|key| key.name == name).map_or(ReloadClass::Restart, |key| key.class)
}

const SECTIONS: [&[Key]; 16] = [
    interface_a::KEYS,
    tls::KEYS,
    revocation::KEYS,
    devices::KEYS,
    messages::KEYS,
    orders::KEYS,
    gateway::KEYS,
    fhir::KEYS,
    notifications::KEYS,
    api::KEYS,
    enrol::KEYS,
    store::KEYS,
    audit::KEYS,
    admin::KEYS,
    operations::KEYS,
    notify::KEYS,
];
