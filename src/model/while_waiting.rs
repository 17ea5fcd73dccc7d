//! What a task gives back while it blocks its thread.
//!
//! Some libraries call back synchronously, and the callback has to wait: rustls asks for a signature, and the
//! key is in a slow token. The caller of the library may hold something that others need meanwhile.

use std::any::Any;
use std::cell::Cell;

/// Gives it back. The result is held during the wait.
type GiveBack = Box<dyn FnOnce(Wait) -> Box<dyn Any>>;

/// What a task waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A signature of a token: a few at once.
    #[cfg_attr(
        not(feature = "pkcs11"),
        expect(dead_code, reason = "without the feature no key is in a token")
    )]
    Token,
    /// Responses of responders and distribution points.
    RevocationData,
}

tokio::task_local! {
    static GIVE_BACK: Cell<Option<GiveBack>>;
}

/// Does `work`, in which [`while_waiting`] calls `give_back`, at most once.
pub(crate) fn giving_back<T>(
    give_back: impl FnOnce(Wait) -> Box<dyn Any> + 'static,
    work: impl FnOnce() -> T,
) -> T {
    GIVE_BACK.sync_scope(Cell::new(Some(Box::new(give_back))), work)
}

/// Notes that the handshake that is polled on this thread has asked its peer for another ClientHello: nothing
/// has been computed for it.
pub(crate) fn note_hello_retry() {
    HELLO_RETRY.set(true);
}

/// Whether that was noted since the last call.
pub(crate) fn take_hello_retry() -> bool {
    HELLO_RETRY.take()
}

thread_local! {
    static HELLO_RETRY: Cell<bool> = const { Cell::new(false) };
}

/// Waits, and blocks this thread.
pub(crate) fn while_waiting<T>(what: Wait, wait: impl FnOnce() -> T) -> T {
    let give_back = GIVE_BACK.try_with(Cell::take).ok().flatten();
    let _held = give_back.map(|give_back| give_back(what));
    wait()
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn what_is_given_back_is_replaced_during_the_wait() {
        let (owned, replacement) = (Rc::new(()), Rc::new(()));
        let (given, held) = (Rc::clone(&owned), Rc::clone(&replacement));
        let give_back = move |what| {
            assert_eq!(what, Wait::Token);
            drop(given);
            Box::new(held) as Box<dyn Any>
        };
        giving_back(give_back, || {
            assert_eq!((Rc::strong_count(&owned), Rc::strong_count(&replacement)), (2, 2));
            while_waiting(Wait::Token, || {
                assert_eq!((Rc::strong_count(&owned), Rc::strong_count(&replacement)), (1, 2));
            });
            assert_eq!(Rc::strong_count(&replacement), 1);
            while_waiting(Wait::Token, || {});
        });
        assert_eq!(while_waiting(Wait::Token, || 7), 7, "nothing is held here");
    }
}
