//! The TLS side of each simulated device.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::fleet::SimulatedDevice;
use super::{Fault, SimulationError};
use crate::config::{Credential, Revocation, TlsVersion};
use crate::model::Clock;
use crate::pki::{BulkIssuer, BulkValidity, CertificateOrder, KeyFamily, KeyType, RevocationReason, TestPki};
use crate::revocation::Engine;
use crate::tls::{ClientKey, Connector, ConnectorSettings, ConnectorTemplate, Staples, StatusCheck};

/// Makes connectors: keys come from a pool, and certificates never reach the disk.
pub(super) struct Certificates<'a> {
    pki: &'a TestPki,
    clock: Clock,
    anchors: Vec<PathBuf>,
    status: StatusCheck,
    template: ConnectorTemplate,
    without_status: ConnectorTemplate,
    ecc: Family,
    rsa: Family,
}

struct Family {
    issuer: BulkIssuer,
    keys: Vec<ClientKey>,
}

impl<'a> Certificates<'a> {
    pub(super) fn new(pki: &'a TestPki, missing: Staples, clock: &Clock) -> Result<Self, SimulationError> {
        let status =
            StatusCheck { engine: Engine::for_client(&Revocation::default(), clock.clone())?, missing };
        let anchors = pki.trust_anchors().to_vec();
        let template = |status| ConnectorTemplate::build(&anchors, &VERSIONS, None, status, clock);
        let (with_status, without_status) = (template(Some(status.clone()))?, template(None)?);
        let family = |family| {
            let issuer = pki.bulk_issuer(family, POOL_KEYS)?;
            let keys = issuer.keys().map(|key| with_status.key(&key)).collect::<Result<_, _>>()?;
            Ok::<_, SimulationError>(Family { issuer, keys })
        };
        let (ecc, rsa) = (family(KeyFamily::Ecc)?, family(KeyFamily::Rsa)?);
        let clock = clock.clone();
        Ok(Self { pki, clock, anchors, status, template: with_status, without_status, ecc, rsa })
    }

    /// The connectors of all devices, in their order. Publishes new CRLs if a certificate was revoked.
    pub(super) fn connectors(&self, devices: &[SimulatedDevice]) -> Result<Vec<Connector>, SimulationError> {
        let mut has_revoked = false;
        let writes = devices.iter().any(|device| device.fault == Some(Fault::Revoked));
        let _lock = writes.then(|| self.lock()).transpose()?;
        let connectors = devices.iter().zip(0..).map(|(device, number)| match device.fault {
            Some(Fault::Revoked) => self.revoked(device, &mut has_revoked),
            fault => self.issued(device, number, fault),
        });
        let connectors = connectors.collect::<Result<_, _>>()?;
        if has_revoked {
            self.pki.publish_crls(TestPki::CRL_DAYS)?;
        }
        Ok(connectors)
    }

    /// Other simulations with this PKI wait: each of them may issue and revoke the same certificates.
    fn lock(&self) -> Result<File, SimulationError> {
        let file = self.anchors.iter().find_map(|anchor| anchor.parent()).unwrap_or_else(|| Path::new("."));
        let locked = File::open(file).and_then(|folder| {
            flock(&folder, FlockOperation::LockExclusive)?;
            Ok(folder)
        });
        locked.map_err(|source| SimulationError::Read { file: file.to_owned(), source })
    }

    fn issued(
        &self,
        device: &SimulatedDevice,
        number: usize,
        fault: Option<Fault>,
    ) -> Result<Connector, SimulationError> {
        let family = match device.key {
            KeyFamily::Ecc => &self.ecc,
            KeyFamily::Rsa => &self.rsa,
        };
        let validity = match fault {
            Some(Fault::Expired) => BulkValidity::Expired,
            _ => BulkValidity::Days(DAYS),
        };
        let template = match fault {
            Some(Fault::NoStaple) => &self.without_status,
            _ => &self.template,
        };
        let made = family.issuer.issue(&device.id, device.role, number, validity)?;
        let key = family.keys.get(made.key).ok_or(SimulationError::Keys)?;
        Ok(template.connector(&made.chain, key))
    }

    /// A revoked certificate stays in the folder of the PKI, so that the next run revokes no other.
    fn revoked(
        &self,
        device: &SimulatedDevice,
        has_revoked: &mut bool,
    ) -> Result<Connector, SimulationError> {
        let order = CertificateOrder::new(&device.id, device.role, KeyType::from(device.key));
        let mut files = self.pki.issued_files(&order);
        if !files.chain.exists() {
            files = self.pki.issue(&order)?;
            let chain = std::fs::read(&files.chain)
                .map_err(|source| SimulationError::Read { file: files.chain.clone(), source })?;
            self.pki.revoke(&chain, RevocationReason::KeyCompromise)?;
            *has_revoked = true;
        }
        let settings = ConnectorSettings {
            credential: Credential { chain: files.chain, key: files.key.into(), passphrase: None },
            trust_anchors: self.anchors.clone(),
            versions: VERSIONS.to_vec(),
            suite: None,
            status: Some(self.status.clone()),
        };
        Ok(Connector::build(&settings, &self.clock)?)
    }
}

const VERSIONS: [TlsVersion; 2] = [TlsVersion::Tls12, TlsVersion::Tls13];
/// Keys of each family.
const POOL_KEYS: usize = 4;
/// Validity of the certificates: longer than the time in which the platform warns of their end.
const DAYS: u32 = 365;
