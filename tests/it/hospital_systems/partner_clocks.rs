//! Notifications of partners and a clock that is wrong for a while.

use std::time::Duration;

use super::partners::{Partners, device, handle};
use super::*;
use crate::clocks::{set, with_clock};
use crate::harness::message;

const NAME: &str = "00A037FFFE000001";

// N003-2, N000-7: a day off, and more than messages are stored.
#[test]
fn a_clock_that_is_wrong_for_a_while_ends_and_forgets_no_notification() {
    let partners = Partners::of(with_clock(Site::new()).with("notifications", "visibility = \"1h\""));
    let platform = partners.site().start();
    let lab = partners.partner(&platform, "lab");
    let mut middleware = partners.middleware(Some(&lab.certificate));
    let mut sender = device(partners.site(), &platform);
    platform.cli().run(&["subscription", "add", "all", "--organisation", &lab.oid]);
    for id in ["1", "2", "3"] {
        assert_eq!(sender.code(message(NAME, id)), "CA");
    }
    let [done, held] = [middleware.next(&lab), middleware.next(&lab)];
    assert_eq!(middleware.acknowledge(&lab, handle(&done))["status"], 200);
    let states = || {
        let rows = platform.cli().json(&["notification", "list"]);
        let mut states: Vec<_> = rows.iter().map(|row| row["state"].as_str().unwrap().to_owned()).collect();
        states.sort();
        states
    };
    let expected = ["acknowledged", "waiting", "waiting"];
    for offset in ["+400d", "-400d"] {
        set(partners.site(), offset);
        // Two passes of the upkeep, and more.
        std::thread::sleep(Duration::from_secs(12));
        assert_eq!(states(), expected, "{offset}");
        set(partners.site(), "+0");
    }
    // A day is within what is believed: what waits is delivered soon after the clock was corrected.
    set(partners.site(), "+1d");
    std::thread::sleep(Duration::from_secs(12));
    set(partners.site(), "+0");
    assert_eq!(states(), expected);
    assert_eq!(middleware.acknowledge(&lab, handle(&done))["status"], 200, "again as once");
    // Neither clock has delivered it again.
    assert_eq!(middleware.acknowledge(&lab, handle(&held))["status"], 200);
    let last = middleware.next(&lab);
    assert!(last["OperationId"] != held["OperationId"] && last["OperationId"] != done["OperationId"]);
    assert_eq!(middleware.acknowledge(&lab, handle(&last))["status"], 200);
    assert!(middleware.receive(&lab, 10).is_empty());
    assert!(!platform.stop().log.contains("panicked"));
}
