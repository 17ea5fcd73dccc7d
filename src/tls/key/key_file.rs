//! Private keys in PEM files: PKCS#8, plain or encrypted, PKCS#1 and SEC1 (A11, B19).

use std::path::{Path, PathBuf};

use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::private_file::{self, PrivateFileError, Secret};

/// A key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file of the key or of its passphrase cannot be read.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The file contains no private key.
    #[error("{} holds no private key in PEM (PKCS#8, PKCS#1 or SEC1)", file.display())]
    NoKey {
        /// The file.
        file: PathBuf,
        /// The error of the PEM parser.
        source: pem::Error,
    },
    /// The key is encrypted, and no passphrase is configured.
    #[error(
        "the private key {} is encrypted; name the file with its passphrase: passphrase = \"FILE\" beside the \
         key in the configuration, --passphrase FILE on the command line",
        file.display()
    )]
    Encrypted {
        /// The file.
        file: PathBuf,
    },
    /// A passphrase is configured, but the key is not encrypted.
    #[error(
        "the private key {} is not encrypted, although a passphrase is given; encrypt it \
         (openssl pkcs8 -topk8 -v2 aes-256-cbc) or leave out the passphrase",
        file.display()
    )]
    NotEncrypted {
        /// The file.
        file: PathBuf,
    },
    /// The passphrase is wrong.
    #[error("the passphrase in {} does not decrypt the private key {}", passphrase.display(), file.display())]
    WrongPassphrase {
        /// The file of the key.
        file: PathBuf,
        /// The file of the passphrase.
        passphrase: PathBuf,
    },
    /// The encryption is weak or unknown.
    #[error(
        "the encryption of the private key {} is not supported ({encryption}); convert it: \
         openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW",
        file.display()
    )]
    UnknownEncryption {
        /// The file.
        file: PathBuf,
        /// The encryption.
        encryption: Encryption,
    },
}

/// Unsupported encryptions of a private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// RFC 1421 headers inside the PEM: MD5, one round.
    Traditional,
    /// PKCS#8 with anything but PBES2, PBKDF2 with SHA-2 or scrypt, and AES (RFC 8018).
    Pkcs8,
}

/// Reads a private key from a file that only its owner can access. Every intermediate buffer is wiped from
/// memory.
pub(super) fn read(file: &Path, passphrase: Option<&Path>) -> Result<PrivateKeyDer<'static>, KeyFileError> {
    let text = private_file::read(file, Secret::Key)?;
    let here = || file.to_owned();
    match (detect_form(&text), passphrase) {
        (Form::Plain, None) => PrivateKeyDer::from_pem_slice(&text)
            .map_err(|source| KeyFileError::NoKey { file: here(), source }),
        (Form::Plain, Some(_)) => Err(KeyFileError::NotEncrypted { file: here() }),
        (Form::Traditional, _) => {
            Err(KeyFileError::UnknownEncryption { file: here(), encryption: Encryption::Traditional })
        }
        (Form::Encrypted(_), None) => Err(KeyFileError::Encrypted { file: here() }),
        (Form::Encrypted(section), Some(passphrase)) => decrypt(section, file, passphrase),
    }
}

fn decrypt(section: &str, file: &Path, passphrase: &Path) -> Result<PrivateKeyDer<'static>, KeyFileError> {
    let malformed =
        || KeyFileError::UnknownEncryption { file: file.to_owned(), encryption: Encryption::Pkcs8 };
    let (_, document) = SecretDocument::from_pem(section).map_err(|_| malformed())?;
    let key = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| malformed())?;
    let secret = private_file::read_line(passphrase, Secret::Passphrase)?;
    let wrong = || KeyFileError::WrongPassphrase { file: file.to_owned(), passphrase: passphrase.to_owned() };
    let opened = key.decrypt(secret.as_slice()).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::DecryptFailed) => wrong(),
        pkcs8::Error::EncryptedPrivateKey(_) => malformed(),
        // One of 256 wrong passphrases leaves valid padding around random bytes.
        _ => wrong(),
    })?;
    Ok(PrivatePkcs8KeyDer::from(opened.as_bytes().to_vec()).into())
}

/// The form of the private key in a PEM file.
enum Form<'a> {
    Plain,
    /// With the PEM section of the key.
    Encrypted(&'a str),
    Traditional,
}

fn detect_form(text: &[u8]) -> Form<'_> {
    const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
    const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
    let Ok(text) = std::str::from_utf8(text) else { return Form::Plain };
    let section = text.find(BEGIN).and_then(|begin| {
        let rest = text.get(begin..)?;
        rest.get(..rest.find(END)?.checked_add(END.len())?)
    });
    match section {
        Some(section) => Form::Encrypted(section),
        None if text.contains("Proc-Type: 4,ENCRYPTED") => Form::Traditional,
        None => Form::Plain,
    }
}

impl std::fmt::Display for Encryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Traditional => "the traditional PEM encryption of OpenSSL",
            Self::Pkcs8 => "PKCS#8 without PBES2, or with algorithms older than SHA-2 and AES",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::private_file::tests::write;
    use super::*;

    const PASSPHRASE: &str = "correct horse battery staple";

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            write(&folder.at("passphrase"), format!("{PASSPHRASE}\n"), 0o600);
            write(&folder.at("wrong"), "incorrect horse\n", 0o600);
            folder
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// Runs openssl in the folder and makes `made` private.
        fn openssl(&self, line: &str, made: &str) -> PathBuf {
            let output = Command::new("openssl")
                .args(line.split_whitespace())
                .current_dir(self.0.path())
                .output()
                .expect("these tests need the openssl command");
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
            let made = self.at(made);
            let text = std::fs::read(&made).unwrap();
            write(&made, text, 0o600);
            made
        }

        fn open(&self, key: &Path) -> Result<PrivateKeyDer<'static>, KeyFileError> {
            read(key, Some(&self.at("passphrase")))
        }
    }

    /// The public half of a key, which is the same in every form.
    fn public(key: PrivateKeyDer<'static>) -> Vec<u8> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let key = provider.key_provider.load_private_key(key).unwrap();
        key.public_key().unwrap().to_vec()
    }

    #[test]
    fn a11_keys_that_openssl_encrypted_open_with_their_passphrase() {
        let folder = Folder::new();
        let ecc = folder.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out ecc", "ecc");
        let rsa = folder.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa", "rsa");
        for (name, plain) in [("ecc", &ecc), ("rsa", &rsa)] {
            let expected = public(read(plain, None).unwrap());
            for how in [
                "-v2 aes-256-cbc",
                "-v2 aes-128-cbc -v2prf hmacWithSHA512",
                "-v2 aes-256-cbc -v2prf hmacWithSHA384 -iter 20000",
                "-scrypt -v2 aes-256-cbc",
            ] {
                let key = folder.openssl(
                    &format!("pkcs8 -topk8 {how} -in {name} -out encrypted -passout file:passphrase"),
                    "encrypted",
                );
                assert_eq!(public(folder.open(&key).unwrap()), expected, "{name} {how}");
            }
        }
    }

    #[test]
    fn a11_pkcs8_pkcs1_and_sec1_are_read() {
        let folder = Folder::new();
        let ecc = folder.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out ecc", "ecc");
        let sec1 = folder.openssl("ec -in ecc -out sec1", "sec1");
        let rsa = folder.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa", "rsa");
        let pkcs1 = folder.openssl("rsa -in rsa -traditional -out pkcs1", "pkcs1");
        for (file, label) in [(&ecc, "PRIVATE"), (&sec1, "EC PRIVATE"), (&pkcs1, "RSA PRIVATE")] {
            let text = std::fs::read_to_string(file).unwrap();
            assert!(text.contains(&format!("-----BEGIN {label} KEY-----")), "{label}");
        }
        let read = |file: &Path| public(read(file, None).unwrap());
        assert_eq!(read(&ecc), read(&sec1));
        assert_eq!(read(&rsa), read(&pkcs1));
    }

    #[test]
    fn a11_errors_name_the_cause_and_never_the_passphrase() {
        let folder = Folder::new();
        folder.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out plain", "plain");
        let encrypted =
            folder.openssl("pkcs8 -topk8 -v2 aes-256-cbc -in plain -out key -passout file:passphrase", "key");
        let passphrase = folder.at("passphrase");
        let errors = [
            (read(&encrypted, Some(&folder.at("wrong"))).unwrap_err(), "does not decrypt the private key"),
            (read(&encrypted, None).unwrap_err(), "is encrypted; name the file"),
            (read(&folder.at("plain"), Some(&passphrase)).unwrap_err(), "is not encrypted, although"),
            (read(&encrypted, Some(&folder.at("none"))).unwrap_err(), "cannot read the passphrase file"),
            (
                folder.open(&folder.openssl("ec -aes256 -in plain -out old -passout file:passphrase", "old"))
                    .unwrap_err(),
                "traditional PEM encryption",
            ),
            (
                folder
                    .open(&folder.openssl(
                        "pkcs8 -topk8 -v2 des3 -in plain -out des -passout file:passphrase",
                        "des",
                    ))
                    .unwrap_err(),
                "openssl pkcs8 -topk8 -v2 aes-256-cbc",
            ),
            (
                folder
                    .open(&folder.openssl(
                        "pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA1 -in plain -out sha1 -passout file:passphrase",
                        "sha1",
                    ))
                    .unwrap_err(),
                "older than SHA-2",
            ),
        ];
        for (error, cause) in errors {
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(cause), "{shown}");
            assert!(!shown.contains("horse") && !shown.contains("BEGIN"), "{shown}");
        }
    }

    #[test]
    fn a11_the_passphrase_file_must_be_as_private_as_the_key() {
        let folder = Folder::new();
        folder.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out plain", "plain");
        let key =
            folder.openssl("pkcs8 -topk8 -v2 aes-256-cbc -in plain -out key -passout file:passphrase", "key");
        write(&folder.at("passphrase"), PASSPHRASE, 0o644);
        let error = folder.open(&key).unwrap_err();
        assert!(
            error.to_string().contains("passphrase file") && error.to_string().contains("0644"),
            "{error}"
        );
    }

    #[test]
    fn a_file_without_a_key_is_refused() {
        let folder = Folder::new();
        let file = folder.at("nothing");
        write(&file, "nothing", 0o600);
        assert!(matches!(read(&file, None).unwrap_err(), KeyFileError::NoKey { .. }));
    }
}
