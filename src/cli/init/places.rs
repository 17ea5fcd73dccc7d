//! The folders of a site, and whom they belong to.

use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use crate::cli::{Exit, Failure};
use crate::filesystem::accounts;

/// Where the files of a site are.
#[derive(Debug)]
pub(super) struct Places {
    /// Configuration and certificates.
    pub(super) dir: PathBuf,
    /// The store, and what the platform remembers.
    pub(super) data: PathBuf,
    /// User and group of the service, if the site is that of an installed package.
    account: Option<(u32, u32)>,
}

impl Places {
    /// One new folder.
    pub(super) fn in_folder(dir: &Path) -> Result<Self, Failure> {
        let dir = new_folder(dir)?;
        Ok(Self { data: dir.join("data"), dir, account: None })
    }

    /// The places of an installed package, for its service.
    pub(super) fn of_system() -> Result<Self, Failure> {
        if !rustix::process::geteuid().is_root() {
            return Err(Failure::new(
                Exit::Usage,
                anyhow!("--system writes to {CONFIGURATION}: it needs root"),
            ));
        }
        let (Some(user), Some(group)) = (accounts::user_id(ACCOUNT), accounts::group_id(ACCOUNT)) else {
            let error =
                anyhow!("there is no account {ACCOUNT}: the package makes it, and its service runs as it");
            return Err(Failure::new(Exit::Usage, error));
        };
        let (dir, data) = (new_folder(Path::new(CONFIGURATION))?, new_folder(Path::new(DATA))?);
        Ok(Self { dir, data, account: Some((user, group)) })
    }

    /// Whether the site is that of an installed package.
    pub(super) const fn is_system(&self) -> bool {
        self.account.is_some()
    }

    /// The folder of the data, as the configuration names it.
    pub(super) fn data_in_configuration(&self) -> String {
        let relative = self.data.strip_prefix(&self.dir);
        relative.unwrap_or(&self.data).display().to_string()
    }

    /// Gives the service what it needs: its data and its own keys; it may read the configuration. The keys of
    /// the CAs stay with root.
    pub(super) fn hand_over(&self) -> anyhow::Result<()> {
        let Some((user, group)) = self.account else { return Ok(()) };
        give_all(&self.data, user, group)?;
        fs::set_permissions(&self.data, Permissions::from_mode(0o700))?;
        for readable in [self.dir.clone(), self.dir.join("platform.toml")] {
            chown(&readable, Some(0), Some(group)).with_context(|| cannot_give(&readable))?;
        }
        fs::set_permissions(&self.dir, Permissions::from_mode(0o750))?;
        for entry in fs::read_dir(self.dir.join("pki/platform"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "key") {
                chown(&path, Some(user), Some(group)).with_context(|| cannot_give(&path))?;
            }
        }
        Ok(())
    }
}

/// Creates the folder, for its owner only: there will be keys and messages in it. Nothing that is there is
/// changed.
fn new_folder(dir: &Path) -> Result<PathBuf, Failure> {
    let cannot = || format!("cannot create {}", dir.display());
    match fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => {}
        Ok(false) => {
            let error =
                anyhow!("{} is not empty: nothing in it is changed; choose a new folder", dir.display());
            return Err(Failure::new(Exit::Usage, error));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(cannot)?;
        }
        Err(error) => return Err(anyhow::Error::new(error).context(cannot()).into()),
    }
    Ok(fs::canonicalize(dir).with_context(cannot)?)
}

fn give_all(path: &Path, user: u32, group: u32) -> anyhow::Result<()> {
    chown(path, Some(user), Some(group)).with_context(|| cannot_give(path))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give_all(&entry?.path(), user, group)?;
        }
    }
    Ok(())
}

fn cannot_give(path: &Path) -> String {
    format!("cannot give {} to {ACCOUNT}", path.display())
}

/// Where a package has the configuration.
const CONFIGURATION: &str = "/etc/pcd-platform";
/// Where the service of a package has its data.
const DATA: &str = "/var/lib/pcd-platform";
/// The user and the group of that service.
const ACCOUNT: &str = "pcd-platform";
