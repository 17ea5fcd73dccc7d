//! Whether a message conforms to the profile of its transaction (IHE PCD TF vol. 2, 3.x and appendix B).
//!
//! Profiles are data: a grammar of segments, required fields, tables of codes. A finding is a warning or
//! rejects the message, as configured.

mod alerts;
mod finding;
mod grammar;
mod order;
mod required;
mod values;

use std::collections::HashSet;

pub use finding::Finding;
use grammar::{GRAMMAR_ORU, GRAMMAR_RGV, Item};
use required::{Required, required_of};
use values::Values;
pub use values::has_value_of_its_type;

use super::{MessagePolicy, Observation, Patients, Transaction};
use crate::config::Conformance;
use crate::hl7::{ContentError, Indexed, Location, Message, Rejection, Segment};

/// The requirements of a profile.
struct Profile {
    segments: &'static [Item],
    values: Option<Values>,
    alert: bool,
    /// The values of MSH-15 and MSH-16 that the profile has; none: any.
    acknowledgements: [&'static [&'static [u8]]; 2],
    /// Whether HL7 allows ORC where the profile excludes it.
    excludes_order: bool,
}

const fn profile_of(transaction: Transaction, answers: bool) -> Option<&'static Profile> {
    match transaction {
        Transaction::Pcd04 => Some(&ALERT),
        Transaction::Pcd03 if !answers => Some(&ORDER),
        Transaction::Pcd03 | Transaction::Pcd05 => None,
        Transaction::Pcd01 => Some(&DATA),
        Transaction::Pcd09 => Some(&DOCUMENT),
        Transaction::Pcd10 | Transaction::Pcd15 | Transaction::Pcd16 => Some(&REPORT),
        Transaction::Watchdog => Some(&WATCHDOG),
    }
}

/// The violations of the transaction's profile; the first [`MAX_FINDINGS`], those that a strict configuration
/// refuses before those of which it only warns.
#[must_use]
pub fn check(message: &Message<'_>, transaction: Transaction) -> Vec<Finding> {
    let mut findings = Findings::default();
    if let Some(profile) = profile_of(transaction, message.acknowledgement().is_some()) {
        findings.patients(message);
        grammar::check(profile.segments, message).into_iter().for_each(|finding| findings.push(finding));
        findings.fields(profile, required_of(transaction), message);
        findings.acknowledgements(profile, message);
        if profile.alert {
            alerts::check(message, |finding| findings.push(finding));
        }
        if transaction == Transaction::Pcd03 {
            order::check(message, |finding| findings.push(finding));
        }
    }
    findings.into_list()
}

impl MessagePolicy {
    /// Whether a message with these findings is accepted.
    ///
    /// # Errors
    /// The first finding that is no advice, when the configuration is strict.
    pub fn check_findings(&self, findings: &[Finding]) -> Result<(), Rejection> {
        match findings.iter().find(|finding| !finding.is_advice) {
            Some(finding) if self.conformance == Conformance::Strict => Err((*finding).into()),
            _ => Ok(()),
        }
    }
}

#[derive(Default)]
struct Findings {
    violations: Vec<Finding>,
    /// What only one of the Technical Framework and NIST requires.
    advice: Vec<Finding>,
}

impl Findings {
    fn add(&mut self, rule: &'static str, error: ContentError, location: Location) {
        self.push(Finding::violation(rule, error, location));
    }

    fn push(&mut self, finding: Finding) {
        let list = if finding.is_advice { &mut self.advice } else { &mut self.violations };
        if list.len() < MAX_FINDINGS {
            list.push(finding);
        }
    }

    fn into_list(self) -> Vec<Finding> {
        self.violations.into_iter().chain(self.advice).take(MAX_FINDINGS).collect()
    }

    /// HL7 lets a message have several patients; a receiver that reads the first only takes all values for
    /// that one's.
    fn patients(&mut self, message: &Message<'_>) {
        if Patients::of(message).count() > 1 {
            let location = Location::segment(*b"PID", 2);
            self.push(Finding::advice("patient-several", ContentError::SegmentSequence, location));
        }
    }

    fn fields(&mut self, profile: &Profile, required: &'static [&'static [Required]], message: &Message<'_>) {
        let mut sequences = Sequences::default();
        let mut paths = HashSet::new();
        let zoned = message.header().zone().is_some();
        for segment in message.segments() {
            let Some((name, sequence)) = sequences.next(&segment) else { continue };
            let fields = segment.indexed();
            for required in required.iter().copied().flatten().filter(|required| required.segment == name) {
                self.required(required, &fields, sequence);
            }
            match &name {
                b"ORC" if profile.excludes_order => {
                    let location = Location::segment(name, sequence);
                    self.add("orc-not-allowed", ContentError::SegmentSequence, location);
                }
                b"OBR" => paths.clear(),
                _ => {}
            }
            if let Some(values) = profile.values {
                values.check(name, &fields, sequence, zoned, |finding| self.push(finding));
            }
            // Appendix B.8.4.
            let path = Observation::of(segment).and_then(|observation| observation.path().ok());
            if profile.values == Some(Values::Observed) && path.is_some_and(|path| !paths.insert(path)) {
                let location = Location::field(name, sequence, 4);
                self.push(Finding::advice("obx-path-repeated", ContentError::TableValue, location));
            }
        }
    }

    fn required(&mut self, required: &Required, fields: &Indexed<'_>, sequence: u32) {
        let field = fields.field(required.field.into());
        let missing = match required.component {
            Some(n) => field.component(n.into()).is_empty(),
            None => field.is_empty(),
        };
        if missing {
            let Required { segment, field, component, rule } = *required;
            let location = Location { segment, sequence, field: Some(field), component };
            self.add(rule, ContentError::RequiredField, location);
        }
    }

    /// B.1. No message is lost by another mode, and the examples of the Technical Framework have others.
    fn acknowledgements(&mut self, profile: &Profile, message: &Message<'_>) {
        let header = message.header();
        let asked = [header.accept_acknowledgement(), header.application_acknowledgement()];
        for ((asked, allowed), n) in asked.into_iter().zip(profile.acknowledgements).zip([15, 16]) {
            if !asked.is_empty() && !allowed.is_empty() && !allowed.contains(&asked.trimmed()) {
                let location = Location::field(*b"MSH", 1, n);
                let error = ContentError::TableValue;
                self.push(Finding::advice("msh-acknowledgement-mode", error, location));
            }
        }
    }
}

/// Counts the segments of each name that a profile has requirements for.
#[derive(Default)]
struct Sequences([u32; NAMES.len()]);

impl Sequences {
    fn next(&mut self, segment: &Segment<'_>) -> Option<([u8; 3], u32)> {
        let name: [u8; 3] = segment.id().try_into().ok()?;
        let at = NAMES.iter().position(|known| *known == name)?;
        let count = self.0.get_mut(at)?;
        *count += 1;
        Some((name, *count))
    }
}

/// Findings that are listed for one message.
pub const MAX_FINDINGS: usize = 64;

/// The segments that profiles have requirements for.
const NAMES: [[u8; 3]; 8] = [*b"MSH", *b"PID", *b"PV1", *b"OBR", *b"OBX", *b"ORC", *b"RXG", *b"RXR"];

/// PCD-10, PCD-15 and PCD-16.
const REPORT: Profile = Profile {
    segments: GRAMMAR_ORU,
    values: Some(Values::Observed),
    alert: false,
    acknowledgements: [&[b"AL"], &[b"NE"]],
    excludes_order: false,
};

/// 3.1.4.1.2: no ORC.
const DATA: Profile = Profile { excludes_order: true, ..REPORT };

/// 3.9.4.1.2: OBX-4 groups the values of a report and is no path, and OBX-6 names no coding system.
const DOCUMENT: Profile = Profile { values: Some(Values::Document), acknowledgements: [&[], &[]], ..REPORT };

/// MSH-16 states whether the sender can receive PCD-05.
const ALERT: Profile = Profile { alert: true, acknowledgements: [&[b"AL"], &[]], ..REPORT };

const WATCHDOG: Profile = Profile { acknowledgements: [&[], &[]], ..REPORT };

const ORDER: Profile = Profile {
    segments: GRAMMAR_RGV,
    values: None,
    acknowledgements: [&[b"AL"], &[b"AL", b"NE", b"ER"]],
    ..REPORT
};

#[cfg(test)]
mod tests;
