//! The codes that operators meet, as a page.

use std::collections::BTreeSet;

use super::Table;
use crate::finding::{Code, SetupCode, help, help_pages};
use crate::hl7::{Rejection, Warning};
use crate::http::Problem;
use crate::mllp::Deviation;
use crate::model::{Refusal, StoreRisk};

/// Each code once, in the group that it belongs to first.
pub(super) fn page() -> String {
    let mut text = "## Findings of the running platform\n\n".to_owned();
    let mut findings = Table::new(&["code", "severity", "meaning", "what to do"]);
    for code in Code::ALL {
        findings.row(&[&link(code.code()), code.severity().code(), &meaning(code.code()), code.what_to_do()]);
    }
    text.push_str(&findings.text());
    let mut listed: BTreeSet<_> = Code::ALL.iter().map(|code| code.code()).collect();
    let groups: [(&str, Vec<&'static str>); 7] = [
        ("Findings of `check` and of a start", SetupCode::ALL.iter().map(|code| code.code()).collect()),
        ("Refused connections", Refusal::ALL.iter().map(|refusal| refusal.code()).collect()),
        ("Risks of the store", StoreRisk::ALL.iter().map(|risk| risk.code()).collect()),
        ("Deviations of frames", Deviation::ALL.iter().map(|deviation| deviation.code()).collect()),
        ("Reasons of rejected messages", Rejection::codes().collect()),
        ("Problems of the API", Problem::CODES.to_vec()),
        ("Warnings and other codes about messages", warnings()),
    ];
    for (title, codes) in groups {
        let mut table = Table::new(&["code", "meaning"]);
        for code in codes.into_iter().filter(|code| listed.insert(code)) {
            table.row(&[&link(code), &meaning(code)]);
        }
        text.push_str(&format!("\n## {title}\n\n{}", table.text()));
    }
    text
}

/// The warnings of frames and separators, and what is left: those of the profiles.
fn warnings() -> Vec<&'static str> {
    let profiles = help_pages().iter().map(|page| page.code);
    Warning::ALL.iter().map(|warning| warning.code()).chain(profiles).collect()
}

fn link(code: &str) -> String {
    format!("[`{code}`](../help/{code}.md)")
}

/// The first sentences of its help page; links lead from this page.
fn meaning(code: &str) -> String {
    let summary = help(code).unwrap_or_else(|| panic!("no help page of {code}")).summary();
    let mut parts = summary.split("](");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str("](");
        text.push_str(if part.starts_with("../") { "" } else { "../help/" });
        text.push_str(part);
    }
    text
}
