//! The CRLs that are at hand: installed at setup, or fetched (A9.1).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use sha2::Digest as _;

use super::crl::{Crl, CrlError, Question, Verified, check, is_older};
use super::disk::{Disk, hexadecimal};
use super::verdict::{Evidence, Report, Source};
use super::{Issuer, Link};

/// Fetched CRLs at hand at most; an indirect or partitioned PKI has dozens.
const MOST_FETCHED: usize = 1000;

/// Every CRL that is at hand.
#[derive(Debug, Default)]
pub(super) struct Lists(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    stored: Vec<Arc<Stored>>,
    /// The highest number seen, by issuer and scope.
    numbers: BTreeMap<String, String>,
    /// CRLs about which it was said that they are too old.
    told: HashSet<Origin>,
}

/// A CRL and where it came from.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) crl: Arc<Crl>,
    pub(super) origin: Origin,
    /// What came of verifying it, by the identity of the issuer.
    verified: Mutex<HashMap<[u8; 32], Result<Verified, CrlError>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    Installed(PathBuf),
    Fetched(String),
    /// Kept on disk by an earlier process, under this name.
    Kept(String),
}

impl Origin {
    /// For evidence.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Installed(file) => file.display().to_string(),
            Self::Fetched(url) => url.clone(),
            Self::Kept(name) => format!("kept as {name}"),
        }
    }
}

impl Stored {
    pub(super) fn new(crl: Crl, origin: Origin) -> Arc<Self> {
        Arc::new(Self { crl: Arc::new(crl), origin, verified: Mutex::default() })
    }

    /// The CRL as this issuer's. A signature over megabytes is verified once.
    pub(super) fn verified_by(&self, issuer: &Arc<Issuer>) -> Result<Verified, CrlError> {
        let identity = issuer.identity();
        let mut known = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .entry(identity)
            .or_insert_with(|| Verified::new(Arc::clone(&self.crl), Arc::clone(issuer)))
            .clone()
    }

    /// Whoever was found to have signed it.
    pub(super) fn is_verified(&self) -> bool {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).values().any(Result::is_ok)
    }
}

impl Lists {
    pub(super) fn new(numbers: BTreeMap<String, String>) -> Self {
        Self(Mutex::new(Inner { numbers, ..Inner::default() }))
    }

    /// Every CRL.
    pub(super) fn all(&self) -> Vec<Arc<Stored>> {
        self.lock().stored.clone()
    }

    /// Puts the installed ones in place of those that were installed before.
    pub(super) fn install(&self, installed: Vec<Arc<Stored>>) {
        let mut inner = self.lock();
        inner.stored.retain(|stored| !matches!(stored.origin, Origin::Installed(_)));
        inner.stored.extend(installed);
    }

    /// Takes a CRL that was fetched or kept, in place of the one from the same place.
    pub(super) fn add(&self, stored: Arc<Stored>) {
        let mut inner = self.lock();
        inner.stored.retain(|other| other.origin != stored.origin);
        let fetched =
            inner.stored.iter().filter(|other| !matches!(other.origin, Origin::Installed(_))).count();
        if fetched >= MOST_FETCHED {
            let oldest = inner.stored.iter().position(|other| !matches!(other.origin, Origin::Installed(_)));
            oldest.map(|position| inner.stored.remove(position));
        }
        inner.stored.push(stored);
    }

    /// Drops the one from this place.
    pub(super) fn forget(&self, origin: &Origin) {
        self.lock().stored.retain(|stored| stored.origin != *origin);
    }

    /// Whether a newer CRL of the same issuer and scope has been seen; if not, this one is the newest, which is
    /// remembered across restarts.
    pub(super) fn is_rolled_back(&self, verified: &Verified, disk: &Disk) -> bool {
        let crl = verified.crl();
        let Some(number) = crl.number.as_deref() else { return false };
        let key = scope_key(verified);
        let mut inner = self.lock();
        let highest = inner.numbers.get(&key).and_then(|text| octets(text));
        if highest.as_deref().is_some_and(|highest| is_older(number, highest)) {
            return true;
        }
        if highest.as_deref().is_none_or(|highest| is_older(highest, number)) {
            inner.numbers.insert(key, hexadecimal(number));
            disk.write_numbers(&inner.numbers);
        }
        false
    }

    /// What all of them say about a certificate. `signers` may sign indirect CRLs.
    pub(super) fn report(
        &self,
        link: &Link,
        signers: &[Arc<Issuer>],
        now: Timestamp,
        skew: SignedDuration,
        disk: &Disk,
    ) -> Option<Report> {
        let named = |name: &[u8]| {
            name == link.issuer.name
                || link
                    .certificate
                    .crl_distribution_points
                    .iter()
                    .any(|point| point.issuers.iter().any(|n| n == name))
        };
        let stored: Vec<_> =
            self.lock().stored.iter().filter(|stored| named(&stored.crl.issuer)).cloned().collect();
        let issuers: Vec<&Arc<Issuer>> = std::iter::once(&link.issuer).chain(signers).collect();
        let mut origins = Vec::new();
        let mut verified: Vec<Verified> = Vec::new();
        for stored in stored {
            let own = issuers.iter().filter(|issuer| issuer.name == stored.crl.issuer);
            let Some(found) = own.filter_map(|issuer| stored.verified_by(issuer).ok()).next() else {
                continue;
            };
            if self.is_rolled_back(&found, disk) {
                self.tell(&stored);
                continue;
            }
            origins.push(stored.origin.name());
            verified.push(found);
        }
        let (said, fresh, list) = check(&Question { link, now, skew }, &verified)?;
        let position = verified.iter().position(|other| Arc::ptr_eq(other.crl(), list.crl()));
        let evidence = Evidence {
            source: Source::CrlLocal,
            this_update: list.crl().this_update,
            next_update: Some(list.crl().next_update),
            url: position.and_then(|position| origins.get(position).cloned()),
            responder: if list.signer() == &link.issuer {
                link.certificate.issuer.to_string()
            } else {
                "an indirect CRL issuer".to_owned()
            },
        };
        Some(Report { said, fresh, evidence })
    }

    /// Once for each CRL.
    fn tell(&self, stored: &Stored) {
        if self.lock().told.insert(stored.origin.clone()) {
            tracing::warn!(
                crl = stored.origin.name(),
                "a CRL is older than one that was seen before, and is not used"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Issuer and key, scope, and whether it is a delta: their numbers are counted together, their contents are not.
fn scope_key(verified: &Verified) -> String {
    let mut digest = sha2::Sha256::new();
    digest.update(verified.signer().identity());
    digest.update(format!("{:?} {}", verified.crl().scope, verified.crl().base.is_some()));
    hexadecimal(&digest.finalize())
}

fn octets(text: &str) -> Option<Vec<u8>> {
    let pairs =
        text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{Ca, Extras, List, SKEW, hours};
    use super::super::verdict::Said;
    use super::*;

    // Bugs that others shipped: older CRL replayed.
    #[test]
    fn an_older_crl_is_refused_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        let ca = Ca::new("CA");
        let link = ca.device(&Extras::default());
        let stored = |number| {
            Stored::new(Crl::read(List::new(number).by(&ca)).unwrap(), Origin::Fetched("u".to_owned()))
        };
        let ask = |lists: &Lists| lists.report(&link, &[], hours(0), SKEW, &disk).map(|report| report.said);
        let lists = Lists::new(disk.numbers());
        lists.add(stored(7));
        assert_eq!(ask(&lists), Some(Said::Good));
        lists.add(stored(6));
        assert_eq!(ask(&lists), None);
        let after = Lists::new(disk.numbers());
        after.add(stored(6));
        assert_eq!(ask(&after), None);
        after.add(stored(7));
        assert_eq!(ask(&after), Some(Said::Good));
    }

    #[test]
    fn a_forged_crl_number_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        let (ca, twin) = (Ca::new("CA"), Ca::new("CA"));
        let link = ca.device(&Extras::default());
        let lists = Lists::new(BTreeMap::new());
        let read = |ca: &Ca, number| Crl::read(List::new(number).by(ca)).unwrap();
        lists.add(Stored::new(read(&twin, 99), Origin::Fetched("twin".to_owned())));
        lists.add(Stored::new(read(&ca, 3), Origin::Fetched("own".to_owned())));
        let report = lists.report(&link, &[], hours(0), SKEW, &disk).unwrap();
        assert_eq!((report.said, report.fresh), (Said::Good, true));
    }
}
