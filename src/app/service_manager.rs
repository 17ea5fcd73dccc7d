//! What the service manager is informed of: systemd's notification protocol, sd_notify(3).
//!
//! With `Type=notify` a start that waits for the store's server is not a start that hangs: the status says
//! what it waits for, and the timeout of the start is extended.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager; without one, notifications go nowhere.
#[derive(Debug)]
pub(super) struct ServiceManager(Option<UnixDatagram>);

impl ServiceManager {
    /// The one that `NOTIFY_SOCKET` names.
    pub(super) fn from_environment() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| {
            let address = match name.as_bytes() {
                [b'@', abstract_name @ ..] => SocketAddr::from_abstract_name(abstract_name),
                _ => SocketAddr::from_pathname(&name),
            };
            let socket = UnixDatagram::unbound().ok()?;
            // A service manager that does not read must not delay the start.
            socket.set_nonblocking(true).ok()?;
            socket.connect_addr(&address.ok()?).ok()?;
            Some(socket)
        });
        Self(socket)
    }

    /// The start waits for `what`, and may take `longer` from now on.
    pub(super) fn waiting(&self, what: &str, longer: Duration) {
        // One line: a line break would begin another variable.
        let what = what.replace(char::is_control, " ");
        self.send(&format!("STATUS={what}\nEXTEND_TIMEOUT_USEC={}", longer.as_micros()));
    }

    /// Devices can connect.
    pub(super) fn ready(&self) {
        self.send("READY=1\nSTATUS=serving");
    }

    /// The shutdown has begun.
    pub(super) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=shutting down");
    }

    fn send(&self, state: &str) {
        if let Some(socket) = &self.0
            && let Err(error) = socket.send(state.as_bytes())
        {
            tracing::debug!(%error, "the service manager could not be notified");
        }
    }
}
