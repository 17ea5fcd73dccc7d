//! One notification is posted.
//!
//! The receiver proves itself to a named CA bundle, and the platform authenticates itself by HTTP Basic (RFC
//! 7617).

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::error::WebhookError;
use super::target::resolve;
use crate::clients::Webhook;
use crate::config::{Notifications, WebhookUrl};
use crate::filesystem::NotPrivate;
use crate::model::Clock;
use crate::tls::{WebConnector, WebPost, WebPostError};

/// Posts a notification: its id, and the body.
pub(super) async fn post(
    webhook: &Webhook,
    settings: &Notifications,
    clock: &Clock,
    (id, body): (&str, String),
) -> Result<(), WebhookError> {
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
    let value = |text: &str| HeaderValue::try_from(text).map_err(|_| WebPostError::Protocol);
    let mut basic = value(&basic(webhook, settings)?)?;
    basic.set_sensitive(true);
    let headers = vec![(AUTHORIZATION, basic), (HeaderName::from_static("x-operation-id"), value(id)?)];
    let post = WebPost { url: &url, tls: Some(&connector), headers, body: body.into() };
    post.send(resolve(&url, &settings.allowed_hosts)).await
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
