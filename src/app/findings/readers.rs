//! Findings about the clients of hospital systems.

use super::super::Platform;
use crate::finding::facts::{EndingReader, ReaderCertificateEnding};
use crate::finding::{Finding, Subject};

/// The clients whose certificates end soon: those with which they came last to this node.
pub(super) fn look(platform: &Platform) -> Option<Finding> {
    let now = platform.clock.now();
    let all = platform.last_reads.all().into_iter().filter(|(_, read)| read.is_to_be_renewed(now));
    let ending = |(reader, read): (_, crate::clients::LastRead)| EndingReader {
        reader,
        ends: read.certificate_ends.to_string(),
    };
    let readers: Vec<_> = all.map(ending).take(MAX_NAMED).collect();
    (!readers.is_empty()).then(|| Finding::new(Subject::Platform, ReaderCertificateEnding { readers }))
}

/// Clients that the finding names.
const MAX_NAMED: usize = 16;
