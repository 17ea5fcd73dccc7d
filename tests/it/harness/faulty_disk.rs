//! A disk that is full, slow or broken for one process and its children, without a mount: a library that is
//! preloaded fails what such a disk would fail.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use tempfile::TempDir;

use super::tool;

/// The disk of the processes that have [`FaultyDisk::environment`].
#[derive(Debug)]
pub struct FaultyDisk {
    library: PathBuf,
    control: PathBuf,
}

/// Compiled once; it lives as long as the process.
static LIBRARY: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let library = folder.path().join("faulty_disk.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/faulty_disk.c");
    let compiled = tool("cc", "build-essential")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .arg(&library)
        .args([source, "-ldl"])
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    (folder, library)
});

impl FaultyDisk {
    /// A sound disk. Its two files are in `folder`, which the processes can read.
    pub fn new(folder: &Path) -> Self {
        let disk = Self { library: folder.join("faulty_disk.so"), control: folder.join("disk-fault") };
        std::fs::copy(&LIBRARY.1, &disk.library).unwrap();
        disk.recover();
        let modes = [(&disk.library, 0o755), (&disk.control, 0o644)];
        for (file, mode) in modes {
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        disk
    }

    /// What the processes need in their environment.
    pub fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [("LD_PRELOAD", self.library.clone()), ("PCD_TEST_DISK_FAULT", self.control.clone())]
    }

    /// No file whose path contains `text` can grow.
    pub fn fill(&self, text: &str) {
        self.control(&format!("full {text}"));
    }

    /// Each flush takes so much longer.
    pub fn slow_down(&self, by: Duration) {
        self.control(&format!("slow {}", by.as_micros()));
    }

    /// Files whose path contains `text` cannot be flushed.
    pub fn break_down(&self, text: &str) {
        self.control(&format!("broken {text}"));
    }

    pub fn recover(&self) {
        self.control("");
    }

    fn control(&self, text: &str) {
        std::fs::write(&self.control, text).unwrap();
    }
}
