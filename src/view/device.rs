//! Entries of the device directory.

use jiff::Timestamp;
use serde::Serialize;

use super::fleet::StandingView;
use super::session::{BehindView, FeedView};
use crate::authz::{Device, rules};
use crate::fleet::Standing;
use crate::pcd::DeviceIdentity;
use crate::store::SeenIdentity;

/// An entry of the device directory.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeviceView<'a> {
    /// The Common Name of the device's certificate.
    pub cn: &'a str,
    /// `device` or `gateway`.
    pub kind: &'static str,
    /// `active` or `suspended`.
    pub status: &'static str,
    /// The identities and prefixes that its messages may carry, besides the Common Name.
    pub speaks_for: Vec<String>,
    /// SHA-256 of the public keys of the CAs of which one must be in the path of its certificate; empty:
    /// every installed root may certify it.
    pub issuers: Vec<String>,
    /// How its messages are acknowledged; `as-asked`: as their MSH-15 and MSH-16 ask.
    pub acknowledge: &'static str,
    /// When the device, or one behind it, counts as silent; null: as the configuration says.
    pub silent_after: Option<String>,
    /// Whether it is missing while no message of it was ever stored.
    pub expected: bool,
    /// Whether orders may be queued for it.
    pub receives_orders: bool,
    /// The operator's note.
    pub note: &'a str,
    /// What staff call it; this and the next ones are not there when they are empty.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub name: &'a str,
    /// Ward or location.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub ward: &'a str,
    /// Manufacturer and model.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub model: &'a str,
    /// The serial number on its label.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub serial: &'a str,
    /// Who is responsible for it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub owner: &'a str,
    /// The end of the time in which its identities are learnt, once that has begun; it may have passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learns_until: Option<String>,
}

/// An entry as it was when it was removed from the directory.
#[derive(Debug, Clone, Serialize)]
pub struct RemovedDeviceView<'a> {
    /// The entry.
    #[serde(flatten)]
    pub entry: DeviceView<'a>,
    /// Always true.
    pub removed: bool,
}

/// An entry of the directory, and how its device stands.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeviceStandingView<'a> {
    /// The entry.
    #[serde(flatten)]
    pub entry: DeviceView<'a>,
    /// How it stands.
    #[serde(flatten)]
    pub standing: StandingView<'a>,
}

/// An entry of the directory, with what a running platform knows of the device.
#[derive(Debug, Clone, Serialize)]
pub struct LiveDeviceView<'a> {
    /// The entry.
    #[serde(flatten)]
    pub entry: DeviceView<'a>,
    /// How it stands.
    #[serde(flatten)]
    pub standing: StandingView<'a>,
    /// The number of open sessions on this node.
    pub sessions: usize,
    /// Null when no message of the device was stored.
    pub feed: Option<FeedView>,
    /// Whether it is expected, and nothing of it was stored for as long as it may be silent.
    pub missing: bool,
    /// The devices that send through it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<BehindView>,
}

/// An entry of the directory, with the identities that the device used without permission.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceDetails<'a> {
    /// The entry.
    #[serde(flatten)]
    pub entry: DeviceView<'a>,
    /// Identities in rejected messages of the device that the directory does not allow today.
    pub seen: Vec<SeenIdentityView<'a>>,
}

/// An identity in messages of a device that may not speak for it.
#[derive(Debug, Clone, Serialize)]
pub struct SeenIdentityView<'a> {
    /// The identifier, with `^` and its type if it has one.
    pub identity: &'a str,
    /// The number of messages that named it.
    pub messages: u64,
    /// When the first of them was received.
    pub first: String,
    /// When the last of them was received.
    pub last: String,
}

impl<'a> From<&'a Device> for DeviceView<'a> {
    fn from(device: &'a Device) -> Self {
        Self {
            cn: device.id.as_str(),
            kind: device.kind.as_str(),
            status: device.status.as_str(),
            speaks_for: device.speaks_for.iter().map(ToString::to_string).collect(),
            issuers: device.issuers.iter().map(ToString::to_string).collect(),
            acknowledge: device.acknowledge.as_str(),
            silent_after: device.silent_after.map(|after| after.to_string()),
            expected: device.expected,
            receives_orders: device.receives_orders,
            note: &device.note,
            name: &device.about.name,
            ward: &device.about.ward,
            model: &device.about.model,
            serial: &device.about.serial,
            owner: &device.about.owner,
            learns_until: device
                .learns_until
                .filter(|until| device.speaks_for.is_empty() && *until > Timestamp::UNIX_EPOCH)
                .map(|until| until.to_string()),
        }
    }
}

impl<'a> DeviceStandingView<'a> {
    /// The entry of `device`, and how it stands.
    #[must_use]
    pub fn new(device: &'a Device, standing: &'a Standing) -> Self {
        Self { entry: DeviceView::from(device), standing: StandingView::from(standing) }
    }
}

impl<'a> DeviceDetails<'a> {
    /// The entry of `device`, with those of its `seen` identities that are not allowed.
    #[must_use]
    pub fn new(device: &'a Device, seen: &'a [SeenIdentity]) -> Self {
        let not_allowed = seen.iter().filter(|seen| is_not_allowed(device, seen));
        let seen = not_allowed.map(|seen| SeenIdentityView {
            identity: &seen.identity,
            messages: seen.messages,
            first: seen.first.to_string(),
            last: seen.last.to_string(),
        });
        Self { entry: DeviceView::from(device), seen: seen.collect() }
    }
}

/// Whether the directory does not allow the identity today: an operator may have allowed it since it was
/// seen.
#[must_use]
pub fn is_not_allowed(device: &Device, seen: &SeenIdentity) -> bool {
    let (id, kind) = seen.identity.rsplit_once('^').unwrap_or((&seen.identity, ""));
    DeviceIdentity::new(id, kind).is_some_and(|identity| !rules::may_speak_for(device, &identity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_shown_with_all_of_its_fields() {
        let device = crate::store::fixtures::gateway("GW-1");
        assert_eq!(
            serde_json::to_string(&DeviceView::from(&device)).unwrap(),
            r#"{"cn":"GW-1","kind":"gateway","status":"active","speaks-for":["00A037*","0004A30000000001"],"issuers":[],"acknowledge":"as-asked","silent-after":null,"expected":false,"receives-orders":true,"note":"ward 7"}"#
        );
    }
}
