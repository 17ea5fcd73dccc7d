//! The folder of the demonstration: a PKI, a configuration, a store and its directory of devices.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::SignedDuration;
use tokio::net::TcpListener;

use super::simulated::{Expected, SimulatedDevice};
use crate::authz::{About, Device, DeviceKind};
use crate::cli::responder;
use crate::config::{Config, Credential, Overrides};
use crate::model::{Clock, DeviceId};
use crate::pki::{
    CertificateOrder, Issued, KeyType, OcspResponder, OcspSigner, RevocationReason, Role, TestPki,
};
use crate::store::{Store, StoreError};

/// The prepared folder and what runs beside the platform.
pub(super) struct Site {
    pub(super) config: Config,
    pub(super) trust_anchors: Vec<PathBuf>,
    pub(super) devices: Vec<(SimulatedDevice, Credential)>,
    /// The OCSP responder of the test PKI, and its socket.
    pub(super) responder: (TcpListener, Arc<OcspResponder>),
    /// The certificate of a hospital system that reads.
    pub(super) reader: Issued,
}

impl Site {
    /// Creates the folder or uses that of an earlier run. Certificates are issued again each time.
    pub(super) async fn prepare(
        dir: &Path,
        port: u16,
        (admin_port, api_port): (u16, u16),
        clock: &Clock,
    ) -> anyhow::Result<Self> {
        let pki_dir = dir.join("pki");
        let (pki, socket) = pki_and_socket(&pki_dir, clock).await?;
        for key in [KeyType::Ecc, KeyType::Rsa] {
            pki.issue(&CertificateOrder::new("platform", Role::Platform, key))?;
        }
        // The installed CRLs are older than the revocation below: only OCSP reveals it.
        pki.publish_crls(TestPki::CRL_DAYS)?;
        let mut devices = Vec::new();
        for device in SimulatedDevice::all() {
            let issued = pki.issue(&CertificateOrder::new(device.name, device.role, device.key))?;
            if device.expected == Expected::Revoked {
                pki.revoke(&std::fs::read(&issued.chain)?, RevocationReason::KeyCompromise)?;
            }
            devices.push((device, credential(issued)));
        }

        let reader = hospital_system(&dir.join("hospital"), clock)?;
        let file = dir.join("platform.toml");
        std::fs::write(&file, configuration(port, admin_port, api_port))
            .with_context(|| format!("cannot write {}", file.display()))?;
        let config = Config::load(&file, &Overrides::default())?;
        add_devices(&config, &devices, clock).await?;
        let trust_anchors = pki.trust_anchors().to_vec();
        let lifetime = SignedDuration::from_mins(10);
        let responder = Arc::new(OcspResponder::new(pki, OcspSigner::Delegate, lifetime)?);
        Ok(Self { config, trust_anchors, devices, responder: (socket, responder), reader })
    }
}

/// The PKI, and the socket of the OCSP responder that its certificates name.
async fn pki_and_socket(dir: &Path, clock: &Clock) -> anyhow::Result<(TestPki, TcpListener)> {
    let context = || format!("cannot prepare the PKI of the demonstration in {}", dir.display());
    if dir.exists() {
        let pki = TestPki::open(dir, clock).with_context(context)?;
        let address = pki.base_url().strip_prefix("http://").unwrap_or_default().to_owned();
        let socket = TcpListener::bind(&address).await.with_context(|| {
            format!(
                "the OCSP responder of the demonstration cannot listen on {address}; choose another folder with --dir"
            )
        })?;
        return Ok((pki, socket));
    }
    let (socket, url) = responder::new_socket().await?;
    Ok((TestPki::init(dir, &url, clock).with_context(context)?, socket))
}

/// A certificate of a hospital system, of a PKI apart from that of devices: by CRLs alone.
fn hospital_system(dir: &Path, clock: &Clock) -> anyhow::Result<Issued> {
    let context = || format!("cannot prepare the PKI of hospital systems in {}", dir.display());
    let pki = match dir.exists() {
        true => TestPki::open(dir, clock),
        false => TestPki::init(dir, "http://127.0.0.1:9", clock),
    };
    let pki = pki.with_context(context)?;
    pki.publish_crls(TestPki::CRL_DAYS)?;
    let order = CertificateOrder::new("ehr", Role::Device, KeyType::Ecc);
    let by_crl_alone = CertificateOrder { ocsp_urls: Some(Vec::new()), crl_urls: Some(Vec::new()), ..order };
    Ok(pki.issue(&by_crl_alone)?)
}

fn credential(issued: Issued) -> Credential {
    Credential { chain: issued.chain, key: issued.key.into(), passphrase: None }
}

/// Adds all devices to the directory, except the one that must be unknown.
pub(super) async fn add_devices(
    config: &Config,
    devices: &[(SimulatedDevice, Credential)],
    clock: &Clock,
) -> anyhow::Result<()> {
    let store = Store::open(&config.store.url, clock.clone()).await?;
    for (simulated, _) in devices.iter().filter(|(device, _)| device.expected != Expected::NotInDirectory) {
        let device = Device {
            kind: if simulated.role == Role::Gateway { DeviceKind::Gateway } else { DeviceKind::Device },
            speaks_for: simulated.speaks_for.iter().map(|id| id.parse()).collect::<Result<_, _>>()?,
            silent_after: simulated.silent_after(),
            note: simulated.title.to_owned(),
            about: About {
                name: simulated.about.0.to_owned(),
                ward: simulated.about.1.to_owned(),
                ..About::default()
            },
            ..Device::new(DeviceId::parse(simulated.name)?)
        };
        let (id, silent_after) = (device.id.clone(), device.silent_after);
        match store.add_device(device, "demo").await {
            Ok(()) => {}
            Err(StoreError::DeviceExists(_) | StoreError::DeviceSpelled { .. }) => {
                // Of an earlier version, which had no such rule. What a person has changed stays.
                if let Some(known) = store.device(&id).await?.filter(|known| known.silent_after.is_none())
                    && silent_after.is_some()
                {
                    store.describe_device(Device { silent_after, ..known }, "demo").await?;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    store.close().await;
    Ok(())
}

/// The shortest complete configuration; port 0 lets the operating system choose.
fn configuration(port: u16, admin_port: u16, api_port: u16) -> String {
    format!(
        r#"# Written by `pcd-platform demo`.

[interface-a]
listen = ["127.0.0.1:{port}"]

[tls]
client-trust-anchors = ["pki/root-ecc.pem", "pki/root-rsa.pem"]
ecc = {{ chain = "pki/platform/platform.ecc.chain.pem", key = "pki/platform/platform.ecc.key" }}
rsa = {{ chain = "pki/platform/platform.rsa.chain.pem", key = "pki/platform/platform.rsa.key" }}

[revocation]
directory = "data/revocation"
installed-crls = ["pki/crl", "hospital/crl"]
# The responder of the demonstration listens on loopback, which is refused unless it is listed here.
allowed-hosts = ["127.0.0.1"]
# Short, so that a revocation takes effect within seconds; a production site would use "1h".
refresh-interval = "5s"

[store]
url = "sqlite:data/platform.db"

[admin]
listen = "127.0.0.1:{admin_port}"

# Hospital systems read what the devices send. Every member of the community may; register them elsewhere.
[fhir]
enabled = true

[api]
listen = ["127.0.0.1:{api_port}"]
base-url = "https://127.0.0.1:{api_port}"
communities = [{{ name = "hospital", anchors = ["hospital/root-ecc.pem"] }}]
read = "community"
environment = "demo"

[log]
level = "warn"
"#
    )
}
