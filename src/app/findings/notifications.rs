//! Findings about receivers of notifications.

use crate::authz::Directory;
use crate::config::Notify;
use crate::finding::facts::{FailingReceiver, NotificationFailing, ReceiverOfUnknownWards};
use crate::finding::{Finding, Subject};
use crate::notify::Status;

/// Receivers that do not take notifications.
pub(super) fn failing(status: &Status) -> Option<Finding> {
    let failing = status.failing();
    let since = failing.iter().map(|(_, failing)| failing.since).min()?;
    let failing = failing.into_iter();
    let failing = failing.map(|(receiver, failing)| FailingReceiver { receiver, error: failing.error });
    let facts = NotificationFailing { failing: failing.collect(), ..NotificationFailing::default() };
    Some(Finding::new(Subject::Platform, facts).since(since))
}

/// Wards of receivers that no device has: nothing would ever be reported of them.
#[must_use]
pub fn unknown_wards(receivers: &[Notify], directory: &Directory) -> Option<Finding> {
    let is_known = |ward: &&String| {
        directory.devices().any(|device| device.about.ward.trim().eq_ignore_ascii_case(ward.trim()))
    };
    let of = |receiver: &Notify| {
        let wards: Vec<_> = receiver.wards.iter().filter(|ward| !is_known(ward)).cloned().collect();
        (!wards.is_empty()).then(|| ReceiverOfUnknownWards { receiver: receiver.name.to_string(), wards })
    };
    let unknown_wards: Vec<_> = receivers.iter().filter_map(of).collect();
    let advice = "compare `wards` of [[notify]] with `pcd-platform device list`";
    (!unknown_wards.is_empty()).then(|| {
        let facts = NotificationFailing { unknown_wards, ..NotificationFailing::default() };
        Finding::new(Subject::Platform, facts).advise(advice)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::{About, Device};
    use crate::store::fixtures::gateway;

    #[test]
    fn a_ward_that_no_device_has_is_a_finding() {
        let receiver = |wards: &str| -> Vec<Notify> {
            let text = format!("name = \"x\"\nwebhook = \"https://x/\"\nwards = {wards}");
            vec![toml::from_str(&text).unwrap()]
        };
        let about = About { ward: "ICU".to_owned(), ..About::default() };
        let directory = Directory::from(vec![Device { about, ..gateway("GW-1") }]);
        assert_eq!(unknown_wards(&receiver("[]"), &directory), None);
        assert_eq!(unknown_wards(&receiver("[\"icu\"]"), &directory), None);
        let found = unknown_wards(&receiver("[\"ICU\", \"IUC\"]"), &directory).unwrap();
        assert!(found.what().ends_with("x (IUC)"), "{}", found.what());
    }
}
