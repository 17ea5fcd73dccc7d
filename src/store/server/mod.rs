//! What this process knows of the server of its store: the risks of its settings.

pub(in crate::store) mod risks;
