//! Finds out how far a device, or what is at an address, gets.

use jiff::Timestamp;

use super::over::holds;
use super::path::{Outcome, Stage};
use super::standing::{Fleet, LiveDevice};
use super::why::{Subject, Why, of_address, of_device, of_unknown, well};
use crate::model::{DeviceId, shell_word};
use crate::store::{Feed, Store, StoreError};

/// Finds out how far the subject gets. `live` is what a running platform knows of the device.
///
/// # Errors
/// When the store cannot be read.
pub async fn investigate(
    store: &Store,
    subject: &Subject,
    live: Option<&LiveDevice>,
    now: Timestamp,
) -> Result<Why, StoreError> {
    let fleet = Fleet::read(store).await?;
    match subject {
        Subject::Address(address) => {
            let why = of_address(&fleet, *address);
            let Some(row) = &why.refusal else { return Ok(why) };
            let Some(name) = &row.device else { return Ok(why) };
            let Some(device) =
                store.device_or_damaged(name).await?.filter(|device| !holds(row.refusal, device))
            else {
                return Ok(why);
            };
            let standing = fleet.standing(&device, live, now);
            let of_device = Box::pin(of_device(store, &device.id, &device, standing)).await?;
            Ok(Why { subject: why.subject, ..of_device })
        }
        Subject::Device(id) => match store.device_or_damaged(id).await? {
            None => Box::pin(of_another_name(store, &fleet, id, now)).await,
            Some(device) => {
                let standing = fleet.standing(&device, live, now);
                Box::pin(of_device(store, id, &device, standing)).await
            }
        },
    }
}

/// A name that is no entry of the directory: what people call a device, one behind a gateway, or unknown.
async fn of_another_name(
    store: &Store,
    fleet: &Fleet,
    id: &DeviceId,
    now: Timestamp,
) -> Result<Why, StoreError> {
    let devices = store.devices().await?;
    let mut called = devices.iter().filter(|device| device.about.name.eq_ignore_ascii_case(id.as_str()));
    if let (Some(device), None) = (called.next(), called.next()) {
        let standing = fleet.standing(device, None, now);
        let why = Box::pin(of_device(store, &device.id, device, standing)).await?;
        return Ok(Why { subject: format!("{id}, which is {}", device.id), ..why });
    }
    let feeds = store.feeds().await?;
    let is_it = |identity: &str| identity == id.as_str() || own_name(identity) == id.as_str();
    let behind = feeds.iter().filter(|feed| feed.identity.as_deref().is_some_and(is_it));
    Ok(match behind.max_by_key(|feed| feed.last) {
        Some(feed) => of_behind(id, feed),
        None => of_unknown(fleet, id),
    })
}

/// A device that sends through another one.
fn of_behind(id: &DeviceId, feed: &Feed) -> Why {
    let (via, last) = (&feed.via, feed.last);
    let mut why = well(id.to_string(), None);
    why.device = Some(via.clone());
    why.cause = format!("it sends through {via}; its last message came at {last:.0}");
    let gateway = shell_word(via.as_str());
    why.next_step = format!("`pcd-platform device why {gateway}` shows the connection that it uses");
    if feed.is_silent {
        why.is_well = false;
        why.code = Some("device-silent".to_owned());
        why.cause = format!("it sends through {via}, and is silent: its last message came at {last:.0}");
        why.next_step = format!(
            "look at the device and at its line to {via}; `pcd-platform device why {gateway}` shows the connection of {via}"
        );
    }
    let outcome = if feed.is_silent { Outcome::Failed } else { Outcome::Passed };
    for step in &mut why.steps {
        (step.outcome, step.what) = match step.stage {
            Stage::Messages => (outcome, format!("last one at {last:.0}, through {via}")),
            _ => (Outcome::Unknown, format!("it has no connection of its own: that of {via}")),
        };
    }
    why
}

/// The identity that messages have, of a name that may say to whom it belongs: `CHANNEL-2 of PUMP-7`.
#[must_use]
pub fn own_name(name: &str) -> &str {
    name.split(" of ").next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_behind_a_gateway_is_not_to_be_added_to_the_directory() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let mut feed = Feed {
            via: "GW-ICU".parse().unwrap(),
            identity: Some("00A037FFFE00000D".to_owned()),
            node: "n".parse().unwrap(),
            last: at,
            pause: None,
            heartbeat: None,
            is_silent: false,
            has_left: false,
        };
        let id = "00A037FFFE00000D".parse().unwrap();
        let sends = of_behind(&id, &feed);
        assert!(sends.is_well && sends.cause.contains("sends through GW-ICU"), "{sends:?}");
        feed.is_silent = true;
        let silent = of_behind(&id, &feed);
        assert_eq!((silent.is_well, silent.code.as_deref()), (false, Some("device-silent")));
        assert!(silent.next_step.contains("device why GW-ICU") && !silent.next_step.contains("device add"));
        let outcomes: Vec<_> = silent.steps.iter().map(|step| step.outcome).collect();
        assert_eq!(outcomes.last(), Some(&Outcome::Failed), "{outcomes:?}");
        assert!(!outcomes[..outcomes.len() - 1].contains(&Outcome::Failed), "{outcomes:?}");
    }
}
