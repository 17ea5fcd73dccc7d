//! Both interfaces joined: the platform's sessions, and the gateway's windows on its connections. In any
//! order messages of devices are sent, stored and acknowledged, orders are sent and answered, and connections
//! are lost. Nothing is lost, repeated, or acknowledged for another (B.1, B17).
//!
//! `PCD_TEST_MODEL_CASES=100000 cargo test --all-features --lib gateway::window` is the long run.

use bytes::Bytes;
use proptest::prelude::*;

use super::steps::{Asks, Step, asks, step};
use super::world::World;
use crate::store::WaitingForward;

fn run(lanes: &[Vec<Asks>], steps: &[Step]) {
    let mut world = World::new(lanes);
    steps.iter().for_each(|step| world.step(step));
    world.finish();
    let kept: Vec<&Bytes> = world
        .stored
        .0
        .iter()
        .filter(|(record, _)| record.raw.starts_with(b"MSH|^~\\&|LANE"))
        .map(|(record, _)| &record.raw)
        .collect();
    for lane in &world.sent {
        let place = |message: &WaitingForward| {
            let places: Vec<_> = (0..kept.len()).filter(|at| *kept[*at] == message.raw).collect();
            assert_eq!(places.len(), 1, "stored once");
            // Messages that ask for no acknowledgement of success follow one another without waiting.
            (!world.failed.contains(&message.raw)).then_some(places[0])
        };
        let places: Vec<_> = lane.iter().filter_map(place).collect();
        assert!(places.is_sorted(), "in the order of the lane");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PCD_TEST_MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256)
    ))]

    #[test]
    fn no_order_of_events_loses_repeats_or_acknowledges_for_another(
        lanes in prop::collection::vec(prop::collection::vec(asks(), 0..5), LANES),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        run(&lanes, &steps);
    }
}

const LANES: usize = 3;
