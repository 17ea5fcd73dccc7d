//! One notification is posted.
//!
//! The receiver proves itself to a named CA bundle, and the platform authenticates itself by HTTP Basic (RFC
//! 7617). The whole exchange has a deadline, the head of the response a limit; its body is not read, and
//! redirects are not followed.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::error::{DEADLINE, WebhookError};
use super::target::resolve;
use crate::clients::Webhook;
use crate::config::{Notifications, WebhookUrl};
use crate::filesystem::NotPrivate;
use crate::model::Clock;
use crate::tls::{WebConnector, send_request};

/// Posts a notification: its id, and the body.
pub(super) async fn post(
    webhook: &Webhook,
    settings: &Notifications,
    clock: &Clock,
    notification: (&str, String),
) -> Result<(), WebhookError> {
    let exchange = exchange(webhook, settings, clock, notification);
    let status = tokio::time::timeout(DEADLINE, exchange).await.map_err(|_| WebhookError::Timeout)??;
    if status.is_success() { Ok(()) } else { Err(WebhookError::Status(status.as_u16())) }
}

async fn exchange(
    webhook: &Webhook,
    settings: &Notifications,
    clock: &Clock,
    (id, body): (&str, String),
) -> Result<StatusCode, WebhookError> {
    let url: WebhookUrl = webhook.url.parse().map_err(|_| WebhookError::Url)?;
    if !url.is_tls() {
        return Err(WebhookError::Url);
    }
    let anchors = match &webhook.ca_bundle {
        None => &[][..],
        Some(name) => {
            let bundle = settings.ca_bundles.iter().find(|own| own.name == *name);
            bundle.ok_or(WebhookError::Bundle)?.anchors.as_slice()
        }
    };
    let connector = WebConnector::build(anchors, clock).map_err(|_| WebhookError::Bundle)?;
    let request = request(&url, &basic(webhook, settings)?, id, body)?;
    let addresses = resolve(&url, &settings.allowed_hosts).await?;
    let tcp = TcpStream::connect(addresses.as_slice()).await;
    let tcp = tcp.map_err(|error| WebhookError::Connect(error.kind()))?;
    let stream = connector.connect(url.host(), tcp).await.map_err(|_| WebhookError::Tls)?;
    send_request(stream, request).await.ok_or(WebhookError::Protocol)
}

fn request(
    url: &WebhookUrl,
    basic: &str,
    id: &str,
    body: String,
) -> Result<Request<Full<Bytes>>, WebhookError> {
    Request::builder()
        .method(Method::POST)
        .uri(url.path())
        .header(HOST, url.authority())
        .header(CONNECTION, "close")
        .header(CONTENT_TYPE, "application/json")
        .header(AUTHORIZATION, basic)
        .header(USER_AGENT, concat!("pcd-platform/", env!("CARGO_PKG_VERSION")))
        .header("x-operation-id", id)
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| WebhookError::Protocol)
}

/// The value of the header Authorization.
fn basic(webhook: &Webhook, settings: &Notifications) -> Result<Zeroizing<String>, WebhookError> {
    let known = settings.credentials.iter().find(|own| own.name == webhook.credential);
    let known = known.ok_or(WebhookError::NoCredential)?;
    let password = read_password(&known.password_file);
    let password = password.map_err(|error| WebhookError::Password(error.kind().to_string()))?;
    let pair = Zeroizing::new(format!("{}:{}", known.user, password.as_str()));
    Ok(Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes()))))
}

fn read_password(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    if let Some(problem) = NotPrivate::find(&file.metadata()?) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem.to_string()));
    }
    let mut password = Zeroizing::new(String::with_capacity(MAX_PASSWORD));
    file.take(MAX_PASSWORD as u64).read_to_string(&mut password)?;
    while password.ends_with(['\n', '\r']) {
        password.pop();
    }
    Ok(password)
}

/// Bytes of a password.
const MAX_PASSWORD: usize = 4096;
