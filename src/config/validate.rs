//! The rules for values that their types do not enforce. Paths are resolved in place.

use std::path::{Path, PathBuf};

#[cfg(feature = "pkcs11")]
use super::TokenUri;
use super::admin::{self, Admin, AdminSocket};
use super::api::{self, Api};
use super::enrol::{self, Enrol};
use super::{
    Audit, AuditRepository, Config, Credential, Gateway, KeyLocation, Messages, Notifications, Notify,
    Overrides, Problem, Revocation, Store, Tls, Values, keys, log_level, notify,
};
use crate::model::DeviceId;

/// Resolves the paths of `config` and returns every problem. `credentials` is where systemd puts credentials.
pub(super) fn validate(config: &mut Config, credentials: Option<&Path>) -> Vec<Problem> {
    let folder = config.file.parent().unwrap_or(Path::new("")).to_owned();
    let mut checker = Checker { folder, credentials, problems: Vec::new() };
    checker.limits(&config.values);
    checker.require(!config.interface_a.listen.is_empty(), "interface-a.listen", || {
        "name at least one address".to_owned()
    });
    let wide = config.interface_a.proxy_protocol.iter().find(|network| network.is_wider_than_private());
    if let Some(wide) = wide {
        let what = format!(
            "{wide} lets every peer in it choose the address for which it counts; name the balancers, or a network of at \
             most 10.0.0.0/8 or fc00::/7"
        );
        checker.problem("interface-a.proxy-protocol", what);
    }
    checker.tls(&mut config.tls);
    checker.revocation(&mut config.revocation);
    // The refusal needs time after the last query: the device receives an alert, not the end of a timeout.
    let (deadline, handshake) = (config.revocation.deadline, config.interface_a.handshake_timeout);
    checker.require(deadline < handshake, "revocation.deadline", || {
        format!("{deadline:?} is not shorter than interface-a.handshake-timeout, which is {handshake:?}")
    });
    checker.messages(&config.messages);
    checker.store(&mut config.store);
    checker.audit(&mut config.audit, &config.tls);
    checker.gateway(&mut config.gateway, &config.tls);
    checker.notify(&mut config.notify);
    checker.notifications(&mut config.notifications);
    if let Some(what) = log_level::problem(&config.log.level) {
        checker.problem("log.level", what);
    }
    if let Some(what) = config.fhir.problem() {
        checker.problem("fhir.assigners", what);
    }
    checker.api(&mut config.api);
    checker.enrol(&mut config.enrol, config.api.is_on());
    checker.admin(&mut config.admin);
    checker.problems
}

/// Sorts problems by the place of their keys in the file.
pub(super) fn sort(problems: &mut [Problem]) {
    let place = |problem: &Problem| {
        let first = problem.key.split(',').next().unwrap_or_default();
        keys::all().position(|key| key.name.starts_with(first)).unwrap_or(usize::MAX)
    };
    problems.sort_by_key(place);
}

/// The names of the keys of one identity.
struct CredentialKeys {
    key: &'static str,
    passphrase: &'static str,
}

impl Credential {
    /// This credential with its places resolved, for a command without a configuration: the key may be a
    /// `pkcs11:` URI, key and passphrase may be `credential:NAME`.
    ///
    /// # Errors
    /// The first problem.
    pub fn of_command_line(mut self, overrides: &Overrides) -> Result<Self, Problem> {
        let credentials = overrides.credentials_directory.as_deref();
        let mut checker = Checker { folder: PathBuf::new(), credentials, problems: Vec::new() };
        checker.credential(&mut self, &COMMAND_LINE);
        checker.problems.into_iter().next().map_or(Ok(self), Err)
    }
}

struct Checker<'a> {
    folder: PathBuf,
    credentials: Option<&'a Path>,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    /// The limits that stand beside the keys.
    fn limits(&mut self, values: &Values) {
        for key in keys::all() {
            if let Some(what) = values.get(key.name).and_then(|value| key.problem(value)) {
                self.problem(key.name, what);
            }
        }
    }

    fn tls(&mut self, tls: &mut Tls) {
        self.require(!tls.versions.is_empty(), "tls.versions", || "name \"1.2\", \"1.3\" or both".to_owned());
        self.require(!tls.client_trust_anchors.is_empty(), "tls.client-trust-anchors", || {
            "name the files of the ECC and the RSA root; without a root no device can connect".to_owned()
        });
        // A5 asks for both; a site whose devices are all of one kind can start with one, and `check` warns.
        self.require(tls.ecc.is_some() || tls.rsa.is_some(), "tls.ecc, tls.rsa", || {
            "at least one identity is needed: { chain = \"FILE\", key = \"FILE\" }".to_owned()
        });
        let (low, high) = tls.client_rsa_bits;
        self.require(2048 <= low && low <= high && high <= 8192, "tls.client-rsa-bits", || {
            format!("[{low}, {high}] is not a range within 2048 and 8192")
        });
        for name in &tls.key_usage_exceptions {
            self.require(name.parse::<DeviceId>().is_ok(), "tls.key-usage-exceptions", || {
                format!("\"{name}\" is not a Common Name of a device")
            });
        }
        self.resolve_all(&mut tls.client_trust_anchors);
        self.resolve_all(&mut tls.platform_trust_anchors);
        for (credential, keys) in [(&mut tls.ecc, &ECC), (&mut tls.rsa, &RSA)] {
            if let Some(credential) = credential {
                self.credential(credential, keys);
            }
        }
    }

    fn audit(&mut self, audit: &mut Audit, tls: &Tls) {
        self.resolve(&mut audit.state_directory);
        let Some(AuditRepository { trust_anchors, identity, site, position, .. }) = &mut audit.repository
        else {
            return;
        };
        self.require(!trust_anchors.is_empty(), "audit.repository.trust-anchors", || {
            "name the file of the root that the repository's certificate chains to".to_owned()
        });
        let plain =
            |site: &String| !site.is_empty() && site.trim() == site && !site.contains(char::is_control);
        self.require(site.as_ref().is_none_or(plain), "audit.repository.site", || {
            "the name of the site has no control characters, and no blanks at its ends".to_owned()
        });
        self.resolve_all(trust_anchors);
        self.resolve(position);
        if *identity == Credential::default() {
            // Without any, the problem is reported for [tls].
            if let Some(own) = tls.ecc.as_ref().or(tls.rsa.as_ref()) {
                identity.clone_from(own);
            }
        } else {
            self.credential(identity, &REPOSITORY);
        }
    }

    fn gateway(&mut self, gateway: &mut Option<Gateway>, tls: &Tls) {
        let Some(Gateway { certificate, trust_anchors, .. }) = gateway else { return };
        if trust_anchors.is_empty() {
            trust_anchors.clone_from(&tls.client_trust_anchors);
        } else {
            self.resolve_all(trust_anchors);
        }
        if *certificate == Credential::default() {
            // Without any, the problem is reported for [tls].
            if let Some(own) = tls.ecc.as_ref().or(tls.rsa.as_ref()) {
                certificate.clone_from(own);
            }
        } else {
            self.credential(certificate, &GATEWAY);
        }
    }

    fn credential(&mut self, credential: &mut Credential, keys: &CredentialKeys) {
        self.resolve(&mut credential.chain);
        if let Some(passphrase) = &mut credential.passphrase {
            self.private_file(passphrase, keys.passphrase);
        }
        #[cfg_attr(
            not(feature = "pkcs11"),
            allow(irrefutable_let_patterns, reason = "a token is a location with the feature only")
        )]
        let KeyLocation::File(file) = &mut credential.key else { return };
        let Some(uri) = file.to_str().and_then(|text| text.strip_prefix("pkcs11:")) else {
            self.private_file(file, keys.key);
            return;
        };
        self.require(credential.passphrase.is_none(), keys.passphrase, || {
            "a key in a token has no passphrase; its PIN is named by pin-source in the URI".to_owned()
        });
        if let Some(token) = self.token(uri, keys.key) {
            credential.key = token;
        }
    }

    /// Resolves a file, or `credential:NAME`: what systemd has put into its folder (A11).
    fn private_file(&mut self, file: &mut PathBuf, key: &'static str) {
        let Some(name) = file.to_str().and_then(|text| text.strip_prefix("credential:")) else {
            self.resolve(file);
            return;
        };
        self.require(!name.is_empty() && !name.contains('/') && !name.starts_with('.'), key, || {
            format!("\"{name}\" is not the name of a systemd credential")
        });
        self.require(self.credentials.is_some(), key, || {
            format!(
                "systemd has passed no credentials to this process; \
                 the unit needs LoadCredentialEncrypted={name} or LoadCredential={name}:FILE"
            )
        });
        *file = self.credentials.unwrap_or(Path::new("")).join(name);
    }

    #[cfg(feature = "pkcs11")]
    fn token(&mut self, uri: &str, key: &'static str) -> Option<KeyLocation> {
        let parsed = TokenUri::parse(uri, |file| {
            let mut pin = PathBuf::from(file);
            self.private_file(&mut pin, key);
            pin
        });
        match parsed {
            Ok(token) => Some(KeyLocation::Token(Box::new(token))),
            Err(error) => {
                self.problem(key, error.to_string());
                None
            }
        }
    }

    #[cfg(not(feature = "pkcs11"))]
    fn token(&mut self, _uri: &str, key: &'static str) -> Option<KeyLocation> {
        self.problem(key, "this build cannot use PKCS#11 tokens; build it with --features pkcs11".to_owned());
        None
    }

    fn revocation(&mut self, revocation: &mut Revocation) {
        let configured = revocation.responders.iter().flat_map(|responder| [&responder.ocsp, &responder.crl]);
        for url in configured.flatten() {
            self.http("revocation.responders", url);
        }
        if let Some(url) = &revocation.fallback_responder {
            self.http("revocation.fallback-responder", url);
        }
        if let Some(proxy) = &revocation.proxy {
            let is_address = proxy.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && !host.contains('@') && port.parse::<u16>().is_ok()
            });
            // What stands before the mark may be a password, which the platform does not send.
            let shown =
                proxy.rsplit_once('@').map_or_else(|| proxy.clone(), |(_, host)| format!("***@{host}"));
            self.require(is_address, "revocation.proxy", || format!("\"{shown}\" is not HOST:PORT"));
        }
        self.resolve(&mut revocation.directory);
        self.resolve_all(&mut revocation.installed_crls);
        self.resolve_all(&mut revocation.crl_issuers);
        for responder in &mut revocation.responders {
            self.resolve(&mut responder.issuer);
            self.resolve_all(&mut responder.signers);
        }
    }

    /// https would need a certificate whose revocation status would have to be queried.
    fn http(&mut self, key: &'static str, url: &str) {
        let shown = if url.contains(['@', '?']) { "a URL" } else { url };
        self.require(url.starts_with("http://"), key, || format!("\"{shown}\" does not start with http://"));
    }

    fn notifications(&mut self, notifications: &mut Notifications) {
        if let Some((key, what)) = notifications.problem() {
            self.problem(key, what);
        }
        for credential in &mut notifications.credentials {
            self.private_file(&mut credential.password_file, "notifications.credentials");
        }
        for bundle in &mut notifications.ca_bundles {
            self.resolve_all(&mut bundle.anchors);
        }
    }

    fn notify(&mut self, receivers: &mut [Notify]) {
        self.require(receivers.len() <= notify::MAX_RECEIVERS, "notify", || {
            format!(
                "there are {} receivers; at most {} are supported",
                receivers.len(),
                notify::MAX_RECEIVERS
            )
        });
        let mut names = std::collections::BTreeSet::new();
        for receiver in receivers {
            if let Some(what) = receiver.problem() {
                self.problem("notify", what);
            }
            let is_new = names.insert(receiver.name.clone());
            self.require(is_new, "notify", || format!("two receivers are called \"{}\"", receiver.name));
            if let Some(file) = &mut receiver.secret_file {
                self.private_file(file, "notify");
            }
            self.resolve_all(&mut receiver.trust_anchors);
        }
    }

    fn messages(&mut self, messages: &Messages) {
        self.require(!messages.processing_ids.is_empty(), "messages.processing-ids", || {
            "name at least one value of MSH-11, such as \"P\"".to_owned()
        });
        let sender =
            [("messages.application", &messages.application), ("messages.facility", &messages.facility)];
        for (key, value) in sender {
            // These are written into MSH-3 and MSH-4 as they are, between separators that the peer chose.
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
            self.require(value.chars().all(plain), key, || {
                format!("\"{value}\" may hold letters, digits, blanks, '-', '_' and '.'")
            });
        }
    }

    fn admin(&mut self, admin: &mut Admin) {
        for host in &admin.allowed_hosts {
            let is_host =
                !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || "/@*?".contains(c));
            self.require(is_host, "admin.allowed-hosts", || {
                format!("\"{host}\" is not a host such as ops.example or ops.example:8080")
            });
        }
        self.resolve_all(&mut admin.trust_anchors);
        if let Some(certificate) = &mut admin.certificate {
            self.credential(certificate, &ADMIN);
        }
        for (key, what) in admin::problems(admin) {
            self.problem(key, what);
        }
        if let AdminSocket::At(path) = &mut admin.socket {
            self.resolve(path);
        }
        if let Some(what) = admin.socket.problem() {
            self.problem("admin.socket", what);
        }
    }

    fn api(&mut self, api: &mut Api) {
        for community in &mut api.communities {
            self.resolve_all(&mut community.anchors);
        }
        if let Some(identity) = &mut api.identity {
            self.credential(identity, &API);
        }
        if let Some(identity) = &mut api.udap.identity {
            self.credential(identity, &UDAP);
        }
        for (key, what) in api::problems(api) {
            self.problem(key, what);
        }
    }

    fn enrol(&mut self, enrol: &mut Enrol, has_listener: bool) {
        for folder in enrol.client_authority.iter_mut().chain(&mut enrol.device_authority) {
            self.resolve(folder);
        }
        self.resolve_all(&mut enrol.authorities);
        for (key, what) in enrol::problems(enrol, has_listener) {
            self.problem(key, what);
        }
    }

    fn store(&mut self, store: &mut Store) {
        let covers = [store.retain_messages, store.retain_rejected()]
            .into_iter()
            .all(|age| store.retain_audit.covers(age));
        self.require(covers, "store.retain-audit", || {
            "the audit trail has to be retained at least as long as the messages that it accounts for"
                .to_owned()
        });
        self.require(store.retain_messages.covers(store.retain_large()), "store.retain-large", || {
            "large messages go with the other accepted ones at the latest: their age is at most that of \
             store.retain-messages"
                .to_owned()
        });
        if let Some(file) = &mut store.password_file {
            self.private_file(file, "store.password-file");
        }
        let url = &store.url;
        match (url.secret().strip_prefix("sqlite:"), &store.password_file) {
            (Some(path), None) if !path.is_empty() => {
                store.url = url.clone().within(&self.folder);
            }
            (Some(_), Some(_)) => {
                self.problem("store.password-file", "a store in a file has no password".to_owned());
            }
            (None, Some(file)) if url.is_postgres() => {
                store.url = url.clone().with_password_file(file.clone());
            }
            (None, None) if url.is_postgres() => {}
            _ => self.problem(
                "store.url",
                format!("\"{url}\" is neither sqlite:PATH nor postgres://USER@HOST/DATABASE"),
            ),
        }
        store.url =
            store.url.clone().with_accepted_risks(store.accepted_risks).with_schema(store.schema.clone());
    }

    fn resolve(&self, path: &mut PathBuf) {
        *path = self.folder.join(&*path);
    }

    fn resolve_all(&self, paths: &mut [PathBuf]) {
        paths.iter_mut().for_each(|path| self.resolve(path));
    }

    fn require(&mut self, holds: bool, key: &'static str, what: impl FnOnce() -> String) {
        if !holds {
            self.problem(key, what());
        }
    }

    fn problem(&mut self, key: &'static str, what: String) {
        self.problems.push(Problem { key, what });
    }
}

const ECC: CredentialKeys = CredentialKeys { key: "tls.ecc.key", passphrase: "tls.ecc.passphrase" };
const RSA: CredentialKeys = CredentialKeys { key: "tls.rsa.key", passphrase: "tls.rsa.passphrase" };
const COMMAND_LINE: CredentialKeys = CredentialKeys { key: "--key", passphrase: "--passphrase" };
const ADMIN: CredentialKeys =
    CredentialKeys { key: "admin.certificate.key", passphrase: "admin.certificate.passphrase" };
const API: CredentialKeys = CredentialKeys { key: "api.identity.key", passphrase: "api.identity.passphrase" };
const UDAP: CredentialKeys =
    CredentialKeys { key: "api.udap.identity.key", passphrase: "api.udap.identity.passphrase" };
const GATEWAY: CredentialKeys =
    CredentialKeys { key: "gateway.certificate.key", passphrase: "gateway.certificate.passphrase" };
const REPOSITORY: CredentialKeys = CredentialKeys {
    key: "audit.repository.identity.key",
    passphrase: "audit.repository.identity.passphrase",
};
