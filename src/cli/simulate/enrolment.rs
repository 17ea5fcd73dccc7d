//! Adds the simulated devices to the directory of a platform.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cli::config_file::ConfigFile;
use crate::cli::operator::operator;
use crate::cli::{Exit, Failure, Output, device, remote};
use crate::model::Clock;
use crate::pki::TestPki;
use crate::simulate::Fleet;
use crate::x509::pem;

/// Refuses a platform that does not trust the roots of the PKI: the devices could not connect, and it may be
/// one that serves patients.
pub(super) fn demand_trust(config: &ConfigFile, pki: &TestPki) -> Result<(), Failure> {
    let anchors = roots(&config.load()?.tls.client_trust_anchors)?;
    if roots(&pki.trust_anchors())?.is_subset(&anchors) {
        return Ok(());
    }
    Err(anyhow!(
        "no device is enrolled: tls.client-trust-anchors of {} does not name the roots of the PKI that the simulated \
         devices have certificates of; name the configuration of the platform under test with --config, or repeat \
         the command with --i-know",
        config.path().display()
    )
    .into())
}

fn roots(files: &[impl AsRef<Path>]) -> Result<BTreeSet<Vec<u8>>, Failure> {
    let mut roots = BTreeSet::new();
    for file in files.iter().map(AsRef::as_ref) {
        let named = || format!("cannot read {}", file.display());
        let contents = std::fs::read(file).with_context(named)?;
        roots.extend(pem::certificates(&contents).with_context(named)?);
    }
    Ok(roots)
}

/// Refuses to enrol devices that could not connect then, because nothing listens there.
pub(super) async fn demand_platform(address: SocketAddr, limit: Duration) -> Result<(), Failure> {
    let problem = match timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => anyhow!(error),
        Err(expired) => anyhow!(expired),
    };
    let problem = problem.context(format!("no device is enrolled: nothing answers at {address}"));
    Err(Failure::new(Exit::Unavailable, problem))
}

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
