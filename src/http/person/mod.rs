//! Who makes a request, and what that person may do.

mod proof;
mod proxy;
mod roles;
mod way;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::problem::Problem;
use super::session::Session;
use super::token;
use crate::config::Admin;
use crate::model::{Right, Roles};
use proof::Proof;
pub use way::Way;
pub(super) use way::{Arrival, Ends, LocalUser};

/// A person, as far as the way proves it.
///
/// A handler whose [`Route`](super::Route) needs a right gets it as an argument.
#[derive(Debug, Clone)]
pub struct Person {
    name: String,
    actor: String,
    roles: Roles,
    way: Way,
    form_token: String,
}

impl Person {
    /// The person behind a request; `None` when nothing proves one, or the person has no role. A proxy is
    /// no person: it speaks for whom it names, in the one header of the configuration.
    pub(super) fn arrived(arrival: &Arrival, headers: &HeaderMap, config: &Admin) -> Option<Self> {
        let proof = Proof::of(arrival)?;
        let (proof, way) = if proxy::is_proxy(&proof, config) {
            (Proof::Named { person: proxy::named(headers, config)?, proxy: proof.name()? }, Way::Proxy)
        } else {
            let way = proof.way();
            (proof, way)
        };
        let roles = roles::of(&proof, &config.roles);
        if roles.is_empty() {
            return None;
        }
        let form_token = token::of_person(&proof.key()?);
        Some(Self { name: proof.name()?, actor: proof.actor()?, roles, way, form_token })
    }

    /// Whether the connection by itself shows a person with a role, or a proxy.
    pub(super) fn is_known(arrival: &Arrival, config: &Admin) -> bool {
        Proof::of(arrival).is_some_and(|proof| {
            proxy::is_proxy(&proof, config)
                || proof.name().is_some() && !roles::of(&proof, &config.roles).is_empty()
        })
    }

    /// Why a client that proves who it is is no person.
    pub(super) fn unknown(arrival: &Arrival, config: &Admin) -> Option<String> {
        let proof = Proof::of(arrival)?;
        let name = proof.actor().or_else(|| proof.name())?;
        Some(match &config.identity_header {
            Some(header) if proxy::is_proxy(&proof, config) => format!(
                "the proxy {name} has to name one person in {header}, and [admin.roles] has to give person:NAME a role"
            ),
            _ => format!("you are {name}, to whom [admin.roles] gives no role"),
        })
    }

    /// The person of a browser's session.
    pub(super) fn of_session(session: &Session, config: &Admin) -> Option<Self> {
        let user = &session.user;
        let roles = roles::of(&Proof::Account(user), &config.roles);
        let form_token = session.form_token.clone();
        let person = Self { name: user.name(), actor: user.actor(), roles, way: Way::Browser, form_token };
        (!roles.is_empty()).then_some(person)
    }

    /// The name: of the account, or of the person behind sudo.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name for the audit trail; it says as whom root was used.
    #[must_use]
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The roles.
    #[must_use]
    pub const fn roles(&self) -> Roles {
        self.roles
    }

    /// Whether one of the roles gives the right.
    #[must_use]
    pub fn may(&self, right: Right) -> bool {
        self.roles.grant(right)
    }

    /// How the person came in.
    #[must_use]
    pub const fn way(&self) -> Way {
        self.way
    }

    /// What every form of a page sends back as `csrf`, so that no other page can send it.
    #[must_use]
    pub fn form_token(&self) -> &str {
        &self.form_token
    }

    /// Demands a right beyond that of the route.
    ///
    /// # Errors
    /// 403, which names the role.
    pub fn demand(&self, right: Right) -> Result<(), Problem> {
        if self.may(right) { Ok(()) } else { Err(Problem::role_missing(right, &self.name, self.roles)) }
    }
}

impl<S: Sync> FromRequestParts<S> for Person {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::not_admitted)
    }
}

/// For routes that need no person.
impl<S: Sync> OptionalFromRequestParts<S> for Person {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}
