//! The programs of Prometheus: installed, or unpacked by `tests/run` from their Debian packages, so that no
//! service of them is ever started.

use std::path::{Path, PathBuf};
use std::process::Command;

/// `prometheus`, `promtool` or `amtool`.
pub fn monitoring_tool(name: &str) -> Command {
    Command::new(find(name))
}

fn find(name: &str) -> PathBuf {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/prometheus/usr/bin").join(name);
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&folders).map(|folder| folder.join(name));
    let found = installed.chain([unpacked]).find(|file| file.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "{name} is not there: tests/run fetches it (Debian packages prometheus, prometheus-alertmanager)"
        )
    })
}
