//! Rows of the audit trail in words: what happened, to which device, and why.

use serde_json::Value;

use super::element::{Html, Tone, address, counted, help_link};
use super::times::{Times, rounded};
use crate::store::AuditRow;
use jiff::SignedDuration;

/// A row of the trail in words.
#[derive(Debug, Clone)]
pub(super) struct Happening {
    /// What happened.
    pub(super) what: Html,
    /// The device, or who it was.
    pub(super) who: Html,
    /// Why, and what belongs to it.
    pub(super) why: Html,
}

/// The row in words.
#[must_use]
pub(super) fn in_words(row: &AuditRow, times: &Times) -> Happening {
    let details = serde_json::from_str(&row.details).unwrap_or(Value::Null);
    let facts = Facts { details: &details, times };
    let (tone, what, why) = facts
        .connection(&row.event)
        .or_else(|| facts.device(&row.event))
        .or_else(|| facts.message(&row.event))
        .unwrap_or_else(|| facts.other(&row.event));
    Happening { what: Html::tag(tone, &what), who: facts.who(), why }
}

struct Facts<'a> {
    details: &'a Value,
    times: &'a Times,
}

type Words = (Tone, String, Html);

impl Facts<'_> {
    fn text(&self, key: &str) -> &str {
        self.details.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn number(&self, key: &str) -> u64 {
        self.details.get(key).and_then(Value::as_u64).unwrap_or_default()
    }

    fn list(&self, key: &str) -> Vec<&str> {
        let list = self.details.get(key).and_then(Value::as_array);
        list.map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    }

    fn certificate(&self, key: &str) -> &str {
        self.details.get("certificate").and_then(|it| it.get(key)).and_then(Value::as_str).unwrap_or_default()
    }

    /// The device; without one the address or the person.
    fn who(&self) -> Html {
        let device = [self.text("device"), self.text("common-name"), self.certificate("common-name")];
        if let Some(device) = device.into_iter().find(|name| !name.is_empty()) {
            return super::element::device_link(device);
        }
        let other = [self.text("peer"), self.text("address"), self.text("actor")]
            .into_iter()
            .find(|text| !text.is_empty());
        Html::text(other.unwrap_or_default())
    }

    fn by(&self) -> Html {
        let actor = self.text("actor");
        if actor.is_empty() { Html::default() } else { Html::text(&format!("by {actor}")) }
    }

    fn connection(&self, event: &str) -> Option<Words> {
        let seconds =
            |key| rounded(SignedDuration::from_secs(i64::try_from(self.number(key)).unwrap_or(i64::MAX)));
        Some(match event {
            "connection-accepted" => {
                let serial = self.certificate("serial");
                let why = format!(
                    "from {}; certificate {serial} of {}",
                    self.text("peer"),
                    self.certificate("issuer")
                );
                (Tone::Good, "connected".to_owned(), why.into())
            }
            "connection-refused" => {
                let code = self.text("refusal");
                let from = Html::text(&format!("from {}", self.text("peer")));
                (Tone::Bad, "refused".to_owned(), Html::joined([help_link(code, code), from]))
            }
            "refusals-counted" => {
                let code = self.text("refusal");
                let count = self.number("count");
                let why =
                    Html::joined([help_link(code, code), Html::text(&counted(count, "further connection"))]);
                (Tone::Bad, "refused".to_owned(), why)
            }
            "session-ended" => (Tone::Quiet, "disconnected".to_owned(), self.text("why").into()),
            "sessions-counted" => {
                (Tone::Quiet, "short sessions".to_owned(), "several sessions without a message".into())
            }
            "feed-silent" => {
                let why = Html::joined([
                    Html::text(&format!("nothing for {}; last message", seconds("patience-seconds"))),
                    self.times.stated(self.text("last")),
                    help_link("device-silent", "what to do"),
                ]);
                (Tone::Watch, "silent".to_owned(), why)
            }
            "feed-resumed" => {
                (Tone::Good, "sends again".to_owned(), format!("after {}", seconds("pause-seconds")).into())
            }
            "feeds-behind-silent" => (Tone::Watch, "silent behind it".to_owned(), self.behind()),
            "feeds-behind-resumed" => (Tone::Good, "send again".to_owned(), self.behind()),
            "bytes-between-frames" => {
                (Tone::Quiet, "bytes between frames".to_owned(), counted(self.number("count"), "byte").into())
            }
            _ => return None,
        })
    }

    fn behind(&self) -> Html {
        let names = self.list("identities");
        let others = self.number("others");
        let more = if others > 0 { format!(" and {others} more") } else { String::new() };
        Html::text(&format!("{}{more}", names.join(", ")))
    }

    fn device(&self, event: &str) -> Option<Words> {
        let what = match event {
            "device-added" => "added",
            "device-changed" => "changed",
            "device-suspended" => "suspended",
            "device-resumed" => "resumed",
            "device-removed" => "removed",
            "device-merged" => "merged",
            "device-learning-started" => "learns identities",
            "device-learning-ended" => "learning ended",
            _ => return None,
        };
        let tone =
            if event == "device-suspended" || event == "device-removed" { Tone::Watch } else { Tone::Quiet };
        Some((tone, what.to_owned(), self.by()))
    }

    fn message(&self, event: &str) -> Option<Words> {
        let message = || {
            let id = self.text("message");
            Html::link(&format!("/messages/{id}"), "message")
        };
        Some(match event {
            "message-accepted" => (Tone::Good, "message".to_owned(), message()),
            "message-rejected" => {
                let code = self.text("code");
                (Tone::Bad, "rejected".to_owned(), Html::joined([help_link(code, code), message()]))
            }
            "identity-violation" => {
                let identity = Html::text(&format!("spoke for {}", self.text("identity")));
                (Tone::Bad, "not allowed".to_owned(), Html::joined([identity, message()]))
            }
            "rejections-not-stored" => {
                let why = format!("{}: too many in an hour", counted(self.number("messages"), "message"));
                (Tone::Watch, "not stored".to_owned(), why.into())
            }
            "message-reconsidered" => {
                (Tone::Good, "accepted later".to_owned(), Html::joined([message(), self.by()]))
            }
            "message-viewed" => {
                let form = Html::text(&format!("as {}", self.text("as")));
                let reason = self.text("reason");
                let reason =
                    if reason.is_empty() { Html::default() } else { Html::text(&format!("“{reason}”")) };
                (Tone::Quiet, "content read".to_owned(), Html::joined([message(), form, self.by(), reason]))
            }
            "content-refused" => {
                let what = Html::text(&format!("at {}", self.text("what")));
                (Tone::Watch, "content refused".to_owned(), Html::joined([what, self.by()]))
            }
            "messages-searched" => {
                let sought =
                    ["patient", "order", "text"].into_iter().filter(|key| !self.text(key).is_empty());
                let by = Html::text(&format!("by {}", sought.collect::<Vec<_>>().join(" and ")));
                let reason = Html::text(&format!("“{}”", self.text("reason")));
                (Tone::Quiet, "messages searched".to_owned(), Html::joined([by, self.by(), reason]))
            }
            "southbound-queued" | "southbound-sent" | "southbound-settled" => {
                let outcome = self.text("outcome");
                let what = if outcome.is_empty() { event.trim_start_matches("southbound-") } else { outcome };
                let tone = match outcome {
                    "acknowledged" => Tone::Good,
                    "expired" | "refused" => Tone::Bad,
                    "unconfirmed" => Tone::Watch,
                    _ => Tone::Quiet,
                };
                let id = self.text("message");
                let order = Html::link(&address("/orders", &[("id", id)]), "order");
                (tone, format!("order {what}"), Html::joined([order, self.by()]))
            }
            _ => return None,
        })
    }

    fn other(&self, event: &str) -> Words {
        let keys = || Html::text(&self.list("keys").join(", "));
        let tone = match event {
            "configuration-refused" | "audit-diverged" | "audit-rows-lost" | "copy-replaced" => Tone::Bad,
            "clock-unconfirmed" | "size-limit-reached" | "read-refused" | "enrolment-refused" => Tone::Watch,
            _ => Tone::Quiet,
        };
        let why = match event {
            "configuration-changed" | "configuration-refused" => keys(),
            "platform-started" => Html::text(&format!("version {}", self.text("version"))),
            "platform-stopped" => self.text("reason").into(),
            "audit-verified" => {
                let intact = self.details.get("intact").and_then(Value::as_bool).unwrap_or_default();
                let result = if intact { "every chain is whole" } else { "a chain is broken" };
                Html::joined([result.into(), self.by()])
            }
            "resources-read" => {
                let read = [self.text("client"), self.text("interaction"), self.text("type")];
                format!("{}, {}", read.join(" "), counted(self.number("count"), "resource")).into()
            }
            "read-refused" | "enrolment-refused" => {
                format!("{}: {}", self.text("peer"), self.text("reason")).into()
            }
            "authorization-decided" => {
                [self.text("person"), self.text("decision"), self.text("client")].join(" ").into()
            }
            "token-granted" => format!("{}: {}", self.text("client"), self.text("scopes")).into(),
            "token-revoked" => self.text("client").into(),
            "clients-changed" => {
                let named = [self.text("change"), self.text("organisation"), self.text("client")];
                Html::joined([Html::text(&named.join(" ")), self.by()])
            }
            "enrolment-requested" => {
                format!("{} {}: {}", self.text("role"), self.text("name"), self.text("subject")).into()
            }
            "enrolment-changed" => {
                let named = [self.text("change"), self.text("role"), self.text("name")];
                Html::joined([Html::text(&named.join(" ")), self.by()])
            }
            "audit-signed" => format!("up to row {}", self.number("number")).into(),
            _ => self.by(),
        };
        (tone, event.replace('-', " "), why)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::audit::Event;
    use crate::store::fixtures::TestStore;
    use crate::store::{AuditFilter, Page};

    #[tokio::test]
    async fn every_event_has_words_and_what_a_peer_wrote_is_text() {
        let place = TestStore::new();
        let store = place.open().await;
        store.audit(Event::StoreCopied { actor: "<b>root".to_owned() }).await.unwrap();
        let filter = AuditFilter { event: None, device: None, since: None, page: Page::Latest, limit: 1 };
        let row = store.audit_rows(&filter).await.unwrap().remove(0);
        let times = Times::new(Timestamp::UNIX_EPOCH, TimeZone::UTC);
        for event in Event::NAMES {
            let in_words = in_words(&AuditRow { event: event.to_owned(), ..row.clone() }, &times);
            assert!(!in_words.what.is_empty(), "{event}");
            assert!(!format!("{}{}{}", in_words.what, in_words.who, in_words.why).contains("<b>"), "{event}");
        }
    }
}
