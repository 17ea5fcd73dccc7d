//! What the service manager is informed of: systemd's notification protocol, sd_notify(3).
//!
//! With `Type=notify` a start that waits for the store's server is not a start that hangs: the status says
//! what it waits for, and the timeout of the start is extended. `health_report` sends what is due while the
//! platform serves.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The service manager; without one, notifications go nowhere. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct ServiceManager(Option<Arc<UnixDatagram>>);

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
            Some(Arc::new(socket))
        });
        Self(socket)
    }

    /// Whether there is one.
    pub(super) const fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// The start waits for `what`, and may take `longer` from now on.
    pub(super) fn waiting(&self, what: &str, longer: Duration) {
        self.send(&format!("STATUS={}\nEXTEND_TIMEOUT_USEC={}", line(what), longer.as_micros()));
    }

    /// Devices can connect.
    pub(super) fn ready(&self) {
        self.send("READY=1\nSTATUS=serving");
    }

    /// The configuration is being read again. The time lets systemd know that this follows its signal
    /// (`Type=notify-reload`).
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}\nSTATUS=reading the configuration"));
    }

    /// The reload is over, whether the configuration was applied or not.
    pub(super) fn reloaded(&self) {
        self.send("READY=1\nSTATUS=serving");
    }

    /// The platform is healthy: the watchdog starts from the beginning.
    pub(super) fn healthy(&self, status: &str) {
        self.send(&format!("WATCHDOG=1\nSTATUS={}", line(status)));
    }

    /// How the platform does.
    pub(super) fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", line(status)));
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

/// The time after which the service manager ends this process if it does not report its health
/// (sd_watchdog_enabled(3)); `None` without a watchdog.
pub(super) fn watchdog_timeout() -> Option<Duration> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    // Of another process, whose environment this one has inherited.
    let is_own = number("WATCHDOG_PID").is_none_or(|process| process == u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|timeout| is_own && *timeout > 0).map(Duration::from_micros)
}

/// One line: a line break would begin another variable.
fn line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
