//! The search for a path from a client's certificate to an installed root.

use std::sync::Arc;

use super::candidate::Candidate;
use super::error::{PathError, Stage};
use super::validation::{Rules, ValidPath};
use crate::model::Refusal;
use crate::x509::CertificateFacts;

/// Tries the paths by their names, shorter ones first, until `accept` accepts one that is valid. Its error
/// lets the search go on.
///
/// # Errors
/// What is wrong with the path that came closest.
pub(in crate::tls) fn find<'a, T>(
    rules: &Rules<'a>,
    candidates: &'a [Candidate<'a>],
    leaf: &Arc<CertificateFacts>,
    accept: impl FnMut(ValidPath<'a>) -> Result<T, PathError>,
) -> Result<T, PathError> {
    let mut search = Search { rules, candidates, leaf, accept, steps: 0 };
    let Some(own) = candidates.first() else {
        return Err(PathError::new(Stage::Names, Refusal::NoCertificate));
    };
    search.extend(&mut vec![own])
}

struct Search<'r, 'a, F> {
    rules: &'r Rules<'a>,
    candidates: &'a [Candidate<'a>],
    leaf: &'r Arc<CertificateFacts>,
    accept: F,
    steps: usize,
}

impl<'a, T, F: FnMut(ValidPath<'a>) -> Result<T, PathError>> Search<'_, 'a, F> {
    /// Ends the path at a root that its last certificate names, or else adds a candidate.
    fn extend(&mut self, path: &mut Vec<&'a Candidate<'a>>) -> Result<T, PathError> {
        let mut error = PathError::new(Stage::Names, Refusal::UntrustedIssuer);
        self.steps = self.steps.saturating_add(1);
        let Some(last) = path.last().copied().filter(|_| self.steps <= MAX_STEPS) else { return Err(error) };
        for anchor in self.rules.trust.anchors_named(|root| last.issuer.is_name(root)) {
            let valid = self.rules.validate(path, self.leaf, anchor);
            match valid.and_then(|valid| (self.accept)(valid)) {
                Ok(accepted) => return Ok(accepted),
                Err(next) => error = error.worse(next),
            }
        }
        for candidate in self.candidates {
            let is_loop = || path.iter().any(|earlier| earlier.is_same_ca(candidate));
            if candidate.subject.is(&last.issuer) && !is_loop() {
                path.push(candidate);
                let result = self.extend(path);
                path.pop();
                match result {
                    Ok(accepted) => return Ok(accepted),
                    Err(next) => error = error.worse(next),
                }
            }
        }
        Err(error)
    }
}

/// Certificates that one search puts into paths. At most two of a chain have one subject, so real chains need
/// fewer than ten.
const MAX_STEPS: usize = 64;
