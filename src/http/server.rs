//! The listeners of the operator's side, and what they serve.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::admit::{self, Door};
use super::api_turns::ApiTurns;
use super::listener::Listener;
use super::person::LocalUser;
use super::problem::Problem;
use super::request_id::ProblemPage;
use super::route::Route;
use super::routes::routes;
use super::session::{PageAddress, Sessions, link_for, log_off_idle};
use super::socket::{SocketError, SocketFile};
use super::state::AdminState;
use super::{connections, cross_site, hosts, meant_store, request_id};
use crate::model::{BindError, Clock, LateListener, steps_beside_tasks};
use crate::tls::PeopleAcceptor;

/// The bound listeners.
#[derive(Debug)]
pub struct AdminListener {
    tcp: LateListener,
    socket: Option<SocketFile>,
    health: Option<LateListener>,
    sessions: Sessions,
    people: Arc<PeopleAcceptor>,
}

impl AdminListener {
    /// Listens on `address`, with TLS while `people` says so; `may_wait`: or as soon as it is free.
    ///
    /// # Errors
    /// When the address is in use or not available, and may not be waited for.
    pub fn bind(
        address: SocketAddr,
        may_wait: bool,
        people: Arc<PeopleAcceptor>,
        clock: Clock,
    ) -> Result<Self, BindError> {
        let tcp = LateListener::bind(address, may_wait, bind)?;
        Ok(Self { tcp, socket: None, health: None, sessions: Sessions::new(clock), people })
    }

    /// Also listens on the unix socket at `path`, to which members of `group` may connect.
    ///
    /// # Errors
    /// When something else is there, or its folder can be changed by others.
    pub fn bind_socket(&mut self, path: &Path, group: Option<&str>) -> Result<(), SocketError> {
        self.socket = Some(SocketFile::bind(path, group)?);
        Ok(())
    }

    /// Also listens on `address`, for probes alone; `may_wait`: or as soon as it is free.
    ///
    /// # Errors
    /// When the address is in use or not available, and may not be waited for.
    pub fn bind_health(&mut self, address: SocketAddr, may_wait: bool) -> Result<(), BindError> {
        self.health = Some(LateListener::bind(address, may_wait, bind)?);
        Ok(())
    }

    /// The address for probes, if there is one.
    #[must_use]
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health.as_ref().map(LateListener::address)
    }

    /// Its address, with the port that was chosen for port 0.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.tcp.address()
    }

    /// The path of the unix socket, if there is one.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_ref().map(SocketFile::path)
    }

    /// A link by which a browser of this process's account comes in, once and within a minute; `None` when
    /// the machine has no randomness.
    #[must_use]
    pub fn page_link(&self) -> Option<String> {
        let address = PageAddress::new(self.address(), &self.people).url();
        link_for(&self.sessions, &address, Arc::new(LocalUser::own()))
    }

    /// Serves the routes of this module and `pages` until `done` is cancelled. Browsers get `problem_page` of
    /// what cannot be done.
    pub async fn serve(
        self,
        state: AdminState,
        (pages, problem_page): (Vec<Route>, ProblemPage),
        done: CancellationToken,
    ) {
        for reason in ["host", "web-page", "connections", "busy", "secret", "other-account", "tls"] {
            state.metrics.housekeeping.admin_refusals_total.with_label_values(&[reason]);
        }
        let address = PageAddress::new(self.address(), &self.people);
        let people = Arc::clone(&self.people);
        let door = Door { state: state.clone(), sessions: self.sessions.clone(), people };
        let router = router(door.clone(), address, pages, problem_page);
        let serve = |listener, router: &Router| {
            let (router, metrics, door) = (router.clone(), state.metrics.clone(), door.clone());
            let config = state.config.clone();
            let max_connections = move || config.load().admin.max_connections;
            connections::serve(listener, router, metrics, max_connections, move |arrival| door.knows(arrival))
        };
        let socket = async {
            match self.socket {
                Some(socket) => serve(Listener::Socket(socket), &router).await,
                None => std::future::pending().await,
            }
        };
        let tcp = async {
            serve(Listener::People(self.tcp.into_ready().await, self.people), &router).await;
        };
        let probes = health_router(&state);
        let health = async {
            match self.health {
                Some(health) => serve(Listener::Tcp(health.into_ready().await), &probes).await,
                None => std::future::pending().await,
            }
        };
        let log_off = async {
            loop {
                tokio::time::sleep(LOGOFF_INTERVAL).await;
                log_off_idle(&state, &self.sessions).await;
            }
        };
        tokio::select! {
            () = done.cancelled() => {}
            () = log_off => {}
            () = tcp => {}
            () = health => {}
            () = socket => {}
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = std::net::TcpListener::bind(address)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

/// What other machines may ask.
fn health_router(state: &AdminState) -> Router {
    let turns = ApiTurns::new(state.metrics.clone());
    let routes = routes().into_iter().filter(|route| HEALTH.contains(&route.path()));
    routes
        .fold(Router::new(), |router, route| route.added_to(router, state, &turns))
        .fallback(async || Problem::not_found("only health and metrics are served here"))
        .layer(from_fn_with_state(request_id::plain_page(), request_id::assign))
        .with_state(state.clone())
}

/// The router. What is checked first is added last.
fn router(door: Door, address: PageAddress, pages: Vec<Route>, problem_page: ProblemPage) -> Router {
    let state = &door.state.clone();
    let turns = ApiTurns::new(state.metrics.clone());
    routes()
        .into_iter()
        .chain(pages)
        .fold(Router::new(), |router, route| route.added_to(router, state, &turns))
        .fallback(async || Problem::not_found("nothing is served here; /help lists what every code means"))
        .layer(from_fn(beside_devices))
        .layer(from_fn_with_state(state.clone(), meant_store::require))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(state.clone(), cross_site::refuse))
        .layer(Extension(address))
        .layer(from_fn_with_state(door, admit::admit))
        .layer(from_fn_with_state(state.clone(), hosts::require))
        .layer(from_fn_with_state(problem_page, request_id::assign))
        .with_state(state.clone())
}

/// Pages and commands read whole messages: what a sender made large must not delay the devices while people
/// look at it.
async fn beside_devices(request: Request, next: Next) -> Response {
    steps_beside_tasks(next.run(request)).await
}

/// What is served to probes of other machines.
const HEALTH: [&str; 3] = ["/livez", "/readyz", "/metrics"];
/// How often sessions are ended whose time is over.
const LOGOFF_INTERVAL: Duration = Duration::from_secs(15);
/// Bytes of the body of a request.
const MAX_BODY: usize = 16 << 20;
