//! A3: whole connections with OpenSSL's client, from key block to close_notify.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use rustls::crypto::aws_lc_rs::{self, cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256};
use rustls::crypto::cipher::Tls12AeadAlgorithm;
use rustls::crypto::{CipherSuiteCommon, CryptoProvider};
use rustls::pki_types::PrivateKeyDer;
use rustls::version::TLS12;
use rustls::{
    CipherSuite, ServerConfig, ServerConnection, StreamOwned, SupportedCipherSuite, Tls12CipherSuite,
};

use super::super::{AES_128_CBC_SHA256, AES_256_CBC_SHA};
use super::noise;

#[test]
fn openssl_client_with_aes_128_cbc_sha256() {
    echo_through_openssl(
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
        AES_128_CBC_SHA256,
        "ECDHE-ECDSA-AES128-SHA256",
    );
}

#[test]
fn openssl_client_with_aes_256_cbc_sha() {
    echo_through_openssl(
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
        AES_256_CBC_SHA,
        "ECDHE-ECDSA-AES256-SHA",
    );
}

/// Records of many sizes from a byte to the maximum in both directions, and a close_notify on both sides.
fn echo_through_openssl(suite: CipherSuite, algorithm: &'static dyn Tls12AeadAlgorithm, openssl_name: &str) {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("certificate");
    let directory = tempfile::tempdir().expect("directory");
    let anchor = directory.path().join("anchor.pem");
    std::fs::write(&anchor, certified.cert.pem()).expect("written");
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("key");
    let config = ServerConfig::builder_with_provider(Arc::new(provider(suite, algorithm)))
        .with_protocol_versions(&[&TLS12])
        .expect("TLS 1.2")
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .expect("credentials");

    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect", &address, "-servername", "localhost", "-quiet", "-tls1_2"])
        .args(["-cipher", openssl_name, "-verify_return_error", "-CAfile"])
        .arg(&anchor)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the openssl command is installed");
    let mut to_client = client.stdin.take().expect("piped");
    let payload = noise(100_000);

    let (tcp, _) = listener.accept().expect("connected");
    let connection = ServerConnection::new(Arc::new(config)).expect("configuration");
    let mut tls = StreamOwned::new(connection, tcp);
    let echoed = thread::scope(|scope| {
        let payload = &payload;
        scope.spawn(move || {
            to_client.write_all(payload).expect("client reads");
            to_client
        });
        let output = scope.spawn(move || client.wait_with_output().expect("client ends"));
        echo(&mut tls, payload.len());
        output.join().expect("no panic")
    });

    assert_eq!(tls.conn.negotiated_cipher_suite().map(|used| used.suite()), Some(suite));
    assert!(echoed.status.success());
    assert_eq!(echoed.stdout, payload);
}

/// Sends `len` bytes back in writes of increasing size, then closes. `read_to_end` fails without a
/// close_notify of the client.
fn echo(tls: &mut StreamOwned<ServerConnection, TcpStream>, len: usize) {
    let mut received = vec![0; len];
    tls.read_exact(&mut received).expect("all of it");
    let mut rest = received.as_slice();
    let mut size = 1;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(size.min(rest.len()));
        tls.write_all(now).expect("written");
        rest = later;
        size = size * 2 + 1;
    }
    tls.conn.send_close_notify();
    let mut more = Vec::new();
    tls.read_to_end(&mut more).expect("close_notify");
    assert!(more.is_empty());
}

/// The aws-lc provider with one suite: a GCM suite with the same PRF, with another name and record
/// protection.
fn provider(suite: CipherSuite, algorithm: &'static dyn Tls12AeadAlgorithm) -> CryptoProvider {
    let SupportedCipherSuite::Tls12(sibling) = TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 else {
        panic!("a TLS 1.2 suite");
    };
    let common = CipherSuiteCommon {
        suite,
        hash_provider: sibling.common.hash_provider,
        confidentiality_limit: sibling.common.confidentiality_limit,
    };
    let suite: &'static Tls12CipherSuite = Box::leak(Box::new(Tls12CipherSuite {
        common,
        prf_provider: sibling.prf_provider,
        kx: sibling.kx,
        sign: sibling.sign,
        aead_alg: algorithm,
    }));
    CryptoProvider {
        cipher_suites: vec![SupportedCipherSuite::Tls12(suite)],
        ..aws_lc_rs::default_provider()
    }
}
