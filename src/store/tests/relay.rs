//! Stands between the store and its server, and cuts connections at a chosen moment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::store::fixtures::cluster::Cluster;

/// What happens to the next connection on which the moment comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Cut {
    Never = 0,
    /// `COMMIT` does not reach the server.
    BeforeCommit = 1,
    /// The server commits, and its answer does not come back.
    AfterCommit = 2,
    /// Rows do not reach the server.
    BeforeRows = 3,
}

#[derive(Debug)]
pub(super) struct Relay {
    address: SocketAddr,
    cut: Arc<AtomicU8>,
}

impl Relay {
    pub(super) async fn start(server: &Cluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let socket = server.folder().join(format!(".s.PGSQL.{}", server.port()));
        let cut = Arc::new(AtomicU8::new(Cut::Never as u8));
        let armed = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = UnixStream::connect(&socket).await {
                    tokio::spawn(relay(client, server, Arc::clone(&armed)));
                }
            }
        });
        Self { address, cut }
    }

    /// The same database, through here.
    pub(super) fn url(&self, url: &str) -> String {
        format!("postgres://postgres@{}/{}", self.address, url.rsplit('/').next().unwrap())
    }

    pub(super) fn arm(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::SeqCst);
    }

    /// Whether the moment has come.
    pub(super) fn has_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst) == Cut::Never as u8
    }
}

async fn relay(mut client: TcpStream, mut server: UnixStream, armed: Arc<AtomicU8>) {
    let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
    let comes = |bytes: &[u8], words: &[u8]| bytes.windows(words.len()).any(|window| window == words);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(size @ 1..) = read else { return };
                let bytes = &from_client[..size];
                let commit = comes(bytes, b"COMMIT\0");
                // The statement by its text, or by the bytes of a row when it is prepared already.
                let rows = comes(bytes, b"INSERT INTO message") || comes(bytes, b"MSA|CA|1");
                let cut = |cut: Cut| {
                    armed.compare_exchange(cut as u8, Cut::Never as u8, Ordering::SeqCst, Ordering::SeqCst).is_ok()
                };
                if (commit && cut(Cut::BeforeCommit)) || (rows && cut(Cut::BeforeRows)) {
                    return;
                }
                if server.write_all(bytes).await.is_err() {
                    return;
                }
                if commit && cut(Cut::AfterCommit) {
                    // The answer shows that it is done.
                    let _ = server.read(&mut from_server).await;
                    return;
                }
            }
            read = server.read(&mut from_server) => {
                let Ok(size @ 1..) = read else { return };
                if client.write_all(&from_server[..size]).await.is_err() {
                    return;
                }
            }
        }
    }
}
