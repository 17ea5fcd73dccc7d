//! The connections of the admin listener: a limited number, each for a limited time.
//!
//! Every process of the machine can connect. A client that sends nothing, or half a request, loses its
//! connection after a deadline, and so does one that does not read its response; when there are too many
//! connections, the oldest one gives way, unless it is being answered about the health of the platform: so a
//! probe gets through. [`Places`] says which ones count against which.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio_util::sync::CancellationToken;

use super::listener::{Bytes, Listener};
use super::person::Arrival;
use super::places::{Place, Places};
use crate::metrics::Metrics;
use crate::model::WriteDeadline;

/// Accepts connections and serves them until the caller drops the future. `is_person` says whether a
/// connection shows a person with a role before its first request.
pub(super) async fn serve(
    listener: Listener,
    router: Router,
    metrics: Metrics,
    max_connections: impl Fn() -> usize,
    is_person: impl Fn(&Arrival) -> bool + Clone + Send + Sync + 'static,
) {
    let (service, places) = (TowerToHyperService::new(router), Places::default());
    let ends_with_this_future = CancellationToken::new();
    let _guard = ends_with_this_future.clone().drop_guard();
    loop {
        let accepted = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Without a free descriptor the next attempt fails as well.
                tracing::debug!(kind = ?error.kind(), "admin listener could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let max = max_connections();
        // An account with a role takes no place of strangers, not even for a moment: others of the socket's
        // group could push it out with connections of their own.
        let is_known = accepted.known().is_some_and(|arrival| is_person(&arrival));
        let Some(place) = places.admit(max, is_known, &ends_with_this_future) else {
            metrics.housekeeping.admin_refusals_total.with_label_values(&["connections"]).inc();
            continue;
        };
        let (service, metrics, is_person) = (service.clone(), metrics.clone(), is_person.clone());
        tokio::spawn(async move {
            let serving = async {
                if let Some((stream, arrival)) = accepted.open(&metrics).await {
                    place.set_person(is_person(&arrival), max);
                    serve_connection(stream, arrival, &place, service).await;
                }
            };
            tokio::select! {
                () = place.lost() => {}
                () = serving => {}
            }
            place.leave();
        });
    }
}

async fn serve_connection(
    stream: Box<dyn Bytes>,
    arrival: Arrival,
    place: &Place,
    router: TowerToHyperService<Router>,
) {
    let service = service_fn(|request| answer(request, arrival.clone(), router.clone(), place.clone()));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(WriteDeadline::new(stream, WRITE_TIMEOUT)), service);
    tokio::pin!(serving);
    tokio::select! {
        _ = &mut serving => return,
        () = tokio::time::sleep(MAX_AGE) => serving.as_mut().graceful_shutdown(),
    }
    if place.is_person() {
        // A command may wait for a device, or copy the store.
        let _ = serving.await;
        return;
    }
    // A client that does not read its response is not awaited for longer.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, serving).await;
}

async fn answer(
    mut request: Request<Incoming>,
    arrival: Arrival,
    router: TowerToHyperService<Router>,
    place: Place,
) -> Result<Response, Infallible> {
    request.extensions_mut().insert(arrival);
    request.extensions_mut().insert(place.clone());
    place.set_urgent(URGENT.contains(&request.uri().path()));
    let response = router.call(request).await;
    place.set_urgent(false);
    response
}

/// How long a client may take for the head of a request, and how long a connection may be idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take no byte of its response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// What is answered before anything else.
const URGENT: [&str; 5] = ["/livez", "/readyz", "/metrics", "/reload", "/api/command"];
/// A connection that is older than this closes after its request.
const MAX_AGE: Duration = Duration::from_mins(5);
/// How long that request may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
