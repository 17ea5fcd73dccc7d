//! The decision table: the verdict that follows from what is known, or the next query. Pure.

use super::verdict::{CertStatus, Evidence, Report, UndeterminedReason, Verdict};

/// What is known about one certificate so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// That an operator of this platform has revoked it.
    pub withdrawn: Option<Report>,
    /// The status by a cached OCSP response.
    pub cached: Option<Report>,
    /// The status by stored and installed CRLs.
    pub local: Option<Report>,
    /// The status by the responder; `None` before it was queried, `Some(None)` without a usable response.
    pub responder: Option<Option<Report>>,
    /// The status by the CRLs of the distribution points; likewise.
    pub fetched: Option<Option<Report>>,
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The verdict is final.
    Decided(Verdict, Option<Evidence>),
    /// Query the OCSP responder.
    QueryResponder,
    /// Fetch the CRLs of the distribution points.
    FetchCrl,
}

/// A9, A9.2, A9.4: the next step for what is known.
#[must_use]
pub fn decide(known: &Knowledge) -> Step {
    let ocsp = [known.responder.as_ref().and_then(Option::as_ref), known.cached.as_ref()];
    let crls = [known.fetched.as_ref().and_then(Option::as_ref), known.local.as_ref()];
    let all = || [known.withdrawn.as_ref()].into_iter().chain(ocsp).chain(crls).flatten();

    // Revoked is final, also after the response or CRL has expired.
    if let Some(report) = all().find(|report| is_final(report)) {
        return decided(report);
    }
    // The remaining revocations are expired holds. Only a newer source can lift them.
    let held = all().filter(|report| matches!(report.status, CertStatus::Revoked { .. }));
    let held = held.max_by_key(|report| report.evidence.this_update);
    let lifts = |report: &Report| {
        report.fresh
            && report.status == CertStatus::Good
            && held.is_none_or(|held| held.evidence.this_update < report.evidence.this_update)
    };
    if let Some(report) = ocsp.into_iter().flatten().find(|report| lifts(report)) {
        return decided(report);
    }
    let unknown =
        ocsp.into_iter().flatten().any(|report| report.fresh && report.status == CertStatus::Unknown);
    if known.responder.is_none() && !unknown {
        return Step::QueryResponder;
    }
    if let Some(report) = crls.into_iter().flatten().find(|report| lifts(report)) {
        return decided(report);
    }
    if known.fetched.is_none() {
        return Step::FetchCrl;
    }
    match held {
        Some(report) => decided(report),
        None => Step::Decided(
            Verdict::Undetermined(if unknown {
                UndeterminedReason::Unknown
            } else {
                UndeterminedReason::NothingFresh
            }),
            None,
        ),
    }
}

fn decided(report: &Report) -> Step {
    let verdict = match report.status {
        CertStatus::Good => Verdict::Good,
        CertStatus::Revoked { when, reason } => Verdict::Revoked { when, reason },
        CertStatus::Unknown => Verdict::Undetermined(UndeterminedReason::Unknown),
    };
    Step::Decided(verdict, Some(report.evidence.clone()))
}

/// certificateHold is the only revocation that can be lifted (RFC 5280 5.3.1).
fn is_final(report: &Report) -> bool {
    match report.status {
        CertStatus::Revoked { reason, .. } => report.fresh || reason != Some(CERTIFICATE_HOLD),
        CertStatus::Good | CertStatus::Unknown => false,
    }
}

const CERTIFICATE_HOLD: u8 = 6;

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::super::verdict::Source;
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn report(status: CertStatus, fresh: bool) -> Report {
        let evidence = Evidence {
            source: Source::OcspCache,
            this_update: at(100),
            next_update: None,
            url: None,
            responder: String::new(),
        };
        Report { status, fresh, evidence }
    }

    const GOOD: CertStatus = CertStatus::Good;
    const UNKNOWN: CertStatus = CertStatus::Unknown;

    fn revoked(reason: Option<u8>) -> CertStatus {
        CertStatus::Revoked { when: at(50), reason }
    }

    fn verdict(known: &Knowledge) -> Option<Verdict> {
        match decide(known) {
            Step::Decided(verdict, _) => Some(verdict),
            _ => None,
        }
    }

    fn is_revoked(known: &Knowledge) -> bool {
        matches!(verdict(known), Some(Verdict::Revoked { .. }))
    }

    // A9.2: the order of the queries.
    #[test]
    fn the_order_is_cache_then_responder_then_crls() {
        let mut known = Knowledge::default();
        assert_eq!(decide(&known), Step::QueryResponder);
        known.local = Some(report(GOOD, true));
        assert_eq!(decide(&known), Step::QueryResponder, "OCSP before a CRL, even a stored one");
        known.responder = Some(None);
        assert_eq!(verdict(&known), Some(Verdict::Good));
        known.local = None;
        assert_eq!(decide(&known), Step::FetchCrl);
        known.fetched = Some(None);
        assert_eq!(verdict(&known), Some(Verdict::Undetermined(UndeterminedReason::NothingFresh)));
        let cached = Knowledge { cached: Some(report(GOOD, true)), ..Knowledge::default() };
        assert_eq!(verdict(&cached), Some(Verdict::Good), "a fresh cached response needs no query");
    }

    // Row 1
    #[test]
    fn row_1_a_fresh_revocation_is_final_without_a_query() {
        let by_ocsp = Knowledge { cached: Some(report(revoked(None), true)), ..Knowledge::default() };
        let by_crl = Knowledge { local: Some(report(revoked(Some(6)), true)), ..Knowledge::default() };
        assert!(is_revoked(&by_ocsp) && is_revoked(&by_crl));
        let against = Knowledge { cached: Some(report(GOOD, true)), ..by_crl };
        assert!(is_revoked(&against), "a good OCSP response does not outweigh a CRL");
    }

    #[test]
    fn what_an_operator_has_revoked_needs_no_query_and_no_source_clears_it() {
        let known = Knowledge { withdrawn: Some(report(revoked(None), true)), ..Knowledge::default() };
        assert!(is_revoked(&known));
        let good = Some(report(GOOD, true));
        assert!(is_revoked(&Knowledge { cached: good.clone(), local: good, ..known }));
    }

    // Row 2
    #[test]
    fn row_2_an_expired_revocation_still_revokes() {
        let known = Knowledge {
            cached: Some(report(GOOD, true)),
            local: Some(report(revoked(Some(1)), false)),
            ..Knowledge::default()
        };
        assert!(is_revoked(&known));
        let known = Knowledge { cached: Some(report(revoked(None), false)), ..Knowledge::default() };
        assert!(is_revoked(&known));
    }

    // Row 3
    #[test]
    fn row_3_good_passes_by_a_fresh_response_only() {
        let known = |fresh| Knowledge { responder: Some(Some(report(GOOD, fresh))), ..Knowledge::default() };
        assert_eq!(verdict(&known(true)), Some(Verdict::Good));
        assert_eq!(decide(&known(false)), Step::FetchCrl);
    }

    // Row 4
    #[test]
    fn row_4_unknown_falls_back_to_the_crl() {
        let mut known = Knowledge { responder: Some(Some(report(UNKNOWN, true))), ..Knowledge::default() };
        assert_eq!(decide(&known), Step::FetchCrl);
        known.fetched = Some(Some(report(GOOD, true)));
        assert_eq!(verdict(&known), Some(Verdict::Good));
        known.fetched = Some(Some(report(GOOD, false)));
        assert_eq!(verdict(&known), Some(Verdict::Undetermined(UndeterminedReason::Unknown)));
        let cached = Knowledge { cached: Some(report(UNKNOWN, true)), ..Knowledge::default() };
        assert_eq!(decide(&cached), Step::FetchCrl, "a cached unknown needs no query");
    }

    // Row 5
    #[test]
    fn row_5_not_listed_in_a_fresh_crl_passes() {
        let known = |fresh| Knowledge {
            responder: Some(None),
            fetched: Some(Some(report(GOOD, fresh))),
            ..Knowledge::default()
        };
        assert_eq!(verdict(&known(true)), Some(Verdict::Good));
        assert_eq!(verdict(&known(false)), Some(Verdict::Undetermined(UndeterminedReason::NothingFresh)));
    }

    // RFC 5280 5.3.1
    #[test]
    fn an_expired_hold_is_lifted_only_by_a_newer_source() {
        let newer = |second| {
            let mut good = report(GOOD, true);
            good.evidence.this_update = at(second);
            Knowledge {
                local: Some(report(revoked(Some(6)), false)),
                responder: Some(Some(good)),
                ..Knowledge::default()
            }
        };
        assert_eq!(verdict(&newer(101)), Some(Verdict::Good));
        let mut same = newer(100);
        assert_eq!(decide(&same), Step::FetchCrl);
        same.fetched = Some(None);
        assert!(is_revoked(&same));
    }

    fn reports() -> impl Strategy<Value = Report> {
        let status = prop_oneof![
            Just(GOOD),
            Just(UNKNOWN),
            prop::option::of(0..11_u8).prop_map(|reason| CertStatus::Revoked { when: at(1), reason }),
        ];
        (status, any::<bool>(), 0..5_i64).prop_map(|(status, fresh, second)| {
            let mut report = report(status, fresh);
            report.evidence.this_update = at(second);
            report
        })
    }

    fn knowns() -> impl Strategy<Value = Knowledge> {
        let maybe = || prop::option::of(reports());
        let asked = || prop::option::of(prop::option::of(reports()));
        (maybe(), maybe(), asked(), asked()).prop_map(|(cached, local, responder, fetched)| Knowledge {
            cached,
            local,
            responder,
            fetched,
            ..Knowledge::default()
        })
    }

    fn all(known: &Knowledge) -> Vec<&Report> {
        let asked = [known.responder.iter().flatten(), known.fetched.iter().flatten()];
        known.cached.iter().chain(known.local.iter()).chain(asked.into_iter().flatten()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 2048,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        // A9.4
        #[test]
        fn a_revocation_by_any_source_is_never_accepted(known in knowns()) {
            let expired_hold = |report: &&Report| {
                matches!(report.status, CertStatus::Revoked { reason: Some(6), .. }) && !report.fresh
            };
            let revokes = |report: &&Report| matches!(report.status, CertStatus::Revoked { .. });
            let reports = all(&known);
            if reports.iter().any(|report| revokes(report) && !expired_hold(report)) {
                prop_assert!(is_revoked(&known));
            }
            let holds = reports.iter().filter(|report| expired_hold(report));
            let held = holds.map(|report| report.evidence.this_update).max();
            if let (Some(held), Step::Decided(Verdict::Good, Some(evidence))) = (held, decide(&known)) {
                prop_assert!(evidence.this_update > held);
            }
        }

        // A9.3
        #[test]
        fn good_needs_a_fresh_good_report(known in knowns()) {
            if verdict(&known) == Some(Verdict::Good) {
                let good = |report: &&Report| report.fresh && report.status == CertStatus::Good;
                prop_assert!(all(&known).iter().any(good));
            }
        }

        #[test]
        fn the_number_of_queries_is_bounded(mut known in knowns()) {
            let mut asked = 0;
            while asked < 3 {
                match decide(&known) {
                    Step::Decided(..) => break,
                    Step::QueryResponder => {
                        prop_assert!(known.responder.is_none());
                        known.responder = Some(None);
                    }
                    Step::FetchCrl => {
                        prop_assert!(known.fetched.is_none());
                        known.fetched = Some(None);
                    }
                }
                asked += 1;
            }
            prop_assert!(asked < 3);
        }
    }
}
