//! `client tunnel`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::platform::Platform;
use crate::cli::{Exit, Failure, Outcome, Output};
use crate::interface_b::DEAD_PEER_TIMEOUT;
use crate::model::{BindError, Clock, explained};
use crate::tls::{Connector, SecuredStream, prepare_tcp, reach};

/// Options of `client tunnel`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    platform: Platform,
    /// Where the local process connects to; an address of the loopback interface
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2600")]
    listen: SocketAddr,
    /// Connections at once; further ones wait
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
}

/// Where a tunnel leads.
struct Target {
    connector: Connector,
    host: String,
    port: u16,
    /// When a failure was last reported: a local process may connect again at once, without end.
    reported: Mutex<Option<Instant>>,
}

pub(super) async fn run(arguments: Arguments, output: Output, clock: Clock) -> Outcome {
    let Arguments { platform, listen, connections } = arguments;
    if !listen.ip().is_loopback() {
        let what = format!(
            "{listen} is not of the loopback interface: a process that reaches the tunnel speaks with its certificate"
        );
        return Err(Failure::new(Exit::Usage, anyhow::anyhow!(what)));
    }
    let (host, port) = platform.address()?;
    let connector = platform.connector(&clock)?;
    let target = Arc::new(Target { connector, host: host.to_owned(), port, reported: Mutex::default() });
    let failed = |source| BindError { address: listen, source };
    let listener = TcpListener::bind(listen)
        .await
        .and_then(|listener| listener.local_addr().map(|address| (listener, address)));
    let (listener, address) =
        listener.map_err(|error| Failure::new(Exit::Unavailable, anyhow::Error::new(failed(error))))?;
    output.line(&format!("{address}: plain MLLP from here goes to {host}:{port} by TLS; Ctrl-C ends it"))?;
    let permits = Arc::new(Semaphore::new(connections.into()));
    loop {
        let accepted = tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((local, permit)) = accepted else { continue };
        let (target, now) = (Arc::clone(&target), clock.clone());
        tokio::spawn(async move {
            if let Err(error) = join(local, &target).await
                && target.may_report(now.instant())
            {
                // Without a terminal the tunnel goes on.
                let _ = output.warn(&format!("no connection to {}:{}: {error}", target.host, target.port));
            }
            drop(permit);
        });
    }
}

impl Target {
    /// Whether a failure is reported: one in a minute.
    fn may_report(&self, now: Instant) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = reported.is_none_or(|last| now.saturating_duration_since(last) >= REPORT_INTERVAL);
        if is_due {
            *reported = Some(now);
        }
        is_due
    }
}

/// How often a failure is reported.
const REPORT_INTERVAL: Duration = Duration::from_mins(1);

/// The next connection, with its permit; `None` after an error of one connection.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((local, _)) => Some((local, permit)),
        Err(error) => {
            tracing::error!(error = %explained(&error), "a connection to the tunnel failed");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            None
        }
    }
}

/// Copies bytes in both directions until both sides have ended.
async fn join(mut local: TcpStream, target: &Target) -> Result<(), String> {
    let failed = |error: &std::io::Error| explained(error);
    local.set_nodelay(true).map_err(|error| failed(&error))?;
    // A platform that hangs must not take the places of later connections.
    let mut remote = tokio::select! {
        connected = timeout(CONNECT_TIMEOUT, connect(target)) => {
            connected.unwrap_or_else(|_| Err(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())))?
        }
        () = end_of(&local) => return Ok(()),
    };
    tokio::io::copy_bidirectional(&mut local, &mut remote).await.map_err(|error| failed(&error))?;
    Ok(())
}

async fn connect(Target { connector, host, port, .. }: &Target) -> Result<SecuredStream, String> {
    let tcp = reach(host, *port).await.map_err(|error| explained(&error))?;
    // A firewall that has forgotten an idle connection would let the local process wait forever.
    prepare_tcp(&tcp, DEAD_PEER_TIMEOUT);
    connector.connect(host, tcp).await.map_err(|error| explained(&error))
}

/// Waits until the local process has closed its side, and has sent nothing.
async fn end_of(local: &TcpStream) {
    if matches!(local.peek(&mut [0]).await, Ok(1..)) {
        std::future::pending().await
    }
}

/// Bounds the connection to the platform, with its handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_local_process_that_gives_up_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, accepted) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let (client, (local, _)) = (client.unwrap(), accepted.unwrap());
        assert!(timeout(Duration::from_millis(50), end_of(&local)).await.is_err(), "it is there");
        drop(client);
        timeout(Duration::from_secs(60), end_of(&local)).await.expect("it is gone");
    }
}
