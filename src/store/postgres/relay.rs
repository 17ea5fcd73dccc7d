//! A connection to a server whose bytes leave at once.
//!
//! A batch of messages over TLS is several records. The driver sets no TCP_NODELAY and gives no access to its
//! socket, so the kernel holds the last record back until the server acknowledges those before it (RFC 9293
//! 3.7.4), which the server delays in turn: up to 40 ms for each batch. Therefore the driver connects to a
//! socket in a folder of this process, and a task carries the bytes, which stay encrypted, to a TCP
//! connection with that option.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, copy_buf};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use uuid::Uuid;

/// A TCP connection to a server, and the socket at which the driver reaches it.
pub(super) struct Relay {
    server: TcpStream,
    listener: UnixListener,
    folder: Folder,
}

impl Relay {
    /// Connects to the server at `host` and `port`. The socket is named as one of a server with that port.
    ///
    /// # Errors
    /// When the server cannot be reached. `Ok(None)`: there is no place for the socket.
    pub(super) async fn connect(host: &str, port: u16) -> io::Result<Option<Self>> {
        let server = TcpStream::connect((host, port)).await?;
        server.set_nodelay(true)?;
        let place = Folder::create().and_then(|folder| {
            let listener = UnixListener::bind(folder.0.join(format!(".s.PGSQL.{port}")))?;
            Ok((folder, listener))
        });
        match place {
            Ok((folder, listener)) => Ok(Some(Self { server, listener, folder })),
            Err(error) => {
                let folder = std::env::temp_dir();
                tracing::warn!(
                    %error, ?folder,
                    "no folder for temporary files; large batches wait for the database server: let the service \
                     write to it, or set TMPDIR"
                );
                Ok(None)
            }
        }
    }

    /// The folder with the socket.
    pub(super) fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// Carries the bytes of the first connection to the socket, which has to come within `wait`, until one
    /// side ends. The socket has no name from that connection on.
    pub(super) async fn carry(self, wait: Duration) {
        let Self { server, listener, folder } = self;
        let accepted = tokio::time::timeout(wait, own_connection(&listener)).await;
        drop((listener, folder));
        if let Ok(Ok(driver)) = accepted {
            carry(driver, server).await;
        }
    }
}

/// The connection of this process: root can open the folder, too.
async fn own_connection(listener: &UnixListener) -> io::Result<UnixStream> {
    let this = i32::try_from(std::process::id()).ok();
    loop {
        let (connection, _) = listener.accept().await?;
        if connection.peer_cred()?.pid() == this {
            return Ok(connection);
        }
    }
}

async fn carry(driver: UnixStream, server: TcpStream) {
    let (from_driver, mut to_driver) = driver.into_split();
    let (from_server, mut to_server) = server.into_split();
    let up = async {
        copy(from_driver, &mut to_server).await;
        // The driver is gone: the server may take what it was sent, but not hold a connection.
        tokio::time::sleep(LINGER).await;
    };
    let down = copy(from_server, &mut to_driver);
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

/// Copies until the end, and passes the end on. An error ends both directions, as that of a socket does.
async fn copy(from: impl AsyncRead + Unpin, to: &mut (impl AsyncWrite + Unpin)) {
    let mut from = BufReader::with_capacity(BUFFER, from);
    let _ = copy_buf(&mut from, to).await;
    let _ = to.shutdown().await;
}

/// A folder that only this user can open, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn create() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("pcd-platform-{}", Uuid::now_v7().simple()));
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How long a connection that the driver has left stays open for what it sent.
const LINGER: Duration = Duration::from_secs(2);

/// Four TLS records.
const BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    const WAIT: Duration = Duration::from_mins(1);

    async fn connected() -> (UnixStream, TcpStream, PathBuf) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let relay = Relay::connect("127.0.0.1", port).await.unwrap().unwrap();
        assert!(relay.server.nodelay().unwrap());
        let folder = relay.folder().to_owned();
        let driver = UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await.unwrap();
        tokio::spawn(relay.carry(WAIT));
        let (accepted, _) = server.accept().await.unwrap();
        (driver, accepted, folder)
    }

    #[tokio::test]
    async fn bytes_of_both_sides_arrive_and_so_do_their_ends() {
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
        let (mut driver, mut server, folder) = connected().await;
        let mut received = vec![0; bytes.len()];
        let (sent, read) = tokio::join!(driver.write_all(&bytes), server.read_exact(&mut received));
        sent.and(read.map(drop)).unwrap();
        assert!(received == bytes);
        server.write_all(b"answer").await.unwrap();
        drop(server);
        let mut answer = Vec::new();
        driver.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"answer");
        assert!(!folder.exists(), "the socket has no name while it is used");
    }

    #[tokio::test]
    async fn the_server_sees_the_end_of_a_driver_that_is_gone() {
        let (driver, mut server, _) = connected().await;
        drop(driver);
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        assert!(received.is_empty());
    }

    #[tokio::test]
    async fn a_server_that_refuses_is_the_error_of_the_driver() {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let refused = Relay::connect("127.0.0.1", port).await.err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}
