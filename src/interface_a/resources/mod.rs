//! What the machine gives the process: memory and open files. When it runs short, Interface A takes no
//! further connections; open sessions go on.

mod accepting;
mod descriptors;
mod memory;

pub(super) use accepting::watch_memory;
pub use accepting::{Accepting, Shortage};
pub(super) use descriptors::connections_allowed;
pub(super) use memory::memory_limit;
