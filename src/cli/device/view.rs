//! What the command line says of an entry of the directory.

use serde::Serialize;

use super::super::context::{paragraph, printable};
use super::seen;
use crate::authz::Device;
use crate::store::SeenIdentity;

/// One entry, as it stands in the directory.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct View<'a> {
    pub(super) cn: &'a str,
    kind: &'static str,
    pub(super) status: &'static str,
    speaks_for: Vec<String>,
    acknowledge: &'static str,
    note: &'a str,
}

/// One entry, and what is known about its messages.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Details<'a> {
    #[serde(flatten)]
    entry: View<'a>,
    /// Identities that came in its messages and that it may not speak for.
    seen: Vec<Seen<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Seen<'a> {
    identity: &'a str,
    messages: u64,
    first: String,
    last: String,
}

impl<'a> View<'a> {
    pub(super) fn of(device: &'a Device) -> Self {
        Self {
            cn: device.id.as_str(),
            kind: device.kind.as_str(),
            status: device.status.as_str(),
            speaks_for: device.speaks_for.iter().map(ToString::to_string).collect(),
            acknowledge: device.acknowledge.as_str(),
            note: &device.note,
        }
    }

    pub(super) fn line(&self) -> String {
        let (cn, note) = (printable(self.cn), printable(self.note));
        let speaks_for = printable(&self.speaks_for.join(" "));
        let line = format!("{cn:<24}  {:<7}  {:<9}  {speaks_for}  {note}", self.kind, self.status);
        line.trim_end().to_owned()
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let speaks_for = match self.speaks_for.as_slice() {
            [] => "itself only".to_owned(),
            patterns => format!("itself and {}", patterns.join(" ")),
        };
        vec![
            ("common name", self.cn.to_owned()),
            ("kind", self.kind.to_owned()),
            ("status", self.status.to_owned()),
            ("speaks for", speaks_for),
            ("acknowledge", self.acknowledge.to_owned()),
            ("note", self.note.to_owned()),
        ]
    }
}

impl<'a> Details<'a> {
    pub(super) fn of(device: &'a Device, known: &'a [SeenIdentity]) -> Self {
        let news = known.iter().filter(|identity| seen::is_news(device, identity));
        let seen = news.map(|known| Seen {
            identity: &known.identity,
            messages: known.messages,
            first: known.first.to_string(),
            last: known.last.to_string(),
        });
        Self { entry: View::of(device), seen: seen.collect() }
    }

    #[cfg(test)]
    pub(super) fn seen(&self) -> &[Seen<'a>] {
        &self.seen
    }

    pub(super) fn paragraph(&self) -> String {
        let seen = self.seen.iter().map(|Seen { identity, messages, first, last }| {
            ("seen", format!("{identity}, not allowed, in {messages} message(s) from {first} to {last}"))
        });
        paragraph(&self.entry.rows().into_iter().chain(seen).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_shows_everything_on_record() {
        let device = crate::store::fixtures::gateway("GW-1");
        let view = View::of(&device);
        assert_eq!(
            view.line(),
            "GW-1                      gateway  active     00A037* 0004A30000000001  ward 7"
        );
        let shown = |device: &Device| Details::of(device, &[]).paragraph();
        assert!(shown(&device).contains("speaks for   itself and 00A037* 0004A30000000001"));
        assert!(shown(&device).contains("acknowledge  as-asked"));
        let alone = Device { speaks_for: Vec::new(), ..device.clone() };
        assert!(shown(&alone).contains("speaks for   itself only"));
        assert_eq!(
            serde_json::to_string(&view).unwrap(),
            r#"{"cn":"GW-1","kind":"gateway","status":"active","speaks-for":["00A037*","0004A30000000001"],"acknowledge":"as-asked","note":"ward 7"}"#
        );
    }
}
