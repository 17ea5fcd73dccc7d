//! The folder of fetched responses and CRLs, so that a restart during an outage loses nothing.
//!
//! `ocsp/NAME.der`, `crl/NAME.crl`, and `staple/NAME.der` for the platform's own certificates. Names are
//! digests. Contents are verified again when they are used, so the folder is not trusted. `crl-numbers.json`
//! holds the highest CRL number seen of each issuer and scope.
//!
//! A separate thread writes: fsync takes milliseconds, and devices wait meanwhile.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::bounded_map::Identity;
use crate::filesystem::{AccessProblem, create_folder, folder_problem, open_or_create};
use crate::model::{Task, fault_point, hexadecimal};

/// The folder.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    /// The OCSP responses on disk, so that a handshake reads only files that exist.
    responses: Mutex<HashSet<Identity>>,
    /// Taken when the folder is closed.
    writer: Option<(SyncSender<Job>, JoinHandle<()>)>,
    /// Cancelled when the writer thread has ended, for any reason.
    ended: CancellationToken,
}

#[derive(Debug)]
enum Job {
    /// Replace a file.
    Replace(PathBuf, Bytes),
    /// Delete a file.
    Remove(PathBuf),
    /// Report when all earlier jobs are done.
    Flush(SyncSender<()>),
}

/// The kind of a file.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Ocsp,
    Crl,
    Staple,
}

impl Kind {
    const fn folder(self) -> &'static str {
        match self {
            Self::Ocsp => "ocsp",
            Self::Crl => "crl",
            Self::Staple => "staple",
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::Ocsp | Self::Staple => "der",
            Self::Crl => "crl",
        }
    }
}

/// Why this process cannot create files in `folder`, which need not exist. Creates nothing.
pub(super) fn directory_problem(folder: &Path) -> Option<AccessProblem> {
    let kinds = [Kind::Ocsp, Kind::Crl, Kind::Staple].map(|kind| folder.join(kind.folder()));
    // The folders inside are created with this one.
    let inside = kinds.iter().filter(|kind| kind.exists()).find_map(|kind| folder_problem(kind));
    folder_problem(folder).or(inside)
}

impl Disk {
    /// Opens the folder. Deletes leftover temporary files, and the oldest files beyond the limit.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        for kind in [Kind::Ocsp, Kind::Crl, Kind::Staple] {
            let folder = folder.join(kind.folder());
            create_folder(&folder, 0o777)?;
            remove_leftovers(&folder)?;
        }
        let mut responses = HashSet::new();
        for entry in fs::read_dir(folder.join(Kind::Ocsp.folder()))? {
            let path = entry?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).and_then(hexadecimal::decode);
            responses.extend(name.and_then(|name| Identity::try_from(name).ok()));
        }
        let (sender, jobs) = sync_channel(MAX_QUEUED_WRITES);
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let thread = std::thread::Builder::new().name("revocation".to_owned()).spawn(move || {
            let _guard = guard;
            let _span = Task::RevocationDisk.span().entered();
            write_all(&jobs);
        })?;
        let (responses, writer) = (Mutex::new(responses), Some((sender, thread)));
        Ok(Self { folder: folder.to_owned(), responses, writer, ended })
    }

    /// Cancelled when the writer thread has ended, for any reason.
    pub(super) fn writer_ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Opens the folder to read it only: nothing is created, deleted or written.
    pub(super) fn open_to_read(folder: &Path) -> Self {
        let entries = fs::read_dir(folder.join(Kind::Ocsp.folder())).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| hexadecimal::decode(entry.path().file_stem()?.to_str()?));
        let responses = names.filter_map(|name| Identity::try_from(name).ok()).collect();
        Self {
            folder: folder.to_owned(),
            responses: Mutex::new(responses),
            writer: None,
            ended: CancellationToken::new(),
        }
    }

    /// Whether an OCSP response for this certificate is on disk.
    pub(super) fn has_response(&self, identity: &Identity) -> bool {
        self.responses().contains(identity)
    }

    /// Reads the OCSP response for this certificate.
    pub(super) fn read_response(&self, identity: &Identity) -> Option<Vec<u8>> {
        fs::read(self.path(Kind::Ocsp, &hexadecimal::encode(identity))).ok()
    }

    /// Marks the response as unusable, so that it is not read again.
    pub(super) fn forget_response(&self, identity: &Identity) {
        self.responses().remove(identity);
    }

    /// Reads the staple for this certificate.
    pub(super) fn read_staple(&self, identity: &Identity) -> Option<Vec<u8>> {
        fs::read(self.path(Kind::Staple, &hexadecimal::encode(identity))).ok()
    }

    /// Writes the staple for a certificate of the platform.
    pub(super) async fn write_staple(&self, identity: &Identity, der: Bytes) {
        self.queue(Job::Replace(self.path(Kind::Staple, &hexadecimal::encode(identity)), der)).await;
    }

    /// Writes an OCSP response. On an error, which is logged, it stays known until the process ends.
    pub(super) async fn write_response(&self, identity: Identity, der: impl Into<Bytes>) {
        let der = der.into();
        self.queue(Job::Replace(self.path(Kind::Ocsp, &hexadecimal::encode(&identity)), der)).await;
        self.responses().insert(identity);
    }

    async fn queue(&self, job: Job) {
        let Some((writer, _)) = &self.writer else { return };
        if let Err(TrySendError::Full(job)) = writer.try_send(job) {
            let writer = writer.clone();
            // The disk is slower than the network: waiting bounds the memory of the queue.
            let _ = tokio::task::spawn_blocking(move || writer.send(job)).await;
        }
    }

    /// Writes a CRL under this name. May wait for the disk.
    pub(super) fn write_crl(&self, name: &str, der: Bytes) {
        self.send(Job::Replace(self.path(Kind::Crl, name), der));
    }

    /// Deletes the CRL of this name. May wait for the disk.
    pub(super) fn remove_crl(&self, name: &str) {
        self.send(Job::Remove(self.path(Kind::Crl, name)));
    }

    pub(super) fn read_crls(&self) -> Vec<(String, Vec<u8>)> {
        let Ok(entries) = fs::read_dir(self.folder.join(Kind::Crl.folder())) else { return Vec::new() };
        let named = entries.filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_stem()?.to_str()?.to_owned();
            Some((name, fs::read(&path).ok()?))
        });
        named.collect()
    }

    pub(super) fn read_crl_numbers(&self) -> BTreeMap<String, String> {
        let text = fs::read(self.folder.join(CRL_NUMBERS_FILE)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Writes the highest CRL numbers. May wait for the disk.
    pub(super) fn write_crl_numbers(&self, numbers: &BTreeMap<String, String>) {
        // A map from text to text always serialises.
        let text = serde_json::to_vec_pretty(numbers).unwrap_or_default();
        self.send(Job::Replace(self.folder.join(CRL_NUMBERS_FILE), text.into()));
    }

    /// Waits until everything queued is written.
    pub(super) fn flush(&self) {
        let (done, written) = sync_channel(1);
        self.send(Job::Flush(done));
        // An error means that the writer has ended.
        let _ = written.recv();
    }

    fn send(&self, job: Job) {
        if let Some((writer, _)) = &self.writer {
            // An error means that the writer has ended.
            let _ = writer.send(job);
        }
    }

    fn path(&self, kind: Kind, name: &str) -> PathBuf {
        self.folder.join(kind.folder()).join(format!("{name}.{}", kind.extension()))
    }

    fn responses(&self) -> MutexGuard<'_, HashSet<Identity>> {
        self.responses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.writer.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}

/// The writer thread: writes a batch of files, then synchronises their folders once.
fn write_all(jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        fault_point(Task::RevocationDisk);
        let (mut folders, mut waiting) = (BTreeSet::new(), Vec::new());
        let more = std::iter::from_fn(|| jobs.try_recv().ok()).take(MAX_FILES_PER_SYNC);
        for job in std::iter::once(first).chain(more) {
            match job {
                Job::Replace(path, contents) => {
                    let temporary = path.with_extension(TEMPORARY_EXTENSION);
                    if let Err(error) = write_whole(&temporary, &path, &contents) {
                        let _ = fs::remove_file(&temporary);
                        report_write_error(&path, &error);
                    }
                    folders.extend(path.parent().map(Path::to_owned));
                }
                Job::Remove(path) => {
                    // A file that is left is read and verified again at the next start.
                    let _ = fs::remove_file(&path);
                }
                Job::Flush(done) => waiting.push(done),
            }
        }
        for folder in folders {
            if let Err(error) = File::open(&folder).and_then(|folder| folder.sync_all()) {
                report_write_error(&folder, &error);
            }
        }
        for done in waiting {
            // The receiver waits for this.
            let _ = done.send(());
        }
    }
}

fn report_write_error(path: &Path, error: &io::Error) {
    tracing::error!(file = %path.display(), %error, "could not write fetched revocation data; it will be missing after a restart");
}

fn write_whole(temporary: &Path, path: &Path, contents: &[u8]) -> io::Result<()> {
    // The leftover of a crash, or a link that the folder's owner planted: never write through it.
    if let Err(error) = fs::remove_file(temporary)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = open_or_create(temporary, OpenOptions::new().write(true).create_new(true))?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

fn remove_leftovers(folder: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let modified = entry.metadata()?.modified()?;
        if path.extension().is_none_or(|extension| extension != TEMPORARY_EXTENSION) {
            files.push((modified, path));
        } else if modified.elapsed().is_ok_and(|age| age > MIN_LEFTOVER_AGE) {
            fs::remove_file(&path)?;
        }
    }
    files.sort();
    let surplus = files.len().saturating_sub(MAX_FILES);
    files.into_iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
}

/// Files of one kind. The oldest beyond this number are deleted at the next start.
const MAX_FILES: usize = 100_000;
/// Queued writes. When the queue is full, callers wait.
const MAX_QUEUED_WRITES: usize = 1024;
/// Files written before their folder is synchronised.
const MAX_FILES_PER_SYNC: usize = 64;
/// Younger temporary files may belong to another process: `check` opens the folder while `serve` runs.
const MIN_LEFTOVER_AGE: std::time::Duration = std::time::Duration::from_mins(1);
const CRL_NUMBERS_FILE: &str = "crl-numbers.json";
const TEMPORARY_EXTENSION: &str = "tmp";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn written_files_survive_a_restart_and_leftovers_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        disk.write_response([1; 32], b"one".to_vec()).await;
        disk.write_response([1; 32], b"two".to_vec()).await;
        assert!(disk.has_response(&[1; 32]) && !disk.has_response(&[2; 32]));
        disk.write_crl("b", Bytes::from_static(b"list"));
        disk.write_crl_numbers(&BTreeMap::from([("k".to_owned(), "05".to_owned())]));
        disk.flush();
        assert_eq!(disk.read_response(&[1; 32]).unwrap(), b"two");
        let half = |name: &str, age| {
            let file = File::create(folder.path().join("ocsp").join(name)).unwrap();
            let modified = file.metadata().unwrap().modified().unwrap();
            file.set_modified(modified - age).unwrap();
        };
        half("c.tmp", 2 * MIN_LEFTOVER_AGE);
        half("d.tmp", MIN_LEFTOVER_AGE / 2);
        disk.write_response([3; 32], b"at the end".to_vec()).await;
        drop(disk);
        let disk = Disk::open(folder.path()).unwrap();
        assert_eq!(disk.read_response(&[1; 32]).unwrap(), b"two");
        assert!(disk.has_response(&[1; 32]) && disk.has_response(&[3; 32]) && !disk.has_response(&[2; 32]));
        assert_eq!(disk.read_crls(), [("b".to_owned(), b"list".to_vec())]);
        assert_eq!(disk.read_crl_numbers()["k"], "05");
        assert_eq!(fs::read_dir(folder.path().join("ocsp")).unwrap().count(), 3);
    }

    #[tokio::test]
    async fn a_write_replaces_a_link_and_not_the_file_that_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, b"precious").unwrap();
        let at = folder.path().join("ocsp").join(hexadecimal::encode(&[1; 32]));
        std::os::unix::fs::symlink(&victim, at.with_extension(TEMPORARY_EXTENSION)).unwrap();
        disk.write_response([1; 32], b"one".to_vec()).await;
        disk.flush();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(disk.read_response(&[1; 32]).unwrap(), b"one");
    }

    #[tokio::test]
    async fn more_writes_than_the_queue_holds_are_all_written() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        for number in 0..=u8::MAX {
            disk.write_response([number; 32], vec![number]).await;
        }
        disk.flush();
        assert_eq!(fs::read_dir(folder.path().join("ocsp")).unwrap().count(), 256);
    }
}
