//! Whatever partners do, none of them sees a notification or a file of another one, or that there is one
//! (N003-3, N003-4).

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::partners::{Middleware, Partner, Partners, device, handle};
use super::*;
use crate::harness::message;

const NAME: &str = "00A037FFFE000001";

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// A device sends.
    Send,
    /// A partner asks for this many notifications.
    Receive(usize, u32),
    /// A partner acknowledges what was given to this one.
    Acknowledge { by: usize, of: usize, which: usize },
    /// A subscription of this partner is removed, and added for this one.
    Move { from: usize, to: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => Just(Step::Send),
        3 => (0..3_usize, 1..=10_u32).prop_map(|(by, max)| Step::Receive(by, max)),
        4 => (0..3_usize, 0..3_usize, 0..8_usize)
            .prop_map(|(by, of, which)| Step::Acknowledge { by, of, which }),
        1 => (0..3_usize, 0..3_usize).prop_map(|(from, to)| Step::Move { from, to }),
    ];
    proptest::collection::vec(step, 60)
}

/// A partner and what it was given: the handle of each notification.
struct Seen {
    partner: Partner,
    middleware: Middleware,
    given: Vec<(String, String)>,
    operations: BTreeSet<String>,
}

#[test]
fn n003_4_no_partner_sees_what_is_of_another_one() {
    let partners = Partners::of(Site::new().with("notifications", "visibility = \"1s\""));
    let platform = partners.site().start();
    let mut sender = device(partners.site(), &platform);
    let mut all = ["lab", "ward", "home"].map(|name| {
        let partner = partners.partner(&platform, name);
        let middleware = partners.middleware(Some(&partner.certificate));
        Seen { partner, middleware, given: Vec::new(), operations: BTreeSet::new() }
    });
    let none = all[0].middleware.acknowledge(&all[0].partner, &"A".repeat(43));
    // The same steps each time.
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let steps = steps().new_tree(&mut runner).unwrap().current();
    let mut holders: BTreeMap<usize, usize> = (0..3).map(|own| (own, own)).collect();
    let add = |own: usize, partner: &Partner| {
        let name = format!("s{own}");
        platform.cli().run(&["subscription", "add", &name, "--organisation", &partner.oid]);
    };
    for (own, seen) in all.iter().enumerate() {
        add(own, &seen.partner);
    }
    let newest = || {
        let rows = platform.cli().json(&["notification", "list", "--limit", "1"]);
        rows.first().map(|row| row["id"].to_string())
    };
    let mut number = 0;
    for step in steps {
        match step {
            Step::Send => {
                number += 1;
                let before = newest();
                assert_eq!(sender.code(message(NAME, &number.to_string())), "CA");
                // What is not notified yet is given to none.
                eventually("partners are notified", || newest().is_some_and(|id| Some(id) != before));
            }
            Step::Receive(by, max) => {
                let Seen { partner, middleware, given, operations } = &mut all[by];
                for one in middleware.receive(partner, max) {
                    assert_eq!(one["OrganizationId"], partner.oid, "{one}");
                    let key = one["MessageReference"].as_str().unwrap().to_owned();
                    assert!(key.starts_with(&format!("delivery/{}/", partner.oid)), "{key}");
                    operations.insert(one["OperationId"].as_str().unwrap().to_owned());
                    given.push((handle(&one).to_owned(), key));
                }
            }
            Step::Acknowledge { by, of, which } => {
                let Some((handle, _)) = all[of].given.iter().rev().nth(which).cloned() else { continue };
                let Seen { partner, middleware, .. } = &mut all[by];
                let answer = middleware.acknowledge(partner, &handle);
                if by != of {
                    // As one that never was.
                    assert_eq!((&answer["status"], &answer["body"]), (&none["status"], &none["body"]));
                }
            }
            Step::Move { from, to } => {
                platform.cli().run(&["subscription", "remove", &format!("s{from}")]);
                holders.insert(from, to);
                add(from, &all[to].partner);
            }
        }
    }
    for one in 0..3 {
        for other in (0..3).filter(|other| *other != one) {
            assert!(all[one].operations.is_disjoint(&all[other].operations));
        }
    }
    assert!(all.iter().map(|own| own.given.len()).sum::<usize>() > 5, "something was given");
    assert!(!platform.stop().log.contains("panicked"));
}
