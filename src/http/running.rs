//! Commands that run for people: a person can stop one and still learns what became of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, HeaderName};
use tokio_util::sync::CancellationToken;

use super::person::Person;

/// The name of a command that is sent, for [`STOP_HEADER`].
pub const CALL_HEADER: HeaderName = HeaderName::from_static("pcd-call");
/// The name of the command that is to end; the request does nothing else.
pub const STOP_HEADER: HeaderName = HeaderName::from_static("pcd-stop");

/// The commands that have a name, by their person and it. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct RunningCommands(Arc<Mutex<HashMap<Key, CancellationToken>>>);

type Key = (String, String);

/// A command that runs, until this is dropped.
#[derive(Debug)]
pub(super) struct Running(RunningCommands, Key);

impl RunningCommands {
    /// Notes a command of a person under the name that the request gives it.
    pub(super) fn note(
        &self,
        person: &Person,
        headers: &HeaderMap,
        stop: &CancellationToken,
    ) -> Option<Running> {
        let key = (person.actor().to_owned(), name(headers, &CALL_HEADER)?);
        self.all().insert(key.clone(), stop.clone());
        Some(Running(self.clone(), key))
    }

    /// Ends the command of this person that the request names. `false`: the request is for something else.
    pub(super) fn stop(&self, person: &Person, headers: &HeaderMap) -> bool {
        let Some(name) = name(headers, &STOP_HEADER) else { return false };
        if let Some(stop) = self.all().get(&(person.actor().to_owned(), name)) {
            stop.cancel();
        }
        true
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Key, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.all().remove(&self.1);
    }
}

fn name(headers: &HeaderMap, header: &HeaderName) -> Option<String> {
    let name = headers.get(header)?.to_str().ok()?;
    (1..=MAX_NAME).contains(&name.len()).then(|| name.to_owned())
}

/// Bytes of a name.
const MAX_NAME: usize = 64;
