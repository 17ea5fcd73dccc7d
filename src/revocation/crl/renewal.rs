//! When and from where CRLs are renewed (A9.1).

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::kind::{CrlKind, issuer_digest};
use super::store::{Fetch, Origin, StoredCrl};
use crate::model::{hexadecimal, shown_url};
use crate::revocation::CertIdHash;
use crate::revocation::bounded_map::Identity;
use crate::revocation::engine::Engine;
use crate::revocation::settings::{Endpoint, is_http};

/// A CRL that is due, and the URLs that may have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DueCrl {
    pub(crate) endpoints: Vec<Endpoint>,
    wanted: Wanted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The successor of a CRL.
    Kind(CrlKind),
    /// A delta of an issuer, of which none is known.
    DeltaOf(Identity),
}

impl DueCrl {
    /// A name for its backoff.
    pub(crate) fn name(&self) -> String {
        match self.wanted {
            Wanted::Kind(kind) => {
                let (issuer, scope) = (hexadecimal::encode(&kind.issuer), hexadecimal::encode(&kind.scope));
                format!("{issuer} {scope} {}", kind.is_delta)
            }
            Wanted::DeltaOf(issuer) => format!("{} deltas", hexadecimal::encode(&issuer)),
        }
    }

    fn is_answered_by(&self, fetch: &Fetch) -> bool {
        match self.wanted {
            Wanted::Kind(kind) => fetch.kind == kind,
            Wanted::DeltaOf(issuer) => fetch.kind.is_delta && fetch.kind.issuer == issuer,
        }
    }
}

impl Engine {
    /// A9.1: the CRLs that are due, and deltas that are named but missing.
    pub(crate) fn due_crls(&self, now: Timestamp) -> Vec<DueCrl> {
        let current = self.0.crls.current();
        let due = current.iter().filter(|stored| !is_obsolete(stored, &current, now)).filter_map(|stored| {
            let endpoints = self.renewal_endpoints(stored);
            let at = self.crl_refresh_at(stored, &endpoints)?;
            (at <= now).then(|| DueCrl { endpoints, wanted: Wanted::Kind(CrlKind::of(&stored.crl)) })
        });
        let without_delta = current.iter().filter(|stored| {
            let is_delta = |other: &StoredCrl| other.crl.base.is_some();
            !is_delta(stored)
                && !current.iter().any(|other| is_delta(other) && other.crl.issuer == stored.crl.issuer)
        });
        let deltas = without_delta.filter_map(|stored| {
            let endpoints = self.delta_endpoints(&stored.crl.issuer);
            let wanted = Wanted::DeltaOf(issuer_digest(&stored.crl.issuer));
            (!endpoints.is_empty()).then_some(DueCrl { endpoints, wanted })
        });
        let mut all: Vec<DueCrl> = Vec::new();
        for due in due.chain(deltas) {
            if !all.contains(&due) {
                all.push(due);
            }
        }
        all
    }

    /// Fetches the CRL from the first of its URLs that has it. A URL that answers with another one has
    /// failed.
    pub(crate) async fn renew_crl(&self, due: &DueCrl) -> bool {
        for endpoint in &due.endpoints {
            if self.fetch_wanted_crl(endpoint, |fetch| due.is_answered_by(fetch)).await.is_ok() {
                return true;
            }
        }
        tracing::warn!(
            urls =
                due.endpoints.iter().map(|endpoint| shown_url(&endpoint.url)).collect::<Vec<_>>().join(" "),
            "a CRL could not be renewed; the stored one counts until it expires; will retry"
        );
        false
    }

    /// When a CRL is renewed; never without a URL.
    pub(crate) fn crl_refresh_at(&self, stored: &StoredCrl, endpoints: &[Endpoint]) -> Option<Timestamp> {
        let first = endpoints.first()?;
        let kind = CrlKind::of(&stored.crl);
        let fetched = endpoints.iter().filter_map(|endpoint| self.0.crls.last_fetch(&endpoint.url));
        let fetched = fetched.filter(|fetch| fetch.kind == kind).map(|fetch| fetch.at);
        let since = fetched.chain([stored.crl.this_update]).max()?;
        let jitter = CertIdHash::Sha256.digest(first.url.as_bytes());
        Some(self.refresh_at(since, stored.crl.next_update, &jitter))
    }

    /// A9.1: the configured URL, else those that the CRL itself names, and those that certificates name for
    /// the CRLs of this issuer.
    pub(crate) fn renewal_endpoints(&self, stored: &StoredCrl) -> Vec<Endpoint> {
        let (issuer, is_delta) = (&stored.crl.issuer, stored.crl.base.is_some());
        let settings = self.0.settings.load();
        if !is_delta && let Some(endpoint) = settings.configured_crl(issuer) {
            return vec![endpoint];
        }
        let own = stored.crl.scope.name.iter().flat_map(|name| name.urls()).filter(|url| is_http(url));
        let own = own.map(str::to_owned);
        let mut named = self.0.recent.crl_urls(issuer, is_delta);
        // Of the URLs of several partitions, the one that had this CRL is the best guess.
        if let Origin::Fetched(url) = &stored.origin {
            named.sort_by_key(|named| named != url);
        }
        let urls: Vec<String> = if is_delta {
            // A delta has the scope of its complete CRL, with the URL of that (RFC 5280 5.2.5).
            let deltas = self.delta_endpoints(issuer).into_iter().map(|endpoint| endpoint.url);
            deltas.chain(named).chain(own).collect()
        } else {
            own.chain(named).collect()
        };
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for url in urls {
            let endpoint = Endpoint { url, is_configured: false };
            if endpoints.len() < MAX_URLS && !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
        }
        // A URL that is configured for one issuer may have the indirect CRL of another. It comes last: it
        // hides no other one.
        if let Origin::Fetched(url) = &stored.origin
            && settings.is_configured_crl(url)
        {
            endpoints.push(Endpoint { url: url.clone(), is_configured: true });
        }
        endpoints
    }
}

/// Whether a CRL expired long ago and its issuer publishes others: it has changed their scope, say.
fn is_obsolete(stored: &StoredCrl, current: &[Arc<StoredCrl>], now: Timestamp) -> bool {
    let is_later = |other: &Arc<StoredCrl>| {
        other.crl.issuer == stored.crl.issuer
            && other.crl.base.is_some() == stored.crl.base.is_some()
            && other.crl.next_update > stored.crl.next_update
    };
    now.duration_since(stored.crl.next_update) > OBSOLETE_AFTER && current.iter().any(is_later)
}

const OBSOLETE_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);
/// URLs that are tried for one CRL.
const MAX_URLS: usize = 16;
