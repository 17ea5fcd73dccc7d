//! The tables of terms and units against their source and against what real devices send.
//!
//! `PCD_NOMENCLATURE` names the folder of NIST's lists `mdccodes.csv` and `units.csv`
//! (usnistgov/hit-pcd-message-validation, January 2025), which are not part of the project; without the
//! variable the test states that it is skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pcd_platform::hl7::Message;
use pcd_platform::pcd::Observation;
use pcd_platform::pcd::nomenclature::{self, Coded, UnitAgreement};

use crate::corpus::corpus;

/// The rows of one of our tables.
fn rows(name: &str) -> Vec<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pcd/nomenclature");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// Rows of a list of NIST's.
fn source(name: &str) -> Option<Vec<Vec<String>>> {
    let Some(folder) = std::env::var_os("PCD_NOMENCLATURE").map(PathBuf::from) else {
        println!("skipped: PCD_NOMENCLATURE=FOLDER names mdccodes.csv and units.csv of NIST");
        return None;
    };
    let file = folder.join(name);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Some(text.lines().map(|line| line.split(',').map(|cell| cell.trim().to_owned()).collect()).collect())
}

const TERM_FILES: [&str; 5] =
    ["vital-signs.tsv", "ventilation.tsv", "infusion.tsv", "devices.tsv", "events.tsv"];

/// Rows that the lists do not have: the number of kg/m2 before 269891, as devices still send it.
const OURS: [&str; 1] = ["264096"];

#[test]
fn every_row_of_the_tables_is_a_fact_of_its_source() {
    let (Some(codes), Some(units)) = (source("mdccodes.csv"), source("units.csv")) else { return };
    let known: BTreeSet<(&str, &str)> = codes.iter().chain(&units).map(|row| (&*row[0], &*row[1])).collect();
    let cell = |row: &[String], n: usize| row.get(n).cloned().unwrap_or_default();
    let mut compared = 0;
    for (files, prefix) in [(&TERM_FILES[..], "MDC_"), (&["units.tsv"], "MDC_DIM_")] {
        for row in files.iter().flat_map(|file| rows(file)).filter(|row| !OURS.contains(&&*row[0])) {
            for name in row[1].split(' ') {
                assert!(known.contains(&(&*row[0], &*format!("{prefix}{name}"))), "{row:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 1800, "only {compared} names");

    // Units: the UCUM spellings that the list has, and for each term the units that it has.
    let mut ucum: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut of_terms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in &units {
        let mut unit = String::new();
        for cell in row[2..].iter().filter(|cell| !cell.is_empty()) {
            if let Some(name) = cell.strip_prefix("MDC_DIM_") {
                name.clone_into(&mut unit);
                of_terms.entry(row[0].clone()).or_default().insert(unit.clone());
            } else {
                ucum.entry(unit.clone()).or_default().insert(cell.clone());
            }
        }
    }
    let numbers: BTreeMap<String, String> = rows("units.tsv")
        .into_iter()
        .flat_map(|row| row[1].split(' ').map(|name| (name.to_owned(), row[0].clone())).collect::<Vec<_>>())
        .collect();
    let by_number = |names: &BTreeSet<String>| -> BTreeSet<String> {
        names
            .iter()
            .filter_map(|name| numbers.get(name).cloned())
            .filter(|number| number != "262144")
            .collect()
    };
    let sets = rows("unit-sets.tsv");
    let mut terms = 0;
    for row in TERM_FILES.iter().flat_map(|file| rows(file)).filter(|row| !cell(row, 3).is_empty()) {
        let written = cell(&row, 3);
        let set = sets.iter().find(|set| set[0] == written).map_or(written, |set| set[1].clone());
        let ours = by_number(&set.split(' ').map(str::to_owned).collect());
        assert_eq!(ours, by_number(of_terms.get(&row[0]).unwrap_or_else(|| panic!("{row:?}"))), "{row:?}");
        terms += 1;
    }
    assert!(terms > 600, "only {terms} terms with units");
    for row in rows("units.tsv") {
        for spelling in cell(&row, 3).split_whitespace() {
            // UCUM has "l" and "L" for the litre.
            let same = |known: &String| known == spelling || known.replace('L', "l") == spelling;
            let listed = row[1].split(' ').filter_map(|name| ucum.get(name)).flatten().any(same);
            assert!(
                listed || OURS.contains(&&*row[0]) || UNLISTED.contains(&&*row[0]),
                "{row:?}: {spelling}"
            );
        }
    }
}

/// Units that units.csv does not have, and devices send.
const UNLISTED: [&str; 2] = ["268704", "264416"];

/// Under MDC in printed examples, and in no list: private terms (number 0), names that the terms had in
/// drafts (their numbers have other names now), and misspelt ones. They are shown as they came.
const UNKNOWN_TERMS: [&str; 10] = [
    "0 MDCX_DOCUMENTATION_ERROR",
    "0 MDCX_INFUS_ORDER_STEP_START_CONDITION",
    "126977 MDC_DEV_PUMP_INFUS_CHAN_SOURCE",
    "150034 MDC_PREeSS_BLD_ART_DIA",
    "158005 MDC_DEV_PUMP_CURRENT_DELIVERY_STATUS",
    "158008 MDC_DEV_PUMP_PROGRAM_DELIVERY_MODE",
    "158012 MDC_DEV_PUMP_SOURCE_CHANNEL_LABEL",
    "158016 MDC_DEV_PUMP_ACTIVE_SOURCES",
    "70067 MDC_DEV_PUMP_INFUS_CHAN_DELIVERY",
    "70071 MDC_DEV_PUMP_INFUSATE_SOURCE_PRIMARY",
];

#[test]
fn the_terms_and_units_that_real_devices_send_are_known() {
    let Some(samples) = corpus() else { return };
    let (mut unknown, mut plain, mut agreed, mut disagreed) = (BTreeSet::new(), 0, 0, BTreeSet::new());
    for sample in &samples {
        let Ok(message) = Message::parse(&sample.payload) else { continue };
        for observation in message.segments().filter_map(Observation::of) {
            let (term, unit) = (observation.term(), Coded::of(observation.units(), 1));
            if term.system != "MDC" {
                continue;
            }
            if nomenclature::find_term(term).is_none() {
                unknown.insert(format!("{} {}", term.code, term.name));
            }
            if !unit.code.is_empty() {
                plain += usize::from(!nomenclature::plain_unit(unit).contains("MDC_"));
                match nomenclature::unit_agreement(term, unit) {
                    UnitAgreement::Agrees => agreed += 1,
                    UnitAgreement::Disagrees => {
                        disagreed.insert(format!("{} in {}", term.name, nomenclature::plain_unit(unit)));
                    }
                    UnitAgreement::Unknown => {}
                }
            }
        }
    }
    println!("{plain} units are plain, {agreed} agree; disagreed: {disagreed:?}");
    let known: BTreeSet<String> = UNKNOWN_TERMS.map(str::to_owned).into();
    assert_eq!(unknown, known);
    assert!(plain > 60 && agreed > 50, "{plain} {agreed}");
}

/// Units and coded values of the corpus that have no plain name, and why: they are shown as they came.
const AS_THEY_CAME: &[(&str, &str)] = &[
    ("* ", LABORATORY),
    ("/hpf ", LABORATORY),
    ("/lpf ", LABORATORY),
    ("/mm3 ", LABORATORY),
    ("/nl ", LABORATORY),
    ("/pl ", LABORATORY),
    ("10*9/L ", LABORATORY),
    ("126.169.95.2 2000", "OBR-4 has an object identifier in place of a number of MDC"),
    ("266016 MDC_DdIM_MMHG", "misspelt by NIST"),
    ("532224 MDC_TIME_SYNC_NONE", "a value of the partition of infrastructure, in no list of NIST's"),
    ("8455155 MDC_HF_ACT_RUN", FITNESS),
    ("8455345 MDC_HF_LATERALITY_RIGHT", FITNESS),
    ("8455347 MDC_HF_POSITION_INCLINE", FITNESS),
    ("8455446 MDC_HF_MOVEMENT_ROTATION", FITNESS),
    ("8455546 MDC_HF_GRIP_UNDERHAND", FITNESS),
    ("MG/DL ", LABORATORY),
    ("MIL/uL ", LABORATORY),
    ("THOU/uL ", LABORATORY),
    ("U/L ", LABORATORY),
    ("fL ", LABORATORY),
    ("fl ", LABORATORY),
    ("mg/L ", LABORATORY),
    ("mill/mm3 ", LABORATORY),
    ("mm/hr ", LABORATORY),
    ("mmHg Unit", "under no coding system, and UCUM writes mm[Hg]: shown by its code, mmHg"),
    ("pg ", LABORATORY),
    ("uIU/mL ", LABORATORY),
    ("umol/l ", LABORATORY),
];

const LABORATORY: &str = "a spelling of a laboratory, under no coding system";
const FITNESS: &str = "a term of fitness devices, in no list of NIST's";

/// Every unit (OBX-6), and every term of MDC in OBR-4 and in coded values (OBX-5), in both triplets.
#[test]
fn every_unit_and_coded_value_that_real_devices_send_has_a_plain_name_or_stays_as_it_came() {
    let Some(samples) = corpus() else { return };
    let (mut as_they_came, mut named) = (BTreeMap::new(), 0);
    for sample in &samples {
        let Ok(message) = Message::parse(&sample.payload) else { continue };
        let fields = message.segments().flat_map(|segment| match segment.id() {
            b"OBR" => vec![(segment.field(4), false)],
            b"OBX" => {
                let is_coded = [&b"CE"[..], b"CF", b"CNE", b"CWE"].contains(&segment.field(2).trimmed());
                let value = is_coded.then(|| (segment.field(5), false));
                value.into_iter().chain([(segment.field(6), true)]).collect()
            }
            _ => Vec::new(),
        });
        let coded = fields.flat_map(|(field, is_unit)| [1, 4].map(|n| (Coded::of(field, n), is_unit)));
        for (coded, is_unit) in coded {
            let is_ours = match coded.system {
                "MDC" => true,
                "UCUM" | "" => is_unit && !coded.code.is_empty(),
                _ => false,
            };
            if !is_ours {
                continue;
            }
            let (known, shown) = if is_unit {
                (nomenclature::find_unit(coded).is_some(), nomenclature::plain_unit(coded).to_owned())
            } else {
                (nomenclature::find_term(coded).is_some(), nomenclature::plain_term(coded).to_string())
            };
            if known {
                assert!(!shown.contains("MDC_"), "{}: {shown} for {coded:?}", sample.name);
                named += 1;
                continue;
            }
            let is_as_it_came = [coded.code, coded.name].contains(&&*shown);
            let is_words = !is_unit && coded.name.starts_with("MDC_");
            assert!(is_as_it_came || is_words, "{}: {shown} for {coded:?}", sample.name);
            as_they_came.insert(format!("{} {}", coded.code, coded.name), sample.name.clone());
        }
    }
    println!("{named} units and coded values have plain names; as they came: {as_they_came:#?}");
    let listed: BTreeSet<_> = AS_THEY_CAME.iter().map(|(term, _)| (*term).to_owned()).collect();
    assert_eq!(as_they_came.into_keys().collect::<BTreeSet<_>>(), listed);
}
