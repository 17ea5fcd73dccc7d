//! Adds the simulated devices to the directory of a platform.

use std::collections::BTreeMap;

use anyhow::anyhow;

use crate::cli::config_file::ConfigFile;
use crate::cli::operator::operator;
use crate::cli::{Failure, Output, device, remote};
use crate::model::Clock;
use crate::simulate::Fleet;

/// Adds what is missing and changes what differs: through the running platform, or in its store when none
/// runs. Returns how many devices the file has.
pub(super) async fn enrol(
    config: &ConfigFile,
    connection: &remote::Connection,
    fleet: &Fleet,
    clock: &Clock,
    output: Output,
) -> Result<usize, Failure> {
    let directory = fleet.directory();
    let devices = directory.lines().count().saturating_sub(1);
    let words = ["device", "import", "--update", FILE];
    let files = BTreeMap::from([(FILE.to_owned(), directory.clone().into_bytes())]);
    match remote::answer(connection, config, &words, files).await? {
        Some(answer) if answer.exit == 0 => {}
        Some(answer) => return Err(anyhow!("the devices are not enrolled: {}", answer.stderr.trim()).into()),
        None => {
            let store = config.open_store(clock, output).await?;
            let added = device::add_all(&store, &directory, &operator()).await;
            store.close().await;
            added?;
        }
    }
    Ok(devices)
}

/// The name of the file for the platform. There is none: its content goes with the command.
const FILE: &str = "simulated-devices.csv";
