//! Commands that the running platform executes.
//!
//! While a platform serves the socket of the configuration, a command goes there, and its output comes back:
//! `client`. The platform runs it in a task that has a [`Call`]: `server`. There output, files and the name
//! of the operator are those of the call.

mod call;
mod client;
mod server;

pub(super) use call::Call;
pub(super) use client::{Connection, answer, run};
pub(super) use server::Commands;
