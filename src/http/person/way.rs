//! How a request arrived, as far as the transport proves it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::filesystem::accounts;
use crate::tls::PersonCertificate;

/// The way by which a person came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The unix socket, with roles of the configuration.
    Socket,
    /// A browser, with the link that an account got over the socket.
    Browser,
    /// The unix socket, as root or as the platform's own user: every role, whatever the configuration says.
    BreakGlass,
    /// TLS, with a certificate.
    Certificate,
    /// A proxy that the configuration names, and its header.
    Proxy,
}

/// How a connection came; an extension of each of its requests.
#[derive(Debug, Clone)]
pub(in crate::http) enum Arrival {
    /// Over TCP without TLS: the client is unknown.
    Tcp(Ends),
    /// Over TLS: the client is unknown, unless it has shown a certificate.
    Tls(Ends, Option<Arc<PersonCertificate>>),
    /// Over the unix socket: the kernel says who connected.
    Socket(Arc<LocalUser>),
}

/// The ends of a TCP connection.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Ends {
    /// The address of this machine.
    pub(in crate::http) local: SocketAddr,
    /// The address of the client.
    pub(in crate::http) peer: SocketAddr,
}

impl Arrival {
    /// The address of this machine that the client used.
    pub(in crate::http) const fn local_address(&self) -> Option<IpAddr> {
        match self.ends() {
            Some(ends) => Some(ends.local.ip()),
            None => None,
        }
    }

    /// The ends of its TCP connection.
    pub(in crate::http) const fn ends(&self) -> Option<Ends> {
        match self {
            Self::Tcp(ends) | Self::Tls(ends, _) => Some(*ends),
            Self::Socket(_) => None,
        }
    }

    /// Whether it is encrypted.
    pub(in crate::http) const fn is_secure(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Socket(_) => false,
            Self::Tls(..) => true,
        }
    }
}

/// The account behind a connection to the unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) struct LocalUser {
    /// The account as which the process ran when it connected.
    pub(in crate::http) user: u32,
    /// Its groups.
    pub(in crate::http) groups: Vec<u32>,
    /// The account that logged in, where that is known.
    pub(in crate::http) login: Option<u32>,
}

impl LocalUser {
    /// The account of these credentials (SO_PEERCRED): what the kernel says of the process, and the lists of
    /// the machine.
    pub(in crate::http) fn of(user: u32, group: u32, process: Option<i32>) -> Self {
        let facts = process.map(|pid| accounts::process_facts(pid, user)).unwrap_or_default();
        let mut groups = facts.groups;
        groups.push(group);
        groups.extend(accounts::groups_of(user));
        groups.sort_unstable();
        groups.dedup();
        Self { user, groups, login: facts.login }
    }

    /// This process's account.
    pub(in crate::http) fn own() -> Self {
        let (user, login) = accounts::own_login();
        Self { user, groups: accounts::groups_of(user), login }
    }

    /// Whether a process of the account `user` acts for it: the account itself, or the one behind it.
    pub(in crate::http) fn is_also(&self, user: u32) -> bool {
        self.user == user || self.login == Some(user)
    }

    /// Whether it is root or the platform's own user, who can read and change everything anyway.
    pub(in crate::http) fn owns_the_platform(&self) -> bool {
        self.user == 0 || self.user == rustix::process::geteuid().as_raw()
    }

    /// How it is named: the person who logged in, where root acts for a person.
    pub(in crate::http) fn name(&self) -> String {
        let person = self.login.filter(|_| self.owns_the_platform()).unwrap_or(self.user);
        accounts::actor(person, None)
    }

    /// How the audit trail names it.
    pub(in crate::http) fn actor(&self) -> String {
        accounts::actor(self.user, self.login.filter(|_| self.owns_the_platform()))
    }
}
