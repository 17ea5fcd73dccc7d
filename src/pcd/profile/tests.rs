use super::*;

const REPORTED: &str = "MSH|^~\\&|A^1^ISO||||20260101120000+0000||ORU^R01^ORU_R01|1|P|2.6|||AL|NE|||||X\r\
    PID|||1||Doe\rPV1||I\r\
    OBR|1||F^^1^ISO|182777000^monitoring^SCT|||20260101120000+0000\r\
    OBX|1||69965^MDC_DEV^MDC|1.0.0.0|||||||X\r\
    OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.1|98.0|262688^MDC_DIM_PERCENT^MDC|||||R|||20260101120000+0000\r";

fn found(text: &str) -> Vec<String> {
    let message = Message::parse(text.as_bytes()).unwrap();
    let transaction = Transaction::of(&message).unwrap();
    check(&message, transaction)
        .into_iter()
        .map(|finding| {
            let rejection = Rejection::from(finding);
            format!("{} {} {}", rejection.error_code().0, finding.rule, finding.location)
        })
        .collect()
}

fn changed(from: &str, to: &str) -> Vec<String> {
    assert!(REPORTED.contains(from));
    found(&REPORTED.replacen(from, to, 1))
}

#[test]
fn a_conforming_message_has_no_findings() {
    assert_eq!(found(REPORTED), Vec::<String>::new());
}

#[test]
fn segments_out_of_order_are_found() {
    assert_eq!(changed("OBR|1", "ZBR|1"), ["100 segment-sequence OBX[1]"]);
    assert_eq!(changed("PID|||1||Doe\rPV1||I\r", "PV1||I\rPID|||1||Doe\r"), ["100 segment-sequence PV1[1]"]);
    let no_content = REPORTED.split("OBR").next().unwrap();
    assert_eq!(found(no_content), ["100 segment-missing OBR[1]"]);
    assert_eq!(
        changed("PV1||I\r", "ZZZ|1\rPV1||I\r"),
        Vec::<String>::new(),
        "Z segments are allowed everywhere"
    );
    // HL7 2.6 ch. 7, 7.3.1: [{ROL}] behind the notes of OBR.
    assert_eq!(changed("OBX|1||", "NTE|1\rROL|1\rOBX|1||"), Vec::<String>::new());
}

// 3.1.4.1.2
#[test]
fn device_data_have_no_order_segment() {
    assert_eq!(changed("OBR|1", "ORC|RE\rOBR|1"), ["100 orc-not-allowed ORC[1]"]);
    let events = REPORTED.replace("R01^ORU_R01", "R42^ORU_R01").replace("OBR|1", "ORC|RE\rOBR|1");
    assert_eq!(found(&events), Vec::<String>::new());
}

#[test]
fn missing_required_fields_are_found() {
    assert_eq!(changed("F^^1^ISO", ""), ["101 obr-filler-missing OBR[1]-3"]);
    assert_eq!(changed("||||X\r", "\r"), ["101 msh-profile-missing MSH[1]-21"]);
    assert_eq!(changed("ORU^R01^ORU_R01", "ORU^R01"), ["101 msh-structure-missing MSH[1]-9.3"]);
    assert_eq!(changed("|1.3.1.1|", "||"), ["101 obx-path-missing OBX[2]-4"]);
    assert_eq!(changed("|R|", "||"), ["101 obx-status-missing OBX[2]-11"]);
    assert_eq!(changed("PID|||1|", "PID||||"), ["101 pid-identifier-missing PID[1]-3"]);
    assert_eq!(changed("||Doe", ""), ["101 pid-name-missing PID[1]-5"]);
    assert_eq!(changed("PV1||I", "PV1|"), ["101 pv1-class-missing PV1[1]-2"]);
    assert_eq!(changed("OBR|1|", "OBR||"), ["101 obr-number-missing OBR[1]-1"]);
    assert_eq!(changed("OBX|2|", "OBX||"), ["101 obx-number-missing OBX[2]-1"]);
}

// Table B.7-1
#[test]
fn the_time_of_a_request_may_be_unknown() {
    assert_eq!(changed("SCT|||20260101120000+0000", "SCT"), Vec::<String>::new());
}

// Table B.8-1; NIST's predicate CP_2 of OBX
#[test]
fn a_segment_without_result_needs_no_value_type() {
    assert_eq!(changed("||||||X\r", "||||||R\r"), ["101 obx-value-type-missing OBX[1]-2"]);
    assert_eq!(changed("1.0.0.0||", "1.0.0.0|text|"), Vec::<String>::new());
}

// 3.9.4.1.2: MSH-3, MSH-15, MSH-16, MSH-21 and OBX-4 are not required, and OBX-6 has no coding system.
#[test]
fn a_report_with_a_document_follows_its_own_table() {
    let report = "MSH|^~\\&|||||20260101120000+0000||ORU^R01|1|P|2.5|||||||||^^1.3.6.1.4.1.19376.1.6.1.9.1^ISO\r\
        PID|||1\rOBR|1||F^^1^ISO|1^Report^L\r\
        OBX|1|NM|720897^MDC_IDC_MSMT_BATTERY_VOLTAGE^MDC|1|2.8|V^V|||||F\r\
        OBX|2|ED|18750-0^Report^LN||^AP^^Base64^AAAA||||||F\r\
        OBX|3|RP|1^Link^L||http://x^D^E||||||F\r";
    assert_eq!(found(report), Vec::<String>::new());
    assert_eq!(found(&report.replacen("1^Report^L", "", 1)), ["101 obr-service-missing OBR[1]-4"]);
    // As PCD-01 it would lack all of them.
    let data = report.replace("1.6.1.9.1", "1.6.1.1.1");
    for rule in ["msh-sending-application-missing", "obx-path-missing", "obx-units-coding-system"] {
        assert!(found(&data).iter().any(|text| text.contains(rule)), "{rule}: {:?}", found(&data));
    }
}

/// What is found and, in a strict configuration, does not refuse the message.
fn advised(text: &str) -> Vec<String> {
    let message = Message::parse(text.as_bytes()).unwrap();
    let findings = check(&message, Transaction::of(&message).unwrap());
    let strict = MessagePolicy { conformance: Conformance::Strict, ..MessagePolicy::default() };
    assert_eq!(strict.check_findings(&findings), Ok(()), "{findings:?}");
    findings.iter().map(|finding| format!("{} {}", finding.rule, finding.location)).collect()
}

#[test]
fn what_only_one_of_the_texts_requires_is_advice() {
    let advice = |from: &str, to: &str| {
        assert!(REPORTED.contains(from), "{from}");
        advised(&REPORTED.replacen(from, to, 1))
    };
    assert_eq!(advice("262688^MDC_DIM_PERCENT^MDC", ""), ["obx-units-missing OBX[2]-6"]);
    assert_eq!(advice("262688^MDC_DIM_PERCENT", "266016^MDC_DIM_MMHG"), ["obx-units-unusual OBX[2]-6"]);
    assert_eq!(
        advice("262688^MDC_DIM_PERCENT^MDC", "mm[Hg]^^UCUM^262688^MDC_DIM_PERCENT^MDC"),
        ["obx-units-unusual OBX[2]-6"]
    );
    assert_eq!(advice("262688^MDC_DIM_PERCENT^MDC", "%^%^UCUM"), Vec::<String>::new());
    assert_eq!(advice("|1.3.1.1|", "|1|"), ["obx-path-repeated OBX[2]-4"]);
    assert_eq!(
        advice("150456^MDC_PULS_OXIM_SAT_O2", "150456^MDC_ECG_HEART_RATE"),
        ["obx-term-contradiction OBX[2]-3"]
    );
    for units in ["266016^MDC_DIM_PERCENT", "262688^MDC_DIM_PERCENTT", "%^%^UCUM^266016^MDC_DIM_PERCENT"] {
        assert_eq!(advice("262688^MDC_DIM_PERCENT", units), ["obx-unit-contradiction OBX[2]-6"], "{units}");
    }
    assert_eq!(
        advice("|AL|NE|", "|NE|AL|"),
        ["msh-acknowledgement-mode MSH[1]-15", "msh-acknowledgement-mode MSH[1]-16"]
    );
    // Each request has its own paths (B.8.4).
    let second = "OBR|2||G^^1^ISO|182777000^monitoring^SCT\rOBX|1||69965^MDC_DEV^MDC|1.0.0.0|||||||X\r";
    assert_eq!(advised(&format!("{REPORTED}{second}")), Vec::<String>::new());
}

#[test]
fn advice_does_not_displace_a_violation() {
    let repeated =
        "OBX|9|NM|150456^^MDC|1.3.1.1|9|262688^MDC_DIM_PERCENT^MDC|||||R\r".repeat(2 * MAX_FINDINGS);
    let text =
        format!("{REPORTED}{repeated}OBX|9|NM|150456^^MDC|1.3.1.9|9|262688^MDC_DIM_PERCENT^MDC|||||\r");
    let message = Message::parse(text.as_bytes()).unwrap();
    let findings = check(&message, Transaction::Pcd01);
    assert_eq!((findings.len(), findings[0].rule), (MAX_FINDINGS, "obx-status-missing"));
}

#[test]
fn values_outside_their_type_or_table_are_found() {
    assert_eq!(changed("|98.0|", "|high|"), ["102 obx-value-not-of-its-type OBX[2]-5"]);
    assert_eq!(changed("|NM|", "||"), ["101 obx-value-type-missing OBX[2]-2"]);
    assert_eq!(changed("|NM|", "|QQ|"), ["103 obx-value-type-unknown OBX[2]-2"]);
    for kind in ["DR", "PL", "PN", "RP", "XCN", "XPN", "XAD", "TX"] {
        assert_eq!(changed("|NM|", &format!("|{kind}|")), Vec::<String>::new(), "{kind}");
    }
    // B.8.3: MDS.VMD.Channel.Metric.FACET.SUBFACET
    assert_eq!(changed("|1.3.1.1|", "|1.3.1.1.2.1|"), Vec::<String>::new());
    assert_eq!(changed("|1.3.1.1|", "|1.3.1.1.2.1.1|"), ["102 obx-path-malformed OBX[2]-4"]);
    assert_eq!(changed("PERCENT^MDC", "PERCENT^OWN"), ["103 obx-units-coding-system OBX[2]-6"]);
    assert_eq!(changed("|1.3.1.1|", "|1.x|"), ["102 obx-path-malformed OBX[2]-4"]);
    assert_eq!(changed("|R|", "|Q|"), ["103 obx-status-unknown OBX[2]-11"]);
}

#[test]
fn times_without_a_zone_are_found() {
    assert_eq!(changed("20260101120000+0000", "20260101120000"), ["102 time-zone-missing MSH[1]-7"]);
    assert_eq!(changed("R|||20260101120000+0000", "R|||tomorrow"), ["102 time-malformed OBX[2]-14"]);
    // The zone of MSH-7 applies.
    assert_eq!(changed("R|||20260101120000+0000", "R|||20260101120000"), Vec::<String>::new());
    assert_eq!(
        found(&REPORTED.replace("20260101120000+0000", "20260101120000")),
        ["MSH[1]-7", "OBR[1]-7", "OBX[2]-14"].map(|place| format!("102 time-zone-missing {place}"))
    );
}

const ALERTED: &str = "MSH|^~\\&|A^1^ISO||||20260101120000+0000||ORU^R40^ORU_R40|1|P|2.6|||AL|NE|||||X\r\
    OBR|1||F^^1^ISO|196616^MDC_EVT_ALARM^MDC|||20260101120000+0000\r\
    OBX|1|ST|196670^MDC_EVT_LO^MDC|1.3.1.150456.1|Low|||L~PM~SP|||F\r\
    OBX|9|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.150456.2|85|262688^MDC_DIM_PERCENT^MDC|||||F\r\
    OBX|2|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.3.1.150456.3|start||||||F\r\
    OBX|3|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.3.1.150456.4|active||||||F\r\
    OBX|4|ST|68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC|1.3.1.150456.5|enabled||||||F\r";

#[test]
fn missing_facets_of_an_alert_are_found() {
    assert_eq!(found(ALERTED), Vec::<String>::new());
    assert_eq!(found(&ALERTED.replace("|start|", "|began|")), ["103 alert-phase-unknown OBX[3]-5"]);
    assert_eq!(found(&ALERTED.replace("|enabled|", "|off|")), ["103 alert-inactivation-unknown OBX[5]-5"]);
    let no_state = ALERTED.replace("68482^MDC_ATTR_ALARM_STATE", "150456^MDC_PULS_OXIM_SAT_O2");
    assert_eq!(found(&no_state), ["100 alert-state-missing OBR[1]"]);
    assert_eq!(found(&ALERTED.replace("|enabled|", "||")), Vec::<String>::new());
    assert_eq!(found(&ALERTED.replace("|enabled|", "|audio-off~acknowledged|")), Vec::<String>::new());
    assert_eq!(
        found(&ALERTED.replace("|enabled|", "|audio-paused~off|")),
        ["103 alert-inactivation-unknown OBX[5]-5"],
        "every repetition counts"
    );
}

/// Table B.8.5-2 requires them; alerts of many devices lack them.
#[test]
fn what_a_receiver_can_do_without_is_advice_about_an_alert() {
    let advice = |from: &str, to: &str| {
        assert!(ALERTED.contains(from), "{from}");
        advised(&ALERTED.replacen(from, to, 1))
    };
    assert_eq!(advice("1.3.1.150456.2", "1.3.1.150456.9"), ["alert-source-missing OBR[1]"]);
    let source = "OBX|9|CWE|68480^MDC_ATTR_ALERT_SOURCE^MDC|1.3.1.150456.2|150456^MDC_PULS_OXIM_SAT_O2^MDC";
    let measured = "OBX|9|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.150456.2|85|262688^MDC_DIM_PERCENT^MDC";
    assert_eq!(advice(measured, &format!("{source}|")), Vec::<String>::new());
    assert_eq!(
        advice("68483^MDC_ATTR_ALARM_INACTIVATION_STATE", "150456^MDC_PULS_OXIM_SAT_O2"),
        ["alert-inactivation-missing OBR[1]"]
    );
    assert_eq!(advice("L~PM~SP", "L~SP"), ["alert-priority-missing OBR[1]"]);
    assert_eq!(advice("L~PM~SP", "L~PM"), ["alert-type-missing OBR[1]"]);
    let facets = "OBX|6|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC|1.3.1.150456.6|PM||||||F\r\
        OBX|7|ST|68485^MDC_ATTR_ALERT_TYPE^MDC|1.3.1.150456.7|SP||||||F\r";
    assert_eq!(advised(&(ALERTED.replace("L~PM~SP", "") + facets)), Vec::<String>::new());
}

/// Table B.8.5-4, and the spelling of its prose.
#[test]
fn every_phase_of_an_alert_is_known() {
    for phase in [
        "tpoint",
        "start",
        "start_only",
        "continue",
        "present",
        "update",
        "escalate",
        "deescalate",
        "de-escalate",
        "end",
        "stop",
        "reset",
        "inactivate",
        "acknowledged",
        "START",
    ] {
        let alerted = ALERTED.replace("|start|", &format!("|{phase}|"));
        assert_eq!(found(&alerted), Vec::<String>::new(), "{phase}");
    }
}

/// 3.4.4.1.2: a message has one alert, and OBR [1..n] with containment and evidence.
#[test]
fn one_alert_may_have_several_requests() {
    let alert = ALERTED.split_inclusive('\r').skip(1).collect::<String>();
    assert_eq!(found(&format!("{ALERTED}{alert}")), Vec::<String>::new(), "the same alert again");
    let evidence = "OBR|2||F2^^1^ISO|131329^MDC_ECG_ELEC_POTL_II^MDC|||20260101120000+0000\r\
        OBX|1|NA|131329^MDC_ECG_ELEC_POTL_II^MDC|1.3.1.131329|1^2|266418^MDC_DIM_MILLI_VOLT^MDC|||||F\r";
    assert_eq!(found(&format!("{ALERTED}{evidence}")), Vec::<String>::new(), "evidence");
    let other = alert.replace("|F^", "|G^");
    assert_eq!(found(&format!("{ALERTED}{other}")), ["100 alert-several OBR[2]"]);
    let louder = alert.replace("|active|", "|latched|");
    assert_eq!(
        found(&format!("{ALERTED}{louder}")),
        ["103 alert-facet-contradiction OBR[1]", "103 alert-facet-contradiction OBR[2]"]
    );
    let many: String = (0..16).map(|n| alert.replace("|F^", &format!("|F{n}^"))).collect();
    let warned = found(&format!("{ALERTED}{many}"));
    assert_eq!(warned, ["100 alert-several OBR[2]", "100 alert-not-all-shown OBR[17]"]);
}

#[test]
fn an_alert_without_an_event_is_found() {
    let event = "196670^MDC_EVT_LO^MDC|1.3.1.150456.1";
    assert!(ALERTED.contains(event));
    let measured = ALERTED.replace(event, "150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.150456.9");
    // Priority and type stand in OBX-8 of the event.
    assert_eq!(
        found(&measured),
        ["alert-event-missing", "alert-priority-missing", "alert-type-missing"]
            .map(|rule| format!("100 {rule} OBR[1]"))
    );
    let empty = ALERTED.split_inclusive('\r').take(2).collect::<String>();
    assert!(found(&empty).contains(&"100 alert-event-missing OBR[1]".to_owned()), "{:?}", found(&empty));
}

#[test]
fn an_order_is_checked_and_a_response_is_not() {
    let order = "MSH|^~\\&|A||||20260101120000+0000||RGV^O15^RGV_O15|1|P|2.6|||AL|AL|||||X\r\
        PID|||1||Doe\rORC|RE|1|||||||20260101120000+0000||||||||||N1\r\
        RXG|1|||1234^Dopamine|250||||||||||10|265266^MDC_DIM_MILLI_L_PER_HR^MDC\rRXR|^IV\r\
        OBX|1||69986^MDC_DEV_PUMP_INFUS_VMD^MDC\r\
        RXG|2|||1|||||||||||10|265266^MDC_DIM_MILLI_L_PER_HR^MDC\rRXR|^IV\r";
    assert_eq!(found(order), Vec::<String>::new());
    assert_eq!(found(&order.replacen("RXR|^IV\r", "", 1)), ["100 segment-sequence OBX[1]"]);
    assert_eq!(
        found(&order.replace("69986^MDC_DEV_PUMP_INFUS_VMD", "1^X")),
        ["100 order-pump-missing OBX[1]"]
    );
    let answer = "MSH|^~\\&|A||||2026||RRG^O16^RRG_O16|1|P|2.6\rMSA|AA|1\r";
    assert_eq!(found(answer), Vec::<String>::new());
}

#[test]
fn the_configuration_decides_whether_findings_reject() {
    let finding = Finding {
        rule: "obr-filler-missing",
        error: ContentError::RequiredField,
        location: Location::field(*b"OBR", 1, 3),
        is_advice: false,
    };
    assert_eq!(MessagePolicy::default().check_findings(&[finding]), Ok(()));
    let strict = MessagePolicy { conformance: Conformance::Strict, ..MessagePolicy::default() };
    assert_eq!(strict.check_findings(&[finding]), Err(finding.into()));
    assert_eq!(strict.check_findings(&[]), Ok(()));
}

#[test]
fn the_list_of_findings_is_bounded() {
    let many = format!("{REPORTED}{}", "OBX|\r".repeat(1000));
    assert_eq!(found(&many).len(), MAX_FINDINGS);
}

/// Docs/profiles.md lists them; each is found by itself.
#[test]
fn each_required_field_is_found_where_it_is_missing() {
    const ORDER: &str = "MSH|^~\\&|A||||20260101120000+0000||RGV^O15^RGV_O15|1|P|2.6|||AL|AL|||||X\r\
        PID|||1||Doe\rPV1||I\rORC|RE|1|||||||20260101120000+0000||||||||||N1\r\
        RXG|1|||1234^Dopamine|250||||||||||10|265266^MDC_DIM_MILLI_L_PER_HR^MDC\rRXR|^IV\r\
        OBX|1||69986^MDC_DEV_PUMP_INFUS_VMD^MDC\r";
    for (text, transaction) in [(REPORTED, Transaction::Pcd01), (ORDER, Transaction::Pcd03)] {
        for required in required::required_of(transaction).iter().copied().flatten() {
            let name = std::str::from_utf8(&required.segment).unwrap();
            let mut is_done = false;
            let lines = text.split_inclusive('\r').map(|line| {
                if !line.starts_with(name) || is_done {
                    return line.to_owned();
                }
                is_done = true;
                let mut fields: Vec<String> = line.trim_end().split('|').map(str::to_owned).collect();
                // MSH-1 is the separator itself.
                let at = usize::from(required.field) - usize::from(name == "MSH");
                fields[at] = match required.component {
                    Some(n) => {
                        let mut parts: Vec<&str> = fields[at].split('^').collect();
                        parts[usize::from(n) - 1] = "";
                        parts.join("^")
                    }
                    None => String::new(),
                };
                format!("{}\r", fields.join("|"))
            });
            let changed: String = lines.collect();
            let message = Message::parse(changed.as_bytes()).unwrap();
            let rules: Vec<_> = check(&message, transaction).iter().map(|finding| finding.rule).collect();
            assert!(rules.contains(&required.rule), "{}: {rules:?} in {changed}", required.rule);
        }
    }
}

#[test]
fn an_alert_report_without_any_alert_is_found() {
    let text = REPORTED.replace("ORU^R01^ORU_R01", "ORU^R40^ORU_R40");
    assert!(found(&text).contains(&"100 alert-event-missing OBR[1]".to_owned()), "{:?}", found(&text));
}
