//! `--from-seen`: identities that came in messages of a device become identities that it may speak for.

use anyhow::anyhow;

use crate::authz::{Device, rules};
use crate::pcd::{DeviceIdentity, IdentityPattern};
use crate::store::SeenIdentity;

/// Whether the directory does not allow it today: it may have been allowed since it was seen.
pub(super) fn is_news(device: &Device, seen: &SeenIdentity) -> bool {
    let (id, kind) = seen.identity.rsplit_once('^').unwrap_or((&seen.identity, ""));
    DeviceIdentity::new(id, kind).is_some_and(|identity| !rules::may_speak_for(device, &identity))
}

/// What is to be added to the list of `device`.
///
/// # Errors
/// When one cannot be an entry of that list. A device chooses what it calls itself; with a `*` in it the entry would stand
/// for more than was seen.
pub(super) fn acceptable(device: &Device, seen: &[SeenIdentity]) -> anyhow::Result<Vec<IdentityPattern>> {
    let news = seen.iter().filter(|seen| is_news(device, seen));
    let pattern = |seen: &SeenIdentity| match seen.identity.contains('*') {
        false => Ok(seen.identity.parse()?),
        true => Err(anyhow!(
            "{} came in messages of {} and cannot be accepted with --from-seen; name what is meant with --speaks-for",
            crate::cli::context::printable(&seen.identity),
            device.id
        )),
    };
    news.map(pattern).collect()
}
