//! `[api]`: the listener for hospital systems that read.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::key::{Key, ReloadClass};
use super::network::Network;
use super::quantity;
use super::tls::Credential;
use crate::model::{Scope, Scopes};

/// The listener for hospital systems that read what devices sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Api {
    /// Addresses to listen on; empty: there is no such listener.
    pub listen: Vec<SocketAddr>,
    /// How clients reach the listener: `https://HOST:PORT`, without a slash at its end.
    pub base_url: String,
    /// The certificate that the listener shows; without it that of `[tls]`.
    pub identity: Option<Credential>,
    /// Whose certificates may read. Apart from the roots of devices: neither opens what the other does.
    pub communities: Vec<Community>,
    /// Files with the roots of the people who let applications read: PEM, DER, or PKCS#7 without signers.
    /// They are roots of nothing else; without one, no authorization code is granted.
    pub user_anchors: Vec<PathBuf>,
    /// Object identifiers of certificate policies, one of which the path of a person must be valid for;
    /// empty: any.
    pub user_policies: Vec<String>,
    /// Object identifiers of extended key usages, all of which the certificate of a person must have.
    pub user_ekus: Vec<String>,
    /// Which members of the communities may read.
    pub read: ApiRead,
    /// What the platform is used for, such as `production` or `demo`; clients see it.
    pub environment: String,
    /// Networks of load balancers that send a header of the PROXY protocol. From them every connection begins
    /// with one, and counts for the address that it states.
    pub proxy_protocol: Vec<Network>,
    /// Concurrent connections. Beyond, the oldest one without a certificate of a community makes way; without
    /// one, the new one is closed.
    pub max_connections: usize,
    /// Connections of one address (IPv6: one /64); further ones are closed.
    pub connections_per_address: usize,
    /// From the accepted connection to the finished handshake.
    #[serde(with = "quantity::duration")]
    pub handshake_timeout: Duration,
    /// From the first byte of a request to the end of its head, and how long a connection may be idle.
    #[serde(with = "quantity::duration")]
    pub header_timeout: Duration,
    /// Requests that are answered at once; further ones get 503.
    pub max_requests: usize,
    /// How long a request may take; then it gets 503.
    #[serde(with = "quantity::duration")]
    pub query_timeout: Duration,
    /// Bytes of the body of a request.
    #[serde(with = "quantity::size")]
    pub max_body: usize,
    /// Bytes of JSON of a page: it ends behind the resource that goes beyond.
    #[serde(with = "quantity::size")]
    pub max_page: usize,
    /// Messages that a page looks through: it ends then, and the next one goes on.
    pub max_page_messages: usize,
    /// Bytes of answers that clients have not taken yet; a further one gets 503.
    #[serde(with = "quantity::size")]
    pub answer_memory: usize,
    /// How long an access token counts.
    #[serde(with = "quantity::duration")]
    pub token_lifetime: Duration,
    /// Whether a token counts over connections with the certificate alone with which it was granted. Without
    /// it, the token that a client with a certificate gets counts over every connection.
    pub bind_tokens: bool,
    /// Access tokens that a client may have at once, an application for each person; a further one gets 429.
    pub max_tokens: u32,
    /// How long an authorization code counts.
    #[serde(with = "quantity::duration")]
    pub code_lifetime: Duration,
    /// Authorizations of a person that are not decided yet, or whose code is not used yet; a further one gets
    /// 429.
    pub max_authorizations: u32,
    /// Requests of an address, and of a client, to the token endpoint, a second; further ones get 429.
    pub token_requests: u32,
    /// Whether clients may register themselves.
    pub registration: Registration,
    /// The certificate that signs the metadata of UDAP; without one they are not served.
    pub udap: Udap,
    /// Refused requests of one reason with a row of their own in the audit trail, a minute; the others are
    /// counted in one.
    pub max_refusal_rows: u32,
}

/// Which members of the communities may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApiRead {
    /// Those whose certificate belongs to a registered client.
    Registered,
    /// All of them; registered clients by their own scopes.
    Community,
}

/// A trust community: the authorities of clients, and what their certificates must have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Community {
    /// What it is called in commands and in the audit trail; unique.
    pub name: String,
    /// Files with its roots: PEM, DER, or PKCS#7 without signers (`.p7b`).
    pub anchors: Vec<PathBuf>,
    /// Object identifiers of certificate policies, one of which a path must be valid for; empty: any.
    #[serde(default)]
    pub policies: Vec<String>,
    /// Object identifiers of extended key usages, all of which a certificate must have.
    #[serde(default)]
    pub ekus: Vec<String>,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            base_url: String::new(),
            identity: None,
            communities: Vec::new(),
            user_anchors: Vec::new(),
            user_policies: Vec::new(),
            user_ekus: Vec::new(),
            read: ApiRead::Registered,
            environment: "production".to_owned(),
            proxy_protocol: Vec::new(),
            max_connections: 256,
            connections_per_address: 64,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(15),
            max_requests: 64,
            query_timeout: Duration::from_secs(5),
            max_body: 64 << 10,
            max_page: 4 << 20,
            max_page_messages: 4096,
            answer_memory: 64 << 20,
            token_lifetime: Duration::from_mins(15),
            bind_tokens: true,
            max_tokens: 200,
            code_lifetime: Duration::from_mins(1),
            max_authorizations: 20,
            token_requests: 100,
            registration: Registration::default(),
            udap: Udap::default(),
            max_refusal_rows: 30,
        }
    }
}

/// Dynamic registration: a client registers itself with a statement that its certificate has signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Registration {
    /// Whether it is offered.
    pub enabled: bool,
    /// The scopes that a client may register for; it gets no others, whatever it asks for.
    pub scopes: Vec<String>,
    /// Who approves a registration.
    pub approve: Approval,
    /// The object identifier of the organisation of clients that are approved automatically.
    pub organisation: Option<String>,
    /// Registrations that are approved automatically; further ones wait for an operator.
    pub max_automatic: u32,
    /// Registrations that wait for approval; a further one gets 429.
    pub max_pending: u32,
    /// How long a registration waits for approval; then it is deleted.
    #[serde(with = "quantity::duration")]
    pub keep_pending: Duration,
}

/// Who approves a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approval {
    /// An operator, with `reader approve`.
    Operator,
    /// The configuration: each client with a certificate of a community reads. For test networks.
    Automatic,
}

impl Default for Registration {
    fn default() -> Self {
        Self {
            enabled: false,
            scopes: vec!["system/Observation.rs".to_owned()],
            approve: Approval::Operator,
            organisation: None,
            max_automatic: 100,
            max_pending: 100,
            keep_pending: Duration::from_hours(24 * 7),
        }
    }
}

/// Unified Data Access Profiles (HL7 FAST security guide).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Udap {
    /// The certificate that signs the metadata: RSA, with the base URL of the resources as a URI of its
    /// subjectAltName.
    pub identity: Option<Credential>,
}

impl Api {
    /// Whether there is a listener.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.listen.is_empty()
    }

    /// Whether people may let applications read: there are roots of their certificates.
    #[must_use]
    pub const fn has_users(&self) -> bool {
        !self.user_anchors.is_empty()
    }
}

/// What is wrong with the listener, by key.
pub(super) fn problems(api: &Api) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    if api.is_on() && api.communities.is_empty() {
        let what = "name at least one community: { name = \"NAME\", anchors = [\"FILE\"] }; \
                    without one no client can read";
        problems.push(("api.communities", what.to_owned()));
    }
    if api.is_on() && !is_base_url(&api.base_url) {
        let what = format!(
            "\"{}\" is not what clients use, such as https://platform.example:8443, without a path",
            api.base_url
        );
        problems.push(("api.base-url", what));
    }
    if !is_name(&api.environment) {
        let what = format!("\"{}\" is not 1 to 64 letters, digits, '-', '_' and '.'", api.environment);
        problems.push(("api.environment", what));
    }
    if let Some(wide) = api.proxy_protocol.iter().find(|network| network.is_wider_than_private()) {
        let what = format!(
            "{wide} lets every client in it choose the address for which it counts; name the balancers, or a network of \
             at most 10.0.0.0/8 or fc00::/7"
        );
        problems.push(("api.proxy-protocol", what));
    }
    let registration = &api.registration;
    if registration.approve == Approval::Automatic
        && !registration.organisation.as_deref().is_some_and(is_oid)
    {
        let what = "name the object identifier of the organisation of clients that are approved automatically; \
                    `organisation list` shows those that there are";
        problems.push(("api.registration.organisation", what.to_owned()));
    }
    problems.extend(registration_problem(registration).map(|what| ("api.registration.scopes", what)));
    for (key, oids) in [("api.user-policies", &api.user_policies), ("api.user-ekus", &api.user_ekus)] {
        let wrong = oids.iter().find(|oid| !is_oid(oid));
        problems.extend(wrong.map(|oid| {
            (key, format!("\"{oid}\" is not an object identifier such as 1.3.6.1.4.1.311.20.2.2"))
        }));
    }
    let of_communities = community_problems(&api.communities);
    problems.extend(of_communities.into_iter().map(|what| ("api.communities", what)));
    problems
}

fn registration_problem(registration: &Registration) -> Option<String> {
    if registration.enabled && registration.scopes.is_empty() {
        return Some(
            "name at least one scope, such as system/Observation.rs: without one no client can register"
                .into(),
        );
    }
    let mut scopes = registration.scopes.iter().map(|text| (text, text.parse::<Scope>()));
    let (text, error) = scopes.find_map(|(text, scope)| Some((text, scope.err()?)))?;
    let known = Scopes::NAMES.join(", ");
    let closest = Scopes::NAMES.iter().find(|own| own.eq_ignore_ascii_case(text));
    Some(match closest {
        Some(own) => format!("{error}; write \"{own}\""),
        None => format!("{error}; name scopes of this list: {known}"),
    })
}

fn community_problems(communities: &[Community]) -> Vec<String> {
    let mut problems = Vec::new();
    if communities.len() > MAX_COMMUNITIES {
        problems.push(format!(
            "there are {} communities; at most {MAX_COMMUNITIES} are supported",
            communities.len()
        ));
    }
    let mut names = BTreeSet::new();
    for Community { name, anchors, policies, ekus } in communities {
        if !is_name(name) {
            problems.push(format!("the name \"{name}\" is not 1 to 64 letters, digits, '-', '_' and '.'"));
        }
        if !names.insert(name) {
            problems.push(format!("two communities are called \"{name}\""));
        }
        if anchors.is_empty() {
            problems.push(format!("name the files with the roots of \"{name}\" in its anchors"));
        }
        let wrong = policies.iter().chain(ekus).find(|oid| !is_oid(oid));
        if let Some(oid) = wrong {
            problems.push(format!(
                "\"{oid}\" of \"{name}\" is not an object identifier such as 1.3.6.1.5.5.7.3.2"
            ));
        }
    }
    problems
}

fn is_base_url(url: &str) -> bool {
    url.strip_prefix("https://").is_some_and(|host| {
        !host.is_empty()
            && !host.contains(|c: char| c.is_whitespace() || c.is_control() || "/?#@".contains(c))
    })
}

fn is_name(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    (1..=MAX_NAME).contains(&name.len()) && name.chars().all(plain)
}

fn is_oid(oid: &str) -> bool {
    let arcs: Vec<_> = oid.split('.').collect();
    let is_arc = |arc: &&str| arc.parse::<u64>().is_ok() && (*arc == "0" || !arc.starts_with('0'));
    arcs.len() >= 3 && oid.len() <= MAX_NAME && arcs.iter().all(is_arc)
}

// The sockets are bound, and links get their beginning, when the process starts. Each connection, and each
// request, reads the rest.
pub(super) const KEYS: &[Key] = &[
    Key::new("api.listen", ReloadClass::Restart),
    Key::new("api.base-url", ReloadClass::Restart),
    Key::new("api.identity.chain", ReloadClass::Applied),
    Key::new("api.identity.key", ReloadClass::Applied),
    Key::new("api.identity.passphrase", ReloadClass::Applied),
    Key::new("api.communities", ReloadClass::Applied),
    Key::new("api.user-anchors", ReloadClass::Applied),
    Key::new("api.user-policies", ReloadClass::Applied),
    Key::new("api.user-ekus", ReloadClass::Applied),
    Key::new("api.read", ReloadClass::Applied),
    Key::new("api.environment", ReloadClass::Applied),
    Key::new("api.proxy-protocol", ReloadClass::Applied),
    Key::new("api.max-connections", ReloadClass::Applied).count(1..=4096),
    Key::new("api.connections-per-address", ReloadClass::Applied).count(1..=4096),
    Key::new("api.handshake-timeout", ReloadClass::Applied).timeout(),
    Key::new("api.header-timeout", ReloadClass::Applied).timeout(),
    Key::new("api.max-requests", ReloadClass::Restart).count(1..=1024),
    Key::new("api.query-timeout", ReloadClass::Applied).timeout(),
    Key::new("api.max-body", ReloadClass::Applied).bytes(1024..=(16 << 20)),
    Key::new("api.max-page", ReloadClass::Applied).bytes((64 << 10)..=(64 << 20)),
    Key::new("api.max-page-messages", ReloadClass::Applied).count(16..=65_536),
    Key::new("api.answer-memory", ReloadClass::Restart).bytes((1 << 20)..=(4 << 30)),
    Key::new("api.token-lifetime", ReloadClass::Applied)
        .time(Duration::from_secs(1), Duration::from_mins(60)),
    Key::new("api.bind-tokens", ReloadClass::Applied),
    Key::new("api.max-tokens", ReloadClass::Applied).count(1..=100_000),
    // RFC 6749 section 4.1.2: short. No client needs longer than a minute.
    Key::new("api.code-lifetime", ReloadClass::Applied).time(Duration::from_secs(1), Duration::from_mins(1)),
    Key::new("api.max-authorizations", ReloadClass::Applied).count(1..=1000),
    Key::new("api.token-requests", ReloadClass::Applied).count(1..=100_000),
    Key::new("api.registration.enabled", ReloadClass::Applied),
    Key::new("api.registration.scopes", ReloadClass::Applied),
    Key::new("api.registration.approve", ReloadClass::Applied),
    Key::new("api.registration.organisation", ReloadClass::Applied),
    Key::new("api.registration.max-automatic", ReloadClass::Applied).count(0..=100_000),
    Key::new("api.registration.max-pending", ReloadClass::Applied).count(1..=10_000),
    Key::new("api.registration.keep-pending", ReloadClass::Applied)
        .time(Duration::from_mins(1), Duration::from_hours(24 * 365)),
    Key::new("api.udap.identity.chain", ReloadClass::Applied),
    Key::new("api.udap.identity.key", ReloadClass::Applied),
    Key::new("api.udap.identity.passphrase", ReloadClass::Applied),
    Key::new("api.max-refusal-rows", ReloadClass::Applied).count(1..=10_000),
];

/// Communities of a listener: each costs work for every certificate of a stranger.
const MAX_COMMUNITIES: usize = 16;
/// Characters of a name.
const MAX_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(text: &str) -> Vec<String> {
        let api: Api = toml::from_str(text).unwrap();
        problems(&api).into_iter().map(|(key, what)| format!("{key}: {what}")).collect()
    }

    #[test]
    fn n001_2_a_listener_needs_a_community_and_an_address_for_clients() {
        assert_eq!(problems_of(""), [""; 0]);
        let community =
            "communities = [{ name = \"hospital\", anchors = [\"a.pem\"], policies = [\"1.2.3\"] }]";
        let listen = "listen = [\"127.0.0.1:0\"]\nbase-url = \"https://platform.example:8443\"\n";
        assert_eq!(problems_of(&format!("{listen}{community}")), [""; 0]);
        assert!(problems_of(listen)[0].starts_with("api.communities: name at least one community"));
        for url in ["", "http://a", "https://", "https://a/", "https://a b", "https://a?b", "https://u@a"] {
            let text = format!("listen = [\"127.0.0.1:0\"]\nbase-url = \"{url}\"\n{community}");
            assert!(problems_of(&text)[0].starts_with("api.base-url: "), "{url}");
        }
    }

    #[test]
    fn n001_2_communities_have_names_roots_and_object_identifiers() {
        for (community, expected) in [
            ("{ name = \"\", anchors = [\"a\"] }", "the name"),
            ("{ name = \"a b\", anchors = [\"a\"] }", "the name"),
            ("{ name = \"a\", anchors = [] }", "name the files"),
            ("{ name = \"a\", anchors = [\"a\"] }, { name = \"a\", anchors = [\"b\"] }", "two communities"),
            ("{ name = \"a\", anchors = [\"a\"], policies = [\"1.2.x\"] }", "\"1.2.x\""),
            ("{ name = \"a\", anchors = [\"a\"], ekus = [\"clientAuth\"] }", "\"clientAuth\""),
        ] {
            let found = problems_of(&format!("communities = [{community}]"));
            assert!(found.len() == 1 && found[0].contains(expected), "{community}: {found:?}");
        }
        let everyone = problems_of("proxy-protocol = [\"0.0.0.0/0\"]");
        assert!(everyone[0].starts_with("api.proxy-protocol: 0.0.0.0/0 lets"), "{everyone:?}");
    }

    #[test]
    fn n001_7_the_scopes_of_registration_are_checked() {
        let problem = |scopes: &str| {
            let text = format!("registration = {{ enabled = true, scopes = {scopes} }}");
            let api: Api = toml::from_str(&text).unwrap();
            let found = problems(&api).into_iter().find(|(key, _)| *key == "api.registration.scopes");
            found.map(|(_, what)| what)
        };
        assert_eq!(problem("[\"system/Observation.rs\", \"system/*.r\"]"), None);
        assert!(problem("[]").unwrap().contains("name at least one scope"));
        let wrong = problem("[\"system/Observation.rs\", \"system/Encounter.rs\"]").unwrap();
        assert!(wrong.contains("\"system/Encounter.rs\"") && wrong.contains("system/Patient.rs"), "{wrong}");
        let spelled = problem("[\"system/observation.rs\"]").unwrap();
        assert!(spelled.contains("write \"system/Observation.rs\""), "{spelled}");
    }
}
