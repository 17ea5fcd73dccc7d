//! A handler with its method, its path, and the right that it needs.

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};

use super::AdminState;
use super::admit::NotAdmitted;
use super::api_turns::{self, ApiTurns, Turn};
use super::person::Person;
use super::problem::Problem;
use crate::model::Right;

/// What is served at a path, and to whom.
///
/// Every handler of the operator's side is in a list of these: what needs a right is decided there, and not
/// in the handlers.
#[derive(Debug, Clone)]
pub struct Route {
    method: Method,
    path: &'static str,
    right: Option<Right>,
    turn: Option<Turn>,
    takes_parameters: bool,
    handler: MethodRouter<AdminState>,
}

impl Route {
    /// A GET for people with the right.
    pub fn get<H, T>(path: &'static str, right: Right, handler: H) -> Self
    where
        H: Handler<T, AdminState>,
        T: 'static,
    {
        Self::new(Method::GET, path, Some(right), get(handler))
    }

    /// A POST for people with the right.
    pub fn post<H, T>(path: &'static str, right: Right, handler: H) -> Self
    where
        H: Handler<T, AdminState>,
        T: 'static,
    {
        Self::new(Method::POST, path, Some(right), post(handler))
    }

    /// A GET for every client: it must show neither devices nor messages.
    pub fn open<H, T>(path: &'static str, handler: H) -> Self
    where
        H: Handler<T, AdminState>,
        T: 'static,
    {
        Self::new(Method::GET, path, None, get(handler))
    }

    /// Without a right it is answered at once, and whatever the query string: checks of other systems may
    /// have one.
    fn new(
        method: Method,
        path: &'static str,
        right: Option<Right>,
        handler: MethodRouter<AdminState>,
    ) -> Self {
        let turn = right.map(|_| Turn::Lists);
        Self { method, path, right, turn, takes_parameters: right.is_none(), handler }
    }

    /// The same route, whose handler reads the query string. Any other refuses one: a parameter that nothing
    /// reads would be ignored silently.
    #[must_use]
    pub fn with_parameters(self) -> Self {
        Self { takes_parameters: true, ..self }
    }

    /// The same route, which is answered whatever other requests are being answered.
    #[must_use]
    pub fn at_once(self) -> Self {
        Self { turn: None, ..self }
    }

    /// The same route, which reads what is in messages: what a sender made large delays no other request.
    #[must_use]
    pub fn of_content(self) -> Self {
        Self { turn: Some(Turn::Content), ..self }
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The path, with the names of its parameters.
    #[must_use]
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// The right that it needs; `None`: it is open.
    #[must_use]
    pub const fn right(&self) -> Option<Right> {
        self.right
    }

    /// Adds the route to `router`.
    pub(super) fn added_to(
        self,
        router: Router<AdminState>,
        state: &AdminState,
        turns: &ApiTurns,
    ) -> Router<AdminState> {
        let mut handler = self.handler;
        if let Some(turn) = self.turn {
            handler = handler.route_layer(from_fn_with_state(turns.of(turn), api_turns::wait));
        }
        // Outermost: a client without the right waits for nothing, and holds up no other.
        let entrance = Entrance {
            path: self.path,
            right: self.right,
            takes_parameters: self.takes_parameters,
            state: state.clone(),
        };
        router.route(self.path, handler.route_layer(from_fn_with_state(entrance, enter)))
    }
}

/// What stands before a handler.
#[derive(Debug, Clone)]
struct Entrance {
    path: &'static str,
    right: Option<Right>,
    takes_parameters: bool,
    state: AdminState,
}

async fn enter(State(entrance): State<Entrance>, request: Request, next: Next) -> Response {
    let Entrance { path, right, takes_parameters, state } = entrance;
    let has_parameters = request.uri().query().is_some_and(|query| !query.is_empty());
    let allowed = match (right, request.extensions().get::<Person>()) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(match request.extensions().get::<NotAdmitted>() {
            Some(NotAdmitted(reason)) => Problem::not_admitted().because(reason),
            None => Problem::not_admitted(),
        }),
        (Some(right), Some(person)) => match person.demand(right) {
            Err(problem) if right == Right::Content => {
                state.refused_looks.record(&state.store, person, path).await;
                Err(problem)
            }
            demanded => demanded,
        },
    };
    let mut response = match allowed {
        Ok(()) if has_parameters && !takes_parameters => Problem::bad_request(NO_PARAMETERS).into_response(),
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    response.extensions_mut().insert(RoutePath(path));
    response
}

/// The path of the route that answered, with the names of its parameters: an extension of the response.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoutePath(pub(super) &'static str);

/// The problem of a path without parameters. It does not repeat them: a number of a patient may be among
/// them.
const NO_PARAMETERS: &str =
    "this address takes no parameters; leave out the question mark and what follows it";
