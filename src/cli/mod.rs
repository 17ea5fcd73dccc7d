//! The command line: one file per subcommand.
//!
//! Results go to stdout through [`Output`], logs to stderr through `tracing`; every command ends in an [`Exit`].

mod exit;
mod output;
pub mod pki;

pub use exit::{Exit, Failure, Outcome};
pub use output::Output;
