//! Entries of the directory as text.

use serde::Serialize;
use serde_json::Value;

use super::behind::Behind;
use super::missing::Shown;
use crate::cli::Output;
use crate::cli::text::{counted, paragraph};
use crate::view::{DeviceDetails, SeenIdentityView, StandingView};

/// An entry, the identities that its device used without permission, and how it stands.
#[derive(Debug, Serialize)]
pub(super) struct Details<'a> {
    #[serde(flatten)]
    pub(super) entry: DeviceDetails<'a>,
    #[serde(flatten)]
    pub(super) standing: StandingView<'a>,
    /// The devices that send through it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) behind: Vec<Behind>,
}

/// How a device stands.
fn standing(standing: &StandingView<'_>, output: Output) -> Vec<(&'static str, String)> {
    let time = |time: &Option<String>| time.as_deref().map_or_else(String::new, |time| output.moment(time));
    let StandingView { last_connection, last_refusal, .. } = standing;
    let connection = last_connection.as_ref().map_or_else(String::new, |connection| {
        let is = if standing.connected { "now, from" } else { "not now; last from" };
        let since = output.moment(&connection.since);
        let node = connection.node;
        format!(
            "{is} {} since {since}, {} {} (node {node})",
            connection.peer, connection.version, connection.suite
        )
    });
    let certificate = last_connection.as_ref().map_or_else(String::new, |connection| {
        let text = |key: &str| {
            connection.certificate.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        format!(
            "{} of {}, {}, ends {}",
            text("serial"),
            text("issuer"),
            text("key"),
            output.moment(&text("not-after"))
        )
    });
    let refused = last_refusal.as_ref();
    let refusal = refused.map_or_else(String::new, |row| {
        let (last, count) = (output.moment(&row.last), counted(row.count, "time"));
        format!("{}: {}, {count}, last at {last} from {}", row.reason, output.sentence(&row.cause), row.peer)
    });
    let step = refused
        .filter(|_| standing.locked_out)
        .map_or_else(String::new, |row| output.sentence(&row.next_step));
    vec![
        ("state", standing.state.to_owned()),
        ("connected", connection),
        ("message", time(&standing.last_message)),
        (
            "today",
            standing
                .last_connection
                .as_ref()
                .map_or_else(String::new, |_| counted(standing.messages_today, "message")),
        ),
        ("certificate", certificate),
        ("refused", refusal),
        ("to do", step),
    ]
}

/// The entry, and the identities that the device used without permission.
pub(super) fn details(shown: &Shown<Details<'_>>, output: Output) -> String {
    let (details, is_missing) = (&shown.view.entry, shown.missing);
    let device = &details.entry;
    let speaks_for = match device.speaks_for.as_slice() {
        [] => "itself only".to_owned(),
        patterns => format!("itself and {}", patterns.join(" ")),
    };
    let issuers = match device.issuers.as_slice() {
        [] => "any installed root".to_owned(),
        keys => format!("CAs with the key (SHA-256) {}", keys.join(" or ")),
    };
    let expected = match (device.expected, is_missing) {
        (true, true) => "yes, and missing: nothing of it is stored",
        (true, false) => "yes",
        (false, _) => "",
    };
    let learns = match &device.learns_until {
        _ if shown.enforced => "never again: its list is enforced".to_owned(),
        Some(until) => format!("until {}", output.time(until)),
        None => String::new(),
    };
    let entry = [
        ("common name", device.cn.to_owned()),
        ("name", device.name.to_owned()),
        ("ward", device.ward.to_owned()),
        ("model", device.model.to_owned()),
        ("serial", device.serial.to_owned()),
        ("owner", device.owner.to_owned()),
        ("kind", device.kind.to_owned()),
        ("status", device.status.to_owned()),
        ("speaks for", speaks_for),
        ("issuers", issuers),
        ("acknowledge", device.acknowledge.to_owned()),
        ("silent", device.silent_after.clone().map_or("as configured".to_owned(), |after| silent(&after))),
        ("expected", expected.to_owned()),
        ("orders", if device.receives_orders { "are sent to it" } else { "never: it only sends" }.to_owned()),
        ("note", device.note.to_owned()),
        ("left", if shown.left { "monitoring, with its latest message" } else { "" }.to_owned()),
        ("learns", learns),
    ];
    let seen = details.seen.iter().map(|SeenIdentityView { identity, messages, first, last }| {
        let (first, last) = (output.time(first), output.time(last));
        ("seen", format!("{identity}, not allowed, in {messages} message(s) from {first} to {last}"))
    });
    let standing = standing(&shown.view.standing, output);
    let behind = shown.view.behind.iter().map(|behind| ("behind it", behind.line(output)));
    paragraph(&entry.into_iter().chain(standing).chain(behind).chain(seen).collect::<Vec<_>>())
}

fn silent(after: &str) -> String {
    match after {
        "never" | "learned" => after.to_owned(),
        after => format!("after {after}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::Device;

    fn details_of(device: &Device, missing: bool, left: bool, enforced: bool) -> String {
        let standing = crate::fleet::Fleet::default().standing(device, None, jiff::Timestamp::UNIX_EPOCH);
        let standing = StandingView::from(&standing);
        let view = Details { entry: DeviceDetails::new(device, &[]), standing, behind: Vec::new() };
        details(&Shown { view, missing, left, enforced }, Output::new(false))
    }

    #[test]
    fn an_entry_that_left_or_learns_says_so() {
        let device = crate::store::fixtures::gateway("GW-1");
        let left = details_of(&device, false, true, false);
        assert!(left.contains("left         monitoring"), "{left}");
        let ended = details_of(&device, false, false, true);
        assert!(ended.contains("learns       never again"), "{ended}");
    }

    #[test]
    fn text_shows_the_whole_entry() {
        let device = crate::store::fixtures::gateway("GW-1");
        let shown_as = |device: &Device, missing| details_of(device, missing, false, false);
        let shown = |device: &Device| shown_as(device, false);
        assert!(shown(&device).contains("state        never-seen"));
        assert!(shown(&device).contains("speaks for   itself and 00A037* 0004A30000000001"));
        assert!(shown(&device).contains("acknowledge  as-asked"));
        let alone = Device { speaks_for: Vec::new(), ..device.clone() };
        assert!(shown(&alone).contains("speaks for   itself only"));
        assert!(shown(&alone).contains("issuers      any installed root"));
        let watched = Device { silent_after: Some("2m".parse().unwrap()), expected: true, ..device.clone() };
        let missing = shown_as(&watched, true);
        assert!(missing.contains("expected     yes, and missing"), "{missing}");
        assert!(shown(&watched).contains("silent       after 2m\nexpected     yes"));
        let bound = Device { issuers: vec![crate::model::KeyHash::sha256(b"")], ..device.clone() };
        assert!(shown(&bound).contains("issuers      CAs with the key (SHA-256) e3b0c442"));
    }
}
