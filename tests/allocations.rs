//! Reading a message allocates for the message and not for its segments.

#![expect(clippy::expect_used, reason = "a test of its own process")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pcd_platform::hl7::{AcknowledgeAs, Acknowledgement, Message, Outcome, Sender};
use pcd_platform::pcd::{Claim, MessagePolicy, Transaction};

/// Counts the allocations of this thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A monitor with so many values.
fn message(values: usize) -> Vec<u8> {
    let mut text = String::from(
        "MSH|^~\\&|MONITOR^00A037EB2175780F^EUI-64|ACME|||20260101120000+0000||ORU^R01^ORU_R01|1|P|2.6|||AL|NE\r\
         PID|||12345^^^A^MR||BEDS^TEDSONS^^^^^L\r\
         OBR|1|1^M^00A037EB2175780F^EUI-64|1^M^00A037EB2175780F^EUI-64|182777000^monitoring of patient^SCT\r",
    );
    for number in 1..=values {
        write!(
            text,
            "OBX|{number}|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.{number}|98|262688^MDC_DIM_PERCENT^MDC|90-96||||R\
             |||20260101120000+0000||||M^^00A037EB2175780F^EUI-64\r"
        )
        .expect("a string");
    }
    text.into_bytes()
}

/// View, transaction, identities and acknowledgement.
fn allocations(bytes: &[u8]) -> usize {
    let sender = Sender { application: "PLATFORM".into(), facility: "WARD".into() };
    let at = Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
    let policy = MessagePolicy::default();
    let before = ALLOCATIONS.get();
    let message = Message::parse(bytes).expect("a message");
    let transaction = Transaction::of(&message);
    policy.admit(&message.header(), transaction).expect("an accepted message");
    let claims = Claim::all_of(&message, transaction);
    let header = message.header();
    let answers = Transaction::acknowledgement_request(transaction, &header, AcknowledgeAs::AsAsked)
        .answers(Outcome::Accepted);
    let code = answers.accept.expect("an accept acknowledgement");
    let acknowledgement = Acknowledgement {
        sender: &sender,
        control_id: "1",
        at: &at,
        code,
        rejection: None,
        diagnostic: None,
    };
    let written = acknowledgement.render(Some((&header, message.separators())));
    let spent = ALLOCATIONS.get() - before;
    assert!(claims.len() == 3 && !written.is_empty());
    spent
}

#[test]
fn a_message_of_a_thousand_segments_costs_as_many_allocations_as_one_of_four() {
    let (small, large) = (message(1), message(1000));
    assert!(large.len() > 100_000);
    let few = allocations(&small);
    assert_eq!(allocations(&large), few);
    // The segments, the claims with their identities, the names in every other component that could be a
    // Common Name, the acknowledgement; a number to notice when it grows.
    assert!(few <= 40, "{few} allocations");
}
