//! `[admin]`: how operators come in, and what each of them may do.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::key::{Key, ReloadClass};
use super::tls::Credential;
use super::{quantity, subject};
use crate::model::{NodeName, Role};

/// The operator's side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Admin {
    /// The address of the HTTP listener.
    pub listen: SocketAddr,
    /// Another address, which need not be loopback, for `/livez`, `/readyz` and `/metrics` alone.
    pub health_listen: Option<SocketAddr>,
    /// Hosts, `NAME` or `NAME:PORT`, under which its API may be called besides loopback and its address.
    pub allowed_hosts: Vec<String>,
    /// Connections at a time of persons with a role, and as many of others, at each listener; beyond this
    /// number the oldest one of its kind without a request is closed.
    pub max_connections: usize,
    /// Files with the roots of people's certificates. With one, the listener speaks TLS and asks for them.
    pub trust_anchors: Vec<PathBuf>,
    /// The certificate that the listener shows; without one, that of the platform.
    pub certificate: Option<Credential>,
    /// The header in which a proxy names the person.
    pub identity_header: Option<String>,
    /// The proxies that are believed: `user:NAME` on the socket, or the name in a certificate.
    pub identity_proxies: Vec<String>,
    /// The unix socket for people and commands.
    pub socket: AdminSocket,
    /// The group, by name or number, whose members may connect to the socket.
    pub socket_group: Option<String>,
    /// How long the session of a browser lasts without a request.
    #[serde(with = "quantity::duration")]
    pub logoff: Duration,
    /// How long it lasts at most.
    #[serde(with = "quantity::duration")]
    pub session_limit: Duration,
    /// Who has which role.
    pub roles: AdminRoles,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9575)),
            health_listen: None,
            allowed_hosts: Vec::new(),
            max_connections: 64,
            trust_anchors: Vec::new(),
            certificate: None,
            identity_header: None,
            identity_proxies: Vec::new(),
            socket: AdminSocket::default(),
            socket_group: None,
            logoff: Duration::from_mins(15),
            session_limit: Duration::from_hours(12),
            roles: AdminRoles::default(),
        }
    }
}

/// Where the unix socket for people is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AdminSocket {
    /// `"default"`: in the folder in which the node remembers its audit chain.
    #[default]
    Beside,
    /// `"none"`: there is none.
    None,
    /// A path.
    At(PathBuf),
}

impl<'de> Deserialize<'de> for AdminSocket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.as_str() {
            "default" => Self::Beside,
            "none" => Self::None,
            _ => Self::At(PathBuf::from(text)),
        })
    }
}

impl Serialize for AdminSocket {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Beside => serializer.serialize_str("default"),
            Self::None => serializer.serialize_str("none"),
            Self::At(path) => path.serialize(serializer),
        }
    }
}

/// Who has which role: `user:NAME`, `group:NAME`, a name in a certificate such as `CN=m.weber,O=Hospital`, or
/// `person:NAME`, whom a proxy names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AdminRoles {
    /// See devices, messages, orders and the audit trail, without the content of a message.
    pub viewer: Vec<String>,
    /// Also see the content of messages.
    pub clinical: Vec<String>,
    /// See, and change devices, orders and refused messages.
    pub operator: Vec<String>,
    /// What operators may; also reload, and copy the store.
    pub admin: Vec<String>,
}

impl AdminRoles {
    /// Who has the role.
    #[must_use]
    pub fn subjects(&self, role: Role) -> &[String] {
        match role {
            Role::Viewer => &self.viewer,
            Role::Clinical => &self.clinical,
            Role::Operator => &self.operator,
            Role::Admin => &self.admin,
        }
    }
}

impl AdminSocket {
    /// The path of the socket; `None` without one. `state` is the folder of `audit.state-directory`.
    #[must_use]
    pub fn path(&self, state: &Path, node: &NodeName) -> Option<PathBuf> {
        match self {
            Self::Beside => Some(state.join(format!("admin-{node}.sock"))),
            Self::None => None,
            Self::At(path) => Some(path.clone()),
        }
    }

    /// What is wrong with the path of a configured socket.
    pub(super) fn problem(&self) -> Option<String> {
        let Self::At(path) = self else { return None };
        let bytes = path.as_os_str().len();
        (bytes > MAX_SOCKET_PATH).then(|| {
            format!(
                "{} has {bytes} bytes; the path of a socket has at most {MAX_SOCKET_PATH}",
                path.display()
            )
        })
    }
}

/// What is wrong with how people come in, by key.
pub(super) fn problems(admin: &Admin) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    let has_tls = !admin.trust_anchors.is_empty();
    if !has_tls && !admin.listen.ip().is_loopback() {
        let what = format!(
            "{} is not a loopback address: without TLS only this machine may reach the listener; \
             name the roots of people's certificates in admin.trust-anchors",
            admin.listen
        );
        problems.push(("admin.listen", what));
    }
    if admin.certificate.is_some() && !has_tls {
        let what =
            "it is shown only with TLS: name the roots of people's certificates in admin.trust-anchors";
        problems.push(("admin.certificate", what.to_owned()));
    }
    let of_proxies = admin.identity_proxies.iter().filter_map(|name| subject::proxy_problem(name, has_tls));
    problems.extend(of_proxies.map(|what| ("admin.identity-proxies", what)));
    match &admin.identity_header {
        Some(name) => {
            problems.extend(subject::header_problem(name).map(|what| ("admin.identity-header", what)))
        }
        None if !admin.identity_proxies.is_empty() => {
            let what = "name the header in which these proxies name the person".to_owned();
            problems.push(("admin.identity-header", what));
        }
        None => {}
    }
    if admin.identity_header.is_some() && admin.identity_proxies.is_empty() {
        let what = "name the proxies that may send admin.identity-header; no other client is believed";
        problems.push(("admin.identity-proxies", what.to_owned()));
    }
    let ways = subject::Ways { has_tls, has_proxies: admin.identity_header.is_some() };
    for (role, key) in ROLES {
        let of_role = admin.roles.subjects(role).iter().filter_map(|name| subject::problem(name, ways));
        problems.extend(of_role.map(|what| (key, what)));
    }
    problems
}

// The sockets are bound when the process starts. Each request, and each connection, reads the rest.
pub(super) const KEYS: &[Key] = &[
    Key::new("admin.listen", ReloadClass::Restart),
    Key::new("admin.health-listen", ReloadClass::Restart),
    Key::new("admin.allowed-hosts", ReloadClass::Applied),
    Key::new("admin.max-connections", ReloadClass::Applied).count(8..=4096),
    Key::new("admin.trust-anchors", ReloadClass::Applied),
    Key::new("admin.certificate.chain", ReloadClass::Applied),
    Key::new("admin.certificate.key", ReloadClass::Applied),
    Key::new("admin.certificate.passphrase", ReloadClass::Applied),
    Key::new("admin.identity-header", ReloadClass::Applied),
    Key::new("admin.identity-proxies", ReloadClass::Applied),
    Key::new("admin.socket", ReloadClass::Restart),
    Key::new("admin.socket-group", ReloadClass::Restart),
    Key::new("admin.logoff", ReloadClass::Applied).time(MIN_SESSION, MAX_SESSION),
    Key::new("admin.session-limit", ReloadClass::Applied).time(MIN_SESSION, MAX_SESSION),
    Key::new("admin.roles.viewer", ReloadClass::Applied),
    Key::new("admin.roles.clinical", ReloadClass::Applied),
    Key::new("admin.roles.operator", ReloadClass::Applied),
    Key::new("admin.roles.admin", ReloadClass::Applied),
];

const MIN_SESSION: Duration = Duration::from_secs(1);
const MAX_SESSION: Duration = Duration::from_hours(24);
const ROLES: [(Role, &str); 4] = [
    (Role::Viewer, "admin.roles.viewer"),
    (Role::Clinical, "admin.roles.clinical"),
    (Role::Operator, "admin.roles.operator"),
    (Role::Admin, "admin.roles.admin"),
];
/// sun_path of unix(7), without its last byte.
const MAX_SOCKET_PATH: usize = 107;
