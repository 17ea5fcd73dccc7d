//! Finds out who makes a request, before anything is done for it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

use super::AdminState;
use super::person::{Arrival, Person};
use super::places::Place;
use super::session::{Session, Sessions, acts_for, lifetime, session_secret};
use super::standing::Standing;
use crate::tls::PeopleAcceptor;

/// What stands at the door.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) state: AdminState,
    pub(super) sessions: Sessions,
    pub(super) people: Arc<PeopleAcceptor>,
}

/// Adds the [`Person`] to the request, where there is one. Whatever a client put into headers says nothing,
/// but for the cookie of a session, and for the one header of a proxy that the configuration names.
pub(super) async fn admit(State(door): State<Door>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let person = door.person(&parts).await;
    if let Some(place) = parts.extensions.get::<Place>() {
        let is_proxy = || parts.extensions.get().is_some_and(|arrival| door.knows(arrival));
        place.set_person(person.is_some() || is_proxy(), door.state.config.load().admin.max_connections);
    }
    match person.clone() {
        Some(person) => {
            let standing = parts.extensions.get::<Arrival>().map(|arrival| {
                let (door, arrival, headers) = (door.clone(), arrival.clone(), parts.headers.clone());
                Standing::new(move || door.person_again(&arrival, &headers))
            });
            standing.map(|standing| parts.extensions.insert(standing));
            parts.extensions.insert(person);
        }
        None => drop(door.reason(&parts).map(|reason| parts.extensions.insert(NotAdmitted(reason)))),
    }
    parts.extensions.insert(door.sessions);
    let mut response = next.run(Request::from_parts(parts, body)).await;
    // The page of a problem names who reads it, as all others do.
    drop(person.map(|person| response.extensions_mut().insert(person)));
    response
}

/// Why a client that has proved who it is is not admitted: an extension of its requests.
#[derive(Debug, Clone)]
pub(super) struct NotAdmitted(pub(super) String);

/// What shows a person.
enum Shown {
    Person(Person),
    /// The account of the session still has to be that of the connection.
    Session(Session),
}

impl Door {
    /// Whether the connection by itself shows a person with a role, or a proxy.
    pub(super) fn knows(&self, arrival: &Arrival) -> bool {
        !self.is_refused(arrival) && Person::is_known(arrival, &self.state.config.load().admin)
    }

    fn reason(&self, request: &Parts) -> Option<String> {
        let arrival = request.extensions.get::<Arrival>()?;
        if let Arrival::Tls(_, Some(certificate)) = arrival
            && let Some(refusal) = self.people.refusal(certificate)
        {
            let (subject, code) = (certificate.subject(), refusal.code());
            return Some(format!("the certificate of {subject} is refused: {code} (/help/{code})"));
        }
        Person::unknown(arrival, &self.state.config.load().admin)
    }

    fn is_refused(&self, arrival: &Arrival) -> bool {
        matches!(arrival, Arrival::Tls(_, Some(certificate)) if self.people.refusal(certificate).is_some())
    }

    async fn person(&self, request: &Parts) -> Option<Person> {
        let arrival = request.extensions.get::<Arrival>()?;
        // What a page does by itself is no use of the session.
        let is_use = request.headers.get(ACCEPT).is_none_or(|accepted| accepted != "text/event-stream");
        let session = match self.shown(arrival, &request.headers, is_use)? {
            Shown::Person(person) => return Some(person),
            Shown::Session(session) => session,
        };
        if !is_of_the_account(arrival, &session).await {
            self.state.metrics.housekeeping.admin_refusals_total.with_label_values(&["other-account"]).inc();
            return None;
        }
        Person::of_session(&session, &self.state.config.load().admin)
    }

    /// The person of an earlier request on the same connection, as things are now.
    fn person_again(&self, arrival: &Arrival, headers: &HeaderMap) -> Option<Person> {
        match self.shown(arrival, headers, false)? {
            Shown::Person(person) => Some(person),
            // The other end of a connection goes on to be of the same account.
            Shown::Session(session) => Person::of_session(&session, &self.state.config.load().admin),
        }
    }

    fn shown(&self, arrival: &Arrival, headers: &HeaderMap, is_use: bool) -> Option<Shown> {
        if self.is_refused(arrival) {
            return None;
        }
        if let Some(person) = Person::arrived(arrival, headers, &self.state.config.load().admin) {
            return Some(Shown::Person(person));
        }
        let secret = session_secret(headers, arrival.is_secure())?;
        self.sessions.find(&secret, lifetime(&self.state), is_use).map(Shown::Session)
    }
}

/// Whether the connection belongs to the account of the session.
async fn is_of_the_account(arrival: &Arrival, session: &Session) -> bool {
    // Over the socket the kernel names the account, and a cookie proves nothing.
    arrival.ends().is_some() && acts_for(arrival, &session.user).await
}
