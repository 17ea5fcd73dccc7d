//! The URL of the store.

use std::fmt;
use std::path::{Path, PathBuf};

use super::schema_name::SchemaName;
use super::store_risk::StoreRisks;

/// The URL of the store: `sqlite:PATH`, or `postgres://USER@HOST/DATABASE`, which may contain a password.
/// Secrets in it are never displayed.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl {
    url: String,
    password_file: Option<PathBuf>,
    accepted_risks: StoreRisks,
    schema: SchemaName,
}

impl StoreUrl {
    /// The URL as written, not yet validated.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            password_file: None,
            accepted_risks: StoreRisks::default(),
            schema: SchemaName::default(),
        }
    }

    /// The same URL, with the password in a file.
    #[must_use]
    pub fn with_password_file(self, file: PathBuf) -> Self {
        Self { password_file: Some(file), ..self }
    }

    /// The same URL; the path of a file is relative to `folder`.
    #[must_use]
    pub fn within(self, folder: &Path) -> Self {
        match self.url.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            Some(path) => Self { url: format!("sqlite:{}", folder.join(path).display()), ..self },
            None => self,
        }
    }

    /// The same URL; its tables are in this schema.
    #[must_use]
    pub fn with_schema(self, schema: SchemaName) -> Self {
        Self { schema, ..self }
    }

    /// The same URL; the store may have these risks.
    #[must_use]
    pub fn with_accepted_risks(self, accepted_risks: StoreRisks) -> Self {
        Self { accepted_risks, ..self }
    }

    /// The same URL, with the parameters about the server's certificate that it does not name taken from
    /// `other`, which is another role of the same server.
    #[must_use]
    pub fn with_server_trust_of(self, other: &Self) -> Self {
        let parameters = |url: &str| url.split_once('?').map_or(String::new(), |(_, rest)| rest.to_owned());
        let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
        let own: Vec<_> = parameters(&self.url).split('&').map(name).collect();
        let theirs = parameters(&other.url);
        let missing = theirs.split('&').filter(|pair| {
            let name = name(pair);
            ["sslmode", "sslrootcert"].contains(&name.as_str()) && !own.contains(&name)
        });
        let url = missing.fold(self.url, |url, pair| {
            let separator = if url.contains('?') { '&' } else { '?' };
            format!("{url}{separator}{pair}")
        });
        Self { url, ..self }
    }

    /// The whole URL. It may contain a password: do not display it.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.url
    }

    /// The file with the password.
    #[must_use]
    pub fn password_file(&self) -> Option<&Path> {
        self.password_file.as_deref()
    }

    /// The schema of the tables on a server.
    #[must_use]
    pub const fn schema(&self) -> &SchemaName {
        &self.schema
    }

    /// The risks that the store may have.
    #[must_use]
    pub const fn accepted_risks(&self) -> StoreRisks {
        self.accepted_risks
    }

    /// Whether this is a PostgreSQL server, not a file.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres://") || self.url.starts_with("postgresql://")
    }
}

impl From<&str> for StoreUrl {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<&String> for StoreUrl {
    fn from(url: &String) -> Self {
        Self::new(url)
    }
}

impl From<&Self> for StoreUrl {
    fn from(url: &Self) -> Self {
        url.clone()
    }
}

/// Displays the URL without password and parameters. An unexpected form is not displayed at all: with an
/// unencoded character the password could be anywhere.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = self.url.strip_prefix("sqlite:") {
            // Parameters are refused, and may hold a key all the same.
            return match path.split_once('?') {
                Some((path, _)) => write!(f, "sqlite:{path}?***"),
                None => f.write_str(&self.url),
            };
        }
        match self.url.split_once("://") {
            Some((scheme, rest)) => match without_password(rest) {
                Some(shown) => write!(f, "{scheme}://{shown}"),
                None => write!(f, "{scheme}://…"),
            },
            None => match self.url.split_once(':') {
                Some((scheme, _)) => write!(f, "{scheme}:…"),
                None => f.write_str("…"),
            },
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn without_password(rest: &str) -> Option<String> {
    let (before, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    if parameters.contains('@') {
        return None;
    }
    let (user, place) = match before.split_once('@') {
        // The authority ends at the first slash (RFC 3986 3.2): this one has no user.
        Some((user, _)) if user.contains('/') => return None,
        Some((user, place)) => (Some(user.split_once(':').map_or(user, |(user, _)| user)), place),
        None => (None, before),
    };
    let plain = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    let (host, database) = place.split_once('/').unwrap_or((place, ""));
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    let fits = plain(host, "-.:_%[],")
        && (host.ends_with(']') || port.chars().all(|c| c.is_ascii_digit()))
        && plain(database, "-._%")
        && user.is_none_or(|user| plain(user, "-._%"));
    fits.then(|| user.map_or_else(|| place.to_owned(), |user| format!("{user}@{place}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown_and_the_trust_in_a_server_is_shared() {
        for (url, shown) in [
            ("sqlite:/var/lib/platform.db", "sqlite:/var/lib/platform.db"),
            ("sqlite:/var/lib/platform.db?key=s3cret", "sqlite:/var/lib/platform.db?***"),
            (
                "postgres://pcd:s3cret@db.example:5432/pcd?sslmode=verify-full",
                "postgres://pcd@db.example:5432/pcd",
            ),
            ("postgres://pcd@%2Frun%2Fpostgresql/pcd", "postgres://pcd@%2Frun%2Fpostgresql/pcd"),
            ("postgres://[::1]:5432/pcd?password=s3cret", "postgres://[::1]:5432/pcd"),
            ("postgresql://db/pcd", "postgresql://db/pcd"),
            ("postgres://pcd:s3cret@one:1,two:2/pcd", "postgres://pcd@one:1,two:2/pcd"),
            ("postgres://pcd:s3@cret@db/pcd", "postgres://…"),
            ("postgres://pcd:s3?cret@db/pcd", "postgres://…"),
            ("postgres://pcd:s3/cret@db/pcd", "postgres://…"),
            ("postgres://pcd:s3#cret", "postgres://…"),
            ("mysql://root:s3cret@db/pcd", "mysql://root@db/pcd"),
            ("s3cret:s3cret", "s3cret:…"),
            ("s3cret", "…"),
        ] {
            let url = StoreUrl::from(url);
            assert_eq!((url.to_string().as_str(), format!("{url:?}").as_str()), (shown, shown));
        }
        let configured =
            StoreUrl::new("postgres://pcd:s3cret@db/pcd?sslrootcert=/ca.pem&sslmode=verify-ca&sslkey=/k");
        for (own, whole) in [
            ("postgres://owner@db/pcd", "postgres://owner@db/pcd?sslrootcert=/ca.pem&sslmode=verify-ca"),
            (
                "postgres://owner@db/pcd?sslrootcert=/own.pem",
                "postgres://owner@db/pcd?sslrootcert=/own.pem&sslmode=verify-ca",
            ),
        ] {
            assert_eq!(StoreUrl::new(own).with_server_trust_of(&configured).secret(), whole);
        }
        let file = StoreUrl::new("postgres://pcd@db/pcd").with_password_file("/run/secret".into());
        assert_eq!(file.password_file(), Some(Path::new("/run/secret")));
    }
}
