//! Reads files that only the platform may access (A11, B19): keys, passphrases, PINs.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::filesystem::NotPrivate;

/// The content of a private file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secret {
    /// A private key.
    Key,
    /// The passphrase of an encrypted private key.
    Passphrase,
    /// The PIN of a PKCS#11 token.
    Pin,
}

/// A private file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// The file cannot be read.
    #[error("cannot read the {secret} {}", file.display())]
    Read {
        /// The content.
        secret: Secret,
        /// The file.
        file: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// Other accounts of the machine can read or change the file (A11).
    #[error(
        "the {secret} {} is accessible to other accounts (mode {mode:04o}); run: chmod 600 {}",
        file.display(), file.display()
    )]
    TooOpen {
        /// The content.
        secret: Secret,
        /// The file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file belongs to another account, which can read and change it (A11).
    #[error("the {secret} {} {problem}", file.display())]
    Foreign {
        /// The content.
        secret: Secret,
        /// The file.
        file: PathBuf,
        /// Whose it is, and what to do.
        problem: String,
    },
    /// The file is empty.
    #[error("the {secret} {} is empty", file.display())]
    Empty {
        /// The expected content.
        secret: Secret,
        /// The file.
        file: PathBuf,
    },
}

/// The contents of a file that no other account can access. They are wiped from memory when dropped.
pub(super) fn read(file: &Path, secret: Secret) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let failed = |source| PrivateFileError::Read { secret, file: file.to_owned(), source };
    let mut opened = File::open(file).map_err(failed)?;
    let metadata = opened.metadata().map_err(failed)?;
    if let Some(problem) = NotPrivate::find(&metadata) {
        let file = file.to_owned();
        return Err(match problem {
            NotPrivate::Mode(mode) => PrivateFileError::TooOpen { secret, file, mode },
            NotPrivate::Owner { .. } => {
                PrivateFileError::Foreign { secret, file, problem: problem.to_string() }
            }
        });
    }
    // One allocation for the whole file: a growing buffer would leave copies in memory.
    let mut contents = Zeroizing::new(vec![0; usize::try_from(metadata.len()).unwrap_or(0)]);
    opened.read_exact(&mut contents).map_err(failed)?;
    Ok(contents)
}

/// One line of text without the line end that editors and `echo` add.
pub(super) fn read_line(file: &Path, secret: Secret) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let mut line = read(file, secret)?;
    for end in [b'\n', b'\r'] {
        if line.last() == Some(&end) {
            line.pop();
        }
    }
    if line.is_empty() {
        return Err(PrivateFileError::Empty { secret, file: file.to_owned() });
    }
    Ok(line)
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key => "private key",
            Self::Passphrase => "passphrase file",
            Self::Pin => "PIN file",
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Writes a file with this mode.
    pub(in super::super) fn write(file: &Path, contents: impl AsRef<[u8]>, mode: u32) {
        std::fs::write(file, contents).unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a11_a_file_that_other_accounts_can_access_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        for mode in [0o604, 0o640, 0o620, 0o644, 0o606, 0o601] {
            write(&file, "secret", mode);
            let error = read(&file, Secret::Passphrase).unwrap_err();
            assert!(matches!(error, PrivateFileError::TooOpen { mode: seen, .. } if seen == mode), "{error}");
            assert!(error.to_string().contains("passphrase file") && error.to_string().contains("chmod 600"));
        }
        for mode in [0o600, 0o400] {
            write(&file, "secret", mode);
            assert_eq!(*read(&file, Secret::Passphrase).unwrap(), b"secret");
        }
        let missing = read(&folder.path().join("none"), Secret::Pin).unwrap_err();
        assert!(matches!(missing, PrivateFileError::Read { secret: Secret::Pin, .. }));
    }

    #[test]
    fn a11_a_file_of_another_account_is_refused_even_by_the_superuser() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        write(&file, "secret", 0o600);
        // Only the superuser can give files away.
        if std::os::unix::fs::chown(&file, Some(65_534), None).is_ok() {
            let error = read(&file, Secret::Key).unwrap_err();
            assert!(matches!(error, PrivateFileError::Foreign { .. }), "{error}");
            assert!(error.to_string().contains("belongs to "), "{error}");
        }
    }

    #[test]
    fn the_line_end_is_not_part_of_a_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passphrase");
        for (written, meant) in [("p w\n", "p w"), ("p w\r\n", "p w"), ("p w", "p w"), ("p w \n\n", "p w \n")]
        {
            write(&file, written, 0o600);
            assert_eq!(*read_line(&file, Secret::Passphrase).unwrap(), meant.as_bytes());
        }
        write(&file, "\n", 0o600);
        assert!(matches!(read_line(&file, Secret::Passphrase).unwrap_err(), PrivateFileError::Empty { .. }));
    }
}
