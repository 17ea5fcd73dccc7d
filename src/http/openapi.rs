//! The description of every route (OpenAPI 3.1), made of the code that serves it. The program serves the file
//! of the documentation ([`super::api_file`]), which a test compares with this.

use axum::http::Method;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::problem::Problem;
use super::route::Route;
use super::routes::routes;
use super::{acts, api, session};

/// The description of the routes of this module and of `pages`, made of the code: what
/// `docs/reference/openapi.json` has to be.
pub fn describe_api(pages: Vec<Route>) -> Value {
    describe(&routes().into_iter().chain(pages).collect::<Vec<_>>())
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "pcd-platform",
        description = "The operator's side. People come in over the unix socket, with the roles of their account, \
            or with the session of a browser. Errors are problem details (RFC 9457) with a code that /help explains.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    nest(),
    tags((name = "read", description = "What is there"), (name = "act", description = "Changes; each says with \
        preview=true what it will do"), (name = "person", description = "Who asks, and how a person comes in"),
        (name = "health", description = "For probes"), (name = "page", description = "Pages for browsers"))
)]
struct Description;

/// The description of these routes. What a route needs comes from its [`Route`], the rest from its handler.
fn describe(routes: &[Route]) -> Value {
    let mut described = Description::openapi();
    described.merge(api::ApiDescription::openapi());
    described.merge(acts::ActDescription::openapi());
    described.merge(session::SessionDescription::openapi());
    let mut document = serde_json::to_value(described).unwrap_or_default();
    // The version of the program is not that of its description.
    put(&mut document, &["info", "version"], json!("1"));
    let mut paths: Map<String, Value> =
        document.get_mut("paths").and_then(Value::as_object_mut).map(std::mem::take).unwrap_or_default();
    for route in routes {
        let path = paths.entry(route.path().to_owned()).or_insert_with(|| json!({}));
        let method = route.method().as_str().to_ascii_lowercase();
        let Some(operations) = path.as_object_mut() else { continue };
        let operation = operations.entry(method).or_insert_with(|| simple(route));
        complete(operation, route);
    }
    put(&mut document, &["paths"], paths.into());
    put(&mut document, &["components", "schemas", "Problem"], problem_schema());
    document
}

/// The operation of a page or a probe.
fn simple(route: &Route) -> Value {
    let names = route.path().split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let parameter = |name: &str| {
        json!({
            "name": name.trim_start_matches('*'), "in": "path", "required": true, "schema": { "type": "string" },
        })
    };
    let parameters: Vec<Value> = names.map(parameter).collect();
    let tag = match (route.right(), *route.method() == Method::GET) {
        (None, _) => "health",
        (Some(_), true) => "page",
        (Some(_), false) => "act",
    };
    json!({ "tags": [tag], "parameters": parameters, "responses": { "200": { "description": "as the page says" } } })
}

/// Adds the right, and the problems that every route may answer with.
fn complete(operation: &mut Value, route: &Route) {
    let right = route.right();
    put(operation, &["x-role"], right.map_or(Value::Null, |right| right.least_role().code().into()));
    let problem = |what: &str| {
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        json!({ "description": what, "content": { "application/problem+json": { "schema": schema } } })
    };
    if right.is_some() {
        put(operation, &["responses", "401"], problem("no person with a role"));
        put(
            operation,
            &["responses", "403"],
            problem("a role that does not allow it, or no token of a page"),
        );
    }
    put(operation, &["responses", "default"], problem("what went wrong"));
}

/// Sets a member of nested objects, and makes the objects that are missing.
fn put(object: &mut Value, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *object = value;
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    if let Some(members) = object.as_object_mut() {
        put(members.entry(*first).or_insert(Value::Null), rest, value);
    }
}

/// The shape of [`Problem`], with its codes.
fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "Problem details (RFC 9457)",
        "required": ["type", "title", "status", "detail", "instance", "code", "request-id"],
        "properties": {
            "type": { "type": "string", "description": "the help page of the code" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "what happened, and what to do" },
            "instance": { "type": "string", "description": "the path and the id of the request" },
            "code": { "type": "string", "enum": Problem::CODES },
            "request-id": { "type": "string", "description": "under which the log has the request" },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described_with_the_role_that_it_needs() {
        let routes = routes();
        let document = describe(&routes);
        assert_eq!(document["openapi"], "3.1.0");
        for route in &routes {
            let method = route.method().as_str().to_ascii_lowercase();
            let operation = &document["paths"][route.path()][&method];
            assert!(operation["responses"]["default"].is_object(), "{} {}", method, route.path());
            let role = route.right().map(|right| right.least_role().code());
            assert_eq!(operation["x-role"].as_str(), role, "{}", route.path());
            // What programs use has words of its own.
            if route.path().starts_with("/api/") && route.path() != "/api/openapi.json" {
                assert!(operation["summary"].is_string(), "{} {}: no description", method, route.path());
            }
        }
        let described = document["paths"].as_object().unwrap().len();
        let paths: std::collections::BTreeSet<_> = routes.iter().map(Route::path).collect();
        assert_eq!(described, paths.len(), "a path is described that is not served");
    }
}
