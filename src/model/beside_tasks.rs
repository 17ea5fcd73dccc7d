//! Long computations on a runtime.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Computes on the current thread, while another thread takes over the tasks of this worker: a computation of
/// many milliseconds then delays no other task. The operating system shares the processors.
pub(crate) fn beside_tasks<T>(compute: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(compute),
        // A runtime with one thread, in tests and commands, or none.
        _ => compute(),
    }
}
