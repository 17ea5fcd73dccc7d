//! `device propose`: the identities that a device named without permission, as a list that can be allowed.

use serde::Serialize;

use crate::authz::{Device, Directory};
use crate::cli::context::failed;
use crate::cli::text::printable;
use crate::cli::{Failure, Output};
use crate::model::{DeviceId, shell_quoted};
use crate::pcd::{DeviceIdentity, IdentityPattern};
use crate::store::Store;
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
    is_recorded: bool,
    actor: &str,
    store: &Store,
    output: Output,
) -> Result<Device, Failure> {
    let seen = store.seen_identities(&device.id).await.map_err(failed)?;
    let candidates = Candidates::read(&device.id, is_recorded, store).await?;
    let mut list = device.speaks_for.clone();
    for seen in seen.iter().filter(|seen| is_not_allowed(&device, seen)) {
        let proposal = candidates.proposal(&seen.identity);
        let shown = Proposed {
            identity: &seen.identity,
            messages: seen.messages,
            first: seen.first.to_string(),
            last: seen.last.to_string(),
            proposed: proposal.is_ok(),
            reason: proposal.as_ref().err().cloned(),
        };
        output.print(&shown, |shown| shown.line(output))?;
        list.extend(proposal);
    }
    let proposed = Device { speaks_for: list, ..device.clone() };
    if proposed == device {
        output.warn("there is nothing to allow")?;
    } else if apply {
        store.describe_device(proposed.clone(), actor).await.map_err(failed)?;
    } else {
        let command = command(&proposed);
        output.warn(&format!("nothing was changed: --apply allows them, as does: {command}"))?;
    }
    Ok(proposed)
}

/// What decides whether an identity that a device named is proposed.
pub(super) struct Candidates {
    device: DeviceId,
    directory: Directory,
    /// What other devices of the directory named while they learnt. Of two that name one device the operator
    /// decides, and not the order in which they are looked at. One that is enforced was refused with it, and
    /// spoils nothing.
    rivals: Vec<(DeviceId, String)>,
}

impl Candidates {
    /// With `is_recorded` all devices may name what they want (`[devices] identity = "record"`).
    pub(super) async fn read(device: &DeviceId, is_recorded: bool, store: &Store) -> Result<Self, Failure> {
        let directory = Directory::from(store.devices().await.map_err(failed)?);
        let learnt = |id: &DeviceId| directory.find(id).is_some_and(|other| other.learns_until.is_some());
        let mut rivals = store.identities_seen_of_others(device).await.map_err(failed)?;
        rivals.retain(|(other, _)| is_recorded || learnt(other));
        Ok(Self { device: device.clone(), directory, rivals })
    }

    /// The pattern that allows the identity, or why it is not proposed: it belongs to another device, or its
    /// text is chosen to allow more than was seen.
    pub(super) fn proposal(&self, text: &str) -> Result<IdentityPattern, String> {
        let identity = DeviceIdentity::parse(text).ok_or("it is empty")?;
        self.directory.learnable(&self.device, &identity).map_err(|why| why.to_string())?;
        if let Some((other, _)) = self.rivals.iter().find(|(_, named)| named == text) {
            return Err(format!(
                "device {other} named it too: find out which of the two has it, and allow it there with \
                 `pcd-platform device change CN --speaks-for`"
            ));
        }
        if text.contains('*') {
            return Err("it contains *".to_owned());
        }
        text.parse().map_err(|error: crate::pcd::IdentityPatternError| error.to_string())
    }
}

/// The options name the whole list, which they replace.
fn command(device: &Device) -> String {
    let options: Vec<_> = device
        .speaks_for
        .iter()
        .map(|pattern| format!(" --speaks-for {}", shell_quoted(&pattern.to_argument())))
        .collect();
    format!("pcd-platform device change {}{}", shell_quoted(device.id.as_str()), options.concat())
}

impl Proposed<'_> {
    fn line(&self, output: Output) -> String {
        let Self { identity, messages, first, last, reason, .. } = self;
        let (first, last) = (output.time(first), output.time(last));
        let verdict = reason.as_ref().map_or("proposed".to_owned(), |why| format!("not proposed: {why}"));
        format!("{}  in {messages} message(s) from {first} to {last}  {verdict}", printable(identity))
    }
}
