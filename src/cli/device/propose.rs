//! `device propose`: the identities that a device named without permission, as a list that can be allowed.

use serde::Serialize;

use crate::authz::Device;
use crate::cli::context::failed;
use crate::cli::text::printable;
use crate::cli::{Failure, Output};
use crate::pcd::{DeviceIdentity, IdentityPattern};
use crate::store::{SeenIdentity, Store};
use crate::view::is_not_allowed;

/// An identity that the device named.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Proposed<'a> {
    identity: &'a str,
    messages: u64,
    first: String,
    last: String,
    /// Whether it is proposed.
    proposed: bool,
    /// Why it is not.
    reason: Option<String>,
}

/// Shows the identities, and the command that allows those which are proposed, or allows them if `apply`.
pub(super) async fn run(
    device: Device,
    apply: bool,
    actor: &str,
    store: &Store,
    output: Output,
) -> Result<Device, Failure> {
    let seen = store.seen_identities(&device.id).await.map_err(failed)?;
    let devices = store.devices().await.map_err(failed)?;
    let mut list = device.speaks_for.clone();
    for seen in seen.iter().filter(|seen| is_not_allowed(&device, seen)) {
        let proposal = proposal(&device, &devices, seen);
        let shown = Proposed {
            identity: &seen.identity,
            messages: seen.messages,
            first: seen.first.to_string(),
            last: seen.last.to_string(),
            proposed: proposal.is_ok(),
            reason: proposal.as_ref().err().cloned(),
        };
        output.print(&shown, Proposed::line)?;
        list.extend(proposal);
    }
    let proposed = Device { speaks_for: list, ..device.clone() };
    if proposed == device {
        output.warn("there is nothing to allow")?;
    } else if apply {
        store.describe_device(proposed.clone(), actor).await.map_err(failed)?;
    } else {
        output
            .warn(&format!("nothing was changed: --apply allows them, as does\n  {}", command(&proposed)))?;
    }
    Ok(proposed)
}

/// The pattern that allows the identity, or why it is not proposed: it belongs to another device, or its text
/// is chosen to allow more than was seen.
fn proposal(device: &Device, devices: &[Device], seen: &SeenIdentity) -> Result<IdentityPattern, String> {
    let identity = DeviceIdentity::parse(&seen.identity).ok_or("it is empty")?;
    for other in devices.iter().filter(|other| other.id != device.id) {
        let is_name = DeviceIdentity::new(other.id.as_str(), "").is_some_and(|own| own.stands_for(&identity));
        if is_name {
            return Err(format!("it is device {} of the directory", other.id));
        }
        let is_listed = |pattern: &&IdentityPattern| !pattern.is_any() && pattern.allows(&identity);
        if let Some(pattern) = other.speaks_for.iter().find(is_listed) {
            return Err(format!("device {} speaks for {pattern}", other.id));
        }
    }
    if seen.identity.contains('*') {
        return Err("it contains *".to_owned());
    }
    seen.identity.parse().map_err(|error: crate::pcd::IdentityPatternError| error.to_string())
}

/// The options name the whole list, which they replace.
fn command(device: &Device) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let options: Vec<_> = device
        .speaks_for
        .iter()
        .map(|pattern| format!(" --speaks-for {}", quoted(&pattern.to_string())))
        .collect();
    format!("pcd-platform device change {}{}", quoted(device.id.as_str()), options.concat())
}

impl Proposed<'_> {
    fn line(&self) -> String {
        let Self { identity, messages, first, last, reason, .. } = self;
        let verdict = reason.as_ref().map_or("proposed".to_owned(), |why| format!("not proposed: {why}"));
        format!("{}  in {messages} message(s) from {first} to {last}  {verdict}", printable(identity))
    }
}
