//! Findings about receivers of notifications.

use crate::authz::Directory;
use crate::config::Notify;
use crate::finding::{Code, Finding, Subject};
use crate::notify::Status;

/// Receivers that do not take notifications.
pub(super) fn failing(status: &Status) -> Option<Finding> {
    let failing = status.failing();
    let since = failing.iter().map(|(_, failing)| failing.since).min()?;
    let shown = failing.iter().map(|(name, failing)| format!("{name} ({})", failing.error));
    let what = format!("receivers do not take notifications: {}", shown.collect::<Vec<_>>().join("; "));
    Some(Finding::new(Code::NotificationFailing, Subject::Platform, what).since(since))
}

/// Wards of receivers that no device has: nothing would ever be reported of them.
#[must_use]
pub fn unknown_wards(receivers: &[Notify], directory: &Directory) -> Option<Finding> {
    let is_known = |ward: &&String| {
        directory.devices().any(|device| device.about.ward.trim().eq_ignore_ascii_case(ward.trim()))
    };
    let of = |receiver: &Notify| {
        let unknown: Vec<_> = receiver.wards.iter().filter(|ward| !is_known(ward)).cloned().collect();
        (!unknown.is_empty()).then(|| format!("{} ({})", receiver.name, unknown.join(", ")))
    };
    let unknown: Vec<_> = receivers.iter().filter_map(of).collect();
    let what = format!("receivers name wards that no device of the directory has: {}", unknown.join("; "));
    let advice = "compare `wards` of [[notify]] with `pcd-platform device list`";
    let finding = || Finding::new(Code::NotificationFailing, Subject::Platform, what).advise(advice);
    (!unknown.is_empty()).then(finding)
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
        assert!(found.what.ends_with("x (IUC)"), "{}", found.what);
    }
}
