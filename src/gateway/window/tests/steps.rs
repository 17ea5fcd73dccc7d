//! What may happen, one step after another.

use proptest::prelude::*;

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A connection takes a lane.
    Take(u8, u8),
    /// Bytes reach the platform, or the gateway: so many.
    Up(u8, u8),
    Down(u8, u8),
    Store(u8, Fate),
    /// The connection is lost; of what the platform has, so many messages are stored.
    Cut(u8, u8),
    /// The gateway closes the connection to have a proof.
    Close(u8),
    /// It does, and the platform, which has read so many bytes, ends the connection by itself.
    Shutdown(u8, u8, Fate),
    /// What was accepted, and not answered for long, is given up.
    Late(u8),
    /// The platform sends an order.
    Order(u8),
    /// The gateway sends an answer to an order.
    Reply(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Stored,
    Failed,
    /// It is stored, and the platform does not know.
    Unknown,
}

/// MSH-10, MSH-15, MSH-16.
pub(super) type Asks = (u8, &'static str, &'static str);

pub(super) fn asks() -> impl Strategy<Value = Asks> {
    let modes =
        vec![("AL", "NE"), ("AL", "AL"), ("NE", "AL"), ("", ""), ("NE", "NE"), ("ER", "NE"), ("SU", "NE")];
    // Few control ids, so that many are the same.
    (0_u8..3, prop::sample::select(modes)).prop_map(|(id, (accept, application))| (id, accept, application))
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![6 => Just(Fate::Stored), 1 => Just(Fate::Failed), 1 => Just(Fate::Unknown)];
    let one = any::<u8>;
    prop_oneof![
        6 => (one(), one()).prop_map(|(lane, on)| Step::Take(lane, on)),
        6 => (one(), one()).prop_map(|(on, part)| Step::Up(on, part)),
        6 => (one(), one()).prop_map(|(on, part)| Step::Down(on, part)),
        6 => (one(), fate.clone()).prop_map(|(on, fate)| Step::Store(on, fate)),
        1 => (one(), one()).prop_map(|(on, stored)| Step::Cut(on, stored)),
        1 => one().prop_map(Step::Close),
        1 => (one(), one(), fate.clone()).prop_map(|(on, part, fate)| Step::Shutdown(on, part, fate)),
        1 => one().prop_map(Step::Late),
        2 => one().prop_map(Step::Order),
        3 => one().prop_map(Step::Reply),
    ]
}
