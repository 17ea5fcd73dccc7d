//! A small file system of one test: it can be full, and it can refuse to be written.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tool;

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
        // It is made elsewhere: a program that opens a file for writing in between would keep it writable.
        let prepared = self.path.with_extension("ro");
        std::fs::create_dir_all(&prepared).unwrap();
        mount(&["--bind", self.back.to_str().unwrap()], &prepared);
        mount(&["-o", "remount,bind,ro"], &prepared);
        mount(&["--bind", prepared.to_str().unwrap()], &self.path);
        unmount(&prepared);
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
