//! How clients find what is offered. Each document says only what is on.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::paths::{AUTHORIZATION, REGISTRATION, REVOCATION, TOKEN};
use super::respond::{json as answer, not_found};
use crate::api::state::ApiState;
use crate::clients::Scopes;
use crate::model::Fingerprint;

/// A JSON object that grows with what is on.
#[derive(Serialize)]
struct Document(Map<String, Value>);

impl Document {
    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    fn with_if(self, is_on: bool, name: &str, value: impl Into<Value>) -> Self {
        if is_on { self.with(name, value) } else { self }
    }
}

/// The metadata of the authorization server (RFC 8414, RFC 8705 section 3.3).
pub(super) fn metadata(state: &ApiState) -> Response<Body> {
    let config = state.config.load();
    let base = config.api.base_url.as_str();
    let asks = config.api.has_users();
    let document = common(base, asks)
        .with_if(asks, "code_challenge_methods_supported", json!(["S256"]))
        .with("issuer", base)
        .with_if(config.api.registration.enabled, "registration_endpoint", format!("{base}{REGISTRATION}"))
        .with("revocation_endpoint_auth_methods_supported", json!(METHODS))
        .with("revocation_endpoint_auth_signing_alg_values_supported", json!(ALGORITHMS))
        .with("tls_client_certificate_bound_access_tokens", config.api.bind_tokens);
    answer(StatusCode::OK, &document)
}

/// The same for SMART clients (SMART App Launch 2.2, "Conformance").
pub(super) fn smart_configuration(state: &ApiState) -> Response<Body> {
    let config = state.config.load();
    let asks = config.api.has_users();
    let capabilities =
        if asks { json!(["launch-standalone", "permission-v2"]) } else { json!(["permission-v2"]) };
    let document = common(&config.api.base_url, asks)
        .with("capabilities", capabilities)
        // The guide requires the member of every server.
        .with("code_challenge_methods_supported", json!(["S256"]));
    answer(StatusCode::OK, &document)
}

/// The metadata that the certificate of `[api.udap]` signs (HL7 FAST security guide, "Discovery"). Without
/// one there are none, nor for a community that is not one of the platform's (parameter `community`).
pub(super) fn udap(state: &ApiState, query: &str) -> Response<Body> {
    let config = state.config.load_full();
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("community="));
    let is_known = |name: &str| config.api.communities.iter().any(|own| own.name == name);
    let Some(signer) = state.acceptor.udap_signer().filter(|_| asked.is_none_or(is_known)) else {
        return not_found();
    };
    let base = config.api.base_url.as_str();
    let is_open = config.api.registration.enabled;
    let asks = config.api.has_users();
    let endpoints = Document(Map::new())
        .with("token_endpoint", format!("{base}{TOKEN}"))
        .with_if(asks, "authorization_endpoint", format!("{base}{AUTHORIZATION}"))
        .with_if(is_open, "registration_endpoint", format!("{base}{REGISTRATION}"));
    let chain = signer.chain_in_base64();
    let about = format!("{} {}", Value::Object(endpoints.0.clone()), json!(chain));
    let now = state.clock.now().as_second();
    // Each stranger may ask: what was signed lately is served to all.
    let signed = state.signed_metadata.get_or_sign((about, now), || {
        let issuer = format!("{base}/fhir");
        let claims = Document(endpoints.0.clone())
            .with("iss", issuer.as_str())
            .with("sub", issuer.as_str())
            .with("iat", now)
            .with("exp", now + SIGNED_SECONDS)
            .with("jti", Fingerprint::sha256(format!("{issuer} {now}").as_bytes()).to_string());
        let header = json!({ "alg": "RS256", "typ": "JWT", "x5c": chain });
        let part = |value: String| URL_SAFE_NO_PAD.encode(value);
        let signed = format!("{}.{}", part(header.to_string()), part(Value::Object(claims.0).to_string()));
        let signature = signer.sign_rs256(signed.as_bytes())?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    });
    let Some(signed) = signed else { return not_found() };
    answer(StatusCode::OK, &described(endpoints, is_open, asks).with("signed_metadata", signed))
}

/// What UDAP clients find besides the endpoints.
fn described(endpoints: Document, is_open: bool, asks: bool) -> Document {
    let profiles: Vec<_> = PROFILES.into_iter().take(if is_open { 3 } else { 2 }).collect();
    endpoints
        .with("udap_versions_supported", json!(["1"]))
        .with("udap_profiles_supported", json!(profiles))
        .with("udap_authorization_extensions_supported", json!(["hl7-b2b"]))
        .with("udap_authorization_extensions_required", json!([]))
        .with("udap_certifications_supported", json!([]))
        .with("udap_certifications_required", json!([]))
        .with("grant_types_supported", json!(grants(asks)))
        .with("scopes_supported", json!(Scopes::NAMES))
        .with("token_endpoint_auth_methods_supported", json!(["private_key_jwt"]))
        .with("token_endpoint_auth_signing_alg_values_supported", json!(ALGORITHMS))
        .with_if(is_open, "registration_endpoint_jwt_signing_alg_values_supported", json!(ALGORITHMS))
}

/// What a client may show for a token. `asks`: whether people are asked.
fn grants(asks: bool) -> &'static [&'static str] {
    if asks { &["client_credentials", "authorization_code"] } else { &["client_credentials"] }
}

fn common(base: &str, asks: bool) -> Document {
    Document(Map::new())
        .with_if(asks, "authorization_endpoint", format!("{base}{AUTHORIZATION}"))
        .with_if(asks, "response_modes_supported", json!(["query"]))
        // RFC 9207 section 3.
        .with_if(asks, "authorization_response_iss_parameter_supported", true)
        .with("token_endpoint", format!("{base}{TOKEN}"))
        .with("revocation_endpoint", format!("{base}{REVOCATION}"))
        .with("grant_types_supported", json!(grants(asks)))
        .with("response_types_supported", if asks { json!(["code"]) } else { json!([]) })
        .with("token_endpoint_auth_methods_supported", json!(METHODS))
        .with("token_endpoint_auth_signing_alg_values_supported", json!(ALGORITHMS))
        .with("scopes_supported", json!(Scopes::NAMES))
}

/// The profiles of UDAP; the last one is registration.
const PROFILES: [&str; 3] = ["udap_authn", "udap_authz", "udap_dcr"];
/// How long signed metadata count.
const SIGNED_SECONDS: i64 = 24 * 60 * 60;
/// How clients prove who they are.
const METHODS: [&str; 4] =
    ["tls_client_auth", "private_key_jwt", "client_secret_basic", "client_secret_post"];
/// How assertions are signed.
const ALGORITHMS: [&str; 4] = ["RS256", "RS384", "ES256", "ES384"];
