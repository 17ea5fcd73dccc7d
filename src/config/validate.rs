//! From the file as written to a configuration that can work.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(feature = "pkcs11")]
use super::TokenUri;
use super::{
    Audit, AuditRepository, Config, ConfigError, Credential, Devices, InterfaceA, KeyLocation, Log, Messages,
    Overrides, Problem, Responder, Retain, Retention, Revocation, SilentAfter, Stapling, Tls, Written, raw,
};
use crate::model::{NodeName, StoreUrl};

pub(super) fn validate(
    raw: raw::File,
    written: Written,
    file: &Path,
    overrides: &Overrides,
) -> Result<Config, ConfigError> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let credentials = overrides.credentials_directory.as_deref();
    let mut checker = Checker { folder, credentials, problems: Vec::new() };
    let (interface_a, tls) = (checker.interface_a(raw.interface_a), checker.tls(raw.tls));
    let config = Config {
        file: file.to_owned(),
        written,
        interface_a,
        revocation: checker.revocation(raw.revocation),
        stapling: checker.stapling(&raw.stapling),
        devices: checker.devices(&raw.devices),
        messages: checker.messages(raw.messages),
        retention: checker.retention(&raw.store),
        node: checker.node(overrides.node.as_ref().or(raw.store.node.as_ref())),
        store_url: checker.store_url(raw.store, overrides),
        audit: checker.audit(raw.audit, &tls),
        tls,
        admin_listen: raw.admin.listen,
        log: Log { format: raw.log.format, level: overrides.log_level.clone().unwrap_or(raw.log.level) },
    };
    checker.require(config.admin_listen.ip().is_loopback(), "admin.listen", || {
        format!(
            "{} is not a loopback address; the admin listener has no authentication yet",
            config.admin_listen
        )
    });
    if checker.problems.is_empty() {
        Ok(config)
    } else {
        Err(ConfigError::Invalid { file: file.to_owned(), problems: checker.problems })
    }
}

const LONGEST_RETENTION: Duration = Duration::from_hours(24 * 36_500);

/// How the keys of one identity are called.
struct CredentialKeys {
    key: &'static str,
    passphrase: &'static str,
}

const ECC: CredentialKeys = CredentialKeys { key: "tls.ecc.key", passphrase: "tls.ecc.passphrase" };
const RSA: CredentialKeys = CredentialKeys { key: "tls.rsa.key", passphrase: "tls.rsa.passphrase" };
const REPOSITORY: CredentialKeys = CredentialKeys {
    key: "audit.repository.identity.key",
    passphrase: "audit.repository.identity.passphrase",
};

struct Checker<'a> {
    folder: &'a Path,
    /// Where systemd puts credentials.
    credentials: Option<&'a Path>,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn interface_a(&mut self, raw: raw::InterfaceA) -> InterfaceA {
        self.require(!raw.listen.is_empty(), "interface-a.listen", || "name at least one address".to_owned());
        self.within(raw.max_connections, 1..=1_000_000, "interface-a.max-connections");
        self.within(raw.max_handshakes, 1..=100_000, "interface-a.max-handshakes");
        self.within(raw.in_flight, 1..=10_000, "interface-a.in-flight");
        // The smallest readable MSH fits 1 KiB; a quarter of a gigabyte per connection is nobody's message.
        self.within(raw.max_frame.0, 1 << 10..=256 << 20, "interface-a.max-frame");
        InterfaceA {
            listen: raw.listen,
            max_connections: raw.max_connections,
            max_handshakes: raw.max_handshakes,
            handshake_timeout: self.duration(raw.handshake_timeout.0, "interface-a.handshake-timeout"),
            idle_timeout: self.duration(raw.idle_timeout.0, "interface-a.idle-timeout"),
            frame_timeout: self.duration(raw.frame_timeout.0, "interface-a.frame-timeout"),
            max_frame: raw.max_frame.0,
            in_flight: raw.in_flight,
            drain_timeout: self.duration(raw.drain_timeout.0, "interface-a.drain-timeout"),
        }
    }

    fn tls(&mut self, raw: raw::Tls) -> Tls {
        self.require(!raw.versions.is_empty(), "tls.versions", || "name \"1.2\", \"1.3\" or both".to_owned());
        self.require(!raw.client_trust_anchors.is_empty(), "tls.client-trust-anchors", || {
            "name the files of the ECC and the RSA root; without one nobody can connect".to_owned()
        });
        // A5 asks for both; a site whose devices are all of one kind can start with one, and `check` says so.
        self.require(raw.ecc.is_some() || raw.rsa.is_some(), "tls.ecc, tls.rsa", || {
            "at least one identity is needed: { chain = \"FILE\", key = \"FILE\" }".to_owned()
        });
        self.within(raw.session_cache, 0..=1_000_000, "tls.session-cache");
        let [low, high] = raw.client_rsa_bits;
        self.require(2048 <= low && low <= high && high <= 8192, "tls.client-rsa-bits", || {
            format!("[{low}, {high}] is no range within 2048 and 8192")
        });
        Tls {
            versions: raw.versions,
            ecdhe_rsa: raw.ecdhe_rsa,
            client_trust_anchors: raw
                .client_trust_anchors
                .iter()
                .map(|path| self.folder.join(path))
                .collect(),
            ecc: raw.ecc.map(|credential| self.credential(&credential, &ECC)),
            rsa: raw.rsa.map(|credential| self.credential(&credential, &RSA)),
            client_rsa_bits: (low, high),
            session_cache: raw.session_cache,
        }
    }

    fn audit(&mut self, raw: raw::Audit, tls: &Tls) -> Audit {
        let repository = raw.repository.and_then(|raw| self.repository(raw, tls));
        Audit { sign_every: self.duration(raw.sign_every.0, "audit.sign-every"), repository }
    }

    /// `None` when something is missing, which has then been reported.
    fn repository(&mut self, raw: raw::AuditRepository, tls: &Tls) -> Option<AuditRepository> {
        self.require(!raw.trust_anchors.is_empty(), "audit.repository.trust-anchors", || {
            "name the file of the root that the repository's certificate chains to".to_owned()
        });
        let plain =
            |site: &String| !site.is_empty() && site.trim() == site && !site.contains(char::is_control);
        self.require(raw.site.as_ref().is_none_or(plain), "audit.repository.site", || {
            "the name of the site has no control characters, and no blanks at its ends".to_owned()
        });
        let own = raw.identity.map(|credential| self.credential(&credential, &REPOSITORY));
        let address = host_and_port(&raw.address);
        self.require(address.is_some(), "audit.repository.address", || {
            format!("\"{}\" is not HOST:PORT", raw.address)
        });
        let (host, port) = address?;
        Some(AuditRepository {
            host,
            port,
            trust_anchors: raw.trust_anchors.iter().map(|path| self.folder.join(path)).collect(),
            identity: own.or_else(|| tls.ecc.clone()).or_else(|| tls.rsa.clone())?,
            site: raw.site,
            messages: raw.messages,
            position: self.folder.join(&raw.position),
        })
    }

    fn credential(&mut self, raw: &raw::Credential, keys: &CredentialKeys) -> Credential {
        let passphrase = raw.passphrase.as_ref().map(|file| self.private_file(file, keys.passphrase));
        let key = match raw.key.strip_prefix("pkcs11:") {
            Some(uri) => {
                self.require(passphrase.is_none(), keys.passphrase, || {
                    "a key in a token has no passphrase; its PIN is named by pin-source in the URI".to_owned()
                });
                self.token(uri, keys.key)
            }
            None => self.private_file(&raw.key, keys.key).into(),
        };
        Credential { chain: self.folder.join(&raw.chain), key, passphrase }
    }

    /// A file, or what systemd has put where `credential:NAME` says (A11).
    fn private_file(&mut self, written: &str, key: &'static str) -> PathBuf {
        let Some(name) = written.strip_prefix("credential:") else { return self.folder.join(written) };
        self.require(!name.is_empty() && !name.contains('/') && !name.starts_with('.'), key, || {
            format!("\"{name}\" is no name of a systemd credential")
        });
        self.require(self.credentials.is_some(), key, || {
            format!(
                "systemd has passed no credentials to this process; \
                 the unit needs LoadCredentialEncrypted={name} or LoadCredential={name}:FILE"
            )
        });
        self.credentials.unwrap_or(Path::new("")).join(name)
    }

    #[cfg(feature = "pkcs11")]
    fn token(&mut self, uri: &str, key: &'static str) -> KeyLocation {
        match TokenUri::parse(uri, |file| self.private_file(file, key)) {
            Ok(token) => KeyLocation::Token(Box::new(token)),
            Err(error) => {
                self.problem(key, error.to_string());
                PathBuf::new().into()
            }
        }
    }

    #[cfg(not(feature = "pkcs11"))]
    fn token(&mut self, _uri: &str, key: &'static str) -> KeyLocation {
        self.problem(key, "this build cannot use PKCS#11 tokens; build it with --features pkcs11".to_owned());
        PathBuf::new().into()
    }

    fn revocation(&mut self, raw: raw::Revocation) -> Revocation {
        let paths = |paths: &[PathBuf]| paths.iter().map(|path| self.folder.join(path)).collect::<Vec<_>>();
        let installed_crls = paths(&raw.installed_crls);
        let crl_issuers = paths(&raw.crl_issuers);
        let responders: Vec<_> = raw
            .responders
            .iter()
            .map(|responder| Responder {
                issuer: self.folder.join(&responder.issuer),
                ocsp: responder.ocsp.clone(),
                crl: responder.crl.clone(),
                signers: paths(&responder.signers),
            })
            .collect();
        for url in responders.iter().flat_map(|responder| [&responder.ocsp, &responder.crl]).flatten() {
            self.http("revocation.responders", url);
        }
        if let Some(url) = &raw.fallback_responder {
            self.http("revocation.fallback-responder", url);
        }
        if let Some(proxy) = &raw.proxy {
            let named = proxy
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
            self.require(named, "revocation.proxy", || format!("\"{proxy}\" is not HOST:PORT"));
        }
        self.within(raw.max_waiting, 1..=100_000, "revocation.max-waiting");
        self.within(raw.max_crl.0, 1 << 10..=1 << 30, "revocation.max-crl");
        Revocation {
            when_undetermined: raw.when_undetermined,
            directory: self.folder.join(&raw.directory),
            installed_crls,
            crl_issuers,
            responders,
            fallback_responder: raw.fallback_responder,
            ocsp_nonce: raw.ocsp_nonce,
            clock_skew: raw.clock_skew.0,
            ocsp_max_age: raw.ocsp_max_age.map(|age| self.duration(age.0, "revocation.ocsp-max-age")),
            ocsp_default_lifetime: self
                .duration(raw.ocsp_default_lifetime.0, "revocation.ocsp-default-lifetime"),
            fetch_timeout: self.duration(raw.fetch_timeout.0, "revocation.fetch-timeout"),
            connect_timeout: self.duration(raw.connect_timeout.0, "revocation.connect-timeout"),
            deadline: self.duration(raw.deadline.0, "revocation.deadline"),
            max_waiting: raw.max_waiting,
            max_crl: raw.max_crl.0,
            proxy: raw.proxy,
            allowed_hosts: raw.allowed_hosts,
            refresh_interval: self.duration(raw.refresh_interval.0, "revocation.refresh-interval"),
            check_interval: self.duration(raw.check_interval.0, "revocation.check-interval"),
        }
    }

    fn stapling(&mut self, raw: &raw::Stapling) -> Stapling {
        Stapling { wait: self.duration(raw.wait.0, "stapling.wait"), must_staple: raw.must_staple }
    }

    /// https would need a certificate whose revocation would have to be asked for.
    fn http(&mut self, key: &'static str, url: &str) {
        self.require(url.starts_with("http://"), key, || format!("\"{url}\" does not start with http://"));
    }

    fn devices(&mut self, raw: &raw::Devices) -> Devices {
        self.within(raw.max_violations as usize, 1..=1_000_000, "devices.max-violations");
        Devices {
            unknown: raw.unknown,
            identity: raw.identity,
            missing_identity: raw.missing_identity,
            max_violations: raw.max_violations,
            silent_after: match raw.silent_after {
                SilentAfter::Fixed(after) => SilentAfter::Fixed(self.duration(after, "devices.silent-after")),
                by_rule => by_rule,
            },
        }
    }

    fn messages(&mut self, raw: raw::Messages) -> Messages {
        self.require(!raw.processing_ids.is_empty(), "messages.processing-ids", || {
            "name at least one value of MSH-11, such as \"P\"".to_owned()
        });
        for (key, value) in [("messages.application", &raw.application), ("messages.facility", &raw.facility)]
        {
            // These go into MSH-3 and MSH-4 as they are, between separators that the peer chose.
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
            self.require(value.chars().all(plain), key, || {
                format!("\"{value}\" may hold letters, digits, blanks, '-', '_' and '.'")
            });
        }
        Messages {
            types: raw.types,
            processing_ids: raw.processing_ids,
            conformance: raw.conformance,
            unreadable: raw.unreadable,
            application: raw.application,
            facility: raw.facility,
        }
    }

    fn store_url(&mut self, raw: raw::Store, overrides: &Overrides) -> StoreUrl {
        let url = overrides.store_url.clone().unwrap_or_else(|| StoreUrl::new(raw.url));
        let password_file = raw.password_file.map(|file| self.private_file(&file, "store.password-file"));
        match (url.secret().strip_prefix("sqlite:"), password_file) {
            (Some(path), None) if !path.is_empty() => {
                StoreUrl::new(format!("sqlite:{}", self.folder.join(path).display()))
            }
            (Some(_), Some(_)) => {
                self.problem("store.password-file", "a store in a file has no password".to_owned());
                url
            }
            (None, Some(file)) if url.is_postgres() => url.with_password_file(file),
            (None, None) if url.is_postgres() => url,
            _ => {
                self.problem(
                    "store.url",
                    format!("\"{url}\" is neither sqlite:PATH nor postgres://USER@HOST/DATABASE"),
                );
                url
            }
        }
    }

    fn retention(&mut self, raw: &raw::Store) -> Retention {
        let (messages, audit) = (raw.retain_messages, raw.retain_audit);
        for (retain, key) in [(messages, "store.retain-messages"), (audit, "store.retain-audit")] {
            if let Retain::For(time) = retain {
                self.require((Duration::from_secs(1)..=LONGEST_RETENTION).contains(&time), key, || {
                    format!("{time:?} is not between 1s and 36500d; or write \"forever\"")
                });
            }
        }
        let longer = match (messages, audit) {
            (_, Retain::Forever) => true,
            (Retain::Forever, Retain::For(_)) => false,
            (Retain::For(messages), Retain::For(audit)) => audit >= messages,
        };
        self.require(longer, "store.retain-audit", || {
            "the audit trail has to be kept at least as long as the messages that it accounts for".to_owned()
        });
        Retention { messages, audit }
    }

    fn node(&mut self, name: Option<&String>) -> NodeName {
        name.and_then(|name| match name.parse() {
            Ok(name) => Some(name),
            Err(error) => {
                self.problem("store.node", format!("\"{name}\": {error}"));
                None
            }
        })
        .unwrap_or_else(NodeName::from_hostname)
    }

    fn duration(&mut self, value: Duration, key: &'static str) -> Duration {
        self.require(
            (Duration::from_millis(10)..=Duration::from_hours(24 * 366)).contains(&value),
            key,
            || format!("{value:?} is not between 10ms and 366d"),
        );
        value
    }

    fn within(&mut self, value: usize, range: RangeInclusive<usize>, key: &'static str) {
        self.require(range.contains(&value), key, || {
            format!("{value} is not between {} and {}", range.start(), range.end())
        });
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

/// `HOST:PORT`; an IPv6 address is written in brackets.
fn host_and_port(address: &str) -> Option<(String, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match bare {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
        None if host.contains(':') => return None,
        None => host.to_owned(),
    };
    let port = port.parse().ok().filter(|port| *port != 0)?;
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests;
