//! `--from-seen`: identities in rejected messages of a device become identities that it may use.

use anyhow::anyhow;

use super::propose::Candidates;
use crate::authz::Device;
use crate::cli::Failure;
use crate::cli::context::failed;
use crate::cli::text::column;
use crate::pcd::IdentityPattern;
use crate::store::Store;
use crate::view::is_not_allowed;

/// The patterns to add to the list of `device`.
///
/// # Errors
/// When `device propose` would not propose an identity: the device chose that text.
pub(super) async fn patterns(
    device: &Device,
    is_recorded: bool,
    store: &Store,
) -> Result<Vec<IdentityPattern>, Failure> {
    let seen = store.seen_identities(&device.id).await.map_err(failed)?;
    let candidates = Candidates::read(&device.id, is_recorded, store).await?;
    let pattern = |identity: &str| {
        candidates.proposal(identity).map_err(|why| {
            anyhow!(
                "cannot add identity {} of device {} with --from-seen: {why}; name the identities with --speaks-for",
                column(identity),
                device.id
            )
        })
    };
    let not_allowed = seen.iter().filter(|seen| is_not_allowed(device, seen));
    Ok(not_allowed.map(|seen| pattern(&seen.identity)).collect::<Result<_, _>>()?)
}
