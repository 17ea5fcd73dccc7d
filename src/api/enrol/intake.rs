//! What comes in: the body of a request, within its limits.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use zeroize::Zeroizing;

use crate::api::peer::Peer;
use crate::api::state::ApiState;
use crate::config::Config;
use crate::enrol::RefusedEnrolment;

/// # Errors
/// When the address has sent too many requests in this minute.
pub(super) fn check_rate(state: &ApiState, peer: &Peer, config: &Config) -> Result<(), RefusedEnrolment> {
    let (address, max) = (peer.address.ip(), config.enrol.requests_per_minute);
    if state.enrolment_rates.allows_address(address, max, state.clock.instant()) {
        Ok(())
    } else {
        Err(RefusedEnrolment::TooMany)
    }
}

/// The body; a larger one than the configuration allows is not read.
///
/// # Errors
/// When it is too large, or was cut.
pub(super) async fn read_body(
    headers: &HeaderMap,
    body: Incoming,
    max: usize,
) -> Result<Zeroizing<Vec<u8>>, RefusedEnrolment> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > max) {
        return Err(RefusedEnrolment::Body);
    }
    let read = Limited::new(body, max).collect().await.map_err(|_| RefusedEnrolment::Body)?;
    Ok(Zeroizing::new(read.to_bytes().to_vec()))
}
