//! Where a store is, without secrets: whether two configurations mean the same one.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::StoreUrl;
use crate::store::postgres::address::Address;
use crate::store::postgres::endpoint::{Endpoint, endpoints};
use crate::store::sqlite;

/// Where a store is. Users, passwords and parameters of its URL are no part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StorePlace {
    /// A file of SQLite.
    File(FilePlace),
    /// A database of PostgreSQL.
    Server {
        /// Each server: `HOST:PORT`, or the folder of its socket in place of the host.
        hosts: Vec<String>,
        /// The name of the database.
        database: String,
        /// The schema of the tables, where it is known.
        schema: Option<String>,
    },
}

/// A file, as one process sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FilePlace {
    /// The absolute path, as it was written.
    pub path: PathBuf,
    /// Device and inode; `None` for a process that may not look at it, or where there is no such file.
    pub inode: Option<(u64, u64)>,
}

/// Whether two places are one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sameness {
    /// They are.
    Same,
    /// They are not.
    Another,
    /// The servers have different names, and no address in common: an alias, a pooler or a tunnel may lie
    /// between them.
    Unclear,
}

impl FilePlace {
    /// The file at `path`, which may be relative to the working directory.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let inode = inode(path);
        Self { path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()), inode }
    }

    /// Whether `other`, which another process has seen, is this file. One that the other process could not
    /// look at is looked at by this one. It blocks as long as the file system does.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let own = inode(&self.path).or(self.inode);
        let theirs = other.inode.or_else(|| inode(&other.path));
        match (own, theirs) {
            (Some(own), Some(theirs)) => own == theirs,
            // Neither is there: a store that was moved away while it is served.
            _ => self.path == other.path,
        }
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

impl StorePlace {
    /// The place that `url` names; `None` when it cannot be understood.
    #[must_use]
    pub fn of(url: &StoreUrl) -> Option<Self> {
        if !url.is_postgres() {
            let location = sqlite::location::Location::parse(url).ok()?;
            return Some(Self::File(FilePlace::new(location.path())));
        }
        let address = Address::parse(url.secret()).ok()?;
        let hosts = address.endpoints.iter().map(ToString::to_string).collect();
        let (database, schema) = (address.database().to_owned(), Some(url.schema().to_string()));
        Some(Self::Server { hosts, database, schema })
    }

    /// The same place, for a caller that knows the URL alone and not the schema.
    #[must_use]
    pub fn in_any_schema(self) -> Self {
        match self {
            Self::Server { hosts, database, .. } => Self::Server { hosts, database, schema: None },
            file @ Self::File(_) => file,
        }
    }

    /// Whether `other`, which another process of this machine means, is this store. Names of servers are
    /// resolved where they differ, for at most two seconds.
    pub async fn compare(&self, other: &Self) -> Sameness {
        match (self, other) {
            (Self::File(own), Self::File(theirs)) => {
                let (own, theirs) = (own.clone(), theirs.clone());
                let compared = tokio::task::spawn_blocking(move || own.is(&theirs));
                match tokio::time::timeout(MAX_LOOK, compared).await {
                    Ok(Ok(true)) => Sameness::Same,
                    Ok(Ok(false)) => Sameness::Another,
                    // A file system that does not answer.
                    Ok(Err(_)) | Err(_) => Sameness::Unclear,
                }
            }
            (
                Self::Server { hosts, database, schema },
                Self::Server { hosts: theirs, database: their_database, schema: their_schema },
            ) => {
                let is_other_schema = schema.is_some() && their_schema.is_some() && schema != their_schema;
                if database != their_database || is_other_schema {
                    return Sameness::Another;
                }
                compare_hosts(hosts, theirs).await
            }
            (Self::File(_), Self::Server { .. }) | (Self::Server { .. }, Self::File(_)) => Sameness::Another,
        }
    }
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "the file {}", file.path.display()),
            Self::Server { hosts, database, schema } => {
                let schema = schema.as_ref().map(|schema| format!(", schema {schema},")).unwrap_or_default();
                write!(f, "the database {database}{schema} on {}", hosts.join(", "))
            }
        }
    }
}

/// One server in common is enough: the others are those of the same cluster.
async fn compare_hosts(own: &[String], theirs: &[String]) -> Sameness {
    if own.iter().any(|host| theirs.contains(host)) {
        return Sameness::Same;
    }
    let both = async { (reached(own).await, reached(theirs).await) };
    match tokio::time::timeout(MAX_LOOK, both).await {
        Ok((own, theirs)) if own.intersection(&theirs).next().is_some() => Sameness::Same,
        Ok(_) | Err(_) => Sameness::Unclear,
    }
}

/// Where connections to a server arrive.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Arrival {
    /// The server of this machine with this port, by TCP or by its socket.
    Local(u16),
    Remote(SocketAddr),
    /// A socket in this folder, with its links followed.
    Socket(PathBuf, u16),
}

async fn reached(hosts: &[String]) -> BTreeSet<Arrival> {
    let mut all = BTreeSet::new();
    for endpoint in hosts.iter().take(MAX_HOSTS).filter_map(|host| endpoint(host)) {
        match endpoint.tcp() {
            None => {
                let folder = endpoint.socket().unwrap_or(Path::new("/"));
                let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
                all.insert(Arrival::Socket(folder, endpoint.port));
                all.insert(Arrival::Local(endpoint.port));
            }
            Some((host, port)) => {
                if endpoint.is_local() {
                    all.insert(Arrival::Local(port));
                }
                let resolved = tokio::net::lookup_host((host, port)).await;
                all.extend(resolved.into_iter().flatten().map(|address| {
                    if is_own(address.ip()) { Arrival::Local(port) } else { Arrival::Remote(address) }
                }));
            }
        }
    }
    all
}

/// Reads what [`Endpoint`] displays.
fn endpoint(shown: &str) -> Option<Endpoint> {
    let (host, port) = shown.rsplit_once(':')?;
    let bracketed = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    endpoints(&bracketed, Some(port))?.pop()
}

/// Whether the address is one of this machine: only those can be bound.
fn is_own(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

/// How long a look at files or names may take.
const MAX_LOOK: Duration = Duration::from_secs(2);
/// Servers of a place that are looked at.
const MAX_HOSTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> StorePlace {
        StorePlace::of(&StoreUrl::from(url)).unwrap()
    }

    #[tokio::test]
    async fn the_same_database_is_one_store_however_its_url_is_written() {
        for (own, theirs) in [
            ("postgres://pcd:a@db1,db2/pcd", "postgres://other:b@db2,db1/pcd?sslmode=require"),
            ("postgres://pcd@localhost/pcd", "postgres://pcd@127.0.0.1:5432/pcd"),
            ("postgres://pcd@localhost/pcd", "postgres://pcd@%2Frun%2Fpostgresql/pcd"),
            ("postgres://pcd@[::1]/pcd", "postgresql://pcd@/pcd?host=/tmp"),
            ("postgres://pcd@db1,db2/pcd", "postgres://pcd@db2/pcd?target_session_attrs=primary"),
        ] {
            assert_eq!(place(own).compare(&place(theirs)).await, Sameness::Same, "{own} {theirs}");
            assert_eq!(place(theirs).compare(&place(own)).await, Sameness::Same, "{theirs} {own}");
        }
    }

    #[tokio::test]
    async fn another_database_schema_or_kind_is_another_store_and_unknown_hosts_are_unclear() {
        let own = place("postgres://pcd@localhost/pcd");
        assert_eq!(own.compare(&place("postgres://pcd@localhost/drill")).await, Sameness::Another);
        assert_eq!(own.compare(&place("sqlite:/srv/platform.db")).await, Sameness::Another);
        assert_eq!(own.compare(&place("postgres://pcd@localhost:5433/pcd")).await, Sameness::Unclear);
        assert_eq!(own.compare(&place("postgres://pcd@192.0.2.1/pcd")).await, Sameness::Unclear);
        let url = StoreUrl::from("postgres://pcd@localhost/pcd").with_schema("drill".parse().unwrap());
        let other = StorePlace::of(&url).unwrap();
        assert_eq!(own.compare(&other).await, Sameness::Another);
        assert_eq!(own.compare(&other.in_any_schema()).await, Sameness::Same);
    }

    #[tokio::test]
    async fn a_file_is_the_same_by_every_path_that_leads_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("platform.db"), "x").unwrap();
        fs::write(path("copy.db"), "x").unwrap();
        std::os::unix::fs::symlink(path("platform.db"), path("link.db")).unwrap();
        let file =
            |path: &Path| StorePlace::of(&StoreUrl::new(format!("sqlite:{}", path.display()))).unwrap();
        let own = file(&path("platform.db"));
        assert_eq!(own.compare(&file(&path("link.db"))).await, Sameness::Same);
        assert_eq!(
            own.compare(&file(
                &folder.path().join("./../").join(folder.path().file_name().unwrap()).join("platform.db")
            ))
            .await,
            Sameness::Same
        );
        assert_eq!(own.compare(&file(&path("copy.db"))).await, Sameness::Another);
        assert_eq!(own.compare(&file(&path("missing.db"))).await, Sameness::Another);
        // A process that may not look at it.
        let unseen = StorePlace::File(FilePlace { path: path("link.db"), inode: None });
        assert_eq!(own.compare(&unseen).await, Sameness::Same);
    }

    #[test]
    fn a_place_is_shown_and_sent_without_users_and_passwords() {
        let shown = place("postgres://pcd:s3cret@db1,db2:5433/pcd?password=s3cret");
        assert_eq!(shown.to_string(), "the database pcd, schema public, on db1:5432, db2:5433");
        assert!(!serde_json::to_string(&shown).unwrap().contains("s3cret"));
        assert_eq!(place("sqlite:/srv/p.db").to_string(), "the file /srv/p.db");
    }
}
