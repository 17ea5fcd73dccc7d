//! The store of CRLs: installed at setup, or fetched (A9.1).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::model::{hexadecimal, shown_url};
use crate::revocation::bounded_map::Identity;
use crate::revocation::crl::kind::CrlKind;
use crate::revocation::crl::{Crl, CrlQuery, CrlVerifyError, VerifiedCrl, evaluate, is_older};
use crate::revocation::disk::Disk;
use crate::revocation::verdict::{CertStatus, Evidence, Report, Source};
use crate::revocation::{IssuedCertificate, Issuer};
use crate::x509::ComparableName;

/// All CRLs in memory.
#[derive(Debug)]
pub(crate) struct CrlStore(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    stored: Vec<Arc<StoredCrl>>,
    /// The highest number seen, by [`VerifiedCrl::series`].
    numbers: HashMap<Identity, Vec<u8>>,
    /// What each URL delivered last.
    fetches: HashMap<String, Fetch>,
    /// CRLs whose rollback was logged.
    /// Those that were ignored because a later one had been seen, with their numbers.
    reported: HashSet<(Origin, Option<Vec<u8>>)>,
    max_unverified: usize,
}

/// A CRL and its origin.
#[derive(Debug)]
pub(crate) struct StoredCrl {
    pub(crate) crl: Arc<Crl>,
    pub(crate) origin: Origin,
    /// The results of its verification, by the identity of the issuer.
    verified: Mutex<HashMap<Identity, Result<VerifiedCrl, CrlVerifyError>>>,
}

/// A CRL that came from a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fetch {
    pub(crate) at: Timestamp,
    /// As the CRL states it. It need not be the one that was asked for.
    pub(crate) kind: CrlKind,
    /// Whether a known issuer had signed it.
    pub(crate) is_verified: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    Installed(PathBuf),
    Fetched(String),
    /// Read from disk, under this name: an earlier process fetched and verified it.
    Persisted(String),
}

/// The CRLs for one certificate.
struct Applicable {
    verified: Vec<VerifiedCrl>,
    /// Those of `verified`.
    origins: Vec<Arc<StoredCrl>>,
    /// Those of which a successor was seen.
    old: Vec<(VerifiedCrl, Arc<StoredCrl>)>,
}

impl Origin {
    /// For evidence and logs.
    pub(crate) fn display_name(&self) -> String {
        match self {
            Self::Installed(file) => file.display().to_string(),
            Self::Fetched(url) => shown_url(url),
            Self::Persisted(name) => format!("stored as {name}"),
        }
    }
}

impl StoredCrl {
    pub(crate) fn new(crl: Crl, origin: Origin) -> Arc<Self> {
        Arc::new(Self { crl: Arc::new(crl), origin, verified: Mutex::default() })
    }

    pub(crate) fn fetched(crl: Arc<Crl>, url: &str) -> Arc<Self> {
        let origin = Origin::Fetched(url.to_owned());
        Arc::new(Self { crl, origin, verified: Mutex::default() })
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

    pub(crate) fn is_same_series(&self, other: &Self) -> bool {
        self.crl.issuer == other.crl.issuer
            && self.crl.scope == other.crl.scope
            && self.crl.base.is_some() == other.crl.base.is_some()
    }
}

impl CrlStore {
    /// A store with the highest numbers of earlier processes. It has at most `max_unverified` fetched CRLs of
    /// unknown issuers.
    pub(crate) fn new(numbers: &BTreeMap<String, String>, max_unverified: usize) -> Self {
        let number = |(series, number): (&String, &String)| {
            Some((Identity::try_from(hexadecimal::decode(series)?).ok()?, hexadecimal::decode(number)?))
        };
        let numbers = numbers.iter().filter_map(number).collect();
        Self(Mutex::new(Inner { numbers, max_unverified, ..Inner::default() }))
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

    /// The fetched CRLs of the series of `verified`, from any URL. Only verified CRLs have a series.
    pub(crate) fn succeeded_by(&self, verified: &VerifiedCrl) -> Vec<Arc<StoredCrl>> {
        let mut same = self.all();
        same.retain(|stored| {
            !matches!(stored.origin, Origin::Installed(_))
                && stored.crl.issuer == verified.crl().issuer
                && stored.verified_by(verified.signer()).is_ok_and(|own| own.series() == verified.series())
        });
        same
    }

    /// A stored and verified CRL of these bytes: it need not be verified and indexed again.
    pub(crate) fn identical(&self, der: &[u8]) -> Option<Arc<Crl>> {
        let inner = self.lock();
        let mut trusted = inner.stored.iter().filter(|stored| stored.is_trusted());
        trusted.find(|stored| stored.crl.as_der() == der).map(|stored| Arc::clone(&stored.crl))
    }

    /// What this URL delivered last.
    pub(crate) fn last_fetch(&self, url: &str) -> Option<Fetch> {
        self.lock().fetches.get(url).copied()
    }

    /// Replaces the installed CRLs.
    pub(crate) fn install(&self, installed: Vec<Arc<StoredCrl>>) {
        let mut inner = self.lock();
        inner.stored.retain(|stored| !matches!(stored.origin, Origin::Installed(_)));
        inner.stored.extend(installed);
    }

    /// Adds a verified CRL in place of those that it succeeds.
    pub(crate) fn add_verified(&self, stored: Arc<StoredCrl>, replaced: &[Arc<StoredCrl>], now: Timestamp) {
        let mut inner = self.lock();
        inner.stored.retain(|other| !replaced.iter().any(|replaced| Arc::ptr_eq(replaced, other)));
        inner.add(stored, Some((now, true)));
    }

    /// Adds a CRL that an earlier process verified.
    pub(crate) fn add_persisted(&self, stored: Arc<StoredCrl>) {
        self.lock().add(stored, None);
    }

    /// Adds a CRL of an issuer that is not known yet. It replaces nothing but another one like it. Returns
    /// how many it has evicted.
    pub(crate) fn add_unverified(&self, stored: Arc<StoredCrl>, now: Timestamp) -> usize {
        self.lock().add(stored, Some((now, false)))
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
        let Applicable { verified, mut origins, mut old } = self.verified_for(issued, signers, disk);
        // An installed CRL with a fetched successor is normal.
        old.retain(|(found, _)| !verified.iter().any(|other| other.series() == found.series()));
        for (_, stored) in &old {
            self.report_rollback(stored);
        }
        let query = CrlQuery { issued, signers, now, skew };
        let found = evaluate(&query, &verified);
        let is_revoked =
            |(status, ..): &(CertStatus, bool, &VerifiedCrl)| matches!(status, CertStatus::Revoked { .. });
        // Of a CRL whose successor is missing, "revoked" holds; "not listed" does not.
        let (old, old_stored): (Vec<_>, Vec<_>) = old.into_iter().unzip();
        let (status, fresh, list) = match evaluate(&query, &old).filter(is_revoked) {
            Some((status, _, list)) if !found.as_ref().is_some_and(is_revoked) => {
                origins.extend(old_stored);
                (status, false, list)
            }
            _ => found?,
        };
        let origin = origins.iter().find(|stored| Arc::ptr_eq(&stored.crl, list.crl()));
        let evidence = Evidence {
            source: Source::CrlLocal,
            this_update: list.crl().this_update,
            next_update: Some(list.crl().next_update),
            url: origin.map(|stored| stored.origin.display_name()),
            responder: if list.signer() == &issued.issuer {
                issued.certificate.issuer.to_string()
            } else {
                crate::revocation::issuer_text(list.signer().name().as_der())
            },
        };
        Some(Report { status, fresh, evidence })
    }

    /// The CRLs that may cover the certificate and that one of these signed, with their origins; and those of
    /// which a successor was seen.
    fn verified_for(&self, issued: &IssuedCertificate, signers: &[Arc<Issuer>], disk: &Disk) -> Applicable {
        let points = &issued.certificate.crl_distribution_points;
        let named = |name: &ComparableName| {
            name == issued.issuer.name()
                || points.iter().any(|point| point.issuers.iter().any(|issuer| name.matches(issuer)))
        };
        let stored: Vec<_> =
            self.lock().stored.iter().filter(|stored| named(&stored.crl.issuer)).cloned().collect();
        let mut origins = Vec::new();
        let mut verified = Vec::new();
        let mut old = Vec::new();
        for stored in stored {
            let own = std::iter::once(&issued.issuer).chain(signers);
            let own = own.filter(|issuer| *issuer.name() == stored.crl.issuer);
            let Some(found) = own.filter_map(|issuer| stored.verified_by(issuer).ok()).next() else {
                continue;
            };
            if self.is_rolled_back(&found, disk) {
                old.push((found, stored));
                continue;
            }
            origins.push(stored);
            verified.push(found);
        }
        Applicable { verified, origins, old }
    }

    /// Logs the rollback once for each CRL.
    fn report_rollback(&self, stored: &StoredCrl) {
        let mut inner = self.lock();
        if inner.reported.len() > MAX_FETCHED {
            inner.reported.clear();
        }
        if inner.reported.insert((stored.origin.clone(), stored.crl.number.clone())) {
            tracing::warn!(
                crl = stored.origin.display_name(),
                help = "crl-older",
                "CRL is older than one already seen; ignoring it (possible replay)"
            );
        }
    }

    /// Whether the CRL was ignored because a later one had been seen.
    pub(crate) fn is_ignored(&self, stored: &StoredCrl) -> bool {
        self.lock().reported.contains(&(stored.origin.clone(), stored.crl.number.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Adds a CRL, and returns how many unverified ones it has evicted.
    fn add(&mut self, stored: Arc<StoredCrl>, fetched: Option<(Timestamp, bool)>) -> usize {
        // Nothing unverified replaces anything verified.
        self.stored.retain(|other| other.origin != stored.origin || other.is_trusted());
        if let (Some((at, is_verified)), Origin::Fetched(url)) = (fetched, &stored.origin) {
            if self.fetches.len() >= MAX_FETCHES
                && let Some(oldest) = self.fetches.iter().min_by_key(|(_, fetch)| fetch.at)
            {
                let oldest = oldest.0.clone();
                self.fetches.remove(&oldest);
            }
            let fetch = Fetch { at, kind: CrlKind::of(&stored.crl), is_verified };
            self.fetches.insert(url.clone(), fetch);
        }
        self.stored.push(stored);
        let evicted = self.evict(|stored| !stored.is_trusted(), self.max_unverified, MAX_UNVERIFIED_BYTES);
        let is_fetched = |stored: &StoredCrl| !matches!(stored.origin, Origin::Installed(_));
        self.evict(|stored| is_fetched(stored) && stored.is_trusted(), MAX_FETCHED, MAX_FETCHED_BYTES);
        evicted
    }

    /// Evicts the oldest of a kind beyond these limits; one always stays. Returns how many it has evicted.
    fn evict(
        &mut self,
        is_of_kind: impl Fn(&StoredCrl) -> bool,
        max_count: usize,
        max_bytes: usize,
    ) -> usize {
        for evicted in 0.. {
            let sizes = self.stored.iter().filter(|stored| is_of_kind(stored)).map(|own| own.crl.memory());
            let (count, bytes) = sizes.fold((0, 0_usize), |(count, all), size| (count + 1, all + size));
            if count <= 1 || (count <= max_count && bytes <= max_bytes) {
                return evicted;
            }
            let Some(oldest) = self.stored.iter().position(|stored| is_of_kind(stored)) else {
                return evicted;
            };
            self.stored.remove(oldest);
        }
        0
    }
}

/// Fetched CRLs of known issuers, and their bytes together. An indirect or partitioned PKI has dozens.
const MAX_FETCHED: usize = 1000;
const MAX_FETCHED_BYTES: usize = 512 << 20;
/// Fetched CRLs of issuers that are not known yet, together: after a start, before the first device connects.
const MAX_UNVERIFIED_BYTES: usize = 64 << 20;
/// URLs whose last fetch is remembered.
const MAX_FETCHES: usize = 4096;
/// Issuers for which the verification of one CRL is remembered; all have the CRL's issuer name.
const MAX_VERIFIED_ISSUERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revocation::fixtures::{Ca, Extras, List, SKEW, hours};

    const MAX_UNVERIFIED: usize = 16;

    fn store() -> CrlStore {
        CrlStore::new(&BTreeMap::new(), MAX_UNVERIFIED)
    }

    fn fetched(der: Vec<u8>, url: &str) -> Arc<StoredCrl> {
        StoredCrl::fetched(Arc::new(Crl::read(der).unwrap()), url)
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
        let lists = store();
        lists.add_persisted(stored(7));
        assert_eq!(ask(&lists), Some(CertStatus::Good));
        disk.flush();
        let after = CrlStore::new(&disk.read_crl_numbers(), MAX_UNVERIFIED);
        after.add_persisted(stored(6));
        assert_eq!(ask(&after), None);
        after.add_persisted(stored(7));
        assert_eq!(ask(&after), Some(CertStatus::Good));
    }

    #[test]
    fn a_forged_crl_number_has_no_effect() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        let (ca, twin) = (Ca::new("CA"), Ca::new("CA"));
        let issued = ca.device(&Extras::default());
        let lists = store();
        lists.add_persisted(fetched(List::new(99).by(&twin), "twin"));
        lists.add_persisted(fetched(List::new(3).by(&ca), "own"));
        let report = lists.report(&issued, &[], hours(0), SKEW, &disk).unwrap();
        assert_eq!((report.status, report.fresh), (CertStatus::Good, true));
    }

    // An unverified fetched CRL may be anyone's: it does not hide that the real one expires.
    #[test]
    fn an_unsigned_crl_is_not_among_the_current_ones() {
        let (ca, twin) = (Ca::new("CA"), Ca::new("CA"));
        let lists = store();
        let own =
            StoredCrl::new(Crl::read(List::new(3).by(&ca)).unwrap(), Origin::Installed("own.crl".into()));
        lists.install(vec![own]);
        let later = List { this_update: hours(0), next_update: Some(hours(999_999)), ..List::new(4) };
        let forged = fetched(later.by(&twin), "http://a/ca.crl");
        lists.add_persisted(Arc::clone(&forged));
        let names = |lists: &CrlStore| {
            lists.current().iter().map(|stored| stored.origin.display_name()).collect::<Vec<_>>()
        };
        assert_eq!(names(&lists), ["own.crl"]);
        // A certificate of the signer was seen: the CRL counts.
        forged.verified_by(&twin.issuer()).unwrap();
        assert_eq!(names(&lists), ["http://a/ca.crl"]);
    }

    // Anyone who answers a URL can send CRLs of issuers that do not exist, of any size.
    #[test]
    fn unsigned_crls_evict_only_one_another() {
        let ca = Ca::new("CA");
        let lists = store();
        let signed = fetched(List::new(1).by(&ca), "http://a/ca.crl");
        signed.verified_by(&ca.issuer()).unwrap();
        lists.add_verified(Arc::clone(&signed), &[], hours(0));
        let strangers = Ca::new("Strangers");
        for number in 0..2 * MAX_UNVERIFIED {
            let url = if number == 0 { "http://a/ca.crl".to_owned() } else { number.to_string() };
            let evicted = lists.add_unverified(fetched(List::new(9).by(&strangers), &url), hours(0));
            assert_eq!(evicted, usize::from(number >= MAX_UNVERIFIED));
        }
        assert_eq!(lists.all().len(), 1 + MAX_UNVERIFIED);
        assert!(Arc::ptr_eq(&lists.all()[0], &signed));
        assert!(!lists.last_fetch("31").unwrap().is_verified);
    }

    // The file of the successor is lost or damaged: the older CRL clears no certificate, and still revokes.
    #[test]
    fn a_revocation_of_a_superseded_crl_holds_while_its_successor_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        let ca = Ca::new("CA");
        let issued = ca.device(&Extras::default());
        let serial = issued.certificate.serial.as_octets();
        let older = List::new(1).revoking(serial, Some(1));
        let number = VerifiedCrl::new(Arc::new(Crl::read(List::new(2).by(&ca)).unwrap()), ca.issuer());
        let lists = store();
        assert!(!lists.is_rolled_back(&number.unwrap(), &disk));
        let file = Origin::Installed("own.crl".into());
        lists.install(vec![StoredCrl::new(Crl::read(older.by(&ca)).unwrap(), file.clone())]);
        let report = || lists.report(&issued, &[], hours(0), SKEW, &disk);
        let found = report().unwrap();
        assert!(matches!(found.status, CertStatus::Revoked { .. }) && !found.fresh);
        lists.install(vec![StoredCrl::new(Crl::read(List::new(1).by(&ca)).unwrap(), file)]);
        assert_eq!(report(), None);
    }
}
