//! Certificates for enrolments.

use std::path::Path;

use super::error::PkiError;
use super::role::Role;
use super::test_pki::TestPki;
use crate::enrol::{self, Enrolment, Requested};
use crate::model::Clock;

/// Lets the test PKI in `folder` issue the certificate of an enrolment for its request. Returns the
/// certificate and its issuing CA in PEM.
///
/// # Errors
/// As [`TestPki::open`] and [`TestPki::sign`].
pub fn issue_enrolled(
    folder: &Path,
    enrolment: &Enrolment,
    request: &Requested,
    days: u32,
    clock: &Clock,
) -> Result<String, PkiError> {
    let pki = TestPki::open(folder, clock)?;
    let der = request.in_der();
    match enrolment.record.role {
        enrol::Role::Server => pki.sign_server(&der, days),
        enrol::Role::Device if enrolment.is_gateway() => pki.sign(&der, Role::Gateway, days),
        enrol::Role::Device | enrol::Role::Client => pki.sign(&der, Role::Device, days),
    }
}
