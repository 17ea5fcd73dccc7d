//! How a device stands, as a tag.

use super::element::{Html, Tone};
use crate::fleet::DeviceState;

/// The state as a tag.
pub(super) fn tag(state: DeviceState) -> Html {
    let tone = match state {
        DeviceState::Refused | DeviceState::Rejected | DeviceState::Silent => Tone::Bad,
        DeviceState::Missing => Tone::Watch,
        DeviceState::Sends | DeviceState::Connected => Tone::Good,
        DeviceState::Suspended | DeviceState::NeverSeen | DeviceState::Disconnected | DeviceState::Left => {
            Tone::Quiet
        }
    };
    Html::tag(tone, word(state))
}

/// The state in words.
pub(super) const fn word(state: DeviceState) -> &'static str {
    match state {
        DeviceState::Refused => "locked out",
        DeviceState::Rejected => "rejected",
        DeviceState::Silent => "silent",
        DeviceState::Missing => "missing",
        DeviceState::Suspended => "suspended",
        DeviceState::NeverSeen => "never seen",
        DeviceState::Disconnected => "not connected",
        DeviceState::Left => "left",
        DeviceState::Connected => "connected",
        DeviceState::Sends => "sends",
    }
}
