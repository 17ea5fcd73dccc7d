//! Whether a start may make a store: not where the site has had one, which was moved away, or whose disk is
//! not mounted. An empty store would refuse every device, and begin a new audit trail.

use crate::config::{Config, WhenMissing};
use crate::model::Clock;
use crate::store::{EndFile, Store, StoreError};

/// Refuses a store that is missing, if there was one.
///
/// # Errors
/// [`StoreError::Gone`]; others when the file or the server cannot be used.
pub(super) async fn require_store(config: &Config, clock: &Clock) -> Result<(), StoreError> {
    let Some(gone) = missing_store(config) else { return Ok(()) };
    if Store::is_missing(&config.store.url, clock).await? { Err(gone) } else { Ok(()) }
}

/// The error of a start that finds no store; `None` when it may make one.
#[must_use]
pub fn missing_store(config: &Config) -> Option<StoreError> {
    let file = EndFile::new(&config.audit.state_directory, &config.store.node);
    let reason = match file.read() {
        Ok(Some(remembered)) => {
            format!(
                "this node has written row {} of its audit chain, says {}",
                remembered.end.number,
                file.path().display()
            )
        }
        // A file that cannot be read is there.
        Err(error) => format!("{} is there, and cannot be read: {error}", file.path().display()),
        Ok(None) if config.store.when_missing == WhenMissing::Refuse => {
            "store.when-missing is \"refuse\"".to_owned()
        }
        Ok(None) => return None,
    };
    Some(StoreError::Gone { url: config.store.url.clone(), reason })
}
