//! The queue of notifications: received, and acknowledged.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Query as Parameters;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::json;

use super::contract::{OPERATION_ID, json as json_response};
use super::identity::{Caller, only};
use super::problem::Problem;
use crate::clients::{ReceiptHandle, SubscriptionName};
use crate::render::notification_body;
use crate::store::{Delivery, Due, PartnerNotification};

/// The parameters of a request for notifications.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// How many at most.
    #[serde(default = "most")]
    max: u32,
    /// How long to wait for one, in seconds.
    #[serde(default)]
    wait: u64,
}

/// Acknowledges a notification (N003-1): again as once.
pub(super) async fn acknowledge(caller: &Caller<'_>, headers: &HeaderMap) -> Result<Response<Body>, Problem> {
    let handle = only(headers, "receiptHandle").and_then(|text| text.parse::<ReceiptHandle>().ok());
    let handle = handle.ok_or(Problem::ReceiptHandle)?;
    let event = caller.served("notification-acknowledged", 1);
    let store = &caller.state.partners.store;
    let found = store.acknowledge_notification(&caller.organisation, handle.hash(), event).await;
    let id = found.map_err(|error| Problem::of_store(&error))?.ok_or(Problem::ReceiptHandle)?.to_string();
    tracing::info!(
        client = caller.reader.client(),
        request = caller.request,
        operation = id,
        "a partner has acknowledged a notification"
    );
    caller.state.metrics.api.partners.count("acknowledged", 1);
    let mut response =
        json_response(StatusCode::OK, &json!({ "message": "Message was notified successfully" }));
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(OPERATION_ID, id);
    }
    Ok(response)
}

/// Gives out what waits (N003-6): each under a new handle, and again when it is not acknowledged in time.
pub(super) async fn receive(caller: &Caller<'_>, uri: &Uri) -> Result<Response<Body>, Problem> {
    let asked = asked(uri)?;
    let clock = &caller.state.clock;
    let until = clock.instant() + Duration::from_secs(asked.wait);
    // A request that waits takes no turn of others, and of those that wait there is a limit.
    let Some(_waiting) = caller.state.waiting.take(&caller.organisation.to_string()) else {
        caller.state.metrics.api.refuse("busy");
        return Err(Problem::Busy);
    };
    let queue = &caller.state.partners;
    let mut given = give(caller, asked.max).await?;
    loop {
        let is_over = clock.instant() + POLL_INTERVAL > until;
        if !given.is_empty() || is_over {
            let all: Vec<_> =
                given.iter().map(|(handle, notification)| notification_body(notification, handle)).collect();
            return Ok(json_response(StatusCode::OK, &json!({ "notifications": all })));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
        let may_have = queue.may_have_due(&caller.organisation, clock.instant()).await;
        if may_have.map_err(|error| Problem::of_store(&error))? {
            given = give(&caller.admit_again().await?, asked.max).await?;
        }
    }
}

async fn give(caller: &Caller<'_>, max: u32) -> Result<Vec<(String, PartnerNotification)>, Problem> {
    let Caller { state, reader, organisation, .. } = caller;
    let of_store = |error| Problem::of_store(&error);
    let store = &state.partners.store;
    let subscriptions = store.subscriptions().await.map_err(of_store)?;
    let pulled =
        subscriptions.into_iter().filter(|own| own.organisation == *organisation && own.webhook.is_none());
    let pulled: Vec<SubscriptionName> = pulled.map(|own| own.name).collect();
    let config = state.config.load_full();
    let due = Due {
        organisation,
        subscriptions: &pulled,
        devices: reader.devices(),
        max_deliveries: config.notifications.deliveries,
        is_new: false,
        limit: max,
    };
    let due = store.due_notifications(&due).await.map_err(of_store)?;
    let mut handles = Vec::new();
    let mut deliveries = Vec::new();
    for found in due {
        let (handle, receipt) = ReceiptHandle::generate().map_err(|_| Problem::Fault)?;
        handles.push((receipt, handle));
        deliveries.push(Delivery { id: found.id, known: found.receipt, receipt });
    }
    let visibility =
        SignedDuration::try_from(config.notifications.visibility).unwrap_or(SignedDuration::ZERO);
    let event = caller.served("notifications-received", u64::try_from(deliveries.len()).unwrap_or(u64::MAX));
    let begun = store.begin_deliveries(deliveries, visibility, Some(event)).await.map_err(of_store)?;
    state.metrics.api.partners.count("delivered", u64::try_from(begun.len()).unwrap_or_default());
    let mut given = Vec::new();
    for (receipt, handle) in handles {
        if let Some(notification) = begun.iter().find(|notification| notification.receipt == receipt) {
            given.push((handle, notification.clone()));
        }
    }
    Ok(given)
}

fn asked(uri: &Uri) -> Result<Asked, Problem> {
    let Parameters(asked) =
        Parameters::<Asked>::try_from_uri(uri).map_err(|_| Problem::Parameter(PARAMETERS))?;
    let is_within = (1..=MAX_NOTIFICATIONS).contains(&asked.max) && asked.wait <= MAX_WAIT_SECONDS;
    is_within.then_some(asked).ok_or(Problem::Parameter(PARAMETERS))
}

/// How long the request may wait for a notification.
pub(super) fn wait(uri: &Uri) -> Option<Duration> {
    asked(uri).ok().map(|asked| Duration::from_secs(asked.wait))
}

const fn most() -> u32 {
    MAX_NOTIFICATIONS
}

/// Notifications of one answer.
const MAX_NOTIFICATIONS: u32 = 10;
/// Seconds.
const MAX_WAIT_SECONDS: u64 = 20;
const PARAMETERS: &str = "the parameters are max, from 1 to 10, and wait, from 0 to 20 seconds";
/// How often is looked for a notification.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
