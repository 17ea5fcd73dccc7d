//! The gateway of the demonstration: this program again, as another process, between the devices and the
//! platform.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use super::simulated::{Expected, SimulatedDevice};
use super::site::add_devices;
use crate::authz::{Device, DeviceKind};
use crate::config::{Config, Credential, Overrides};
use crate::model::{Clock, DeviceId, StoreUrl};
use crate::pki::{CertificateOrder, KeyType, Role, TestPki};
use crate::store::{Store, StoreError};

/// A running gateway. It ends with this value.
pub(super) struct Gateway {
    child: Child,
    /// Where devices connect.
    pub(super) address: SocketAddr,
    pub(super) store: StoreUrl,
    /// Its configuration.
    pub(super) file: PathBuf,
}

/// Issues the certificate of the gateway, and lets it speak for the devices at the platform.
pub(super) async fn prepare(dir: &Path, platform: &StoreUrl, clock: &Clock) -> anyhow::Result<()> {
    let pki = TestPki::open(&dir.join("pki"), clock)?;
    pki.issue(&CertificateOrder::new(NAME, Role::Gateway, KeyType::Ecc))?;
    let devices = SimulatedDevice::all();
    let accepted = devices.iter().filter(|device| device.expected == Expected::Acknowledged);
    // As senders of their messages, and as the equipment in them, which most of them are themselves.
    let named: BTreeSet<_> =
        accepted.flat_map(|device| device.equipment.iter().chain([&device.name])).collect();
    let device = Device {
        kind: DeviceKind::Gateway,
        speaks_for: named.into_iter().map(|id| id.parse()).collect::<Result<_, _>>()?,
        note: "the gateway of the demonstration".to_owned(),
        ..Device::new(DeviceId::parse(NAME)?)
    };
    let store = Store::open(platform, clock.clone()).await?;
    let added = store.add_device(device, "demo").await;
    store.close().await;
    match added {
        Ok(()) | Err(StoreError::DeviceExists(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Gateway {
    /// Starts it, and waits until it listens.
    pub(super) async fn start(
        dir: &Path,
        platform: SocketAddr,
        devices: &[(SimulatedDevice, Credential)],
        clock: &Clock,
    ) -> anyhow::Result<Self> {
        let folder = dir.join("gateway");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let file = folder.join("gateway.toml");
        std::fs::write(&file, configuration(platform))
            .with_context(|| format!("cannot write {}", file.display()))?;
        let config = Config::load(&file, &Overrides::default())?;
        add_devices(&config, devices, clock).await?;
        let program = std::env::current_exe().context("the program cannot find itself")?;
        let mut child = Command::new(program)
            .args(["--json", "serve", "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("the gateway cannot be started")?;
        let stdout = child.stdout.take();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        // From here on it ends with this value.
        let gateway = Self { child, address, store: config.store.url, file };
        let stdout = stdout.context("the gateway has no output")?;
        let address = tokio::task::spawn_blocking(move || address_of(stdout)).await??;
        Ok(gateway.at(address))
    }

    fn at(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Waits until the platform has everything, and ends the gateway.
    pub(super) async fn finish(mut self, clock: &Clock) -> anyhow::Result<()> {
        let store = Store::open(&self.store, clock.clone()).await?;
        let began = clock.instant();
        while store.oldest_forward().await?.is_some() {
            let is_late = clock.instant().saturating_duration_since(began) > FORWARD_TIMEOUT;
            anyhow::ensure!(!is_late, "the gateway has not forwarded everything in time");
            tokio::time::sleep(LOOK).await;
        }
        store.close().await;
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        tokio::task::spawn_blocking(move || self.child.wait()).await??;
        Ok(())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It has ended, or ends with the demonstration.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the gateway listens: the first line that it prints.
fn address_of(stdout: ChildStdout) -> anyhow::Result<SocketAddr> {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let listening: serde_json::Value = serde_json::from_str(&line).context("the gateway did not start")?;
    let address = listening.pointer("/interface-a/0").and_then(serde_json::Value::as_str);
    Ok(address.context("the gateway has no address for devices")?.parse()?)
}

/// The configuration of the gateway, in a folder beside that of the PKI.
fn configuration(platform: SocketAddr) -> String {
    format!(
        r#"# Written by `pcd-platform demo --gateway`.

[interface-a]
listen = ["127.0.0.1:0"]

[tls]
client-trust-anchors = ["../pki/root-ecc.pem", "../pki/root-rsa.pem"]
ecc = {{ chain = "../pki/platform/platform.ecc.chain.pem", key = "../pki/platform/platform.ecc.key" }}
rsa = {{ chain = "../pki/platform/platform.rsa.chain.pem", key = "../pki/platform/platform.rsa.key" }}

[gateway]
platform = "{platform}"
certificate = {{ chain = "../pki/gateway/{NAME}.ecc.chain.pem", key = "../pki/gateway/{NAME}.ecc.key" }}

[revocation]
directory = "data/revocation"
installed-crls = ["../pki/crl"]
allowed-hosts = ["127.0.0.1"]
refresh-interval = "5s"

[store]
url = "sqlite:data/gateway.db"
node = "gateway"

[admin]
listen = "127.0.0.1:0"

[log]
level = "warn"
"#
    )
}

/// The Common Name of the gateway.
const NAME: &str = "GATEWAY-ICU";
/// How long the gateway may take to forward what the devices have sent.
const FORWARD_TIMEOUT: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(50);
