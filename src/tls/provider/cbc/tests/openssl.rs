//! The primitives of the `openssl` command, independent of our code.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use super::Suite;
use super::reference::Primitives;

/// OpenSSL's `enc` and `dgst`.
pub(super) struct OpenSsl;

impl Primitives for OpenSsl {
    fn hmac(&self, suite: &Suite, message: &[u8]) -> Vec<u8> {
        let key = format!("hexkey:{}", hex(suite.mac_key));
        let digest = format!("-{}", suite.openssl_digest);
        run(&["dgst", &digest, "-mac", "HMAC", "-macopt", &key, "-binary"], message)
    }

    fn cbc_encrypt(&self, suite: &Suite, iv: &[u8], blocks: &[u8]) -> Vec<u8> {
        cbc(suite, "-e", iv, blocks)
    }

    fn cbc_decrypt(&self, suite: &Suite, iv: &[u8], blocks: &[u8]) -> Vec<u8> {
        cbc(suite, "-d", iv, blocks)
    }
}

fn cbc(suite: &Suite, direction: &str, iv: &[u8], blocks: &[u8]) -> Vec<u8> {
    let cipher = format!("-{}", suite.openssl_cipher);
    let (key, iv) = (hex(suite.cipher_key), hex(iv));
    run(&["enc", &cipher, direction, "-K", &key, "-iv", &iv, "-nopad"], blocks)
}

fn run(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the openssl command is installed");
    let mut stdin = child.stdin.take().expect("piped");
    let output = thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).expect("openssl reads"));
        child.wait_with_output().expect("openssl ends")
    });
    assert!(output.status.success(), "openssl {} failed", arguments[0]);
    output.stdout
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
