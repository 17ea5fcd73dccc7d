//! Acknowledgements that do not fit the message that they name.

use super::*;

// A device in training must not settle an order of production, nor the other way round (HL7 table 0103).
#[test]
fn an_acknowledgement_of_another_mode_is_reported_and_settles_nothing() {
    let answer_in = |mode: &str| {
        let text = String::from_utf8(acknowledgement("OURS-1")).unwrap();
        text.replace("|P|2.6", &format!("|{mode}|2.6")).into_bytes()
    };
    let device = NAME.parse().unwrap();
    for (order, others, fitting) in
        [("P", &["T", "D"][..], ["P", ""]), ("T", &["P", "D"], ["t^R", ""]), ("", &[], ["P", ""])]
    {
        for fitting in fitting {
            let mut bench = Bench::new(LIMITS);
            let mut exchange =
                bench.pending_replies.expect(&device, b"OURS-1", None, false, order.into()).unwrap();
            for other in others {
                bench.receive(&answer_in(other));
                assert_eq!(bench.rejections(), [Some("acknowledgement-of-other-mode")], "{order} {other}");
                bench.stored(0);
                assert_eq!(exchange.answer().now_or_never(), None, "{order} {other}");
            }
            bench.receive(&answer_in(fitting));
            assert_eq!(bench.rejections(), [None], "{order} {fitting}");
            bench.stored(0);
            assert!(exchange.answer().now_or_never().flatten().is_some(), "{order} {fitting}");
            assert!(bench.passed_on.is_empty());
        }
    }
}
