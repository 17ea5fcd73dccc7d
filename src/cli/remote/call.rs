//! What a command has in place of the process's own stdout, files and user, when the platform executes it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

tokio::task_local! {
    static CALL: Call;
}

/// The call that this task executes.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Call(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    actor: String,
    zone: TimeZone,
    terminal: bool,
    files: BTreeMap<String, Vec<u8>>,
    stop: CancellationToken,
    ended: CancellationToken,
    printed: Mutex<Printed>,
}

/// What the command has done so far.
#[derive(Debug, Default)]
pub(super) struct Printed {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    /// The first file that it wanted and did not have.
    pub(super) needs: Option<String>,
}

impl Call {
    pub(super) fn new(
        actor: String,
        zone: TimeZone,
        terminal: bool,
        files: BTreeMap<String, Vec<u8>>,
        [stop, ended]: [CancellationToken; 2],
    ) -> Self {
        Self(Arc::new(Inner { actor, zone, terminal, files, stop, ended, printed: Mutex::default() }))
    }

    /// The call of this task; `None` in a process of its own.
    pub(in crate::cli) fn current() -> Option<Self> {
        CALL.try_with(Clone::clone).ok()
    }

    /// Runs `command` as this call.
    pub(super) async fn scope<T>(&self, command: impl Future<Output = T>) -> T {
        CALL.scope(self.clone(), command).await
    }

    /// The same for what does not wait.
    pub(super) fn scope_sync<T>(&self, command: impl FnOnce() -> T) -> T {
        CALL.sync_scope(self.clone(), command)
    }

    pub(in crate::cli) fn actor(&self) -> &str {
        &self.0.actor
    }

    pub(in crate::cli) fn zone(&self) -> TimeZone {
        self.0.zone.clone()
    }

    pub(in crate::cli) fn is_terminal(&self) -> bool {
        self.0.terminal
    }

    /// Resolves when the person waits no more.
    pub(in crate::cli) async fn stopped(&self) {
        self.0.stop.cancelled().await;
    }

    /// Resolves when nothing waits for it: neither the person nor the platform.
    pub(in crate::cli) async fn is_left(&self) {
        tokio::select! {
            () = self.0.stop.cancelled() => {}
            () = self.0.ended.cancelled() => {}
        }
    }

    /// The content of a file that the person sent.
    pub(in crate::cli) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let name = path.to_string_lossy();
        if let Some(content) = self.0.files.get(name.as_ref()) {
            return Ok(content.clone());
        }
        self.printed().needs.get_or_insert_with(|| name.into_owned());
        Err(io::ErrorKind::NotFound.into())
    }

    pub(in crate::cli) fn write_stdout(&self, bytes: &[u8]) -> io::Result<()> {
        let mut printed = self.printed();
        if printed.stdout.len().saturating_add(bytes.len()) > MAX_OUTPUT {
            let text = "the output is larger than 32 MiB; ask for less with --limit, or use --offline";
            return Err(io::Error::other(text));
        }
        printed.stdout.extend_from_slice(bytes);
        Ok(())
    }

    pub(in crate::cli) fn write_stderr(&self, bytes: &[u8]) {
        let mut printed = self.printed();
        if printed.stderr.len() < MAX_OUTPUT {
            printed.stderr.extend_from_slice(bytes);
        }
    }

    /// What was printed since the beginning.
    pub(super) fn take(&self) -> Printed {
        std::mem::take(&mut *self.printed())
    }

    fn printed(&self) -> MutexGuard<'_, Printed> {
        self.0.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of the output of one command.
const MAX_OUTPUT: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::progress;
    use crate::model::LongWork;

    #[tokio::test]
    async fn long_work_of_the_platform_ends_when_the_person_waits_no_more() {
        let stop = CancellationToken::new();
        let call = Call::new(
            "a".to_owned(),
            TimeZone::UTC,
            false,
            BTreeMap::new(),
            [stop.clone(), CancellationToken::new()],
        );
        let work = LongWork::default();
        let done = call.scope(progress::shown(&work, std::future::ready(7))).await;
        assert_eq!(done.ok(), Some(7));
        stop.cancel();
        let ended = call.scope(progress::shown(&work, std::future::pending::<()>())).await;
        assert!(ended.is_err());
    }
}
