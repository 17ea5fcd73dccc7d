use super::*;
use crate::hl7::Message;
use crate::view::TreeOptions;

fn text(tree: &Tree) -> String {
    lines(tree).iter().map(|line| line.shown(false)).collect::<Vec<_>>().join("\n")
}

const OBSERVATIONS: &[u8] = b"MSH|^~\\&|ACME^00A037EB2175780F^EUI-64||||20260101120000+0000||ORU^R01^ORU_R01|ID\x1B[2J|P|2.6|||AL|NE||8859/1\r\
    PID|||SECRET-1^^^H^PI||Secret^Name||19700101|F\rPV1||I|Ward^7\r\
    OBR|1||F1|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||20260101115959\r\
    OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.150456|97.00|262688^MDC_DIM_PERCENT^MDC|90-100|TEST|||R|||20260101115958\r\
    OBX|2||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||M1^^00A037EB2175780F^EUI-64\r\
    OBX|3||69642^MDC_DEV_ANALY_SAT_O2_VMD^MDC|1.1.0.0|||||||X\r\
    OBX|4||69643^MDC_DEV_ANALY_SAT_O2_CHAN^MDC|1.1.1.0|||||||X\r\
    OBX|5|CWE|68188^MDC_ATTR_X^MDC|1.1.1.150456.1|7^J\xFCrgen \\T\\ Co^MDC\r\
    OBX|6|ST|67932^MDC_ATTR_PT_NAME_FAMILY^MDC|1.0.0.9|Secret\r\
    OBX|7|ST|1^UNPLACED^L||x\r";

fn shown(bytes: &[u8], with_patient: bool) -> String {
    let options = TreeOptions { with_patient, ..TreeOptions::default() };
    text(&Tree::new(&Message::parse(bytes).unwrap(), &options))
}

#[test]
fn observations_are_indented_by_their_place_in_the_device_tree() {
    let text = shown(OBSERVATIONS, false);
    let expected = "PCD-01  ORU^R01^ORU_R01  ID\\u{1b}[2J
NOT CLINICAL: a test or a demonstration (OBX-8)
sent      2026-01-01 12:00:00 +00:00
from      ACME^00A037EB2175780F^EUI-64
patient   hidden; --phi shows it
request   MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS (69965)
filler    F1
time      2026-01-01 11:59:59 +00:00
  1.0.0.0                  mds     MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS (69965)  by M1^^00A037EB2175780F^EUI-64
    1.0.0.9                metric  MDC_ATTR_PT_NAME_FAMILY  = hidden; --phi shows it
    1.1.0.0                vmd     MDC_DEV_ANALY_SAT_O2_VMD (69642)
      1.1.1.0              channel MDC_DEV_ANALY_SAT_O2_CHAN (69643)
        1.1.1.150456       metric  MDC_PULS_OXIM_SAT_O2 (150456)  = 97.00  %  range 90-100  [TEST]  NOT CLINICAL  not verified  at 2026-01-01 11:59:58 +00:00
          1.1.1.150456.1   facet   MDC_ATTR_X (68188)  = Jürgen & Co (7)
  -                                UNPLACED (1, L)  = x";
    assert_eq!(text, expected);
}

#[test]
fn the_patient_is_shown_only_on_request() {
    let hidden = shown(OBSERVATIONS, false);
    assert!(!hidden.contains("ecret") && !hidden.contains("SECRET"), "{hidden}");
    let text = shown(OBSERVATIONS, true);
    let line = "patient   Secret^Name, id SECRET-1^^^H^PI, born 19700101, sex F, at Ward^7";
    assert!(text.contains(line), "{text}");
}

#[test]
fn an_alert_shows_its_facets() {
    let text = shown(
        b"MSH|^~\\&|A||||2026||ORU^R40^ORU_R40|1|P|2.6\rOBR|1||E1|196616^MDC_EVT_ALARM^MDC\r\
        OBX|1|ST|196670^MDC_EVT_LO^MDC|1.3.1.150456.1|Low SpO2\r\
        OBX|2|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.3.1.150456.3|start\r\
        OBX|3|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.3.1.150456.4|active\r\
        OBX|4|ST|68483^MDC_ATTR_ALARM_INACTIVATION_STATE|1.3.1.150456.5|audio-off\r",
        false,
    );
    for line in [
        "alert     MDC_EVT_LO (196670) Low SpO2",
        "phase     start",
        "state     active",
        "signals   audio-off (audio off)",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}

#[test]
fn a_withdrawn_result_is_marked_and_struck_through_on_a_terminal() {
    let message = b"MSH|^~\\&|A||||2026||ORU^R01|1|P|2.6\rOBR|1\rOBX|1|NM|1^A^MDC|1.0.0.1|5||||||F\r\
        OBX|2|NM|2^B^MDC|1.0.0.2|7||||||D\rNTE|1||first\\.br\\second\r";
    let tree = Tree::new(&Message::parse(message).unwrap(), &TreeOptions::default());
    let shown = |on_terminal| lines(&tree).iter().map(|line| line.shown(on_terminal)).collect::<Vec<_>>();
    let plain = shown(false);
    assert_eq!(plain[1], "NOT VALID: the sender withdrew 1 result (OBX-11 W or D)");
    let deleted = plain.iter().position(|line| line.contains("[DELETED] B (2)  = 7")).unwrap();
    let valid = plain.iter().position(|line| line.ends_with("A (1)  = 5  final")).unwrap();
    assert!(deleted < valid, "{plain:#?}");
    assert!(plain[deleted + 1].ends_with("note: first") && plain[deleted + 2].ends_with("    | second"));
    let struck = shown(true);
    assert!(struck[deleted].ends_with("[DELETED] \u{1b}[9mB (2)  = 7\u{1b}[29m"), "{:?}", struck[deleted]);
    assert_eq!(struck[valid], plain[valid]);
}

#[test]
fn a_participation_stands_under_its_observation_and_a_note_has_one_label() {
    let text = shown(
        b"MSH|^~\\&|A||||2026||ORU^R01^ORU_R01|1|P|2.8\rOBR|1||E1|1^X^MDC\r\
        OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC||97||||||F\rPRT|1|AD||EQUIP||||||OXI1\r\
        NTE|1||first\\.br\\second~third\rNTE|2||next\r\
        OBX|2||69986^MDC_DEV_PUMP_INFUS_VMD^MDC||||||||X\rRXR|IV^Intravenous^HL70162\r",
        false,
    );
    let lines: Vec<&str> = text.lines().skip_while(|line| !line.contains("= 97")).collect();
    let trimmed: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    assert!(trimmed[0].ends_with("final  by OXI1"), "{text}");
    assert_eq!(
        trimmed[1..5],
        [
            "PRT: instance 1  action AD  participation EQUIP  device OXI1",
            "note: first",
            "| second",
            "| third"
        ]
    );
    assert_eq!(trimmed[5], "note: next");
    assert!(trimmed[6].ends_with("MDC_DEV_PUMP_INFUS_VMD (69986)"), "a device has no value: {text}");
    assert_eq!(trimmed[7], "hidden    RXR-1 (in part) (--phi shows them)");
}

/// HL7 2.6 ch. 2, 2.7.6: a line break in a text begins a line.
#[test]
fn no_text_of_a_sender_reads_like_a_line_of_the_tree() {
    let forged = r"88\.br\  1.1.1.12                 metric  MDC_X = 12 final";
    let text = shown(
        format!(
            "MSH|^~\\&|A||||2026||ORU^R01^ORU_R01|1|P|2.6\rOBR|1||E1{forged}|1^{forged}^MDC\r\
             NTE|1||{forged}\rOBX|1|ST|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.11|{forged}||||||F\r\
             NTE|1||{forged}\r"
        )
        .as_bytes(),
        false,
    );
    let forged: Vec<_> = text.lines().filter(|line| line.trim_start().starts_with("1.1.1.12")).collect();
    assert!(forged.is_empty(), "{text}");
    assert!(text.lines().filter(|line| line.trim_start().starts_with("|   1.1.1.12")).count() >= 3, "{text}");
}

#[test]
fn each_of_two_patients_stands_above_its_requests() {
    let message = b"MSH|^~\\&|A||||2026||ORU^R01^ORU_R01|1|P|2.6\rPID|||1||Anderson^Ingrid\rOBR|1||F1\r\
        PID|||2||Lundqvist^Bo\rOBR|2||F2\r";
    let of = |with_patient| {
        let text = shown(message, with_patient);
        text.lines().skip_while(|line| !line.starts_with("warning")).map(str::to_owned).collect::<Vec<_>>()
    };
    let warning = "warning   2 patients in one message: each request is of the patient above it";
    assert_eq!(
        of(false)[0..5],
        [
            warning,
            "patient   1 of 2: hidden; --phi shows it",
            "filler    F1",
            "patient   2 of 2: hidden; --phi shows it",
            "filler    F2",
        ]
    );
    assert_eq!(
        of(true)[1..5],
        [
            "patient   1 of 2: Anderson^Ingrid, id 1",
            "filler    F1",
            "patient   2 of 2: Lundqvist^Bo, id 2",
            "filler    F2",
        ]
    );
}

/// HL7 table 0207: values of an archive are not those of now.
#[test]
fn a_message_of_an_archive_is_marked() {
    let of =
        |mode: &str| shown(format!("MSH|^~\\&|A||||2026||ORU^R01|1|{mode}|2.6\rOBR|1\r").as_bytes(), false);
    assert!(of("P^A").contains("\nNOT CURRENT: from an archive (MSH-11)\n"), "{}", of("P^A"));
    assert!(!of("P^T").contains("NOT CURRENT") && !of("P").contains("NOT C"));
}

/// PCD-05 names the alert by MSA-2 and OBR-3.
#[test]
fn an_answer_without_an_event_has_no_empty_row() {
    let text = shown(
        b"MSH|^~\\&|A||||2026||ORU^R41^ORU_R41|1|P|2.6\rMSA|AA|a01\rOBR|1||a01|196616^MDC_EVT_ALARM^MDC\r\
        PRT|1|UC||Read^Read^IHE\r",
        false,
    );
    assert!(!text.lines().any(|line| line.starts_with("alert")), "{text}");
    let of = |start: &str| text.lines().position(|line| line.starts_with(start));
    assert!(of("request") < of("PRT-4") && of("PRT-4").is_some(), "{text}");
}

#[test]
fn other_messages_show_their_segments_and_documents_their_size() {
    let text = shown(b"MSH|^~\\&|A||||2026||ADT^A01|1|P|2.6\rEVN|\rPID|1||SECRET\r", false);
    assert!(
        text.starts_with("not IHE PCD  ADT^A01  1\n") && text.ends_with("segments  MSH EVN PID"),
        "{text}"
    );
    let document = format!(
        "MSH|^~\\&|A||||2026||ORU^R01|1|P|2.6\rOBR|1\rOBX|1|ED|1^PDF|1|^AP^^Base64^{}\r",
        "A".repeat(300)
    );
    let text = shown(document.as_bytes(), false);
    assert!(text.contains("= (ED of 312 bytes)"), "{text}");
}
