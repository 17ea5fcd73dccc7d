//! The command line: one file per subcommand.
//!
//! Results go to stdout through [`Output`], logs to stderr through `tracing`; every command ends in an [`Exit`].

#[cfg_attr(not(test), expect(dead_code, reason = "not a command of the binary yet"))]
pub(crate) mod audit;
#[cfg_attr(not(test), expect(dead_code, reason = "not a command of the binary yet"))]
pub(crate) mod device;
mod exit;
#[cfg_attr(not(test), expect(dead_code, reason = "not a command of the binary yet"))]
pub(crate) mod message;
mod output;
pub(crate) mod store;

pub use exit::{Exit, Failure, Outcome};
pub use output::Output;
