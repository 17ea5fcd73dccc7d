//! `--config FILE`.

use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Once;

use clap::Args;
use hyper::header::HeaderValue;

use super::{Exit, Failure, Output, context};
use crate::audit::Signer;
use crate::config::{Config, ConfigError, Overrides, Salvaged};
use crate::http::MeantStore;
use crate::model::Clock;
use crate::store::{EndFile, FilePlace, OwnChain, Store, StorePlace};
use crate::tls::{AuditSignatureVerifier, AuditSigner};

/// The file of the configuration.
#[derive(Debug, Clone, Args)]
pub(super) struct ConfigFile {
    /// The configuration file; default: /etc/pcd-platform/platform.toml if it is there, otherwise
    /// config/platform.toml
    #[arg(long, global = true, env = "PCD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    pub(super) fn path(&self) -> &Path {
        // One that may not be looked at is there: its error says more than that of another file.
        let installed = || Path::new(INSTALLED).try_exists().unwrap_or(true);
        let default =
            || Path::new(if installed() || is_foreign(IN_REPOSITORY) { INSTALLED } else { IN_REPOSITORY });
        self.config.as_deref().unwrap_or_else(default)
    }

    /// The configuration of a service, which has its credentials.
    pub(super) fn read(&self) -> Result<Config, ConfigError> {
        Config::load(self.path(), &Overrides::from_environment())
    }

    /// The same for a process that serves. Its paths are absolute: it outlives the folder in which it was
    /// started.
    pub(super) fn read_to_serve(&self) -> Result<Config, ConfigError> {
        Config::load(&absolute(self.path()), &Overrides::from_environment())
    }

    /// The configuration for a command, which most often reads no secret. Outside of a service there are no
    /// credentials, and what the configuration says of them is no fault.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        self.try_load().map_err(|error| Failure::new(Exit::Config, error))
    }

    /// The same, with the error of the configuration.
    pub(super) fn try_load(&self) -> Result<Config, ConfigError> {
        let mut overrides = Overrides::from_environment();
        overrides.credentials_directory.get_or_insert_with(|| PathBuf::from(CREDENTIALS));
        Config::load(self.path(), &overrides)
    }

    /// What the usable lines of the file say.
    pub(super) fn salvage(&self) -> Salvaged {
        Salvaged::read(self.path(), &Overrides::from_environment())
    }

    /// Whether the operator named the file.
    pub(super) const fn is_named(&self) -> bool {
        self.config.is_some()
    }

    /// Whether this is the configuration of an installed package, and this person may not read it. Operators
    /// need only the socket: the configuration may hold secrets, such as addresses of webhooks.
    pub(super) fn is_closed_to_this_user(&self) -> bool {
        let is_closed = || {
            std::fs::File::open(INSTALLED).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        };
        self.config.is_none() && is_closed()
    }

    /// The store that the command means, for the platform that executes it. `config` is the file as it was
    /// read, if it could be.
    pub(super) fn meant_store(&self, config: Option<&Config>) -> Option<HeaderValue> {
        let variable = Overrides::from_environment().store_url;
        let named_by = variable.is_none().then(|| FilePlace::new(self.path()));
        let place = match config {
            Some(config) => StorePlace::of(&config.store.url)?,
            None => {
                let folder = self.path().parent().unwrap_or(Path::new(""));
                let url = variable.map(|url| url.within(folder)).or_else(|| self.salvage().store_url)?;
                StorePlace::of(&url)?.in_any_schema()
            }
        };
        MeantStore { place, named_by }.to_header()
    }

    /// Verifies audit signatures of the platform that the configuration describes.
    pub(super) fn audit_signature_verifier(&self) -> Result<AuditSignatureVerifier, Failure> {
        AuditSignatureVerifier::load(&self.load()?.tls).map_err(|error| Failure::new(Exit::Config, error))
    }

    /// The key of the platform that the configuration describes, for what an operator decides.
    pub(super) fn audit_signer(&self, clock: &Clock) -> Result<Box<dyn Signer>, Failure> {
        let signer = AuditSigner::load(&self.load()?.tls, clock.now());
        Ok(Box::new(signer.map_err(|error| Failure::new(Exit::Unavailable, error))?))
    }

    /// Opens the store that the configuration names. It has to be there, and to need no migration. Nothing is
    /// written to it while it lacks what this node remembers of its audit chain, where this process may read
    /// that. Nor while it has a risk that is not accepted: then it is read, with a warning.
    pub(super) async fn open_store(&self, clock: &Clock, output: Output) -> Result<Store, Failure> {
        let config = self.load()?;
        let file = EndFile::new(&config.audit.state_directory, &config.store.node);
        let chain = OwnChain::containing(config.store.node, file.read().ok().flatten());
        let opened = Store::open_to_read(chain, &config.store.url, clock.clone()).await;
        let store = opened.map_err(context::failed)?;
        context::warn_of_risks(&store, output)?;
        Ok(store)
    }

    /// The same for the command that accepts a store which lacks it.
    pub(super) async fn open_any_store(&self, clock: &Clock) -> Result<Store, Failure> {
        let config = self.load()?;
        let opened = Store::open_existing(config.store.node, &config.store.url, clock.clone()).await;
        opened.map_err(context::failed)
    }
}

/// Whether another user than this one and root could have written the file in the working folder: it would
/// lead this user's commands to a store and a socket of that one.
fn is_foreign(file: &str) -> bool {
    let file = Path::new(file);
    if !file.exists() {
        return false;
    }
    let own = rustix::process::geteuid().as_raw();
    let owners =
        file.ancestors().take(2).filter_map(|path| std::fs::metadata(path).ok()).map(|found| found.uid());
    let is_foreign = owners.into_iter().any(|owner| owner != own && owner != 0);
    if is_foreign {
        static WARNING: Once = Once::new();
        WARNING.call_once(|| {
            let shown = file.display();
            let _ = writeln!(
                io::stderr(),
                "warning: {shown} belongs to another user and is not used; name it with --config"
            );
        });
    }
    is_foreign
}

/// The file by a path that is independent of the working directory, without `..`: those would be looked up in
/// a folder that may be gone.
fn absolute(file: &Path) -> PathBuf {
    if file.is_absolute() {
        return file.to_owned();
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (folder.canonicalize(), file.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        // Reading it fails, with the path as it was written.
        _ => file.to_owned(),
    }
}

/// Where a package installs the configuration.
const INSTALLED: &str = "/etc/pcd-platform/platform.toml";
/// Where `init --system` has the socket for people.
pub(super) const INSTALLED_SOCKET: &str = "/run/pcd-platform/admin.sock";
/// Where a checkout of the source has it.
const IN_REPOSITORY: &str = "config/platform.toml";
/// Where systemd has the credentials of the running platform, for root and the platform's user.
const CREDENTIALS: &str = "/run/credentials/pcd-platform.service";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::*;

    #[test]
    fn the_configuration_of_a_service_stays_where_it_is_when_its_working_directory_goes() {
        for relative in ["Cargo.toml", "src/../Cargo.toml", "./src/./../Cargo.toml"] {
            let file = absolute(Path::new(relative));
            assert!(file.is_absolute() && file.is_file(), "{relative}: {file:?}");
            assert!(!file.components().any(|part| part == std::path::Component::ParentDir), "{file:?}");
        }
        assert_eq!(absolute(Path::new("/nowhere/../x.toml")), Path::new("/nowhere/../x.toml"));
        assert_eq!(absolute(Path::new("nowhere/x.toml")), Path::new("nowhere/x.toml"));
    }

    #[test]
    fn a_configuration_in_the_working_folder_of_another_user_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("platform.toml");
        let is_foreign = || is_foreign(file.to_str().unwrap());
        assert!(!is_foreign(), "there is none");
        std::fs::write(&file, "").unwrap();
        assert!(!is_foreign());
        // Only root can give files away.
        if rustix::process::geteuid().is_root() {
            for (path, owner) in [(file.as_path(), 65534), (&file, 0), (folder.path(), 65534)] {
                chown(path, Some(owner), None).unwrap();
                assert_eq!(is_foreign(), owner != 0, "{}", path.display());
            }
        }
    }
}
