use super::*;

fn mdc<'a>(code: &'a str, name: &'a str) -> Coded<'a> {
    Coded { code, name, system: "MDC" }
}

#[test]
fn every_line_of_the_tables_is_a_row_and_every_unit_of_a_term_is_known() {
    let lines = |file: &'static str| file.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(table::TERMS.len(), table::TERM_FILES.iter().map(|file| lines(file)).sum::<usize>());
    assert_eq!(table::UNITS.len(), lines(include_str!("units.tsv")));
    for line in table::TERM_FILES.iter().flat_map(|file| file.lines()).filter(|line| !line.starts_with('#')) {
        let columns: Vec<_> = line.split('\t').collect();
        assert!((2..=4).contains(&columns.len()), "{line}");
        let term = find_term(mdc(columns[0], "")).unwrap();
        let units = columns.get(3).copied().unwrap_or_default();
        let known = term.units().count();
        let expected = units.split_whitespace().count();
        assert!((units.starts_with('@') && known > 7) || known == expected, "{line}");
        for name in columns[1].split(' ') {
            assert_eq!(find_term(mdc(columns[0], &format!("MDC_{name}"))), Some(term), "{line}");
        }
    }
}

#[test]
fn a_term_has_the_name_that_people_use() {
    for (code, name, plain) in [
        ("147842", "MDC_ECG_HEART_RATE", "HR"),
        ("147842", "MDC_ECG_CARD_BEAT_RATE", "HR"),
        ("147842", "", "HR"),
        ("", "MDC_PULS_OXIM_SAT_O2", "SpO2"),
        ("150456", "SpO2 finger", "SpO2"),
        ("150021", "MDC_PRESS_BLD_NONINV_SYS", "NIBP systolic"),
        ("150302", "MDC_PRESS_CUFF_DIA", "pressure cuff diastolic"),
        ("150302", "", "pressure cuff diastolic"),
        ("69798", "MDC_DEV_ECG_VMD", "ECG VMD"),
        ("1500212", "MDC_PRESS_BLD_NONINV_SYS", "NIBP systolic"),
        // The odd number of a pair is the same event.
        ("196649", "", "high"),
        ("196670", "MDC_EVT_LO", "low"),
        ("999999", "MDC_OUR_OWN_FLOW", "OUR OWN flow"),
        ("999999", "", "999999"),
    ] {
        assert_eq!(plain_term(mdc(code, name)).to_string(), plain, "{code} {name}");
    }
    let local = Coded { code: "150456", name: "Calcium", system: "L" };
    assert_eq!(plain_term(local).to_string(), "Calcium");
    assert_eq!(plain_term(Coded { system: "", ..local }).to_string(), "Calcium");
}

// A wrong name is worse than none.
#[test]
fn a_number_and_a_reference_id_that_contradict_each_other_have_no_plain_name() {
    let term = mdc("147842", "MDC_PULS_OXIM_SAT_O2");
    assert!(contradicts_itself(term));
    assert_eq!((find_term(term), plain_term(term).to_string()), (None, "MDC_PULS_OXIM_SAT_O2".into()));
    assert_eq!(unit_agreement(term, mdc("262688", "MDC_DIM_PERCENT")), UnitAgreement::Unknown);
    // A reference id that the table does not know, too: it may say anything.
    for other in ["MDC_ECG_OWN_RATE", "MDCX_ECG_RATE"] {
        let other = mdc("147842", other);
        assert!(contradicts_itself(other) && plain_term(other).to_string() == other.name);
    }
    assert!(!contradicts_itself(mdc("147842", "Heart rate")));
    let unit = mdc("262688", "MDC_DIM_MMHG");
    assert_eq!((find_unit(unit), plain_unit(unit)), (None, "MDC_DIM_MMHG"));
}

#[test]
fn a_unit_is_written_as_people_write_it() {
    for (code, name, system, plain) in [
        ("264864", "MDC_DIM_BEAT_PER_MIN", "MDC", "/min"),
        ("262688", "", "MDC", "%"),
        ("", "MDC_DIM_MMHG", "MDC", "mmHg"),
        ("266016", "MDC_DIM_MMHG", "", "mmHg"),
        ("265266", "MDC_DIM_MILLI_L_PER_HR", "MDC", "mL/h"),
        ("265619", "MDC_DIM_MICRO_G_PER_KG_PER_MIN", "MDC", "mcg/kg/min"),
        ("263872", "MDC_DIM_X_G", "MDC", "g"),
        ("263872", "MDC_DIM_G", "MDC", "g"),
        ("262656", "MDC_DIM_DIMLESS", "MDC", ""),
        ("268192", "MDC_DIM_DEGC", "MDC", "°C"),
        ("{beat}/min", "{beat}/min", "UCUM", "/min"),
        ("mm[Hg]", "", "UCUM", "mmHg"),
        ("mm[Hg]", "", "", "mmHg"),
        // TF vol. 2, E.1: a number of another table, and the unit as its text.
        ("3475", "ug/kg/min", "UCUM", "mcg/kg/min"),
        ("ml", "ml", "UCUM", "mL"),
        ("mg", "ug", "UCUM", "ug"),
        ("/min", "", "", "/min"),
        ("267620", "MDC_DIM_MEGA_INTL_UNIT", "MDC", "million IU"),
        // Unknown ones stay as they came.
        ("THOU/uL", "", "", "THOU/uL"),
        ("bpm", "beats", "L", "beats"),
        ("%", "", "L", "%"),
        ("999999", "MDC_DIM_OWN", "MDC", "MDC_DIM_OWN"),
        ("", "", "", ""),
    ] {
        assert_eq!(plain_unit(Coded { code, name, system }), plain, "{code} {name} {system}");
    }
}

#[test]
fn a_unit_is_compared_with_those_of_its_term() {
    let heart_rate = mdc("147842", "MDC_ECG_HEART_RATE");
    let ucum = |code| Coded { code, name: "", system: "UCUM" };
    for (term, unit, agreement) in [
        (heart_rate, mdc("264864", "MDC_DIM_BEAT_PER_MIN"), UnitAgreement::Agrees),
        (heart_rate, mdc("264672", "MDC_DIM_PER_MIN"), UnitAgreement::Agrees),
        (heart_rate, ucum("/min"), UnitAgreement::Agrees),
        (heart_rate, ucum("{beats}/min"), UnitAgreement::Agrees),
        (heart_rate, mdc("266016", "MDC_DIM_MMHG"), UnitAgreement::Disagrees),
        (heart_rate, ucum("%"), UnitAgreement::Disagrees),
        (heart_rate, ucum("bogus"), UnitAgreement::Unknown),
        (heart_rate, Coded::default(), UnitAgreement::Unknown),
        (mdc("157924", "MDC_RATE_DOSE"), mdc("265619", ""), UnitAgreement::Agrees),
        (mdc("157924", "MDC_RATE_DOSE"), ucum("ug/kg/min"), UnitAgreement::Agrees),
        (mdc("157924", "MDC_RATE_DOSE"), ucum("mm[Hg]"), UnitAgreement::Disagrees),
        // The number of this unit before it was 269891.
        (mdc("188752", ""), mdc("264096", "MDC_DIM_KG_PER_M_SQ"), UnitAgreement::Agrees),
        (mdc("69965", ""), ucum("%"), UnitAgreement::Unknown),
        (mdc("999999", ""), ucum("%"), UnitAgreement::Unknown),
    ] {
        assert_eq!(unit_agreement(term, unit), agreement, "{term:?} {unit:?}");
    }
}
