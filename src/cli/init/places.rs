//! The folders of a site, and whom they belong to.

use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown, lchown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use crate::cli::{Exit, Failure};
use crate::filesystem::{accounts, changeable_by_others};

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
        require_own(&dir)?;
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
        // The folder of the data belongs to the service: until it is handed over, a process of that account
        // must not put anything into it, such as a link to a file of root.
        chown(&data, Some(0), Some(0)).with_context(|| format!("cannot take {}", data.display()))?;
        let places = Self { dir, data, account: Some((user, group)) };
        let taken = fs::set_permissions(&places.data, Permissions::from_mode(0o700));
        let taken = taken.map_err(|error| anyhow::Error::new(error).into());
        if let Err(failure) = taken.and_then(|()| new_folder(&places.data)) {
            places.give_back();
            return Err(failure);
        }
        Ok(places)
    }

    /// After a failure: the folder of the data belongs to the service as before.
    pub(super) fn give_back(&self) {
        if let Some((user, group)) = self.account {
            let _ = chown(&self.data, Some(user), Some(group));
        }
    }

    /// What to do after a failure.
    pub(super) fn incomplete(&self) -> String {
        let (dir, data) = (self.dir.display(), self.data.display());
        if self.is_system() {
            return format!("{dir} and {data} are incomplete: empty both folders, then try again");
        }
        format!("{dir} is incomplete: empty it, then try again")
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
        for (readable, mode) in [(self.dir.clone(), 0o750), (self.dir.join("platform.toml"), 0o640)] {
            chown(&readable, Some(0), Some(group)).with_context(|| cannot_give(&readable))?;
            fs::set_permissions(&readable, Permissions::from_mode(mode))?;
        }
        for entry in fs::read_dir(self.dir.join("pki/platform"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "key") {
                chown(&path, Some(user), Some(group)).with_context(|| cannot_give(&path))?;
            }
        }
        Ok(())
    }
}

/// Who can replace files in the folder decides what the platform reads.
fn require_own(dir: &Path) -> Result<(), Failure> {
    match changeable_by_others(dir) {
        None => Ok(()),
        Some(why) => Err(Failure::new(
            Exit::Usage,
            anyhow!("{why}: choose a new folder, or change its owner and mode"),
        )),
    }
}

/// Creates the folder, for its owner only: there will be keys and messages in it. Nothing that is there is
/// changed.
fn new_folder(dir: &Path) -> Result<PathBuf, Failure> {
    let cannot = || format!("cannot create {}", dir.display());
    match fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => {}
        Ok(false) => {
            let advice = match dir == Path::new(CONFIGURATION) || dir == Path::new(DATA) {
                true => "what an earlier `init` has left has to be moved away",
                false => "choose a new folder",
            };
            let error = anyhow!("{} is not empty: nothing in it is changed; {advice}", dir.display());
            return Err(Failure::new(Exit::Usage, error));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(cannot)?;
        }
        Err(error) => return Err(anyhow::Error::new(error).context(cannot()).into()),
    }
    Ok(fs::canonicalize(dir).with_context(cannot)?)
}

/// The folder itself comes last: while it belongs to root, no other account changes what is in it.
fn give_all(path: &Path, user: u32, group: u32) -> anyhow::Result<()> {
    if path.symlink_metadata()?.is_dir() {
        for entry in fs::read_dir(path)? {
            give_all(&entry?.path(), user, group)?;
        }
    }
    lchown(path, Some(user), Some(group)).with_context(|| cannot_give(path))
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
