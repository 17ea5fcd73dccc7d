//! How the platform is reached: certificate, roots, and the status of its certificates (B14 to B19).

use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, oneshot};

use crate::config::{Config, MissingStaple, TlsVersion};
use crate::model::Clock;
use crate::revocation::{Engine, RevocationError};
use crate::tls::{ConnectError, Connector, ConnectorSettings, Staples, StatusCheck};

/// The client side of the gateway cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A certificate, a key or a root cannot be used.
    #[error(transparent)]
    Tls(#[from] ConnectError),
    /// A CRL cannot be used.
    #[error(transparent)]
    Revocation(#[from] RevocationError),
    /// The thread that loads them has not started, or has failed.
    #[error("the thread that loads the certificate of the gateway failed")]
    Thread(#[source] Option<std::io::Error>),
}

/// Loads the certificate, the key and the roots for the platform, if the configuration names one. The site's
/// settings for revocation apply to the platform's certificates as to those of devices.
///
/// # Errors
/// When one of them cannot be used.
pub fn connector(config: &Config, clock: &Clock) -> Result<Option<Connector>, SetupError> {
    let Some(gateway) = &config.gateway else { return Ok(None) };
    // The client asks no responder: what counts is stapled (B18).
    let engine = Engine::for_client(&config.revocation, clock.clone())?;
    let missing = match gateway.staples {
        MissingStaple::Require => Staples::Require,
        MissingStaple::Accept => Staples::Accept,
    };
    let settings = ConnectorSettings {
        credential: gateway.certificate.clone(),
        trust_anchors: gateway.trust_anchors.clone(),
        versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
        suite: None,
        status: Some(StatusCheck { engine, missing }),
    };
    Ok(Some(Connector::build(&settings, clock)?))
}

/// The connector that all connections share. A token locks after a few wrong PINs, and remembers a rejected
/// one only as long as its key is open; so a connector is loaded again only after a reload.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedConnector(Arc<Mutex<Option<Loaded>>>);

#[derive(Debug)]
struct Loaded {
    /// The configuration that it is of: a reload puts another one in its place.
    config: Arc<Config>,
    at: Instant,
    result: Result<Option<Connector>, Arc<SetupError>>,
}

impl Loaded {
    /// Whether what could not be loaded is tried again. A rejected PIN is not.
    fn is_due(&self, now: Instant) -> bool {
        let Err(error) = &self.result else { return false };
        let rejects_pin = matches!(&**error, SetupError::Tls(error) if error.rejects_pin());
        !rejects_pin && now.saturating_duration_since(self.at) >= RETRY
    }
}

impl SharedConnector {
    /// The connector of this configuration. One that could not be loaded is tried again after a while, for
    /// all connections together, and at once after a reload.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub(super) async fn of(
        &self,
        config: &Arc<Config>,
        clock: &Clock,
    ) -> Result<Option<Connector>, Arc<SetupError>> {
        let mut known = self.0.lock().await;
        let now = clock.instant();
        let is_current = |loaded: &&Loaded| Arc::ptr_eq(&loaded.config, config) && !loaded.is_due(now);
        if let Some(loaded) = known.as_ref().filter(is_current) {
            return loaded.result.clone();
        }
        // Before the new one: a token may have few sessions.
        *known = None;
        let result = load(Arc::clone(config), clock.clone()).await.map_err(Arc::new);
        *known = Some(Loaded { config: Arc::clone(config), at: clock.instant(), result: result.clone() });
        result
    }
}

/// Loads on a thread of its own: a key may be encrypted, or in a token that hangs.
async fn load(config: Arc<Config>, clock: Clock) -> Result<Option<Connector>, SetupError> {
    let (send, loaded) = oneshot::channel();
    let loading = move || {
        let _ = send.send(connector(&config, &clock));
    };
    Builder::new()
        .name("gateway-key".to_owned())
        .spawn(loading)
        .map_err(|error| SetupError::Thread(Some(error)))?;
    loaded.await.unwrap_or(Err(SetupError::Thread(None)))
}

/// When a connector that could not be loaded is tried again.
const RETRY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Overrides;

    fn config(revocation: &str) -> Arc<Config> {
        let text = format!(
            "[tls]\nclient-trust-anchors = [\"root.pem\"]\necc = {{ chain = \"c.pem\", key = \"k.pem\" }}\n\
             [gateway]\nplatform = \"platform.example:2575\"\n{revocation}"
        );
        Arc::new(Config::parse(&text, Path::new("/nowhere/gateway.toml"), &Overrides::default()).unwrap())
    }

    // A token locks after a few wrong PINs.
    #[tokio::test]
    async fn what_cannot_be_loaded_is_not_tried_again_by_each_connection() {
        let (shared, clock, first) = (SharedConnector::default(), Clock::system(), config(""));
        let refused = shared.of(&first, &clock).await.unwrap_err();
        let again = shared.clone().of(&first, &clock).await.unwrap_err();
        assert!(Arc::ptr_eq(&refused, &again));
        let reloaded = shared.of(&config(""), &clock).await.unwrap_err();
        assert!(!Arc::ptr_eq(&refused, &reloaded), "a reload tries again at once");
    }

    #[test]
    fn the_settings_of_the_site_apply_to_the_certificates_of_the_platform() {
        let config = config("[revocation]\ninstalled-crls = [\"site.crl\"]\n");
        let refused = connector(&config, &Clock::system());
        assert!(matches!(refused, Err(SetupError::Revocation(_))), "the CRL is read: {refused:?}");
    }
}
