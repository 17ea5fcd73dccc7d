//! What the platform remembers of each device and of each refused peer.
//!
//! Interface A reports connections and refusals to [`Contacts`], which holds them in memory. [`Recorder`]
//! writes what changed to the store, in one entry of a batch each second at most: each device and each
//! refused peer at most once in five seconds, and a bounded number of rows at a time, so that neither devices
//! nor strangers decide how much is written. Messages are counted without a lock. What is lost in a crash is
//! some seconds of counts; the audit trail has every connection and every refusal.

mod devices;
mod recorder;
mod refused;
mod table;

pub use devices::{Activity, Connected};
pub use recorder::Recorder;
pub use refused::RefusedConnection;
pub use table::Contacts;
