//! Messages that take long to evaluate although they are short.

use super::*;

/// A message with these names beside the device's own identity in OBX-18.
fn naming(control_id: &str, names: &[String]) -> Vec<u8> {
    let header = format!("MSH|^~\\&|{NAME}||||20260101120000+0000||ORU^R01^ORU_R01|{control_id}|P|2.6");
    let observations =
        names.iter().map(|name| format!("OBX|1|ST|1^X^L|1.1.1.1|x||||||F|||||||{NAME}^{name}"));
    let segments: Vec<_> = std::iter::once(header).chain(observations).collect();
    framed(&format!("{}\r", segments.join("\r")))
}

/// Names that no message had before, of letters that many character sets read in their own way.
fn new_names(first: u32) -> Vec<String> {
    (first..first + 8).map(|number| format!("Станция наблюдения {number}")).collect()
}

#[test]
fn names_that_every_character_set_reads_wait_for_the_turn_of_the_device() {
    let mut bench = Bench::new(LIMITS);
    bench.receive(&naming("1", &new_names(0)));
    assert!(bench.storing.is_empty());
    assert!(bench.session.waiting_large_message().is_some(), "the connection evaluates it beside the others");
    bench.receive(&naming("2", &[]));
    assert!(bench.storing.is_empty(), "in the order in which they came");
    bench.then(|session, now| session.evaluate(now));
    assert_eq!(bench.storing.len(), 2);
    assert_eq!(bench.session.waiting_large_message(), None);
    bench.receive(&naming("3", &new_names(0)));
    assert_eq!(bench.storing.len(), 3, "the names are known by now");
    bench.receive(&naming("4", &new_names(100)));
    assert_eq!(bench.storing.len(), 3);
}

#[test]
fn many_escape_sequences_wait_for_the_turn_of_the_device() {
    let mut bench = Bench::new(LIMITS);
    for (escape, turned) in [('\\', "^~\\&"), ('@', "^~@&")] {
        let names = vec![format!("{escape}X41{escape}").repeat(50); 4];
        let message = String::from_utf8(naming("1", &names)).unwrap().replacen("^~\\&", turned, 1);
        bench.receive(message.as_bytes());
        assert!(bench.storing.is_empty() && bench.session.waiting_large_message().is_some(), "{turned}");
        bench.then(|session, now| session.evaluate(now));
        assert_eq!(bench.storing.len(), 1, "{turned}");
        bench.stored(0);
    }
    bench.receive(&naming("3", &[r"\X41\".repeat(20)]));
    assert_eq!(bench.storing.len(), 1, "some are read at once");
}

// As many messages as it takes the time of.
#[test]
fn a_costly_message_counts_as_many() {
    let bench = || {
        let mut config = LIMITS.applied_to(config());
        config.devices.messages_per_second = 20;
        Bench::with_config(handle(config), PendingReplies::default())
    };
    let (mut costly, mut plain) = (bench(), bench());
    costly.receive(&naming("1", &new_names(0)));
    costly.then(|session, now| session.evaluate(now));
    assert_eq!((costly.storing.len(), costly.slowed), (1, 1));
    plain.receive(&naming("1", &vec!["Station 7".to_owned(); 8]));
    assert_eq!((plain.storing.len(), plain.slowed), (1, 0));
}

// A gateway reports hundreds of alarms in one message; so may a device that does harm.
#[test]
fn many_segments_wait_for_the_turn_of_the_device_and_count_as_what_they_cost() {
    let bench = || {
        let mut config = LIMITS.applied_to(config());
        config.devices.messages_per_second = 20;
        Bench::with_config(handle(config), PendingReplies::default())
    };
    let message = |segments: usize, end: &str| {
        let header = format!("MSH|^~\\&|{NAME}||||20260101120000+0000||ORU^R01^ORU_R01|1|P|2.6{end}");
        framed(&(header + &format!("OBX|{end}").repeat(segments)))
    };
    for end in ["\r", "\n", "\r\n"] {
        let (mut many, mut few) = (bench(), bench());
        many.receive(&message(2600, end));
        assert!(many.storing.is_empty() && many.session.waiting_large_message().is_some(), "{end:?}");
        many.then(|session, now| session.evaluate(now));
        assert_eq!((many.storing.len(), many.slowed), (1, 1), "{end:?}");
        few.receive(&message(200, end));
        assert_eq!((few.storing.len(), few.slowed), (1, 0), "{end:?}");
    }
}

// ISO-2022-JP: each name is compared with the directory by every character set.
#[test]
fn each_new_name_in_iso_ir_87_counts_as_what_it_costs() {
    let bench = || {
        let mut config = LIMITS.applied_to(config());
        config.devices.messages_per_second = 30;
        Bench::with_config(handle(config), PendingReplies::default())
    };
    let message = |number: u32, facility: &str, set: &str| {
        framed(&format!(
            "MSH|^~\\&|{NAME}|{facility}|||20260101120000+0000||ORU^R01^ORU_R01|{number}|P|2.6||||||{set}\r"
        ))
    };
    let japanese = |name: &str| format!("\u{1b}$B{name}\u{1b}(B");
    let sent_until_slowed = |facility: &dyn Fn(u32) -> String, set: &str| {
        let mut bench = bench();
        let sent = (0..30).take_while(|number| {
            bench.receive(&message(*number, &facility(*number), set));
            bench.stored(0);
            bench.slowed == 0
        });
        sent.count()
    };
    let plain = sent_until_slowed(&|number| format!("WARD {number}"), "");
    let known = sent_until_slowed(&|_| japanese("#M#O#N#I#T#O#R") + " 7", "ISO IR87");
    let new = sent_until_slowed(&|number| japanese("#M#O#N#I#T#O#R") + &format!(" {number}"), "ISO IR87");
    assert!(plain > 2 * known && known > 2 * new, "{plain} {known} {new}");
}
