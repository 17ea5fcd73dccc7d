//! Entries of the directory as text.

use crate::cli::Output;
use crate::cli::text::{paragraph, printable};
use crate::view::{DeviceDetails, DeviceView, SeenIdentityView};

/// A row of the list.
pub(super) fn line(device: &DeviceView<'_>, is_missing: bool) -> String {
    let (cn, note) = (printable(device.cn), printable(device.note));
    let speaks_for = printable(&device.speaks_for.join(" "));
    let silent_after = device.silent_after.as_ref().map(|after| format!("silent-after={after}  "));
    let expected = if device.expected { "expected  " } else { "" };
    let missing = if is_missing { "missing  " } else { "" };
    let liveness = silent_after.unwrap_or_default() + expected + missing;
    let line = format!("{cn:<24}  {:<7}  {:<9}  {speaks_for}  {liveness}{note}", device.kind, device.status);
    line.trim_end().to_owned()
}

/// The entry, and the identities that the device used without permission.
pub(super) fn details(details: &DeviceDetails<'_>, is_missing: bool, output: Output) -> String {
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
    let entry = [
        ("common name", device.cn.to_owned()),
        ("kind", device.kind.to_owned()),
        ("status", device.status.to_owned()),
        ("speaks for", speaks_for),
        ("issuers", issuers),
        ("acknowledge", device.acknowledge.to_owned()),
        ("silent", device.silent_after.clone().map_or("as configured".to_owned(), |after| silent(&after))),
        ("expected", expected.to_owned()),
        ("note", device.note.to_owned()),
        ("learns", device.learns_until.as_ref().map_or(String::new(), |until| format!("until {until}"))),
    ];
    let seen = details.seen.iter().map(|SeenIdentityView { identity, messages, first, last }| {
        let (first, last) = (output.time(first), output.time(last));
        ("seen", format!("{identity}, not allowed, in {messages} message(s) from {first} to {last}"))
    });
    paragraph(&entry.into_iter().chain(seen).collect::<Vec<_>>())
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

    #[test]
    fn text_shows_the_whole_entry() {
        let device = crate::store::fixtures::gateway("GW-1");
        assert_eq!(
            line(&DeviceView::from(&device), false),
            "GW-1                      gateway  active     00A037* 0004A30000000001  ward 7"
        );
        let shown = |device: &Device| details(&DeviceDetails::new(device, &[]), false, Output::new(false));
        assert!(shown(&device).contains("speaks for   itself and 00A037* 0004A30000000001"));
        assert!(shown(&device).contains("acknowledge  as-asked"));
        let alone = Device { speaks_for: Vec::new(), ..device.clone() };
        assert!(shown(&alone).contains("speaks for   itself only"));
        assert!(shown(&alone).contains("issuers      any installed root"));
        let watched = Device { silent_after: Some("2m".parse().unwrap()), expected: true, ..device.clone() };
        let row = |is_missing| line(&DeviceView::from(&watched), is_missing);
        assert!(row(false).ends_with("silent-after=2m  expected  ward 7"));
        assert!(row(true).ends_with("silent-after=2m  expected  missing  ward 7"));
        let missing = details(&DeviceDetails::new(&watched, &[]), true, Output::new(false));
        assert!(missing.contains("expected     yes, and missing"), "{missing}");
        assert!(!shown(&watched).contains("missing"), "it has sent");
        assert!(shown(&watched).contains("silent       after 2m\nexpected     yes"));
        let bound = Device { issuers: vec![crate::model::KeyHash::sha256(b"")], ..device.clone() };
        assert!(shown(&bound).contains("issuers      CAs with the key (SHA-256) e3b0c442"));
    }
}
