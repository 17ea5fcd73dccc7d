//! How each device stands, and why one cannot connect: what pages, commands, findings and metrics show.
//!
//! [`Fleet`] is what the store remembers ([`crate::contact`] writes it). With what only a running platform
//! knows ([`LiveDevice`]) it gives the [`Standing`] of a device. [`investigate()`] walks the path of a
//! connection, from TCP to messages, and says where it ends and what to do.

mod behind;
mod ended;
#[cfg(test)]
pub(crate) mod fixtures;
mod investigate;
mod over;
mod path;
mod standing;
mod state;
mod why;

pub use behind::{BehindDevice, state_behind};
pub use investigate::{investigate, own_name};
pub use over::next_step;
pub use path::{Outcome, Stage, Step};
pub use standing::{Fleet, LiveDevice, Standing};
pub use state::DeviceState;
pub use why::{Subject, Why, of_chain};
