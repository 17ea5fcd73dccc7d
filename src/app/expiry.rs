//! The gauges of expiring certificates.

use std::collections::BTreeMap;

use crate::config::Gateway;
use crate::metrics::Metrics;
use crate::tls::{Acceptor, ApiAcceptor, PeopleAcceptor, leaf};

/// Sets the expiry of the platform's certificates, of those of the admin listener and of the listener for
/// hospital systems, of that which a gateway shows its platform, and of the CAs and roots on which
/// connections depend. Of several certificates with one role and one kind of key, the earliest expiry counts.
pub(super) fn publish(
    acceptor: &Acceptor,
    people: &PeopleAcceptor,
    api: &ApiAcceptor,
    gateway: Option<&Gateway>,
    metrics: &Metrics,
) {
    let mut earliest: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let own = acceptor.configured_certificates().into_iter().map(|facts| ("platform", facts));
    let admin = people.certificate().map(|facts| ("admin", facts));
    let hospital = api.certificate().map(|facts| ("api", facts));
    let gateway = gateway.and_then(|gateway| leaf(&gateway.certificate)).map(|facts| ("gateway", facts));
    let authorities = [acceptor.authorities(), people.authorities(), api.authorities()].concat().into_iter();
    let authorities = authorities.map(|authority| (authority.role.code(), authority.facts));
    for (role, facts) in own.chain(admin).chain(hospital).chain(gateway).chain(authorities) {
        let end = facts.not_after.as_second();
        let known = earliest.entry((role, facts.key.family())).or_insert(end);
        *known = end.min(*known);
    }
    let gauge = &metrics.certificate_not_after_timestamp_seconds;
    // A root that was removed must not raise an alarm years later.
    gauge.reset();
    for ((role, key), end) in earliest {
        gauge.with_label_values(&[role, key]).set(end);
    }
}
