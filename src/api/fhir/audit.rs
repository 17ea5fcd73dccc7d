//! The record of a read: a row of the audit trail, durable before the answer leaves.
//!
//! With `fhir.audit-reads = "minute"` the first read of a client, of its kind, has a row before its answer;
//! the reads of the minute after it share one row, which follows at its end. Reads of what is not there share
//! rows in any case, beyond `api.max-refusal-rows` of them in a minute.

use std::collections::BTreeSet;

use super::answer::Failure;
use super::minute::write_rows;
use super::reads::Reads;
use crate::audit::ResourcesRead;
use crate::clients::Reader;
use crate::config::AuditReads;
use crate::fhir::Resource;

/// Records a read. Several rows share a commit, and device messages come first.
///
/// # Errors
/// When the row cannot be written: then nothing may be given out.
pub(super) async fn record(
    reads: &Reads,
    reader: &Reader,
    (interaction, kind): (&'static str, &'static str),
    resources: &[Resource],
) -> Result<(), Failure> {
    let patients: BTreeSet<&str> = resources.iter().filter_map(Resource::patient).collect();
    let read = ResourcesRead {
        client: reader.client().to_owned(),
        organisation: reader.organisation().map(ToString::to_string),
        person: reader.person().map(str::to_owned),
        certificate: reader.certificate(),
        peer: reader.address(),
        interaction,
        kind,
        count: u64::try_from(resources.len()).unwrap_or(u64::MAX),
        requests: 1,
        patients: patients.into_iter().map(str::to_owned).collect(),
        more_patients: 0,
    };
    let config = reads.config.load();
    let is_flood = resources.is_empty() && interaction != "search-type" && {
        let max = config.api.max_refusal_rows;
        reads.misses.are_too_many(reader.client(), reads.store.now(), max)
    };
    let shares = is_flood || config.fhir.audit_reads == AuditReads::Minute;
    drop(config);
    if shares && reads.minute.joins(&read) {
        return Ok(());
    }
    if shares {
        return reads.minute.begin(read, reads.store.clone()).await;
    }
    Ok(write_rows(read, &reads.store).await?)
}
