//! The `openssl` command, the reference implementation for the tests of this folder.

use std::path::Path;
use std::process::Command;

/// Runs `openssl` in a folder and returns what it writes to its standard output.
pub(super) fn openssl(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl")
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("these tests compare with the openssl command: install the package `openssl`");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A DER element (X.690 section 8.1).
pub(super) fn der(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = u16::try_from(content.len()).expect("test data is short").to_be_bytes();
    // The shortest form.
    let length = match length {
        [0, short @ ..=0x7F] => vec![short],
        [0, long] => vec![0x81, long],
        [high, low] => vec![0x82, high, low],
    };
    [&[tag], &length[..], &content].concat()
}
