//! `[revocation]` and `[stapling]`: the revocation status of the clients' certificates, and of the platform's
//! own.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::key::{Key, ReloadClass};
use super::quantity;

/// How the revocation status of certificates is found out (A9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Revocation {
    /// What to do with a certificate whose status is undetermined.
    pub when_undetermined: Undetermined,
    /// Where OCSP responses and CRLs that were fetched are stored.
    pub directory: PathBuf,
    /// CRL files, or folders of them, installed at setup (A9.1).
    pub installed_crls: Vec<PathBuf>,
    /// Certificates of the signers of indirect CRLs.
    pub crl_issuers: Vec<PathBuf>,
    /// Responders and CRLs that are configured for an issuer, in place of the URLs in certificates.
    pub responders: Vec<Responder>,
    /// Queried when the certificate names no responder, or none that answers (A9.2).
    pub fallback_responder: Option<String>,
    /// Whether requests carry a nonce.
    pub ocsp_nonce: Nonce,
    /// Tolerated difference between clocks.
    #[serde(with = "quantity::duration")]
    pub clock_skew: Duration,
    /// Maximum age of an OCSP response, whatever its nextUpdate.
    #[serde(with = "quantity::optional_duration")]
    pub ocsp_max_age: Option<Duration>,
    /// Lifetime of an OCSP response without nextUpdate.
    #[serde(with = "quantity::duration")]
    pub ocsp_default_lifetime: Duration,
    /// From the request to the last byte of an OCSP response or CRL.
    #[serde(with = "quantity::duration")]
    pub fetch_timeout: Duration,
    /// The same, for the TCP connection alone.
    #[serde(with = "quantity::duration")]
    pub connect_timeout: Duration,
    /// How long a handshake waits for all responses together.
    #[serde(with = "quantity::duration")]
    pub deadline: Duration,
    /// How many handshakes may wait for responses at once.
    pub max_waiting: usize,
    /// Bytes of the largest CRL.
    #[serde(with = "quantity::size")]
    pub max_crl: usize,
    /// Bytes of all OCSP responses and CRLs that are fetched or verified at once.
    #[serde(with = "quantity::size")]
    pub max_fetch_memory: usize,
    /// Fetched CRLs of issuers that are not known yet.
    pub max_unverified_crls: usize,
    /// Certificates in an OCSP response.
    pub max_response_certificates: usize,
    /// `host:port` of an HTTP proxy.
    pub proxy: Option<String>,
    /// `host` or `host:port` of the servers that may be queried; empty for all except loopback and link-local
    /// addresses.
    pub allowed_hosts: Vec<String>,
    /// Maximum time between two renewals of a response that is still valid.
    #[serde(with = "quantity::duration")]
    pub refresh_interval: Duration,
    /// How often the certificates of open sessions are checked again.
    #[serde(with = "quantity::duration")]
    pub check_interval: Duration,
    /// What happens to an open session when a certificate of its device expires.
    pub expired_sessions: ExpiredSessions,
}

impl Default for Revocation {
    fn default() -> Self {
        Self {
            when_undetermined: Undetermined::default(),
            directory: PathBuf::from("data/revocation"),
            installed_crls: Vec::new(),
            crl_issuers: Vec::new(),
            responders: Vec::new(),
            fallback_responder: None,
            ocsp_nonce: Nonce::default(),
            clock_skew: Duration::from_mins(5),
            ocsp_max_age: None,
            ocsp_default_lifetime: Duration::from_hours(1),
            fetch_timeout: Duration::from_secs(3),
            connect_timeout: Duration::from_secs(2),
            // Below the handshake timeout, so that the peer gets its alert.
            deadline: Duration::from_secs(7),
            max_waiting: 256,
            max_crl: 64 << 20,
            max_fetch_memory: 64 << 20,
            max_unverified_crls: 16,
            max_response_certificates: 8,
            proxy: None,
            allowed_hosts: Vec::new(),
            refresh_interval: Duration::from_hours(1),
            check_interval: Duration::from_mins(1),
            expired_sessions: ExpiredSessions::default(),
        }
    }
}

/// What is configured for one issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Responder {
    /// The file of the issuer's certificate.
    pub issuer: PathBuf,
    /// The URL of its OCSP responder.
    pub ocsp: Option<String>,
    /// The URL of its CRL.
    pub crl: Option<String>,
    /// Certificates that may sign its OCSP responses besides the issuer and its delegates.
    #[serde(default)]
    pub signers: Vec<PathBuf>,
}

/// Whether OCSP requests carry a nonce (RFC 9654).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nonce {
    /// No nonce: responders may answer from their cache, and GET can be used.
    #[default]
    Off,
    /// With a nonce; a response with another nonce is rejected, one without is accepted.
    Send,
    /// With a nonce; a response without it is rejected.
    Require,
}

/// What to do with a certificate whose revocation status is undetermined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undetermined {
    /// Refuse the connection.
    #[default]
    Refuse,
    /// Admit it.
    Accept,
}

/// What happens to an open session when a certificate of its device, or its root, expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpiredSessions {
    /// It ends at the next check.
    #[default]
    End,
    /// It goes on until the device disconnects. A new connection is refused.
    Finish,
}

/// What is stapled to the platform's own chains (A10). Responses are fetched and cached as [`Revocation`]
/// says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Stapling {
    /// How long a chain without staples waits for them before it is served.
    #[serde(with = "quantity::duration")]
    pub wait: Duration,
    /// What to do with a chain whose certificate promises a staple while there is none.
    pub must_staple: MustStaple,
}

impl Default for Stapling {
    fn default() -> Self {
        // One responder that does not answer, and another one after it.
        Self { wait: Duration::from_secs(5), must_staple: MustStaple::default() }
    }
}

/// What to do with a chain whose certificate promises a staple (RFC 7633) while there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MustStaple {
    /// Not served: clients get the other chain, if they can use it.
    #[default]
    Withhold,
    /// Served: clients that ask for no staple can connect.
    Serve,
}

// The engine reads its settings for each query. The folder is opened when the process starts.
pub(super) const KEYS: &[Key] = &[
    Key::new("revocation.when-undetermined", ReloadClass::NewSessions),
    Key::new("revocation.directory", ReloadClass::Restart),
    Key::new("revocation.installed-crls", ReloadClass::Applied),
    Key::new("revocation.crl-issuers", ReloadClass::Applied),
    Key::new("revocation.responders", ReloadClass::Applied),
    Key::new("revocation.fallback-responder", ReloadClass::Applied),
    Key::new("revocation.ocsp-nonce", ReloadClass::Applied),
    Key::new("revocation.clock-skew", ReloadClass::Applied).clock_tolerance(),
    Key::new("revocation.ocsp-max-age", ReloadClass::Applied).timeout(),
    Key::new("revocation.ocsp-default-lifetime", ReloadClass::Applied).timeout(),
    Key::new("revocation.fetch-timeout", ReloadClass::Applied).timeout(),
    Key::new("revocation.connect-timeout", ReloadClass::Applied).timeout(),
    Key::new("revocation.deadline", ReloadClass::Applied).timeout(),
    Key::new("revocation.max-waiting", ReloadClass::Applied).count(1..=100_000),
    Key::new("revocation.max-crl", ReloadClass::Applied).bytes(1 << 10..=1 << 30),
    Key::new("revocation.max-fetch-memory", ReloadClass::Restart).bytes(8 << 20..=4 << 30),
    Key::new("revocation.max-unverified-crls", ReloadClass::Restart).count(1..=1000),
    Key::new("revocation.max-response-certificates", ReloadClass::Applied).count(1..=64),
    Key::new("revocation.proxy", ReloadClass::Applied),
    Key::new("revocation.allowed-hosts", ReloadClass::Applied),
    Key::new("revocation.refresh-interval", ReloadClass::Applied).timeout(),
    Key::new("revocation.check-interval", ReloadClass::Applied).timeout(),
    Key::new("revocation.expired-sessions", ReloadClass::Applied),
    Key::new("stapling.wait", ReloadClass::Applied).timeout(),
    Key::new("stapling.must-staple", ReloadClass::NewSessions),
];
