//! What this process knows of the server of its store: the risks of its settings, and its clock.

pub(in crate::store) mod clock;
pub(in crate::store) mod report;
pub(in crate::store) mod risks;
