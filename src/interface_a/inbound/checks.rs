//! The checks that a message has to pass.

use crate::authz::{Device, rules};
use crate::config::{Config, Identity};
use crate::hl7::{Rejection, Warning};
use crate::pcd::{MessagePolicy, Observation, profile};

use super::reading::Reading;

/// The result of the checks.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) result: CheckResult,
    /// The first device that the message names and its sender may not speak for. `None` when the message is
    /// rejected by its header, before identities count.
    pub(super) foreign_identity: Option<String>,
}

/// Whether a message passes.
#[derive(Debug)]
pub(super) enum CheckResult {
    Passed,
    Failed(Rejection),
    /// It fails because of the foreign identity.
    Violation(Rejection),
}

/// Checks a message of `device`, and adds warnings to it.
///
/// In this order: whether the platform accepts such messages at all, who speaks, whether the content keeps to
/// its profile. Every check runs, so that an operator sees all warnings; the first failure decides.
pub(super) fn check(
    reading: &mut Reading<'_>,
    device: &Device,
    policy: &MessagePolicy,
    config: &Config,
) -> Checked {
    let header = check_header(reading, policy);
    let identity = rules::check(device, &reading.claims);
    let content = check_profile(reading, policy);
    if let Err(rejection) = header {
        return Checked { result: CheckResult::Failed(rejection), foreign_identity: None };
    }
    let foreign_identity = identity.as_ref().err().map(|violation| violation.claim.identity.to_string());
    let is_enforced = config.devices.identity == Identity::Enforce;
    let is_ambiguous = reading.message.warnings().contains(Warning::AmbiguousStructure);
    let result = match (identity, content) {
        (Err(violation), _) if is_enforced => CheckResult::Violation(Rejection::from(&violation)),
        (Ok(()), _) if is_ambiguous && is_enforced => CheckResult::Failed(Rejection::AmbiguousStructure),
        (_, Err(rejection)) => CheckResult::Failed(rejection),
        (identity, Ok(())) => {
            if identity.is_err() {
                reading.warnings.push(IDENTITY_MISMATCH.to_owned());
            }
            CheckResult::Passed
        }
    };
    Checked { result, foreign_identity }
}

fn check_header(reading: &mut Reading<'_>, policy: &MessagePolicy) -> Result<(), Rejection> {
    policy.admit(&reading.message.header(), reading.transaction)?;
    policy.require_identity(&reading.claims)?;
    if reading.claims.is_empty() {
        reading.warnings.push(MISSING_IDENTITY.to_owned());
    }
    if reading.message.segments().filter_map(Observation::of).any(|value| value.is_not_clinical()) {
        reading.warnings.push(NOT_CLINICAL.to_owned());
    }
    Ok(())
}

fn check_profile(reading: &mut Reading<'_>, policy: &MessagePolicy) -> Result<(), Rejection> {
    let Some(transaction) = reading.transaction else { return Ok(()) };
    let findings = profile::check(&reading.message, transaction);
    findings.iter().for_each(|finding| reading.warn(finding.rule));
    policy.check_findings(&findings)
}

/// The warning of an accepted message that names a device for which its sender may not speak.
const IDENTITY_MISMATCH: &str = "identity-mismatch";
/// The warning of an accepted message that names no device.
const MISSING_IDENTITY: &str = "missing-identity";
/// The warning of a message with values that are marked as test or demonstration data (OBX-8).
const NOT_CLINICAL: &str = "not-clinical";
