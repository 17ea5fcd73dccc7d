//! FHIR resources as readers see them: rendered from the stored bytes, by what the index knows of them.
//!
//! The projector writes the index; hospital systems and the command line read by it.

mod link;
mod mapper;
mod notification;
mod period;
mod read;
mod turns;

pub use mapper::{GroupKey, Mapper, Placed, groups, mapping_options, system_of};
pub use notification::notification_body;
pub use read::{Found, Rendered, Renderer, Seen, Timed};
pub use turns::{ReaderTurns, RenderTurns};
