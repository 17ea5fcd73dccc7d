//! Who reads a page, and what that person may see.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::http::{Person, Way};
use crate::model::Right;

/// Who reads a page. Pages that are open to every client have no such person.
#[derive(Debug, Clone, Default)]
pub(super) struct Visitor {
    /// The name, with the roles.
    pub(super) name: String,
    /// Whether the person may see the content of messages.
    pub(super) may_see_content: bool,
    /// Whether the person may change devices and orders.
    pub(super) may_operate: bool,
    /// Whether the person may reload.
    pub(super) may_administer: bool,
    /// Whether the person came in with a session that can be ended.
    pub(super) may_leave: bool,
    /// What a form sends back, so that no other site can send it.
    pub(super) token: String,
}

impl From<&Person> for Visitor {
    fn from(person: &Person) -> Self {
        Self {
            name: format!("{} ({})", person.name(), person.roles()),
            may_see_content: person.may(Right::Content),
            may_operate: person.may(Right::Operate),
            may_administer: person.may(Right::Administer),
            may_leave: person.way() == Way::Browser,
            token: person.form_token().to_owned(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Person>().map(Self::from).unwrap_or_default())
    }
}
