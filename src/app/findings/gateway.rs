//! Findings about the platform of a gateway.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::super::Platform;
use super::trust::platform_certificate;
use crate::config;
use crate::finding::facts::{
    ForwardQueueFull, ForwardRefused, ForwardStuck, PlatformUnreachable, ResultMissing,
};
use crate::finding::{Finding, Looked, Severity, Subject};
use crate::gateway::{Away, MissingResults, StuckForward, Uplinks};
use crate::model::DeviceId;
use crate::store::{REFUSED_SHOWN, RefusedForward, Store};
use crate::x509::CertificateFacts;

/// Whether the platform is reached, and whether there is room for what waits.
pub(super) fn look(platform: &Platform) -> Vec<Finding> {
    let config = platform.config.load();
    let Some(gateway) = &config.gateway else { return Vec::new() };
    let uplinks = platform.gateway.look(&platform.clock);
    let messages = uplinks.backlog.messages;
    let full = messages > 0 && messages >= (gateway.max_waiting as u64).saturating_mul(8) / 10;
    let full = full.then(|| {
        let (waiting, allowed) = (uplinks.backlog.messages, gateway.max_waiting as u64);
        Finding::new(Subject::Platform, ForwardQueueFull { waiting, allowed })
    });
    let missing = uplinks.missing.as_ref().map(missing);
    away(&uplinks).into_iter().chain(full).chain(missing).chain(stuck(&uplinks.stuck)).collect()
}

/// What the platform cannot take, though it takes others, by device. The oldest alarm is named, else the
/// oldest message.
fn stuck(stuck: &[StuckForward]) -> Vec<Finding> {
    let mut by_device: BTreeMap<&DeviceId, Vec<&StuckForward>> = BTreeMap::new();
    stuck.iter().for_each(|one| by_device.entry(&one.device).or_default().push(one));
    let found = |(device, stuck): (&DeviceId, Vec<&StuckForward>)| {
        let alarms = stuck.iter().filter(|one| one.is_alarm);
        let named = alarms.clone().next().or(stuck.first())?;
        let facts = ForwardStuck {
            message: named.id.to_string(),
            messages: stuck.len() as u64,
            alarms: alarms.count() as u64,
        };
        let severity = if named.is_alarm { Severity::Urgent } else { Severity::Attention };
        let since = stuck.iter().map(|one| one.since).min()?;
        Some(Finding::new(Subject::Device(device.to_string()), facts).with_severity(severity).since(since))
    };
    by_device.into_iter().filter_map(found).collect()
}

/// An outage, with its length and what waits for its end.
fn away(Uplinks { away, backlog, .. }: &Uplinks) -> Option<Finding> {
    let Away { since, lasted, why } = away.as_ref()?;
    let severity = match *lasted {
        short if short < RESTART => Severity::Info,
        long if long < LONG => Severity::Attention,
        _ => Severity::Urgent,
    };
    let facts =
        PlatformUnreachable { seconds: lasted.as_secs(), waiting: backlog.messages, error: why.clone() };
    Some(Finding::new(Subject::Platform, facts).with_severity(severity).since(*since))
}

/// Application acknowledgements that the platform leaves out.
fn missing(MissingResults { since, messages, last }: &MissingResults) -> Finding {
    let facts = ResultMissing { messages: *messages, last: last.to_string() };
    Finding::new(Subject::Platform, facts).since(*since)
}

/// What waits for a platform that the configuration does not name any more: nothing forwards it, and
/// retention removes nothing from the oldest of it on.
pub(super) async fn left_behind(
    store: &Store,
    gateway: Option<&config::Gateway>,
    now: Timestamp,
) -> Option<Finding> {
    if gateway.is_some() {
        return None;
    }
    // What is wrong with the store is a finding of its own.
    let backlog = store.forward_backlog().await.ok()?;
    let since = backlog.oldest.filter(|_| backlog.messages > 0)?.time();
    let facts = PlatformUnreachable {
        seconds: u64::try_from(now.duration_since(since).as_secs()).unwrap_or_default(),
        waiting: backlog.messages,
        error: "the configuration has no [gateway], so nothing forwards them and retention keeps them"
            .to_owned(),
    };
    Some(Finding::new(Subject::Platform, facts).with_severity(Severity::Urgent).since(since))
}

/// The end of the certificate that the gateway shows its platform.
pub fn gateway_certificate(facts: &CertificateFacts, now: Timestamp) -> Looked {
    platform_certificate(facts, now).map_err(|found| {
        // The platform's own certificate may have the same name.
        let subject = format!("{} ({}), of the gateway", facts.subject, facts.key.family());
        Finding { subject: Subject::Certificate(subject), ..found }
    })
}

/// What the platform has refused in the last day.
pub(super) async fn refused(store: &Store, now: Timestamp) -> Vec<Finding> {
    let since = now.saturating_sub(REFUSED_SHOWN).unwrap_or(now);
    let refused = store.refused_forwards(since, MAX_SHOWN).await.unwrap_or_default();
    let mut by_device: BTreeMap<DeviceId, Vec<RefusedForward>> = BTreeMap::new();
    for one in refused {
        by_device.entry(one.device.clone()).or_default().push(one);
    }
    by_device.into_iter().filter_map(|(device, refused)| refused_of(&device, &refused)).collect()
}

/// What was refused of a device, the latest first. The latest alarm is named, else the latest message: the
/// platform does not have it, and its device has an acknowledgement.
fn refused_of(device: &DeviceId, refused: &[RefusedForward]) -> Option<Finding> {
    let alarms = refused.iter().filter(|one| one.is_alarm);
    let named = alarms.clone().next().or(refused.first())?;
    let facts = ForwardRefused {
        message: named.id.to_string(),
        answer: named.code.clone(),
        reason: named.reason.clone(),
        messages: refused.len() as u64,
        alarms: alarms.count() as u64,
    };
    let severity = if named.is_alarm { Severity::Urgent } else { Severity::Attention };
    let since = refused.last().map_or(named.at, |first| first.at);
    Some(Finding::new(Subject::Device(device.to_string()), facts).with_severity(severity).since(since))
}

/// Shorter outages are those of a restart: nothing has to be done.
const RESTART: Duration = Duration::from_secs(10);
/// An outage that needs a person now.
const LONG: Duration = Duration::from_mins(5);
/// Refused messages that are looked at.
const MAX_SHOWN: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Code;
    use crate::store::fixtures::TestStore;
    use crate::store::{ForwardClass, ForwardOutcome, MessageRecord};

    #[tokio::test]
    async fn an_alarm_that_the_platform_refused_is_urgent_and_named_before_later_messages() {
        let place = TestStore::new();
        let store = place.open().await;
        let reasons = [
            ("DATA", None, "no-bed"),
            ("ALARM", Some("PCD-04"), "identity-mismatch"),
            ("LAST", None, "no-bed"),
        ];
        let mut ids = Vec::new();
        for (control_id, transaction, reason) in reasons {
            let record = MessageRecord {
                forward: Some(ForwardClass::Event),
                transaction: transaction.map(str::to_owned),
                ..place.record(control_id, b"MSH|^~\\&|A\r")
            };
            ids.push(record.id);
            let id = record.id;
            store.record(record).await.unwrap();
            let reason = Some(reason.to_owned());
            let outcome = ForwardOutcome { is_accepted: false, code: "CR".to_owned(), reason, answer: None };
            store.settle_forward(id, outcome).await.unwrap();
        }
        let found = refused(&store, place.clock.now()).await;
        let [finding] = &found[..] else { panic!("{found:?}") };
        assert_eq!(finding.severity, Severity::Urgent);
        let what = finding.what();
        assert!(what.contains(&ids[1].to_string()) && what.contains("identity-mismatch"), "{what}");
        assert!(what.contains("3 of its messages are refused, 1 of them ALARMS"), "{what}");
    }

    #[test]
    fn an_alarm_that_the_platform_cannot_take_is_urgent_and_named() {
        let clock = crate::model::Clock::system();
        let one = |device: &str, is_alarm| StuckForward {
            id: crate::model::MessageId::at(clock.now()),
            device: device.parse().unwrap(),
            is_alarm,
            since: clock.now(),
        };
        let all = [one("PUMP-1", false), one("PUMP-1", true), one("PUMP-2", false)];
        let found = stuck(&all);
        let severities = found.iter().map(|finding| finding.severity).collect::<Vec<_>>();
        assert_eq!(severities, [Severity::Urgent, Severity::Attention]);
        let what = found[0].what();
        assert!(
            what.contains(&all[1].id.to_string()) && what.contains("2 messages (1 of them ALARMS)"),
            "{what}"
        );
    }

    #[tokio::test]
    async fn what_waits_for_a_platform_that_is_not_configured_any_more_is_a_finding() {
        let place = TestStore::new();
        let store = place.open().await;
        let now = place.clock.now();
        assert_eq!(left_behind(&store, None, now).await, None);
        let record = place.record("1", b"MSH|^~\\&|A\r");
        store.record(MessageRecord { forward: Some(ForwardClass::Alarm), ..record }).await.unwrap();
        let found = left_behind(&store, None, now).await.unwrap();
        assert_eq!((found.code(), found.severity), (Code::PlatformUnreachable, Severity::Urgent));
        assert!(found.what().contains("no [gateway]"), "{}", found.what());
    }
}
