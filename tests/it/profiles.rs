//! The required fields of the profiles against NIST's conformance profiles of IHE PCD.
//!
//! NIST's profiles (usnistgov/hit-pcd-tool-config) are not part of the project. `PCD_PROFILES` names their
//! folder; without the variable the test states that it is skipped. What the Technical Framework requires is
//! written down here, with its tables, because it has no machine-readable form.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use pcd_platform::hl7::Message;
use pcd_platform::pcd::Transaction;
use pcd_platform::pcd::profile::{self, Finding};
use roxmltree::{Document, Node};

/// A field: segment and number.
type Field = (String, u8);

/// NIST's message profile, and what the Technical Framework requires.
struct Case {
    transaction: Transaction,
    /// Identifiers of message profiles; a field is required if all of them require it.
    nist: &'static [&'static str],
    /// Table B.1-1, B.5-1, B.6-1, B.7-1, B.8-1, or the transaction's own.
    framework: &'static [(&'static str, &'static [u8])],
    /// A message with every field that either requires.
    whole: &'static str,
}

/// Table B.1-1, B.5-1, B.6-1, B.7-1 and B.8-1 of the Technical Framework, vol. 2.
const TABLES: &[(&str, &[u8])] = &[
    ("MSH", &[3, 7, 9, 10, 11, 12, 15, 16, 21]),
    ("PID", &[3, 5]),
    ("PV1", &[2]),
    ("OBR", &[1, 3, 4]),
    ("OBX", &[1, 3, 4, 11]),
];

/// 3.9.4.1.2: MSH-3 and OBX-4 where known; MSH-15, MSH-16 and MSH-21 are not in its table.
const IDCO_TABLES: &[(&str, &[u8])] =
    &[("MSH", &[7, 9, 10, 11, 12]), ("PID", &[3]), ("OBR", &[1, 3, 4]), ("OBX", &[1, 3, 11])];

/// 3.3.4.4 and its tables; OBX without a value has no status in the printed examples.
const ORDER_TABLES: &[(&str, &[u8])] = &[
    ("MSH", &[3, 7, 9, 10, 11, 12, 15, 16, 21]),
    ("PID", &[3, 5]),
    ("PV1", &[2]),
    ("ORC", &[1, 2, 9, 19]),
    ("RXG", &[1, 4]),
    ("RXR", &[1]),
    ("OBX", &[1, 3]),
];

const CASES: [Case; 7] = [
    case(Transaction::Pcd01, &["PCD-01_ORU^R01^ORU_R01"], TABLES, REPORT),
    case(Transaction::Pcd15, &["PCD-015_ORU^R01^ORU_R01"], TABLES, REPORT),
    case(Transaction::Pcd16, &["PCD-016_ORU^R01^ORU_R01"], TABLES, REPORT),
    case(Transaction::Pcd10, &["PCD-10_ORU^R42^ORU_R01"], TABLES, REPORT),
    case(Transaction::Pcd09, &["PCD-09_ORU^R01^ORU_R01"], IDCO_TABLES, REPORT),
    case(Transaction::Pcd04, &["PCD-04_ORU^R40^ORU_R40"], TABLES, ALERT),
    case(
        Transaction::Pcd03,
        &["PCD-03_RGV^O15^RGV_O15_LVP", "PCD-03_RGV^O15^RGV_O15_PCA", "PCD-03_RGV^O15^RGV_O15_Syringe"],
        ORDER_TABLES,
        ORDER,
    ),
];

const fn case(
    transaction: Transaction,
    nist: &'static [&'static str],
    framework: &'static [(&'static str, &'static [u8])],
    whole: &'static str,
) -> Case {
    Case { transaction, nist, framework, whole }
}

/// Fields in which strict differs from what both require, or from what both leave open, and why.
const DIFFERENCES: &[(&str, u8, &str)] = &[
    (
        "MSH",
        10,
        "refused before the profile, in every configuration: no acknowledgement could name the message",
    ),
    ("OBX", 2, "both require it unless OBX-11 is X, and so does strict"),
    ("OBX", 5, "PCD-04: the value of a facet is one of its table (TF, table B.8.5-2 to B.8.5-4)"),
];

const REPORT: &str = "MSH|^~\\&|A^1^ISO|S|R|T|20260101120000+0000||ORU^R01^ORU_R01|1|P|2.6|1||AL|NE|ESP|UTF-8|en||X^IHE PCD^1^ISO\r\
    PID|||1^^^H^PI||Doe^John||19700101|M\r\
    PV1||I|W\r\
    OBR|1|P1^S|F1^^1^ISO|182777000^monitoring^SCT|||20260101120000+0000|20260101120000+0000\r\
    OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.1|98.0|262688^MDC_DIM_PERCENT^MDC|90-100|N|||R|||20260101120000+0000|||M|E1^^1^ISO||1\r";

const ALERT: &str = "MSH|^~\\&|A^1^ISO|S|R|T|20260101120000+0000||ORU^R40^ORU_R40|1|P|2.6|1||AL|AL|ESP|UTF-8|en||X^IHE PCD^1^ISO\r\
    PID|||1^^^H^PI||Doe^John||19700101|M\r\
    PV1||I|W\r\
    OBR|1|P1^S|F1^^1^ISO|196616^MDC_EVT_ALARM^MDC|||20260101120000+0000|||||||||||||||||||||||F1&&1&ISO^F1&&1&ISO\r\
    OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.3.1.150456.1|196670^MDC_EVT_LO^MDC|||L~PH~SP|||F|||20260101120000+0000\r\
    OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.150456.2|84|262688^MDC_DIM_PERCENT^MDC|90-100||||F\r\
    OBX|3|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.3.1.150456.3|start||||||F\r\
    OBX|4|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.3.1.150456.4|active||||||F\r\
    OBX|5|ST|68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC|1.3.1.150456.5|enabled||||||F\r\
    OBX|6|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC|1.3.1.150456.6|PH||||||F\r\
    OBX|7|ST|68485^MDC_ATTR_ALERT_TYPE^MDC|1.3.1.150456.7|SP||||||F\r\
    OBX|8|CWE|68480^MDC_ATTR_ALERT_SOURCE^MDC|1.3.1.150456.8|150456^MDC_PULS_OXIM_SAT_O2^MDC||||||F\r";

const ORDER: &str = "MSH|^~\\&|A^1^ISO|S|R|T|20260101120000+0000||RGV^O15^RGV_O15|1|P|2.6|1||AL|AL|ESP|UTF-8|en||X^IHE PCD^1^ISO\r\
    PID|||1^^^H^PI||Doe^John||19700101|M\r\
    PV1||I|W\r\
    ORC|RE|1|2|||||P|20260101120000+0000||||||||||N1\r\
    RXG|1|1||1^Dopamine|250||263762^MDC_DIM_MILLI_L^MDC||||||||10|265266^MDC_DIM_MILLI_L_PER_HR^MDC\r\
    RXR|^IV^HL70162||^IVP^HL70164|^IV^HL70165\r\
    OBX|1||69986^MDC_DEV_PUMP_INFUS_VMD^MDC|1.1.0.0|||||||X|||||||A1^^00A037EB2175780F^EUI-64\r";

/// Usage of the fields of the message profiles in one file: profile, segment, field.
type Usages = BTreeMap<String, BTreeMap<String, Vec<String>>>;

fn usages(text: &str) -> Usages {
    let mut found = Usages::new();
    // Some of the files hold several documents.
    for document in text.split("<?xml").filter(|part| part.contains("<ConformanceProfile")) {
        let start = document.find("<ConformanceProfile").unwrap();
        let document = Document::parse(&document[start..]).unwrap();
        let named = |tag: &str, attribute: &str| -> BTreeMap<String, Node<'_, '_>> {
            let nodes = document.descendants().filter(|node| node.has_tag_name(tag));
            nodes.filter_map(|node| Some((node.attribute(attribute)?.to_owned(), node))).collect()
        };
        let segments = named("Segment", "ID");
        for (name, message) in named("Message", "Identifier") {
            let fields = found.entry(name).or_default();
            for reference in message.descendants().filter(|node| node.has_tag_name("Segment")) {
                // Segments that must not occur have no fields that count.
                let Some(segment) = reference.attribute("Ref").and_then(|id| segments.get(id)) else {
                    continue;
                };
                if reference.attribute("Usage") == Some("X") {
                    continue;
                }
                let usage = |field: Node<'_, '_>| field.attribute("Usage").unwrap_or("?").to_owned();
                let list: Vec<_> =
                    segment.children().filter(|node| node.has_tag_name("Field")).map(usage).collect();
                fields.entry(segment.attribute("Name").unwrap().to_owned()).or_insert(list);
            }
        }
    }
    found
}

/// The fields that strict refuses when they are empty: each field of the message is emptied in turn.
fn refused(case: &Case) -> BTreeSet<Field> {
    let violations = |text: &str| -> Vec<Finding> {
        let message = Message::parse(text.as_bytes()).unwrap();
        let findings = profile::check(&message, case.transaction);
        findings.into_iter().filter(|finding| !finding.is_advice).collect()
    };
    let found = violations(case.whole);
    assert!(found.is_empty(), "{:?}: {found:?}", case.transaction);
    let segments: Vec<&str> = case.whole.trim_end().split('\r').collect();
    let mut refused = BTreeSet::new();
    for (at, segment) in segments.iter().enumerate() {
        let mut fields: Vec<&str> = segment.split('|').collect();
        let name = fields[0].to_owned();
        // MSH-1 is the separator itself.
        let first = if name == "MSH" { 2 } else { 1 };
        for cell in first..fields.len() {
            let value = std::mem::take(&mut fields[cell]);
            let mut changed: Vec<String> = segments.iter().map(|text| (*text).to_owned()).collect();
            changed[at] = fields.join("|");
            fields[cell] = value;
            let number = u8::try_from(cell + usize::from(name == "MSH")).unwrap();
            let names = |finding: &Finding| {
                finding.location.segment == *name.as_bytes() && finding.location.field == Some(number)
            };
            if violations(&(changed.join("\r") + "\r")).iter().any(names) {
                refused.insert((name.clone(), number));
            }
        }
    }
    refused
}

#[test]
fn strict_requires_what_nist_and_the_technical_framework_require() {
    let Some(folder) = std::env::var_os("PCD_PROFILES").map(PathBuf::from) else {
        println!("skipped: PCD_PROFILES=FOLDER names NIST's profiles of IHE PCD");
        return;
    };
    let file = folder.join("PCD10/Profile.xml");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let profiles = usages(&text);
    let mut wrong = Vec::new();
    let mut needed = BTreeSet::new();
    let mut rows = String::new();
    for case in &CASES {
        let usage = |profile: &str, segment: &str, field: u8| -> String {
            let fields = profiles.get(profile).unwrap_or_else(|| panic!("{profile} is missing"));
            let usages = fields.get(segment);
            usages.and_then(|list| list.get(usize::from(field) - 1)).cloned().unwrap_or_default()
        };
        let strict = refused(case);
        rows.push_str(&rows_of(case, &profiles, &strict));
        let mut compared = 0;
        for (segment, fields) in profiles.get(case.nist[0]).unwrap() {
            for number in 1..=u8::try_from(fields.len()).unwrap() {
                let nist = |usages: &[&str]| {
                    case.nist.iter().all(|profile| usages.contains(&&*usage(profile, segment, number)))
                };
                let framework =
                    case.framework.iter().any(|(name, list)| name == segment && list.contains(&number));
                let is_refused = strict.contains(&(segment.clone(), number));
                if (segment == "MSH" && number < 3) || !case.whole.contains(&format!("{segment}|")) {
                    continue;
                }
                compared += 1;
                let both = nist(&["R"]) && framework;
                // What both leave open, and what only one of them requires, is not refused either.
                if both != is_refused {
                    let known =
                        DIFFERENCES.iter().find(|(name, field, _)| name == segment && *field == number);
                    match known {
                        Some((name, field, _)) => drop(needed.insert((*name, *field))),
                        None => wrong.push(format!(
                            "{:?} {segment}-{number}: NIST {}, framework {framework}, strict {is_refused}",
                            case.transaction,
                            usage(case.nist[0], segment, number)
                        )),
                    }
                }
            }
        }
        assert!(compared > 100, "{:?}: only {compared} fields", case.transaction);
        println!("{:?}: {compared} fields; strict requires {strict:?}", case.transaction);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(needed.len(), DIFFERENCES.len(), "a difference that is none: {needed:?}");
    compare_with_documentation(&rows);
}

/// The rows of one transaction in the table of the documentation: which fields of each segment TF requires,
/// which NIST requires in each of its profiles, and which strict refuses when they are empty.
fn rows_of(case: &Case, profiles: &Usages, strict: &BTreeSet<Field>) -> String {
    let list = |fields: Vec<u8>| fields.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let mut rows = String::new();
    for segment in ["MSH", "PID", "PV1", "ORC", "OBR", "RXG", "RXR", "OBX"] {
        // MSH-1 and MSH-2 are the separators.
        let first = if segment == "MSH" { 3 } else { 1 };
        let framework =
            case.framework.iter().find(|(name, _)| *name == segment).map(|(_, list)| list.to_vec());
        let is_required = |profile: &&str, number: u8| {
            let usages = profiles.get(*profile).and_then(|segments| segments.get(segment));
            usages.and_then(|list| list.get(usize::from(number) - 1)).is_some_and(|usage| usage == "R")
        };
        let nist =
            (first..=49).filter(|n| case.nist.iter().all(|profile| is_required(profile, *n))).collect();
        let ours = strict.iter().filter(|(name, _)| name == segment).map(|(_, number)| *number).collect();
        let cells = [framework.unwrap_or_default(), nist, ours].map(list);
        if cells.iter().any(|cell| !cell.is_empty()) {
            let [framework, nist, ours] = cells;
            rows.push_str(&format!(
                "| {} | {segment} | {framework} | {nist} | {ours} |\n",
                case.transaction.label().to_uppercase()
            ));
        }
    }
    rows
}

/// `PCD_WRITE_GOLDEN=1` writes the table again.
fn compare_with_documentation(rows: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/profiles.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(TABLE_HEAD).expect("the table of the documentation");
    let (_, after) = rest.split_once("\n\n").unwrap();
    let expected = format!("{before}{TABLE_HEAD}{}\n\n{after}", rows.trim_end());
    if std::env::var_os("PCD_WRITE_GOLDEN").is_some() {
        std::fs::write(&file, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap();
    assert!(found == expected, "docs/reference/profiles.md should have these rows:\n{rows}");
}

const TABLE_HEAD: &str = "| transaction | segment | TF | NIST | strict |\n|---|---|---|---|---|\n";

/// The rules that the profiles have, by their source; those of alerts are in interface-a.md.
#[test]
fn the_documentation_lists_every_rule() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_to_string(root.join("docs/reference/profiles.md")).unwrap();
    let mut rules = BTreeSet::new();
    let files = std::fs::read_dir(root.join("src/pcd/profile")).unwrap().map(|file| file.unwrap().path());
    for file in files.filter(|file| !file.ends_with("tests.rs")) {
        let text = std::fs::read_to_string(file).unwrap();
        let production = text.split("#[cfg(test)]").next().unwrap();
        for literal in production.split('"').skip(1).step_by(2) {
            let is_rule = literal.len() > 5
                && literal.contains('-')
                && literal
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            if is_rule && !literal.starts_with("alert-") {
                rules.insert(literal.to_owned());
            }
        }
    }
    assert!(rules.len() > 30, "{rules:?}");
    let missing: Vec<_> = rules.iter().filter(|rule| !docs.contains(&format!("`{rule}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
