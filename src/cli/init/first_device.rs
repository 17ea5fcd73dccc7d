//! The first device of a new site: its entry in the directory, and its first message.

use crate::authz::Device;
use crate::cli::operator;
use crate::config::Config;
use crate::interface_b::Observation;
use crate::model::{Clock, DeviceId, MessageId};
use crate::store::Store;

/// Creates the store, with the device in its directory.
pub(super) async fn add(config: &Config, clock: &Clock) -> anyhow::Result<()> {
    let store = Store::open_as(config.store.node.clone(), &config.store.url, clock.clone()).await?;
    let note = "first device, made by init".to_owned();
    let device = Device { note, ..Device::new(DeviceId::parse(FIRST_DEVICE)?) };
    store.add_device(device, &operator::operator()).await?;
    store.close().await;
    Ok(())
}

/// A message of the device, as PCD-01.
pub(super) fn message(clock: &Clock) -> Vec<u8> {
    let at = clock.now();
    let observation = Observation {
        sender: FIRST_DEVICE,
        equipment: FIRST_DEVICE,
        control_id: &MessageId::at(at).to_string(),
        at,
        saturation: 97,
        pulse: 71,
    };
    observation.to_message().to_vec()
}

/// The Common Name of the first device.
pub(super) const FIRST_DEVICE: &str = "00A037EB2175780F";
