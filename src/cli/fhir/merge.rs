//! `fhir merge` and `fhir unmerge`: patients who are one.

use anyhow::anyhow;

use crate::cli::context::failed;
use crate::cli::operator::operator;
use crate::cli::{Exit, Failure, Output};
use crate::store::{PatientLink, Store};

/// Options of `fhir merge`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The patient who is replaced: Patient/ID, or SYSTEM|NUMBER
    #[arg(value_name = "FORMER")]
    former: String,
    /// The patient who replaces it
    #[arg(value_name = "PATIENT")]
    patient: String,
}

/// Options of `fhir unmerge`.
#[derive(Debug, clap::Args)]
pub(crate) struct Former {
    /// The patient who was replaced: Patient/ID, or SYSTEM|NUMBER
    #[arg(value_name = "FORMER")]
    former: String,
}

/// Says that a patient is another one.
pub(super) async fn merge(
    Arguments { former, patient }: Arguments,
    store: &Store,
    output: Output,
) -> Result<(), Failure> {
    let (former, patient) = (reference(&former, store).await?, reference(&patient, store).await?);
    if former == patient {
        return Err(refused(format!("both are {patient}")));
    }
    for known in [&former, &patient] {
        if store.projected_resource(known).await.map_err(failed)?.is_none() {
            return Err(refused(format!("the index has no {known}: compare it with `fhir read`")));
        }
    }
    let of_former = store.same_patients(&former).await.map_err(failed)?;
    let of_patient = store.same_patients(&patient).await.map_err(failed)?;
    if let Some(other) = replacing(&patient, &of_patient) {
        return Err(refused(format!("{patient} is replaced by {other} itself: name that one")));
    }
    if let Some(other) = replacing(&former, &of_former) {
        return Err(refused(format!("{former} is replaced by {other} already: `fhir unmerge` ends that")));
    }
    if of_former.len() + of_patient.len() > usize::try_from(PatientLink::MAX_LINKED).unwrap_or(usize::MAX) {
        return Err(refused(format!("more than {} patients would be one", PatientLink::MAX_LINKED)));
    }
    let link = PatientLink { patient: former.clone(), replaced_by: patient.clone() };
    if !store.link_patients(link, true, &operator()).await.map_err(failed)? {
        return Err(refused(format!("{former} or {patient} was changed by another command meanwhile")));
    }
    output.line(&format!("{former} is replaced by {patient}"))?;
    for other in of_former.iter().skip(1) {
        output.line(&format!("so is {other}, which {former} replaces"))?;
    }
    Ok(())
}

/// Says that a patient is not another one.
pub(super) async fn unmerge(Former { former }: Former, store: &Store, output: Output) -> Result<(), Failure> {
    let former = reference(&former, store).await?;
    let links = store.patient_links(&[&former]).await.map_err(failed)?;
    let Some(link) = links.into_iter().find(|link| link.patient == former) else {
        return Err(refused(format!("{former} is replaced by no other patient")));
    };
    let patient = link.replaced_by.clone();
    if !store.link_patients(link, false, &operator()).await.map_err(failed)? {
        return Err(refused(format!("{former} was changed by another command meanwhile")));
    }
    output.line(&format!("{former} is not replaced by {patient} any more"))?;
    for other in store.same_patients(&former).await.map_err(failed)?.iter().skip(1) {
        output.line(&format!("nor is {other}, which {former} replaces"))?;
    }
    Ok(())
}

/// Who replaces this patient, of those who are the same.
fn replacing<'s>(patient: &str, same: &'s [String]) -> Option<&'s String> {
    same.first().filter(|last| *last != patient)
}

/// `Patient/ID` of what the operator names.
async fn reference(named: &str, store: &Store) -> Result<String, Failure> {
    if named.strip_prefix("Patient/").is_some_and(|id| !id.is_empty()) {
        return Ok(named.to_owned());
    }
    let parts = named.split_once('|').filter(|(system, number)| !system.is_empty() && !number.is_empty());
    let Some((system, number)) = parts else {
        return Err(refused(
            "a patient is Patient/ID, or SYSTEM|NUMBER such as urn:oid:1.2.3|4711".to_owned(),
        ));
    };
    Ok(format!("Patient/{}", opaque_id(&[system, number], store).await?))
}

/// The id of the patient whose number is made of these parts.
pub(super) async fn opaque_id(parts: &[&str], store: &Store) -> Result<String, Failure> {
    let key = store.stored_patient_key().await.map_err(failed)?;
    Ok(key.opaque_id(&parts.join("\u{1f}")))
}

pub(super) fn refused(what: String) -> Failure {
    Failure::new(Exit::Refused, anyhow!(what))
}
