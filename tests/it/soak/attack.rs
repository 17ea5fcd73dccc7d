//! What all attackers need.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};

use super::phase::Clockwork;
use crate::harness::{Credential, command};

/// The attacked platform, and how often each attack was made.
#[derive(Debug)]
pub struct Target {
    pub address: SocketAddr,
    pub clockwork: Arc<Clockwork>,
    pub counts: Mutex<BTreeMap<&'static str, u64>>,
    /// The attacks that are made; all of them if it is empty.
    pub only: Vec<String>,
}

impl Target {
    pub fn count(&self, attack: &'static str) {
        *self.counts.lock().unwrap().entry(attack).or_default() += 1;
    }

    /// Waits until this attack is to be made; `false` if it is not, or at the end.
    pub async fn begins(&self, attack: &str) -> bool {
        let is_made = self.only.is_empty() || self.only.iter().any(|name| name == attack);
        is_made && self.clockwork.attack_begins().await
    }

    /// A connection from one of the 20 addresses of the attackers.
    pub async fn connect(&self, number: u64) -> std::io::Result<TcpStream> {
        let host = 1 + u8::try_from(number % 20).unwrap();
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 1, host), 0)))?;
        socket.connect(self.address).await
    }
}

/// Repeats an attack while the attackers are active.
pub async fn repeat<F: Future>(
    target: Arc<Target>,
    name: &'static str,
    pause: Duration,
    attack: impl Fn(Arc<Target>, u64) -> F,
) {
    let mut number = 0;
    while target.begins(name).await {
        number += 1;
        // One that hangs is given up.
        let _ = tokio::time::timeout(ATTACK_TIMEOUT, attack(Arc::clone(&target), number)).await;
        target.count(name);
        tokio::time::sleep(pause).await;
    }
}

/// Opens something every `pause` while the attackers are active, and keeps the newest `open` of it.
pub async fn hold<T, F: Future<Output = Option<T>>>(
    target: Arc<Target>,
    name: &'static str,
    open: usize,
    pause: Duration,
    attack: impl Fn(Arc<Target>, u64) -> F,
) {
    let mut number = 0;
    while target.begins(name).await {
        let mut held = std::collections::VecDeque::new();
        while target.clockwork.is_attacking() {
            number += 1;
            let opened = tokio::time::timeout(ATTACK_TIMEOUT, attack(Arc::clone(&target), number)).await;
            held.extend(opened.ok().flatten());
            if held.len() > open {
                held.pop_front();
            }
            target.count(name);
            tokio::time::sleep(pause).await;
        }
    }
}

/// A handshake of OpenSSL's client with this certificate. The client verifies nothing.
pub async fn handshake(target: &Target, own: &Credential) {
    let mut openssl = command("openssl", "openssl");
    openssl
        .args(["s_client", "-quiet", "-connect", &target.address.to_string(), "-cert"])
        .arg(&own.chain)
        .arg("-cert_chain")
        .arg(&own.chain)
        .arg("-key")
        .arg(&own.key)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _ = tokio::task::spawn_blocking(move || openssl.status()).await;
}

const ATTACK_TIMEOUT: Duration = Duration::from_secs(10);
