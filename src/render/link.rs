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
        for link in self.store().patient_links(&[&own]).await? {
            let is_replaced = link.patient == own;
            let (other, kind) =
                if is_replaced { (&link.replaced_by, "replaced-by") } else { (&link.patient, "replaces") };
            if is_replaced {
                patient.active = Some(false);
            }
            let id = other.strip_prefix("Patient/").unwrap_or(other);
            patient.link.push(PatientLink { other: Reference::to("Patient", id), kind });
        }
        Ok(())
    }
}
