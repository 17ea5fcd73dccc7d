//! Copies the store while it is in use.

mod partial;
mod place;
mod room;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions};

use self::partial::Partial;
use self::place::folder_of;
use super::failure::read_error;
use super::location::Location;
use crate::filesystem;
use crate::model::LongWork;
use crate::store::error::StoreError;

/// Copies the store into a new file, which only its owner may read, and checks the integrity of the copy.
/// Readers and writers continue; the copy is a consistent snapshot. Where it is on the disk of the store,
/// `keep_percent` of that disk stay free. Until it is whole it is in a folder of
/// its own beside `to`, which goes with the caller that stops waiting.
pub(in crate::store) async fn backup(
    location: &Location,
    to: &Path,
    keep_percent: u64,
    work: &LongWork,
) -> Result<(), StoreError> {
    let failed = |source: io::Error| StoreError::Backup { path: to.to_owned(), source: Arc::new(source) };
    if let Some(end) = meaningful_end(to) {
        let what = format!("a file that ends in \"{end}\" is part of the database beside it");
        return Err(failed(io::Error::new(io::ErrorKind::InvalidFilename, what)));
    }
    // SQLite would take files beside the copy for its journal, whatever process wrote them.
    for end in ["", "-wal", "-shm", "-journal"] {
        let mut name = to.as_os_str().to_owned();
        name.push(end);
        if Path::new(&name).symlink_metadata().is_ok() {
            let what = format!("{} exists already", Path::new(&name).display());
            return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, what)));
        }
    }
    if fs::metadata(folder_of(to)).is_ok_and(|folder| filesystem::is_open_to_all(&folder)) {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, OPEN)));
    }
    if filesystem::is_private_to_service(folder_of(to)) {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, PRIVATE)));
    }
    let partial = Partial::create(to).map_err(failed)?;
    let used = used(location).await?;
    room::require(used, location.path(), to, keep_percent).map_err(failed)?;
    // SQLite fills an empty file. Created here, the file is never readable by others, not even briefly.
    let mut options = File::options();
    let file = options.write(true).create_new(true).mode(0o600).open(&partial.file).map_err(failed)?;
    let size = fs::metadata(location.path()).map(|file| file.len()).ok();
    work.begin_bytes("of the store copied", size);
    watched(copy(location, &partial), || work.reach(file.metadata().map_or(0, |file| file.len()))).await?;
    file.sync_all().map_err(failed)?;
    work.begin("integrity of the copy", None);
    check(&partial.file).await?;
    rename_new(&partial.file, to).and_then(|()| sync_folder(to)).map_err(failed)
}

/// The end of a name by which SQLite, or a process that serves, finds a file of the database beside it: a
/// copy as `platform.db-journal` would be taken for the unfinished transaction of `platform.db`.
fn meaningful_end(to: &Path) -> Option<&'static str> {
    let name = to.file_name()?.to_string_lossy();
    ["-journal", "-wal", "-shm", ".lock"].into_iter().find(|end| name.ends_with(end))
}

/// The bytes of the pages that are in use: the copy has no others.
async fn used(location: &Location) -> Result<u64, StoreError> {
    let mut connection = location.connect_to_read().await?;
    let pages = "SELECT (page_count - freelist_count) * page_size
         FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    let used: i64 = sqlx::query_scalar(pages).fetch_one(&mut connection).await.map_err(read_error)?;
    connection.close().await.map_err(read_error)?;
    Ok(u64::try_from(used).unwrap_or_default())
}

/// Waits for `copying`, and looks at it meanwhile.
async fn watched<T>(copying: impl Future<Output = T>, look: impl Fn()) -> T {
    let mut copying = std::pin::pin!(copying);
    loop {
        match tokio::time::timeout(LOOK_INTERVAL, copying.as_mut()).await {
            Ok(copied) => return copied,
            Err(_) => look(),
        }
    }
}

async fn copy(location: &Location, partial: &Partial) -> Result<(), StoreError> {
    let mut connection = location.connect().await?;
    let is_over = Arc::clone(&partial.is_over);
    let mut handle = connection.lock_handle().await.map_err(read_error)?;
    handle.set_progress_handler(STEPS_BETWEEN_LOOKS, move || !is_over.load(Ordering::Relaxed));
    drop(handle);
    let path = partial.file.to_str().ok_or(StoreError::Url)?;
    sqlx::query("VACUUM INTO ?").bind(path).execute(&mut connection).await.map_err(read_error)?;
    connection.close().await.map_err(read_error)
}

/// Renames a file to a name that is free.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system can do that at once.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            File::options().write(true).create_new(true).mode(0o600).open(to)?;
            fs::rename(from, to)
        }
        renamed => Ok(renamed?),
    }
}

/// Makes the name of the new file durable.
fn sync_folder(of: &Path) -> io::Result<()> {
    File::open(folder_of(of))?.sync_all()
}

/// Opens the copy to read it.
pub(in crate::store) fn open(copy: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(copy).read_only(true);
    SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options)
}

/// Checks the integrity of the copy.
async fn check(copy: &Path) -> Result<(), StoreError> {
    let options = SqliteConnectOptions::new().filename(copy).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(read_error)?;
    let found: Vec<String> =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut connection).await.map_err(read_error)?;
    connection.close().await.map_err(read_error)?;
    if found == ["ok"] { Ok(()) } else { Err(StoreError::unreadable("the copy")) }
}

/// Why no copy is made there: another account could put its own file in the place of the one that is
/// written.
const OPEN: &str = "each account can write to this folder, and could take the copy: make the folder writable for the account that \
                    backs up alone";
/// Why no copy is made there.
const PRIVATE: &str = "this folder is one of the service alone (PrivateTmp=): no other process would see the copy, and it would \
                       go when the service stops";
/// How often the size of the copy is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Steps of SQLite's virtual machine between two looks whether the copy is still wanted.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StoreUrl;

    #[tokio::test]
    async fn a_copy_that_is_interrupted_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let (store, to) = (folder.path().join("store.db"), folder.path().join("copy.db"));
        let location = Location::parse(&StoreUrl::new(format!("sqlite:{}", store.display()))).unwrap();
        location.create().unwrap();
        let mut connection = location.connect().await.unwrap();
        sqlx::query("CREATE TABLE message (id BLOB)").execute(&mut connection).await.unwrap();
        let work = LongWork::default();
        let files = || fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let others = || files().filter(|name| !name.to_string_lossy().starts_with("store.db")).count();
        // Polled once.
        let interrupted = tokio::time::timeout(Duration::ZERO, backup(&location, &to, 0, &work)).await;
        assert!(interrupted.is_err());
        assert_eq!(others(), 0);
        backup(&location, &to, 0, &work).await.unwrap();
        assert_eq!(others(), 1);
        assert!(to.exists() && work.stage().is_some_and(|stage| stage.what == "integrity of the copy"));
        assert!(backup(&location, &to, 0, &work).await.is_err(), "what is there is not written over");
        assert!(to.exists(), "nor removed");
    }
}
