//! A small file system of one test: it can be full, and it can refuse to be written.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tool;

/// Marks the run that was started again where mounting is allowed.
const INSIDE: &str = "PCD_TEST_MAY_MOUNT";

/// Runs `body` where file systems may be mounted: this test binary is started again in a mount namespace of
/// its own, which takes its mounts with it. `test` is the full name of the calling test.
pub fn where_one_may_mount(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let unshare = || {
        let mut unshare = tool("unshare", "util-linux");
        // Root needs no user namespace, and may not be allowed one.
        let mine = if rustix::process::geteuid().is_root() { "--fork" } else { "--map-root-user" };
        unshare.args([mine, "--mount"]);
        unshare
    };
    let allowed = unshare().arg("true").output().unwrap();
    assert!(
        allowed.status.success(),
        "this test mounts a small file system: run it as root, or allow user namespaces \
         (sysctl kernel.unprivileged_userns_clone=1): {}",
        String::from_utf8_lossy(&allowed.stderr)
    );
    let output = unshare()
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let transcript =
        format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && transcript.contains("1 passed"), "{transcript}");
}

/// A file system in memory with a bound, mounted at a path until it is dropped.
#[derive(Debug)]
pub struct Disk {
    /// Where it is mounted for the process under test.
    path: PathBuf,
    /// Where it is mounted for the test.
    back: PathBuf,
}

impl Disk {
    /// Mounts `size` (`4m`) at `path`, which is made.
    pub fn mount(path: &Path, size: &str) -> Self {
        let disk = Self { path: path.to_owned(), back: path.with_extension("back") };
        for folder in [&disk.path, &disk.back] {
            std::fs::create_dir(folder).unwrap();
        }
        mount(&["-t", "tmpfs", "-o", &format!("size={size},mode=700"), "tmpfs"], &disk.back);
        mount(&["--bind", disk.back.to_str().unwrap()], &disk.path);
        disk
    }

    /// Leaves no byte free.
    pub fn fill(&self) {
        let mut filler = File::options().create(true).append(true).open(self.filler()).unwrap();
        for block in [vec![0; 1 << 16], vec![0; 1 << 8]] {
            while filler.write_all(&block).is_ok() {}
        }
    }

    /// Gives back what [`Disk::fill`] took.
    pub fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    /// From now on files there can only be opened for reading.
    pub fn forbid_writing(&self) {
        mount(&["--bind", self.back.to_str().unwrap()], &self.path);
        mount(&["-o", "remount,bind,ro"], &self.path);
    }

    /// Takes back [`Disk::forbid_writing`].
    pub fn allow_writing(&self) {
        unmount(&self.path);
    }

    fn filler(&self) -> PathBuf {
        self.back.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A test that failed may have left two there.
        for path in [&self.path, &self.path, &self.back] {
            let _ = Command::new("umount").arg("-l").arg(path).output();
        }
    }
}

fn mount(words: &[&str], at: &Path) {
    let output = tool("mount", "mount").args(words).arg(at).output().unwrap();
    assert!(output.status.success(), "mount {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn unmount(at: &Path) {
    let output = tool("umount", "mount").arg("-l").arg(at).output().unwrap();
    assert!(output.status.success(), "umount: {}", String::from_utf8_lossy(&output.stderr));
}
