//! `/api/person`.

use serde::Serialize;

use crate::http::json::PlainJson;
use crate::http::person::{Person, Way};

/// Who asks, as the platform sees it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::http) struct PersonView {
    /// The name of the account, or of the person behind sudo.
    name: String,
    /// How the audit trail names the person.
    actor: String,
    /// The roles.
    roles: Vec<&'static str>,
    /// How the person came in: `socket`, `browser`, `break-glass`, `certificate` or `proxy`.
    way: &'static str,
    /// What a browser sends back with each change, in `X-CSRF-Token` or the field `csrf`.
    form_token: String,
}

/// The person who asks.
#[utoipa::path(get, path = "/api/person", tag = "person", responses((status = 200, body = PersonView)))]
pub(in crate::http) async fn person(person: Person) -> PlainJson<PersonView> {
    let way = match person.way() {
        Way::Socket => "socket",
        Way::Browser => "browser",
        Way::BreakGlass => "break-glass",
        Way::Certificate => "certificate",
        Way::Proxy => "proxy",
    };
    PlainJson(PersonView {
        name: person.name().to_owned(),
        actor: person.actor().to_owned(),
        roles: person.roles().iter().map(|role| role.code()).collect(),
        way,
        form_token: person.form_token().to_owned(),
    })
}
