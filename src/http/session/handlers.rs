//! The routes by which a browser comes in and leaves.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

use super::cookie;
use super::owner::acts_for;
use super::table::{Ended, Lifetime, Sessions};
use crate::audit::{Event, Logout};
use crate::http::AdminState;
use crate::http::json::PlainJson;
use crate::http::person::{Arrival, LocalUser, Person, Way};
use crate::http::problem::Problem;
use crate::tls::PeopleAcceptor;

/// A link for a browser.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::http) struct PageLink {
    /// The address to open; it counts once.
    url: String,
    /// How long it counts.
    valid_seconds: u64,
}

/// The query string of `/enter`.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct EnterQuery {
    /// The secret of the link.
    secret: String,
}

/// A link by which a browser of the same account comes in.
#[utoipa::path(post, path = "/api/page-links", tag = "person", responses((status = 200, body = PageLink)))]
pub(in crate::http) async fn link(
    person: Person,
    Extension(arrival): Extension<Arrival>,
    Extension(sessions): Extension<Sessions>,
    Extension(address): Extension<PageAddress>,
) -> Result<PlainJson<PageLink>, Problem> {
    if person.way() == Way::Proxy {
        return Err(Problem::conflict("the account of a proxy is no person, and gets no link"));
    }
    let Arrival::Socket(user) = arrival else {
        return Err(Problem::conflict("links are given out over the socket: run `pcd-platform page`"));
    };
    if !sessions.may_begin(&user) {
        let detail = "this account has begun many sessions within a minute: wait, or use one of them";
        return Err(Problem::conflict(detail));
    }
    let url = link_for(&sessions, &address.url(), user).ok_or_else(Problem::fault)?;
    Ok(PlainJson(PageLink { url, valid_seconds: 60 }))
}

/// Where browsers of this machine find the pages.
#[derive(Debug, Clone)]
pub(in crate::http) struct PageAddress {
    address: SocketAddr,
    people: Arc<PeopleAcceptor>,
}

impl PageAddress {
    /// The pages are at `address`, with TLS while `people` says so.
    pub(in crate::http) fn new(address: SocketAddr, people: &Arc<PeopleAcceptor>) -> Self {
        Self { address, people: Arc::clone(people) }
    }

    /// Such as `http://127.0.0.1:9575`.
    pub(in crate::http) fn url(&self) -> String {
        let scheme = if self.people.is_on() { "https" } else { "http" };
        let address = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => {
                SocketAddr::from((Ipv4Addr::LOCALHOST, self.address.port()))
            }
            IpAddr::V6(ip) if ip.is_unspecified() => {
                SocketAddr::from((Ipv6Addr::LOCALHOST, self.address.port()))
            }
            _ => self.address,
        };
        format!("{scheme}://{address}")
    }
}

/// The address of the pages, with a secret that begins a session of the account.
pub(in crate::http) fn link_for(sessions: &Sessions, address: &str, user: Arc<LocalUser>) -> Option<String> {
    Some(format!("{address}/enter?secret={}", sessions.issue(user)?.as_str()))
}

/// Begins the session of a link, for a person of its account who opens it. For others, and for programs that
/// only look at it, it goes on to count.
#[utoipa::path(get, path = "/enter", tag = "person", params(EnterQuery),
    responses((status = 303, description = "the session has begun")))]
pub(in crate::http) async fn enter(
    State(state): State<AdminState>,
    Extension(arrival): Extension<Arrival>,
    Extension(sessions): Extension<Sessions>,
    Query(EnterQuery { secret }): Query<EnterQuery>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let refused =
        |reason: &str| state.metrics.housekeeping.admin_refusals_total.with_label_values(&[reason]).inc();
    if method != Method::GET || is_prefetch(&headers) {
        return Err(Problem::link_preview());
    }
    let Some(user) = sessions.invited(&secret) else {
        refused("secret");
        return Err(Problem::link_ended());
    };
    if !acts_for(&arrival, &user).await {
        refused("other-account");
        return Err(Problem::link_of_another());
    }
    let Some((secret, session, displaced)) = sessions.begin(&secret) else {
        refused("secret");
        return Err(Problem::link_ended());
    };
    if let Some(displaced) = displaced {
        record_end(&state, displaced).await;
    }
    // Without its row there is no session.
    let actor = session.user.actor();
    if let Err(error) = state.store.audit(Event::PersonLoggedIn { actor }).await {
        sessions.end(secret.as_str());
        return Err(error.into());
    }
    let cookie = cookie::set(secret.as_str(), arrival.is_secure());
    Ok(see_other("/", cookie))
}

/// Whether a program fetches the address before a person opens it.
fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"].iter().any(|name| {
        let values = headers.get_all(*name).iter();
        values.filter_map(|value| value.to_str().ok()).any(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("prefetch") || value.contains("prerender") || value.contains("preview")
        })
    })
}

/// Ends the session of the browser.
#[utoipa::path(post, path = "/logout", tag = "person",
    responses((status = 303, description = "the session has ended")))]
pub(in crate::http) async fn logout(
    State(state): State<AdminState>,
    Extension(arrival): Extension<Arrival>,
    Extension(sessions): Extension<Sessions>,
    _person: Person,
    headers: HeaderMap,
) -> Response {
    let secret = cookie::session_secret(&headers, arrival.is_secure());
    if let Some(ended) = secret.and_then(|secret| sessions.end(&secret)) {
        record_end(&state, ended).await;
    }
    see_other("/help/not-admitted", cookie::clear(arrival.is_secure()))
}

/// Ends the sessions whose time is over.
pub(in crate::http) async fn log_off_idle(state: &AdminState, sessions: &Sessions) {
    for ended in sessions.expire(lifetime(state)) {
        record_end(state, ended).await;
    }
}

/// How long sessions last, as configured now.
pub(in crate::http) fn lifetime(state: &AdminState) -> Lifetime {
    let config = state.config.load();
    Lifetime { idle: config.admin.logoff, limit: config.admin.session_limit }
}

async fn record_end(state: &AdminState, ended: Ended) {
    let event = Event::PersonLoggedOut(Logout { actor: ended.user.actor(), why: ended.why.to_owned() });
    state.store.audit_or_defer(event).await;
}

/// The secret of the link is in no `Referer` of what follows.
fn see_other(path: &'static str, cookie: String) -> Response {
    let headers = [
        (header::LOCATION, path.to_owned()),
        (header::SET_COOKIE, cookie),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}
