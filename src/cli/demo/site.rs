//! The folder of the demonstration: a PKI, a configuration, a store and its directory of devices.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::SignedDuration;
use tokio::net::TcpListener;

use super::actor::{Actor, Part};
use crate::authz::{Device, DeviceKind, DeviceStatus};
use crate::config::{Config, Credential, Overrides};
use crate::hl7::AcknowledgeAs;
use crate::model::{Clock, DeviceId};
use crate::pki::{
    CertificateOrder, Issued, KeyType, OcspResponder, OcspSigner, RevocationReason, Role, TestPki,
};
use crate::store::{Store, StoreError};

/// Where the demonstration happens.
pub(super) struct Site {
    pub(super) config: Config,
    pub(super) trust_anchors: Vec<PathBuf>,
    pub(super) actors: Vec<(Actor, Credential)>,
    /// What answers for the certificates, and where.
    pub(super) responder: (TcpListener, Arc<OcspResponder>),
}

impl Site {
    /// Makes the folder, or takes it as an earlier run left it; certificates are new each time.
    pub(super) async fn prepare(
        dir: &Path,
        port: u16,
        admin_port: u16,
        clock: &Clock,
    ) -> anyhow::Result<Self> {
        let pki_dir = dir.join("pki");
        let (pki, responder) = pki_and_socket(&pki_dir, clock).await?;
        for key in [KeyType::Ecc, KeyType::Rsa] {
            pki.issue(&CertificateOrder::new("platform", Role::Platform, key))?;
        }
        // The installed CRLs are from before the theft: that the pump is refused, OCSP alone can know.
        pki.publish_crls(TestPki::CRL_DAYS)?;
        let mut actors = Vec::new();
        for actor in Actor::cast() {
            let issued = pki.issue(&CertificateOrder::new(actor.name, actor.role, actor.key))?;
            if actor.part == Part::Revoked {
                pki.revoke(&std::fs::read(&issued.chain)?, RevocationReason::KeyCompromise)?;
            }
            actors.push((actor, credential(issued)));
        }

        let file = dir.join("platform.toml");
        std::fs::write(&file, configuration(port, admin_port))
            .with_context(|| format!("cannot write {}", file.display()))?;
        let config = Config::load(&file, &Overrides::default())?;
        enter_devices(&config, &actors, clock).await?;
        let trust_anchors = pki.trust_anchors().to_vec();
        let lifetime = SignedDuration::from_mins(10);
        let answering = Arc::new(OcspResponder::new(pki, OcspSigner::Delegate, lifetime)?);
        Ok(Self { config, trust_anchors, actors, responder: (responder, answering) })
    }
}

/// The PKI, and the socket at which its certificates say that it answers.
async fn pki_and_socket(dir: &Path, clock: &Clock) -> anyhow::Result<(TestPki, TcpListener)> {
    let context = || format!("the PKI of the demonstration, {}", dir.display());
    if dir.exists() {
        let pki = TestPki::open(dir, clock).with_context(context)?;
        let address = pki.base_url().strip_prefix("http://").unwrap_or_default().to_owned();
        let socket = TcpListener::bind(&address).await.with_context(|| {
            format!(
                "the OCSP responder of the demonstration cannot listen on {address}; choose another --dir"
            )
        })?;
        return Ok((pki, socket));
    }
    // Port 8575 if it is free; certificates name the port, so that it is chosen once.
    let socket = match TcpListener::bind("127.0.0.1:8575").await {
        Ok(socket) => socket,
        Err(_) => TcpListener::bind("127.0.0.1:0").await.context("no port for the OCSP responder")?,
    };
    let url = format!("http://{}", socket.local_addr()?);
    Ok((TestPki::init(dir, &url, clock).with_context(context)?, socket))
}

fn credential(issued: Issued) -> Credential {
    Credential { chain: issued.chain, key: issued.key.into(), passphrase: None }
}

/// The directory: everybody but the stranger.
async fn enter_devices(config: &Config, actors: &[(Actor, Credential)], clock: &Clock) -> anyhow::Result<()> {
    let store = Store::open(&config.store_url, clock.clone()).await?;
    for (actor, _) in actors.iter().filter(|(actor, _)| actor.part != Part::Unknown) {
        let device = Device {
            id: DeviceId::parse(actor.name)?,
            kind: if actor.role == Role::Gateway { DeviceKind::Gateway } else { DeviceKind::Device },
            status: DeviceStatus::Active,
            acknowledge: AcknowledgeAs::AsAsked,
            speaks_for: actor.speaks_for.iter().map(|id| id.parse()).collect::<Result<_, _>>()?,
            note: actor.title.to_owned(),
        };
        match store.add_device(device, "demo").await {
            Ok(()) | Err(StoreError::DeviceExists(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    store.close().await;
    Ok(())
}

/// The shortest configuration that does the whole job; port 0 lets the operating system choose.
fn configuration(port: u16, admin_port: u16) -> String {
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
installed-crls = ["pki/crl"]
# The responder of the demonstration is on this machine, which nothing but this line allows.
allowed-hosts = ["127.0.0.1"]
# So often that a revocation can be watched; a site would take an hour.
refresh-interval = "5s"

[store]
url = "sqlite:data/platform.db"

[admin]
listen = "127.0.0.1:{admin_port}"

[log]
level = "warn"
"#
    )
}
