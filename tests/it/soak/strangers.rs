//! Peers without a certificate of the hospital.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;

use super::attack::{Target, handshake, hold, repeat};
use crate::harness::Credential;
use crate::hostile_chains::{hostile, write};

/// The certificates of strangers.
pub struct Certificates {
    chains: Vec<Credential>,
    long_names: Vec<Credential>,
}

impl Certificates {
    /// Chains that are expensive to verify, and names that are expensive to record.
    pub fn create(folder: &Path) -> Self {
        let chain = |(name, cas, purposes)| hostile(folder, name, cas, purposes);
        let chains = [("cas", 10, 8_000), ("purposes", 7, 10_000), ("many", 60, 0), ("two", 3, 0)].map(chain);
        let long = |length: usize| {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, "x".repeat(length));
            write(folder, &format!("long{length}"), &[params.self_signed(&key).unwrap().pem()], &key)
        };
        Self { chains: chains.to_vec(), long_names: [5_000, 60_000].map(long).to_vec() }
    }
}

pub fn start(on: &Handle, target: &Arc<Target>, certificates: Certificates) {
    let ms = Duration::from_millis;
    on.spawn(hold(Arc::clone(target), "silent", 500, ms(5), async |target, number| {
        target.connect(number).await.ok()
    }));
    on.spawn(hold(Arc::clone(target), "one byte", 200, ms(20), async |target, number| {
        let mut stream = target.connect(number).await.ok()?;
        stream.write_all(&[22]).await.ok()?;
        Some(stream)
    }));
    on.spawn(repeat(Arc::clone(target), "connect and close", ms(5), async |target, number| {
        let _ = target.connect(number).await;
    }));
    on.spawn(repeat(Arc::clone(target), "plain HTTP", ms(20), async |target, number| {
        let Ok(mut stream) = target.connect(number).await else { return };
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: platform\r\n\r\n").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }));
    let Certificates { chains, long_names } = certificates;
    let own = move |all: &[Credential], number: u64| {
        let length = u64::try_from(all.len()).unwrap();
        all[usize::try_from(number % length).unwrap()].clone()
    };
    on.spawn(repeat(Arc::clone(target), "hostile chain", ms(300), move |target, number| {
        let own = own(&chains, number);
        async move { handshake(&target, &own).await }
    }));
    on.spawn(repeat(Arc::clone(target), "long name", ms(500), move |target, number| {
        let own = own(&long_names, number);
        async move { handshake(&target, &own).await }
    }));
}
