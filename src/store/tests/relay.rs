//! A relay between the store and its server. It cuts connections at a chosen moment and counts round trips.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Notify;

use crate::store::fixtures::cluster::Cluster;

/// What happens to the next connection at the chosen moment. Rows are statements that carry the parameters of
/// a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Cut {
    Never = 0,
    /// `COMMIT` does not reach the server.
    BeforeCommit = 1,
    /// The server commits, and its response is lost.
    AfterCommit = 2,
    /// `COMMIT` reaches the server at [`Relay::deliver`].
    LateCommit = 3,
    /// Rows do not reach the server.
    BeforeRows = 4,
    /// Rows reach the server, and the connection is cut at once.
    AtRows = 5,
    /// The server writes the rows, and its response is lost.
    AfterRows = 6,
    /// Rows reach the server at [`Relay::deliver`].
    LateRows = 7,
}

#[derive(Debug)]
pub(super) struct Relay {
    address: SocketAddr,
    course: Arc<Course>,
}

#[derive(Debug, Default)]
struct Course {
    cut: AtomicU8,
    /// The number of ReadyForQuery messages of the server.
    ready: AtomicUsize,
    late: Notify,
    delivered: Notify,
}

impl Relay {
    pub(super) async fn start(server: &Cluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let socket = server.folder().join(format!(".s.PGSQL.{}", server.port()));
        let course = Arc::<Course>::default();
        let shared = Arc::clone(&course);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = UnixStream::connect(&socket).await {
                    let course = Arc::clone(&shared);
                    tokio::spawn(async move { relay(client, server, &course).await });
                }
            }
        });
        Self { address, course }
    }

    /// The URL of the same database through the relay.
    pub(super) fn url(&self, url: &str) -> String {
        format!("postgres://postgres@{}/{}", self.address, url.rsplit('/').next().unwrap())
    }

    pub(super) fn arm(&self, cut: Cut) {
        self.course.cut.store(cut as u8, Ordering::SeqCst);
    }

    /// Whether the connection was cut.
    pub(super) fn has_cut(&self) -> bool {
        self.course.cut.load(Ordering::SeqCst) == Cut::Never as u8
    }

    /// Delivers the withheld bytes to the server, and returns when the server has processed them.
    pub(super) async fn deliver(&self) {
        self.course.late.notify_one();
        self.course.delivered.notified().await;
    }

    /// The number of round trips so far.
    pub(super) fn round_trips(&self) -> usize {
        self.course.ready.load(Ordering::SeqCst)
    }
}

impl Course {
    /// Whether this is the chosen moment.
    fn comes(&self, cut: Cut) -> bool {
        self.cut.compare_exchange(cut as u8, Cut::Never as u8, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

async fn relay(mut client: TcpStream, mut server: UnixStream, course: &Course) {
    let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
    let comes = |bytes: &[u8], words: &[u8]| bytes.windows(words.len()).any(|window| window == words);
    let mut answers = Answers::default();
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(size @ 1..) = read else { return };
                let bytes = &from_client[..size];
                let (commit, rows) = (comes(bytes, b"COMMIT\0"), comes(bytes, b"MSA|CA|1"));
                if (commit && course.comes(Cut::BeforeCommit)) || (rows && course.comes(Cut::BeforeRows)) {
                    return;
                }
                let late = (commit && course.comes(Cut::LateCommit)) || (rows && course.comes(Cut::LateRows));
                if late {
                    let _ = client.shutdown().await;
                    course.late.notified().await;
                }
                if server.write_all(bytes).await.is_err() || (rows && course.comes(Cut::AtRows)) {
                    return;
                }
                if late || (commit && course.comes(Cut::AfterCommit)) || (rows && course.comes(Cut::AfterRows)) {
                    // The response shows that it is done.
                    let mut ready = 0;
                    while ready == 0 && let Ok(size @ 1..) = server.read(&mut from_server).await {
                        ready = answers.ready(&from_server[..size]);
                    }
                    course.delivered.notify_one();
                    return;
                }
            }
            read = server.read(&mut from_server) => {
                let Ok(size @ 1..) = read else { return };
                course.ready.fetch_add(answers.ready(&from_server[..size]), Ordering::SeqCst);
                if client.write_all(&from_server[..size]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Splits the bytes of a server into messages: a letter, and a length of four bytes that includes itself
/// (PostgreSQL 55.7).
#[derive(Default)]
struct Answers {
    begun: bool,
    header: Vec<u8>,
    /// Bytes of the current message that have not arrived.
    left: usize,
}

impl Answers {
    /// The number of ReadyForQuery messages in `bytes`.
    fn ready(&mut self, mut bytes: &[u8]) -> usize {
        let mut ready = 0;
        // The client first requests TLS, and the server declines in one byte.
        if !std::mem::replace(&mut self.begun, true) && bytes == b"N" {
            return 0;
        }
        while !bytes.is_empty() {
            let size = bytes.len().min(if self.left > 0 { self.left } else { 5 - self.header.len() });
            let (taken, more) = bytes.split_at(size);
            bytes = more;
            if self.left > 0 {
                self.left -= size;
                continue;
            }
            self.header.extend(taken);
            if let &[letter, a, b, c, d] = &self.header[..] {
                self.left = u32::from_be_bytes([a, b, c, d]) as usize - 4;
                self.header.clear();
                ready += usize::from(letter == b'Z');
            }
        }
        ready
    }
}
