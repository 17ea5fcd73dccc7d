//! The store of CRLs: installed at setup, or fetched (A9.1).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::model::hexadecimal;
use crate::revocation::bounded_map::Identity;
use crate::revocation::crl::{Crl, CrlQuery, CrlVerifyError, VerifiedCrl, evaluate, is_older};
use crate::revocation::disk::Disk;
use crate::revocation::verdict::{Evidence, Report, Source};
use crate::revocation::{CertIdHash, IssuedCertificate, Issuer};

/// All CRLs in memory.
#[derive(Debug, Default)]
pub(crate) struct CrlStore(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    stored: Vec<Arc<StoredCrl>>,
    /// The highest number seen, by [`VerifiedCrl::series`].
    numbers: HashMap<Identity, Vec<u8>>,
    /// CRLs whose rollback was logged.
    reported: HashSet<Origin>,
}

/// A CRL and its origin.
#[derive(Debug)]
pub(crate) struct StoredCrl {
    pub(crate) crl: Arc<Crl>,
    pub(crate) origin: Origin,
    /// When this process fetched it last.
    pub(crate) fetched: Option<Timestamp>,
    /// The results of its verification, by the identity of the issuer.
    verified: Mutex<HashMap<Identity, Result<VerifiedCrl, CrlVerifyError>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    Installed(PathBuf),
    Fetched(String),
    /// Read from disk, under this name: an earlier process fetched it.
    Persisted(String),
}

impl Origin {
    /// For evidence and logs.
    pub(crate) fn display_name(&self) -> String {
        match self {
            Self::Installed(file) => file.display().to_string(),
            Self::Fetched(url) => url.clone(),
            Self::Persisted(name) => format!("stored as {name}"),
        }
    }

    /// The name on disk of a CRL from this URL.
    pub(crate) fn disk_name(url: &str) -> String {
        hexadecimal::encode(&CertIdHash::Sha256.digest(url.as_bytes()))
    }
}

impl StoredCrl {
    pub(crate) fn new(crl: Crl, origin: Origin) -> Arc<Self> {
        Arc::new(Self { crl: Arc::new(crl), origin, fetched: None, verified: Mutex::default() })
    }

    pub(crate) fn fetched(crl: Arc<Crl>, url: &str, at: Timestamp) -> Arc<Self> {
        let origin = Origin::Fetched(url.to_owned());
        Arc::new(Self { crl, origin, fetched: Some(at), verified: Mutex::default() })
    }

    /// The CRL, verified with this issuer's key. A signature over megabytes is verified once.
    pub(crate) fn verified_by(&self, issuer: &Arc<Issuer>) -> Result<VerifiedCrl, CrlVerifyError> {
        let mut known = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_VERIFIED_ISSUERS && !known.contains_key(&issuer.identity()) {
            known.retain(|_, verified| verified.is_ok());
        }
        known
            .entry(issuer.identity())
            .or_insert_with(|| VerifiedCrl::new(Arc::clone(&self.crl), Arc::clone(issuer)))
            .clone()
    }

    /// Whether a known issuer signed it.
    pub(crate) fn is_verified(&self) -> bool {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).values().any(Result::is_ok)
    }

    /// Whether its own statements count: the operator installed it, or a known issuer signed it. An
    /// unverified fetched CRL decides neither the next URL nor the expiry that is reported.
    fn is_trusted(&self) -> bool {
        !matches!(self.origin, Origin::Fetched(_)) || self.is_verified()
    }

    fn is_same_series(&self, other: &Self) -> bool {
        self.crl.issuer == other.crl.issuer
            && self.crl.scope == other.crl.scope
            && self.crl.base.is_some() == other.crl.base.is_some()
    }
}

impl CrlStore {
    pub(crate) fn new(numbers: &BTreeMap<String, String>) -> Self {
        let number = |(series, number): (&String, &String)| {
            Some((Identity::try_from(hexadecimal::decode(series)?).ok()?, hexadecimal::decode(number)?))
        };
        let numbers = numbers.iter().filter_map(number).collect();
        Self(Mutex::new(Inner { numbers, ..Inner::default() }))
    }

    /// All CRLs.
    pub(crate) fn all(&self) -> Vec<Arc<StoredCrl>> {
        self.lock().stored.clone()
    }

    /// The newest of each issuer and scope.
    pub(crate) fn current(&self) -> Vec<Arc<StoredCrl>> {
        let mut all = self.all();
        all.retain(|stored| stored.is_trusted());
        let newest = |stored: &&Arc<StoredCrl>| {
            let newer = |other: &Arc<StoredCrl>| {
                other.is_same_series(stored) && other.crl.this_update > stored.crl.this_update
            };
            !all.iter().any(newer)
        };
        all.iter().filter(newest).cloned().collect()
    }

    /// The newest trusted CRL from this URL, fetched now or by an earlier process.
    pub(crate) fn newest_from(&self, url: &str) -> Option<Arc<StoredCrl>> {
        let (fetched, kept) = (Origin::Fetched(url.to_owned()), Origin::Persisted(Origin::disk_name(url)));
        let mut here = self.all();
        here.retain(|stored| (stored.origin == fetched || stored.origin == kept) && stored.is_trusted());
        here.into_iter().max_by_key(|stored| stored.crl.this_update)
    }

    /// When this URL was fetched last.
    pub(crate) fn last_fetched(&self, url: &str) -> Option<Timestamp> {
        let inner = self.lock();
        let here = |stored: &&Arc<StoredCrl>| matches!(&stored.origin, Origin::Fetched(from) if from == url);
        inner.stored.iter().find(here)?.fetched
    }

    /// Replaces the installed CRLs.
    pub(crate) fn install(&self, installed: Vec<Arc<StoredCrl>>) {
        let mut inner = self.lock();
        inner.stored.retain(|stored| !matches!(stored.origin, Origin::Installed(_)));
        inner.stored.extend(installed);
    }

    /// Adds a fetched CRL, replacing the one of the same origin.
    pub(crate) fn add(&self, stored: Arc<StoredCrl>) {
        let mut inner = self.lock();
        inner.stored.retain(|other| other.origin != stored.origin);
        inner.stored.push(stored);
        inner.evict();
    }

    /// Removes the CRL of this origin.
    pub(crate) fn remove(&self, origin: &Origin) {
        self.lock().stored.retain(|stored| stored.origin != *origin);
    }

    /// Whether a CRL with a higher number of the same issuer and scope was seen. If not, this number becomes
    /// the highest, and is remembered across restarts.
    pub(crate) fn is_rolled_back(&self, verified: &VerifiedCrl, disk: &Disk) -> bool {
        let Some(number) = verified.crl().number.as_deref() else { return false };
        let numbers = {
            let mut inner = self.lock();
            let highest = inner.numbers.get(&verified.series());
            if highest.is_some_and(|highest| is_older(number, highest)) {
                return true;
            }
            if highest.is_some_and(|highest| !is_older(highest, number)) {
                return false;
            }
            inner.numbers.insert(verified.series(), number.to_vec());
            let text = |(series, number): (&Identity, &Vec<u8>)| {
                (hexadecimal::encode(series), hexadecimal::encode(number))
            };
            inner.numbers.iter().map(text).collect()
        };
        disk.write_crl_numbers(&numbers);
        false
    }

    /// The status of a certificate by all CRLs. `signers` may sign indirect CRLs.
    pub(crate) fn report(
        &self,
        issued: &IssuedCertificate,
        signers: &[Arc<Issuer>],
        now: Timestamp,
        skew: SignedDuration,
        disk: &Disk,
    ) -> Option<Report> {
        let points = &issued.certificate.crl_distribution_points;
        let named = |name: &[u8]| {
            name == issued.issuer.name()
                || points.iter().any(|point| point.issuers.iter().any(|issuer| issuer == name))
        };
        let stored: Vec<_> =
            self.lock().stored.iter().filter(|stored| named(&stored.crl.issuer)).cloned().collect();
        let mut origins = Vec::new();
        let mut verified: Vec<VerifiedCrl> = Vec::new();
        let mut old = Vec::new();
        for stored in stored {
            let own = std::iter::once(&issued.issuer).chain(signers);
            let own = own.filter(|issuer| issuer.name() == stored.crl.issuer);
            let Some(found) = own.filter_map(|issuer| stored.verified_by(issuer).ok()).next() else {
                continue;
            };
            if self.is_rolled_back(&found, disk) {
                old.push((found.series(), stored));
                continue;
            }
            origins.push(stored);
            verified.push(found);
        }
        // An installed CRL with a fetched successor is normal.
        for (series, stored) in old {
            if !verified.iter().any(|other| other.series() == series) {
                self.report_rollback(&stored);
            }
        }
        let (status, fresh, list) = evaluate(&CrlQuery { issued, now, skew }, &verified)?;
        let position = verified.iter().position(|other| Arc::ptr_eq(other.crl(), list.crl()));
        let evidence = Evidence {
            source: Source::CrlLocal,
            this_update: list.crl().this_update,
            next_update: Some(list.crl().next_update),
            url: position
                .and_then(|position| origins.get(position))
                .map(|stored| stored.origin.display_name()),
            responder: if list.signer() == &issued.issuer {
                issued.certificate.issuer.to_string()
            } else {
                crate::revocation::issuer_text(list.signer().name())
            },
        };
        Some(Report { status, fresh, evidence })
    }

    /// Logs the rollback once for each CRL.
    fn report_rollback(&self, stored: &StoredCrl) {
        let mut inner = self.lock();
        if inner.reported.len() > MAX_FETCHED {
            inner.reported.clear();
        }
        if inner.reported.insert(stored.origin.clone()) {
            tracing::warn!(
                crl = stored.origin.display_name(),
                "CRL is older than one already seen; ignoring it (possible replay)"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Evicts CRLs that no known issuer signed first, then the oldest.
    fn evict(&mut self) {
        let fetched = |stored: &Arc<StoredCrl>| !matches!(stored.origin, Origin::Installed(_));
        loop {
            let sizes = self.stored.iter().filter(|stored| fetched(stored)).map(|stored| stored.crl.memory());
            let (count, bytes) = sizes.fold((0, 0_usize), |(count, all), size| (count + 1, all + size));
            if count <= 1 || (count <= MAX_FETCHED && bytes <= MAX_FETCHED_BYTES) {
                return;
            }
            let nobodys = self.stored.iter().position(|stored| !stored.is_trusted());
            let Some(position) = nobodys.or_else(|| self.stored.iter().position(fetched)) else { return };
            self.stored.remove(position);
        }
    }
}

/// Fetched CRLs, and their bytes together. An indirect or partitioned PKI has dozens.
const MAX_FETCHED: usize = 1000;
const MAX_FETCHED_BYTES: usize = 512 << 20;
/// Issuers for which the verification of one CRL is remembered; all have the CRL's issuer name.
const MAX_VERIFIED_ISSUERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revocation::fixtures::{Ca, Extras, List, SKEW, hours};
    use crate::revocation::verdict::CertStatus;

    fn fetched(der: Vec<u8>, url: &str) -> Arc<StoredCrl> {
        StoredCrl::fetched(Arc::new(Crl::read(der).unwrap()), url, hours(0))
    }

    // Bugs of other implementations: older CRL replayed.
    #[test]
    fn an_older_crl_is_refused_even_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        let ca = Ca::new("CA");
        let issued = ca.device(&Extras::default());
        let stored = |number| fetched(List::new(number).by(&ca), "u");
        let ask =
            |lists: &CrlStore| lists.report(&issued, &[], hours(0), SKEW, &disk).map(|report| report.status);
        let lists = CrlStore::default();
        lists.add(stored(7));
        assert_eq!(ask(&lists), Some(CertStatus::Good));
        lists.add(stored(6));
        assert_eq!(ask(&lists), None);
        disk.flush();
        let after = CrlStore::new(&disk.read_crl_numbers());
        after.add(stored(6));
        assert_eq!(ask(&after), None);
        after.add(stored(7));
        assert_eq!(ask(&after), Some(CertStatus::Good));
    }

    #[test]
    fn a_forged_crl_number_has_no_effect() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        let (ca, twin) = (Ca::new("CA"), Ca::new("CA"));
        let issued = ca.device(&Extras::default());
        let lists = CrlStore::default();
        lists.add(fetched(List::new(99).by(&twin), "twin"));
        lists.add(fetched(List::new(3).by(&ca), "own"));
        let report = lists.report(&issued, &[], hours(0), SKEW, &disk).unwrap();
        assert_eq!((report.status, report.fresh), (CertStatus::Good, true));
    }

    // An unverified fetched CRL may be anyone's: it does not hide that the real one expires.
    #[test]
    fn an_unsigned_crl_is_not_among_the_current_ones() {
        let (ca, twin) = (Ca::new("CA"), Ca::new("CA"));
        let lists = CrlStore::default();
        let own =
            StoredCrl::new(Crl::read(List::new(3).by(&ca)).unwrap(), Origin::Installed("own.crl".into()));
        lists.install(vec![own]);
        let later = List { this_update: hours(0), next_update: Some(hours(999_999)), ..List::new(4) };
        let forged = fetched(later.by(&twin), "http://a/ca.crl");
        lists.add(Arc::clone(&forged));
        let names = |lists: &CrlStore| {
            lists.current().iter().map(|stored| stored.origin.display_name()).collect::<Vec<_>>()
        };
        assert_eq!(names(&lists), ["own.crl"]);
        assert!(lists.newest_from("http://a/ca.crl").is_none());
        // A certificate of the signer was seen: the CRL counts.
        forged.verified_by(&twin.issuer()).unwrap();
        assert_eq!(names(&lists), ["http://a/ca.crl"]);
    }

    #[test]
    fn unsigned_crls_are_evicted_first() {
        let ca = Ca::new("CA");
        let der = List::new(1).by(&ca);
        let lists = CrlStore::default();
        let signed = fetched(der.clone(), "signed");
        signed.verified_by(&ca.issuer()).unwrap();
        lists.add(signed);
        for number in 0..MAX_FETCHED {
            lists.add(fetched(der.clone(), &number.to_string()));
        }
        assert_eq!(lists.all().len(), MAX_FETCHED);
        assert!(lists.newest_from("signed").is_some());
    }
}
