//! CAs, certificates, responses and CRLs for tests, including invalid ones that the product cannot make.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer as Signer, KeyPair, KeyUsagePurpose, SerialNumber, SigningKey as _,
};

use super::ocsp::{CertId, SingleResponse};
use super::{CertIdHash, CertStatus, IssuedCertificate, Issuer};
use crate::config::{self, Nonce, Undetermined};
use crate::pki::{OcspResponse, ResponderId, ocsp_algorithm};
use crate::x509::der::{self, BIT_STRING, ENUMERATED, INTEGER, SEQUENCE, constructed, element, sequence};
use crate::x509::{CertificateFacts, Serial};

pub(crate) const NOW: i64 = 1_780_000_000;

/// Hours from the time of the tests.
pub(crate) fn hours(hours: i64) -> Timestamp {
    Timestamp::from_second(NOW + hours * 3600).unwrap()
}

/// A configuration with this folder that may contact loopback.
pub(crate) fn config(folder: &Path) -> config::Revocation {
    config::Revocation {
        when_undetermined: Undetermined::Refuse,
        directory: folder.join("data"),
        installed_crls: Vec::new(),
        crl_issuers: Vec::new(),
        responders: Vec::new(),
        fallback_responder: None,
        ocsp_nonce: Nonce::Off,
        clock_skew: Duration::from_secs(300),
        ocsp_max_age: None,
        ocsp_default_lifetime: Duration::from_secs(3600),
        fetch_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
        deadline: Duration::from_secs(10),
        max_waiting: 256,
        max_crl: 1 << 20,
        max_fetch_memory: 64 << 20,
        max_unverified_crls: 16,
        max_response_certificates: 8,
        proxy: None,
        allowed_hosts: vec!["127.0.0.1".to_owned()],
        refresh_interval: Duration::from_secs(3600),
        check_interval: Duration::from_secs(60),
        expired_sessions: config::ExpiredSessions::End,
    }
}

/// A CA with its key.
pub(crate) struct Ca {
    pub(crate) facts: Arc<CertificateFacts>,
    pub(crate) key: KeyPair,
    /// Its self-signed certificate.
    pub(crate) der: Vec<u8>,
    params: CertificateParams,
}

/// The parts of a certificate besides its name.
#[derive(Clone, Default)]
pub(crate) struct Extras {
    pub(crate) purposes: Vec<ExtendedKeyUsagePurpose>,
    pub(crate) usages: Vec<KeyUsagePurpose>,
    pub(crate) extensions: Vec<CustomExtension>,
    pub(crate) serial: Option<Vec<u8>>,
    /// Hours from now.
    pub(crate) validity: Option<(i64, i64)>,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self::from_params(params)
    }

    /// A CA whose keyUsage lacks cRLSign.
    pub(crate) fn without_crl_sign(name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self::from_params(params)
    }

    fn from_params(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { facts: Arc::new(CertificateFacts::read(&der).unwrap()), key, der, params }
    }

    pub(crate) fn issuer(&self) -> Arc<Issuer> {
        Arc::new(Issuer::from_certificate(&self.facts))
    }

    /// A certificate of this CA, in DER, and its key.
    pub(crate) fn issue(&self, name: &str, extras: &Extras) -> (Vec<u8>, KeyPair) {
        let mut params = params(name);
        params.extended_key_usages.clone_from(&extras.purposes);
        params.key_usages.clone_from(&extras.usages);
        params.custom_extensions.clone_from(&extras.extensions);
        let serial = extras.serial.clone().unwrap_or_else(|| vec![0x42, 0x17]);
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        if let Some((from, until)) = extras.validity {
            params.not_before = moment(hours(from));
            params.not_after = moment(hours(until));
        }
        let key = KeyPair::generate().unwrap();
        let signer = Signer::from_params(&self.params, &self.key);
        (params.signed_by(&key, &signer).unwrap().der().to_vec(), key)
    }

    /// A device's certificate.
    pub(crate) fn device(&self, extras: &Extras) -> IssuedCertificate {
        let (der, _) = self.issue("pump", extras);
        IssuedCertificate {
            certificate: Arc::new(CertificateFacts::read(&der).unwrap()),
            issuer: self.issuer(),
        }
    }

    /// This CA's own certificate, as if another CA had issued it.
    pub(crate) fn subordinate_of(&self, parent: &Self) -> IssuedCertificate {
        let mut facts = (*self.facts).clone();
        facts.serial = Serial::from_octets(&[9]);
        facts.issuer = parent.facts.subject.clone();
        IssuedCertificate { certificate: Arc::new(facts), issuer: parent.issuer() }
    }
}

fn moment(at: Timestamp) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(at.as_second()).unwrap()
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = moment(hours(-1000));
    params.not_after = moment(hours(1000));
    params
}

/// A status for `issued`, as of an hour ago, valid for a day.
pub(crate) fn entry(issued: &IssuedCertificate, status: CertStatus) -> SingleResponse {
    SingleResponse {
        id: CertId::for_certificate(issued, CertIdHash::Sha1),
        status,
        this_update: hours(-1),
        next_update: Some(hours(23)),
        unknown_critical: false,
    }
}

/// A response of the CA itself.
pub(crate) fn response(ca: &Ca, responses: Vec<SingleResponse>) -> OcspResponse {
    OcspResponse {
        responder: ResponderId::Name(ca.facts.subject.as_der().to_vec()),
        produced_at: hours(-1),
        responses,
        nonce: None,
        certificates: Vec::new(),
    }
}

/// Serial number, reason, name of the issuer (DER).
pub(crate) type Listed = (Vec<u8>, Option<u8>, Option<Vec<u8>>);

/// A CRL to be written.
#[derive(Clone)]
pub(crate) struct List {
    pub(crate) this_update: Timestamp,
    pub(crate) next_update: Option<Timestamp>,
    pub(crate) entries: Vec<Listed>,
    /// In DER, in place of `entries`.
    pub(crate) raw_entries: Option<Vec<u8>>,
    /// Type, critical, value: as elements of Extensions.
    pub(crate) extensions: Vec<Vec<u8>>,
}

impl List {
    /// A complete CRL as of an hour ago, valid for a day.
    pub(crate) fn new(number: u8) -> Self {
        Self {
            this_update: hours(-1),
            next_update: Some(hours(23)),
            entries: Vec::new(),
            raw_entries: None,
            extensions: vec![extension(20, false, &element(INTEGER, &[number]))],
        }
    }

    pub(crate) fn revoking(mut self, serial: &[u8], reason: Option<u8>) -> Self {
        self.entries.push((serial.to_vec(), reason, None));
        self
    }

    pub(crate) fn with(mut self, extension: Vec<u8>) -> Self {
        self.extensions.push(extension);
        self
    }

    /// With an issuingDistributionPoint of these fields.
    pub(crate) fn scoped(self, fields: &[&[u8]]) -> Self {
        self.with(extension(28, true, &sequence(fields)))
    }

    pub(crate) fn sign(&self, issuer: &[u8], key: &KeyPair) -> Vec<u8> {
        let written = || self.entries.iter().flat_map(written).collect::<Vec<u8>>();
        let entries = self.raw_entries.clone().unwrap_or_else(written);
        let entries = if entries.is_empty() { entries } else { element(SEQUENCE, &entries) };
        let next = self.next_update.map_or_else(Vec::new, der::generalized_time);
        let extensions = element(constructed(0), &element(SEQUENCE, &self.extensions.concat()));
        let algorithm = ocsp_algorithm(key);
        let list = sequence(&[
            &element(INTEGER, &[1]),
            &algorithm,
            issuer,
            &der::generalized_time(self.this_update),
            &next,
            &entries,
            &extensions,
        ]);
        let signature = element(BIT_STRING, &[&[0], key.sign(&list).unwrap().as_slice()].concat());
        sequence(&[&list, &algorithm, &signature])
    }

    pub(crate) fn by(&self, ca: &Ca) -> Vec<u8> {
        self.sign(ca.facts.subject.as_der(), &ca.key)
    }
}

fn written((serial, reason, issuer): &Listed) -> Vec<u8> {
    let reason = reason.map(|code| extension(21, false, &element(ENUMERATED, &[code])));
    let issuer = issuer.as_ref().map(|name| extension(29, true, &sequence(&[&element(0xa4, name)])));
    let extensions = [reason.unwrap_or_default(), issuer.unwrap_or_default()].concat();
    let extensions = if extensions.is_empty() { extensions } else { element(SEQUENCE, &extensions) };
    sequence(&[&element(INTEGER, serial), &der::generalized_time(hours(-48)), &extensions])
}

/// An extension of id-ce.
pub(crate) fn extension(arc: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    sequence(&[&[6, 3, 0x55, 0x1d, arc], critical, &element(4, value)])
}

/// A DistributionPointName with one URL, inside its \[0\].
pub(crate) fn point_name(url: &str) -> Vec<u8> {
    element(0xa0, &element(0xa0, &element(0x86, url.as_bytes())))
}

/// cRLDistributionPoints with these points.
pub(crate) fn distribution_points(points: &[Vec<u8>]) -> CustomExtension {
    let points: Vec<u8> = points.iter().flat_map(|fields| element(SEQUENCE, fields)).collect();
    CustomExtension::from_oid_content(&[2, 5, 29, 31], element(SEQUENCE, &points))
}

/// authorityInfoAccess with a responder.
pub(crate) fn responder_at(url: &str) -> CustomExtension {
    let ocsp = [6, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 1];
    let access = sequence(&[&sequence(&[&ocsp, &element(0x86, url.as_bytes())])]);
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access)
}

/// Five minutes.
pub(crate) const SKEW: SignedDuration = SignedDuration::from_mins(5);
