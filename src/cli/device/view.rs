//! What the command line says of an entry of the directory.

use serde::Serialize;

use super::super::store::printable;
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

    fn paragraph(&self) -> String {
        let speaks_for = match self.speaks_for.as_slice() {
            [] => "itself only".to_owned(),
            patterns => format!("itself and {}", printable(&patterns.join(" "))),
        };
        format!(
            "common name  {}\nkind         {}\nstatus       {}\nspeaks for   {speaks_for}\nacknowledge  {}\nnote         {}",
            printable(self.cn),
            self.kind,
            self.status,
            self.acknowledge,
            printable(self.note)
        )
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
        let mut text = self.entry.paragraph();
        for Seen { identity, messages, first, last } in &self.seen {
            text.push_str(&format!(
                "\nseen         {}, not allowed, in {messages} message(s) from {first} to {last}",
                printable(identity)
            ));
        }
        text
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
        assert!(view.paragraph().contains("speaks for   itself and 00A037* 0004A30000000001"));
        assert!(view.paragraph().contains("acknowledge  as-asked"));
        let alone = Device { speaks_for: Vec::new(), ..device.clone() };
        assert!(View::of(&alone).paragraph().contains("speaks for   itself only"));
        assert_eq!(
            serde_json::to_string(&view).unwrap(),
            r#"{"cn":"GW-1","kind":"gateway","status":"active","speaks-for":["00A037*","0004A30000000001"],"acknowledge":"as-asked","note":"ward 7"}"#
        );
    }
}
