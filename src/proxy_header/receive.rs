//! The header, from a socket.

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::fault::{HeaderError, HeaderFault};
use super::header::parse;
use super::statement::{MAX_HEADER, Progress, Statement};

/// A connection without a usable header.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) error: HeaderError,
    /// What has come of it.
    pub(crate) bytes: Vec<u8>,
}

/// Reads the header, and no byte beyond it. Dropping the future loses what was read.
pub(crate) async fn receive(tcp: &mut TcpStream) -> Result<Statement, Unreadable> {
    let mut buffer = [0; MAX_HEADER];
    let mut read = 0;
    loop {
        // What was looked at is read only once it is known to be of the header: the ClientHello follows it.
        let free = buffer.get_mut(read..).unwrap_or_default();
        let seen = if free.is_empty() { 0 } else { tcp.peek(free).await.unwrap_or(0) };
        let known = buffer.get(..read + seen).unwrap_or_default();
        let parsed = match parse(known) {
            Ok(Progress::Incomplete) if seen == 0 => Err(HeaderError::Malformed(HeaderFault::Cut)),
            parsed => parsed,
        };
        let (statement, end) = match parsed {
            Ok(Progress::Complete { statement, length }) => (Some(statement), length),
            Ok(Progress::Incomplete) => (None, read + seen),
            Err(error) => return Err(Unreadable { error, bytes: known.to_vec() }),
        };
        let taken = tcp.read_exact(buffer.get_mut(read..end).unwrap_or_default()).await;
        match (taken, statement) {
            (Ok(_), Some(statement)) => return Ok(statement),
            (Ok(_), None) => read = end,
            (Err(_), _) => {
                let error = HeaderError::Malformed(HeaderFault::Cut);
                return Err(Unreadable { error, bytes: buffer.get(..read).unwrap_or_default().to_vec() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let balancer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        balancer.set_nodelay(true).unwrap();
        (balancer, listener.accept().await.unwrap().0)
    }

    const LINE: &[u8] = b"PROXY TCP4 192.0.2.7 192.0.2.1 40001 2575\r\n";

    #[tokio::test]
    async fn what_follows_the_header_stays_in_the_socket() {
        let (mut balancer, mut tcp) = pair().await;
        balancer.write_all(&[LINE, b"\x16\x03\x01"].concat()).await.unwrap();
        assert_eq!(receive(&mut tcp).await.unwrap(), Statement::Relayed("192.0.2.7:40001".parse().unwrap()));
        let mut rest = [0; 3];
        tcp.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"\x16\x03\x01");
    }

    #[tokio::test]
    async fn a_header_in_pieces_is_read_and_a_cut_one_is_refused() {
        let (mut balancer, mut tcp) = pair().await;
        let writing = tokio::spawn(async move {
            for byte in LINE {
                balancer.write_all(&[*byte]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            balancer
        });
        assert!(receive(&mut tcp).await.is_ok());
        drop(writing.await.unwrap());

        let (mut balancer, mut tcp) = pair().await;
        balancer.write_all(&LINE[..20]).await.unwrap();
        drop(balancer);
        let unreadable = receive(&mut tcp).await.unwrap_err();
        assert_eq!(unreadable.error, HeaderError::Malformed(HeaderFault::Cut));
        assert_eq!(unreadable.bytes, &LINE[..20]);
    }
}
