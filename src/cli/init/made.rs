//! What `init` has made.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

/// What was made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Made {
    pub(super) config: PathBuf,
    /// Certificate requests for the CA.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) requests: Vec<PathBuf>,
    /// A page about what to do next.
    pub(super) next: PathBuf,
    /// The commands that come next.
    pub(super) commands: Vec<String>,
}

impl Made {
    pub(super) fn text(&self) -> String {
        let mut text = format!("configuration: {}\n", self.config.display());
        for request in &self.requests {
            text.push_str(&format!("request:       {} (send this to your CA)\n", request.display()));
        }
        text.push_str(&format!("what is next:  {}\n\n", self.next.display()));
        text.push_str(&self.commands.join("\n"));
        text
    }
}

/// Writes a new file of the site: through no link, and over nothing that another process has put there.
pub(super) fn write(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    let written =
        options.write(true).create_new(true).open(path).and_then(|mut file| file.write_all(contents));
    written.with_context(|| format!("cannot write {}", path.display()))
}
