//! The checks that a message has to pass.

use jiff::Timestamp;

use crate::authz::rules::Violation;
use crate::authz::{Device, Directory, learning, rules};
use crate::config::{Config, Identity};
use crate::hl7::{Rejection, Warning};
use crate::pcd::{MessagePolicy, Observation, Transaction, profile};

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
    directory: &Directory,
    policy: &MessagePolicy,
    config: &Config,
    at: Timestamp,
) -> Checked {
    let header = check_header(reading, policy);
    let foreign_identity = foreign(device, directory, reading);
    let identity = verify_identity(reading, device, directory, config, at);
    let content = check_profile(reading, policy);
    if let Err(rejection) = header {
        return Checked { result: CheckResult::Failed(rejection), foreign_identity: None };
    }
    let result = match (check_identity(reading, identity, config), content) {
        (Some(failed), _) => failed,
        (None, Err(rejection)) => CheckResult::Failed(rejection),
        (None, Ok(())) => {
            if foreign_identity.is_some() {
                let is_record = config.devices.identity == Identity::Record;
                let warning = if is_record { IDENTITY_MISMATCH } else { IDENTITY_LEARNED };
                reading.warnings.push(warning.to_owned());
            }
            CheckResult::Passed
        }
    };
    Checked { result, foreign_identity }
}

/// Checks an acknowledgement: who speaks. The profile of its exchange is that of the message it answers.
pub(super) fn check_reply(
    reading: &Reading<'_>,
    device: &Device,
    directory: &Directory,
    config: &Config,
    at: Timestamp,
) -> Checked {
    if reading.claims.exceeds_limit {
        return Checked { result: CheckResult::Failed(Rejection::TooManyIdentities), foreign_identity: None };
    }
    let foreign_identity = foreign(device, directory, reading);
    let identity = verify_identity(reading, device, directory, config, at);
    let result = check_identity(reading, identity, config).unwrap_or(CheckResult::Passed);
    Checked { result, foreign_identity }
}

/// The first device that the message names and its sender may not speak for.
fn foreign(device: &Device, directory: &Directory, reading: &Reading<'_>) -> Option<String> {
    let first = rules::not_allowed(device, directory, &reading.claims).next();
    first.map(|claim| reading.identity(claim))
}

/// Whether the sender may name the devices that the message names, now.
fn verify_identity(
    reading: &Reading<'_>,
    device: &Device,
    directory: &Directory,
    config: &Config,
    at: Timestamp,
) -> Result<(), Violation> {
    if config.devices.identity == Identity::Learn && learning::is_learning(device, at) {
        learning::check(device, directory, &reading.claims)
    } else {
        rules::check(device, directory, &reading.claims)
    }
}

/// How the message fails where identities are enforced; `None` when it passes.
fn check_identity(
    reading: &Reading<'_>,
    identity: Result<(), Violation>,
    config: &Config,
) -> Option<CheckResult> {
    if config.devices.identity == Identity::Record {
        return None;
    }
    let is_ambiguous = reading.message.warnings().contains(Warning::AmbiguousStructure);
    match identity {
        Err(violation) => Some(CheckResult::Violation(Rejection::from(&violation))),
        Ok(()) => is_ambiguous.then_some(CheckResult::Failed(Rejection::AmbiguousStructure)),
    }
}

fn check_header(reading: &mut Reading<'_>, policy: &MessagePolicy) -> Result<(), Rejection> {
    warn_of_validity(reading);
    policy.admit(&reading.message.header(), reading.transaction)?;
    policy.check_claims(&reading.claims)?;
    if reading.claims.identities.is_empty() {
        reading.warnings.push(MISSING_IDENTITY.to_owned());
    }
    Ok(())
}

/// Warns where the message is not what it looks like, whether it is accepted or not.
fn warn_of_validity(reading: &mut Reading<'_>) {
    let observations = || reading.message.segments().filter_map(Observation::of);
    let header = reading.message.header();
    let mode = header.processing_id().component(1).trimmed().to_ascii_uppercase();
    for (is_found, warning) in [
        (observations().any(|value| value.is_not_clinical()), NOT_CLINICAL),
        (matches!(&*mode, b"T" | b"D"), NOT_PRODUCTION),
        (observations().any(|value| value.is_withdrawn()), RESULTS_WITHDRAWN),
    ] {
        if is_found {
            reading.warnings.push(warning.to_owned());
        }
    }
}

fn check_profile(reading: &mut Reading<'_>, policy: &MessagePolicy) -> Result<(), Rejection> {
    if Transaction::contradicts_profile(&reading.message) {
        reading.warn(PROFILE_MISMATCH);
    }
    let Some(transaction) = reading.transaction else { return Ok(()) };
    let findings = profile::check(&reading.message, transaction);
    findings.iter().for_each(|finding| reading.warn(finding.rule));
    policy.check_findings(&findings)
}

/// The warning of an accepted message that names a device for which its sender may not speak.
const IDENTITY_MISMATCH: &str = "identity-mismatch";
/// The warning of an accepted message that names a device which its sender learns.
const IDENTITY_LEARNED: &str = "identity-learned";
/// The warning of an accepted message that names no device.
const MISSING_IDENTITY: &str = "missing-identity";
/// The warning of a message whose MSH-21 names another transaction than its MSH-9.
const PROFILE_MISMATCH: &str = "profile-mismatch";
/// The warning of a message with values that are marked as test or demonstration data (OBX-8).
const NOT_CLINICAL: &str = "not-clinical";
/// The warning of a message for training or debugging (MSH-11 `T`, `D`).
const NOT_PRODUCTION: &str = "not-production";
/// The warning of a message with results that its sender declares wrong or deleted (OBX-11 `W`, `D`).
const RESULTS_WITHDRAWN: &str = "results-withdrawn";
