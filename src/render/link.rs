//! Patients whom an operator has linked (R4 Patient, "Linking Patients").

use super::read::Renderer;
use crate::fhir::{PatientLink, Reference, Resource};
use crate::store::StoreError;

impl Renderer {
    /// Adds to a patient whom it is replaced by, and whom it replaces.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn add_links(&self, resource: &mut Resource) -> Result<(), StoreError> {
        let Resource::Patient(patient) = resource else { return Ok(()) };
        let own = format!("Patient/{}", patient.id);
        let same = self.store().same_patients(&own).await?;
        let Some((last, others)) = same.split_first() else { return Ok(()) };
        let link = |other: &str, kind| {
            let id = other.strip_prefix("Patient/").unwrap_or(other);
            PatientLink { other: Reference::to("Patient", id), kind }
        };
        if *last == own {
            patient.link.extend(others.iter().map(|other| link(other, "replaces")));
        } else {
            patient.active = Some(false);
            patient.link.push(link(last, "replaced-by"));
        }
        Ok(())
    }
}
