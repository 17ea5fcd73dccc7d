//! The unix socket for people and commands: where it is, and who may connect.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use super::socket_way::NEW_FOLDER;
use crate::filesystem::{AccessProblem, accounts, create_folder, folder_problem};

/// The bound socket. Its file goes when this is dropped, if it is still this one.
#[derive(Debug)]
pub(super) struct SocketFile {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file.
    identity: (u64, u64),
}

/// Why the socket cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on the socket {}: {fault}", path.display())]
pub struct SocketError {
    path: PathBuf,
    fault: Fault,
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("another process listens there")]
    InUse,
    #[error("there is a file that is no socket; remove it, or name another path in admin.socket")]
    NotSocket,
    #[error("the socket that is there belongs to another user (uid {0}); remove it, or name another path")]
    Foreign(u32),
    #[error(
        "other users can change what is in its folder (mode {0:04o}): it has to belong to this user or root, and \
         to be writable for its owner only"
    )]
    Folder(u32),
    #[error(
        "all users can change what is in the folder {} (mode {mode:04o}), which is above it: move it, or take \
         their right to write away", folder.display()
    )]
    Above { folder: PathBuf, mode: u32 },
    #[error("this machine has no group {0} (admin.socket-group)")]
    NoGroup(String),
    #[error(
        "it cannot be given to the group {group} (admin.socket-group), because the platform's user ({user}) is no \
         member: add it with `usermod --append --groups {group} {user}`, and start the platform again"
    )]
    NotMember { group: String, user: String },
    #[error(
        "it cannot be given to the group {group} (admin.socket-group), because this process may not change owners \
         (SystemCallFilter= of systemd): give the folder to that group with mode 2755"
    )]
    NotGiven { group: String },
    #[error("{problem}{advice}")]
    Access { problem: AccessProblem, advice: &'static str },
    #[error(transparent)]
    System(#[from] io::Error),
}

impl SocketFile {
    /// Listens at `path`; members of `group` may connect besides this user and root.
    pub(super) fn bind(path: &Path, group: Option<&str>) -> Result<Self, SocketError> {
        Self::listen(path, group).map_err(|fault| SocketError { path: path.to_owned(), fault })
    }

    fn listen(path: &Path, group: Option<&str>) -> Result<Self, Fault> {
        let group = match group {
            Some(name) => {
                let id = accounts::group_id(name).ok_or_else(|| Fault::NoGroup(name.to_owned()))?;
                Some((name, id))
            }
            None => None,
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        create_folder(folder, NEW_FOLDER).map_err(|error| folder_fault(folder, error))?;
        require_own_folder(&fs::metadata(folder)?)?;
        require_safe_way(&fs::canonicalize(folder)?)?;
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?).map_err(|error| folder_fault(folder, error))?;
        Self::serve(socket, path, group).inspect_err(|_| {
            // What cannot be served is not left there.
            let _ = fs::remove_file(path);
        })
    }

    fn serve(socket: Socket, path: &Path, group: Option<(&str, u32)>) -> Result<Self, Fault> {
        // No client can connect before `listen`: there is no moment with other permissions. Only this user
        // and root can replace what is in the folder, so that it is this file that they are set on.
        let mode = if group.is_some() { 0o660 } else { 0o600 };
        if let Some((name, id)) = group {
            // A folder with the setgid bit has given it the group: a service that may not change owners
            // (systemd's SystemCallFilter without @chown) relies on that.
            if fs::symlink_metadata(path)?.gid() != id {
                chown(path, None, Some(id)).map_err(|error| group_fault(error, name, id))?;
            }
        }
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let listener = UnixListener::from_std(std::os::unix::net::UnixListener::from(
            std::os::fd::OwnedFd::from(socket),
        ))?;
        let identity = identity(&fs::symlink_metadata(path)?);
        Ok(Self { listener, path: path.to_owned(), identity })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|file| identity(&file) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What a start would refuse of a socket at `path`, found without creating anything. Whether another process
/// listens there is not looked at, because it may be the platform. As root, owners are not compared: the
/// platform may run as another user.
#[must_use]
pub fn examine_socket(path: &Path, group: Option<&str>) -> Option<SocketError> {
    look(path, group).err().map(|fault| SocketError { path: path.to_owned(), fault })
}

fn look(path: &Path, group: Option<&str>) -> Result<(), Fault> {
    let own = rustix::process::geteuid();
    if let Some(name) = group {
        let id = accounts::group_id(name).ok_or_else(|| Fault::NoGroup(name.to_owned()))?;
        if !own.is_root() && !is_member(id) {
            let user = accounts::actor(own.as_raw(), None);
            return Err(Fault::NotMember { group: name.to_owned(), user });
        }
    }
    let absolute = std::path::absolute(path)?;
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    match fs::metadata(folder) {
        Ok(known) if own.is_root() && known.mode() & 0o022 == 0 => {}
        Ok(known) => require_own_folder(&known)?,
        // The start creates it.
        Err(_) => {}
    }
    let existing = absolute.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let existing = fs::canonicalize(existing)?;
    require_safe_way(&if folder.exists() { existing } else { existing.join("missing") })?;
    unusable_folder(folder).map_or(Ok(()), Err)?;
    match fs::symlink_metadata(path) {
        Ok(file) if !file.file_type().is_socket() => Err(Fault::NotSocket),
        Ok(file) if !own.is_root() && file.uid() != own.as_raw() => Err(Fault::Foreign(file.uid())),
        _ => Ok(()),
    }
}

/// Why nothing can be made in the folder, or the folder itself.
fn folder_fault(folder: &Path, error: io::Error) -> Fault {
    unusable_folder(folder).unwrap_or(Fault::System(error))
}

/// Why this process can make nothing in the folder, or cannot make the folder.
fn unusable_folder(folder: &Path) -> Option<Fault> {
    let problem = folder_problem(folder)?;
    let advice = if folder == Path::new(PACKAGED_FOLDER) { PACKAGED_ADVICE } else { "" };
    Some(Fault::Access { problem, advice })
}

/// Whether this process is in the group.
fn is_member(group: u32) -> bool {
    let groups = rustix::process::getgroups().unwrap_or_default();
    rustix::process::getegid().as_raw() == group || groups.iter().any(|one| one.as_raw() == group)
}

/// Only root can give a file to a group of which this user is no member.
fn group_fault(error: io::Error, group: &str, id: u32) -> Fault {
    if error.kind() == io::ErrorKind::PermissionDenied && is_member(id) {
        Fault::NotGiven { group: group.to_owned() }
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        let user = accounts::actor(rustix::process::geteuid().as_raw(), None);
        Fault::NotMember { group: group.to_owned(), user }
    } else {
        error.into()
    }
}

/// A user who can write to a folder above could put another folder in place of this one. In a sticky folder
/// no user can replace what belongs to another.
fn require_safe_way(folder: &Path) -> Result<(), Fault> {
    for above in folder.ancestors().skip(1) {
        let mode = fs::metadata(above)?.mode();
        if mode & 0o1002 == 0o002 {
            return Err(Fault::Above { folder: above.to_owned(), mode: mode & 0o7777 });
        }
    }
    Ok(())
}

/// A user who can write to the folder could put another socket there, and listen in its place; in a sticky
/// folder too, while no platform runs.
fn require_own_folder(folder: &Metadata) -> Result<(), Fault> {
    let (own, owner, mode) = (rustix::process::geteuid().as_raw(), folder.uid(), folder.mode());
    if (owner == own || owner == 0) && mode & 0o022 == 0 { Ok(()) } else { Err(Fault::Folder(mode & 0o7777)) }
}

/// Removes what an earlier process of this user left there. A link is no socket: it is not followed.
fn remove_stale(path: &Path) -> Result<(), Fault> {
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !file.file_type().is_socket() {
        return Err(Fault::NotSocket);
    }
    if file.uid() != rustix::process::geteuid().as_raw() {
        return Err(Fault::Foreign(file.uid()));
    }
    match StdUnixStream::connect(path) {
        Ok(_) => Err(Fault::InUse),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(fs::remove_file(path)?),
        Err(error) => Err(error.into()),
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// The folder of the socket of the package, which `deploy/systemd/tmpfiles.d` makes at each boot.
const PACKAGED_FOLDER: &str = "/run/pcd-platform";
const PACKAGED_ADVICE: &str = "; with the package do neither: `sudo systemd-tmpfiles --create pcd-platform.conf` makes \
                               the folder as it has to be";
/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    #[tokio::test]
    async fn only_this_user_can_connect_unless_a_group_is_configured() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run").join("admin.sock");
        let socket = SocketFile::bind(&path, None).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o750));
        drop(socket);
        assert!(!path.exists());
        let group = rustix::process::getegid().as_raw().to_string();
        let socket = SocketFile::bind(&path, Some(&group)).unwrap();
        assert_eq!(mode(&path), 0o660);
        drop(socket);
        let error = SocketFile::bind(&path, Some("no-such-group")).unwrap_err().to_string();
        assert!(error.contains("no group no-such-group"), "{error}");
    }

    #[tokio::test]
    async fn what_a_start_would_refuse_is_found_without_creating_anything() {
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        let found = |path: &Path, group| examine_socket(path, group).map(|error| error.to_string());
        for path in [open.join("admin.sock"), open.join("below/admin.sock")] {
            let refused = found(&path, None).unwrap();
            assert_eq!(SocketFile::bind(&path, None).unwrap_err().to_string(), refused);
        }
        let pseudo = Path::new("/proc/no-such-folder/admin.sock");
        let refused = found(pseudo, None).unwrap();
        assert!(refused.contains("/proc is on a file system that holds no files"), "{refused}");
        assert_eq!(SocketFile::bind(pseudo, None).unwrap_err().to_string(), refused);
        let well = folder.path().join("run/admin.sock");
        assert_eq!(found(&well, None), None);
        assert!(!well.parent().unwrap().exists());
        assert!(found(&well, Some("no-such-group")).unwrap().contains("no group no-such-group"));
        fs::write(folder.path().join("file"), "x").unwrap();
        assert!(found(&folder.path().join("file"), None).unwrap().contains("no socket"));
        fs::set_permissions(&open, fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_a_file_and_a_link_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let refused = |path: &Path| SocketFile::bind(path, None).unwrap_err().to_string();
        let socket = SocketFile::bind(&path, None).unwrap();
        assert!(refused(&path).contains("another process listens"));
        // A process that was killed removes nothing.
        let link = folder.path().join("link.sock");
        symlink(&path, &link).unwrap();
        assert!(refused(&link).contains("no socket"), "a link is not followed, even to a socket");
        drop(socket);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(SocketFile::bind(&path, None).unwrap());
        fs::write(&path, "kept").unwrap();
        assert!(refused(&path).contains("no socket"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
    }

    #[tokio::test]
    async fn a_folder_that_others_can_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, below) = (folder.path().join("admin.sock"), folder.path().join("run/admin.sock"));
        for mode in [0o777, 0o775, 0o1777] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            let error = SocketFile::bind(&path, None).unwrap_err().to_string();
            assert!(error.contains(&format!("mode {mode:04o}")), "{error}");
            assert!(!path.exists());
        }
        drop(SocketFile::bind(&below, None).unwrap());
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = SocketFile::bind(&below, None).unwrap_err().to_string();
        assert!(error.contains("mode 0777") && error.contains("above"), "{error}");
    }

    #[test]
    fn a_group_without_the_platform_is_named_with_what_to_do() {
        let fault = group_fault(io::ErrorKind::PermissionDenied.into(), "biomed", 4_000_000_990).to_string();
        assert!(fault.contains("group biomed") && fault.contains("usermod"), "{fault}");
    }

    #[tokio::test]
    async fn a_socket_that_cannot_be_served_is_not_left_behind() {
        if rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let error = SocketFile::bind(&path, Some("0")).unwrap_err().to_string();
        assert!(error.contains("no member") && !path.exists(), "{error}");
    }

    #[tokio::test]
    async fn the_file_of_another_process_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let first = SocketFile::bind(&path, None).unwrap();
        fs::remove_file(&path).unwrap();
        let second = SocketFile::bind(&path, None).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
    }
}
