//! A bounded pool of sessions with a token.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Sessions, of which at most [`MAX_SESSIONS`] are open at once.
#[derive(Debug)]
pub(super) struct SessionPool<S> {
    state: Mutex<State<S>>,
    returned: Condvar,
}

#[derive(Debug)]
struct State<S> {
    idle: Vec<S>,
    leased: usize,
}

/// The right to use one session; ends with the drop.
#[derive(Debug)]
pub(super) struct Lease<'pool, S> {
    pool: &'pool SessionPool<S>,
    session: Option<S>,
}

impl<S> SessionPool<S> {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State { idle: Vec::new(), leased: 0 }), returned: Condvar::new() }
    }

    /// Waits for a session, for `timeout` at most. `None` when all of them stayed in use.
    pub(super) fn lease(&self, timeout: Duration) -> Option<Lease<'_, S>> {
        let is_exhausted = |state: &mut State<S>| state.leased >= MAX_SESSIONS;
        let (mut state, waited) = self
            .returned
            .wait_timeout_while(self.lock(), timeout, is_exhausted)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return None;
        }
        state.leased += 1;
        let session = state.idle.pop();
        Some(Lease { pool: self, session })
    }

    /// Closes the idle sessions.
    pub(super) fn clear(&self) {
        let idle = std::mem::take(&mut self.lock().idle);
        drop(idle);
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Lease<'_, S> {
    /// The session; `None` if it has to be opened.
    pub(super) const fn session(&self) -> Option<&S> {
        self.session.as_ref()
    }

    /// Replaces the session. The pool gets it back at the end of the lease.
    pub(super) fn replace(&mut self, session: Option<S>) {
        self.session = session;
    }
}

impl<S> Drop for Lease<'_, S> {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.leased = state.leased.saturating_sub(1);
        state.idle.extend(self.session.take());
        self.pool.returned.notify_one();
    }
}

/// Sessions of one key. Every session makes one signature at a time. Tokens have as few as 16, and there are
/// two keys.
const MAX_SESSIONS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_has_a_bound_and_gives_sessions_out_again() {
        let pool = SessionPool::new();
        let mut leases: Vec<_> = (0..MAX_SESSIONS).map(|_| pool.lease(Duration::ZERO).unwrap()).collect();
        assert!(leases.iter().all(|lease| lease.session().is_none()));
        assert!(pool.lease(Duration::from_millis(1)).is_none());
        let mut first = leases.pop().unwrap();
        first.replace(Some("session"));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| pool.lease(Duration::from_secs(30)).unwrap().session().copied());
            drop(first);
            assert_eq!(waiting.join().unwrap(), Some("session"));
        });
        pool.clear();
        assert_eq!(pool.lease(Duration::ZERO).unwrap().session(), None);
    }
}
