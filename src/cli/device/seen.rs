//! `--from-seen`: identities in rejected messages of a device become identities that it may use.

use anyhow::anyhow;

use crate::authz::Device;
use crate::cli::text::printable;
use crate::pcd::IdentityPattern;
use crate::store::SeenIdentity;
use crate::view::is_not_allowed;

/// The patterns to add to the list of `device`.
///
/// # Errors
/// When an identity contains `*`. The device chose that text; as a pattern it would allow more than was seen.
pub(super) fn patterns(device: &Device, seen: &[SeenIdentity]) -> anyhow::Result<Vec<IdentityPattern>> {
    let not_allowed = seen.iter().filter(|seen| is_not_allowed(device, seen));
    let pattern = |seen: &SeenIdentity| match seen.identity.contains('*') {
        false => Ok(seen.identity.parse()?),
        true => Err(anyhow!(
            "cannot add identity {} of device {} with --from-seen, because it contains *; \
             name the identities with --speaks-for",
            printable(&seen.identity),
            device.id
        )),
    };
    not_allowed.map(pattern).collect()
}
