//! What the list of an entry has that another entry of the directory has, too.

use super::Device;
use crate::authz::Directory;
use crate::cli::context::failed;
use crate::cli::text::printable;
use crate::cli::{Failure, Output};
use crate::store::Store;

/// Warns of each identity in the lists of `changed` that is the name of another entry, or that the list of
/// another entry has. It is allowed: a monitor may send by itself and through a gateway.
pub(super) async fn warn(changed: &[&Device], store: &Store, output: Output) -> Result<(), Failure> {
    if changed.iter().all(|device| device.speaks_for.is_empty()) {
        return Ok(());
    }
    let directory = Directory::from(store.devices().await.map_err(failed)?);
    for device in changed {
        for pattern in &device.speaks_for {
            let holder = pattern.identity().and_then(|identity| directory.holder(&device.id, identity));
            let Some(holder) = holder else { continue };
            let (identity, id) = (pattern.to_string(), device.id.to_string());
            output.warn(&format!(
                "{} in the list of {}: {holder}; both may send as this device",
                printable(&identity),
                printable(&id)
            ))?;
        }
    }
    Ok(())
}

/// Warns of an identity in a list that was meant to be several. No message names it.
pub(super) fn warn_of_separators(device: &Device, output: Output) -> Result<(), Failure> {
    for pattern in &device.speaks_for {
        if let Some(meant) = pattern.as_list() {
            let meant: Vec<_> = meant.iter().map(|one| one.to_argument()).collect();
            let (text, id) = (pattern.to_string(), device.id.to_string());
            output.warn(&format!(
                "{} in the list of {} is one identity; if {} were meant, say so with `pcd-platform device change`",
                printable(&text),
                printable(&id),
                printable(&meant.join(" and "))
            ))?;
        }
    }
    Ok(())
}
