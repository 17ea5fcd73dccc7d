//! Where the running platform is, also when the configuration cannot be used.

use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::admin_client::Target;
use super::config_file::{ConfigFile, INSTALLED_SOCKET};
use super::{Exit, Failure};
use crate::config::{Config, ConfigError};
use crate::http::served_socket;
use crate::store::Store;

/// What the command line names of the platform.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted<'a> {
    /// The socket.
    pub(super) socket: Option<&'a Path>,
    /// Whether the running platform is meant, whichever store it has.
    pub(super) running: bool,
}

/// The running platform, as a command finds it.
#[derive(Debug)]
pub(super) struct Located {
    /// `None`: `admin.socket` is "none".
    pub(super) target: Option<Target>,
    /// Why the configuration cannot be used: the platform was found without it.
    pub(super) fault: Option<ConfigError>,
}

impl Located {
    /// Finds the platform of `file`. With a configuration that cannot be used it is the one that serves the
    /// socket which the usable lines of the file, or the package, have.
    ///
    /// # Errors
    /// When the configuration cannot be used and no platform is found.
    pub(super) fn find(file: &ConfigFile, wanted: Wanted<'_>) -> Result<Self, Failure> {
        let target = |socket, config: Option<&Config>| {
            let meant = if wanted.running { None } else { file.meant_store(config) };
            let owner = config.filter(|_| !wanted.running).and_then(owner_of_store);
            Some(Target { socket, meant, owner })
        };
        if let Some(socket) = wanted.socket {
            // It names the platform; only a store that is named as well is compared.
            let config = if file.is_named() { file.try_load().ok() } else { None };
            let is_named = config.is_some() || std::env::var_os("PCD_STORE_URL").is_some();
            let named = target(socket.to_owned(), config.as_ref());
            let target = if is_named { named } else { named.map(|target| target.whichever_store()) };
            return Ok(Self { target, fault: None });
        }
        if file.is_closed_to_this_user() {
            return Ok(Self { target: target(PathBuf::from(INSTALLED_SOCKET), None), fault: None });
        }
        match file.try_load() {
            Ok(config) => {
                let socket = configured_socket(&config);
                Ok(Self { target: socket.and_then(|socket| target(socket, Some(&config))), fault: None })
            }
            Err(error) => match served(file) {
                Some(socket) => Ok(Self { target: target(socket, None), fault: Some(error) }),
                None => Err(Failure::new(Exit::Config, error)),
            },
        }
    }

    /// Says on stderr that the configuration cannot be used.
    pub(super) fn warn(&self) {
        if let (Some(fault), Some(target)) = (&self.fault, &self.target) {
            let _ = writeln!(
                io::stderr(),
                "warning: {}; the platform that serves {} is asked all the same",
                fault.in_one_line(),
                target.socket.display()
            );
        }
    }

    /// The platform.
    ///
    /// # Errors
    /// When it has no socket.
    pub(super) fn required(&self) -> Result<&Target, Failure> {
        self.target.as_ref().ok_or_else(|| {
            Failure::new(Exit::Config, anyhow!("admin.socket is \"none\": no command reaches the platform"))
        })
    }
}

/// The account of the store's file: beside root, the only one that can serve it.
fn owner_of_store(config: &Config) -> Option<u32> {
    let file = Store::file_at(&config.store.url)?;
    std::fs::metadata(file).ok().map(|metadata| metadata.uid())
}

/// The socket of the running platform; `None` when the configuration has none. After a change of
/// `admin.socket` the platform serves the former one until its next start: then it is that one.
fn configured_socket(config: &Config) -> Option<PathBuf> {
    let (folder, node) = (&config.audit.state_directory, &config.store.node);
    let configured = config.admin.socket.path(folder, node);
    let served = served_socket(folder, node, configured.clone());
    if let Some(served) = served.as_ref().filter(|_| served != configured) {
        let shown = served.display();
        let note = "warning: the running platform serves the socket";
        let _ = writeln!(io::stderr(), "{note} {shown}: admin.socket of the file applies at its next start");
    }
    served
}

/// The socket that a platform serves, by the usable lines of the file; that of the package only where the
/// operator named no file: another file may be that of another platform.
fn served(file: &ConfigFile) -> Option<PathBuf> {
    let salvaged = file.salvage();
    let (folder, node) = (&salvaged.state_directory, &salvaged.node);
    let written = served_socket(folder, node, salvaged.socket.path(folder, node));
    let installed = (!file.is_named()).then(|| PathBuf::from(INSTALLED_SOCKET));
    written.into_iter().chain(installed).find(|socket| UnixStream::connect(socket).is_ok())
}
