//! The folder of the test PKI, and what its commands share.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::cli::{Exit, Failure};
use crate::model::Clock;
use crate::pki::{PkiError, TestPki};

/// The option that names the folder of the test PKI.
#[derive(Debug, clap::Args)]
pub(super) struct Folder {
    /// Folder of the test PKI
    #[arg(long, value_name = "DIR")]
    pub(super) dir: PathBuf,
}

impl Folder {
    pub(super) fn open(&self, clock: &Clock) -> Result<TestPki, Failure> {
        TestPki::open(&self.dir, clock).map_err(failure)
    }
}

/// The exit code of an error: `Usage` for an argument that can never work.
pub(super) fn failure(error: PkiError) -> Failure {
    let exit = match error {
        PkiError::BaseUrl(_) | PkiError::SubjectAltName(_) | PkiError::Validity(_) => Exit::Usage,
        _ => Exit::Failed,
    };
    Failure::new(exit, error)
}

/// Reads a file that the operator names.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?)
}
