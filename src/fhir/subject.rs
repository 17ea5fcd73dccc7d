//! Whose a value is.

use super::datatypes::Reference;

/// What is known about whose a value is.
pub(super) struct Association<'a> {
    /// The patient that the message names (PID-3).
    pub(super) patient: Option<&'a str>,
    /// The MDS.
    pub(super) device: &'a str,
    /// The place that the message names (PV1-3).
    #[expect(dead_code, reason = "admission and transfer messages would answer from it")]
    pub(super) place: Option<&'a str>,
    /// When the value was measured.
    #[expect(dead_code, reason = "an association counts for a time")]
    pub(super) at: Option<&'a str>,
    /// Whether it is a value of the device and of no patient, such as the time of its clock.
    pub(super) is_of_device: bool,
}

impl Association<'_> {
    /// The subject of an observation: the patient of the message, or the device where it names none.
    ///
    /// The one place where a value gets its subject. Admission and transfer messages, or an association by
    /// IHE PCIM, would answer here from the device, the place and the time; the platform does not have them.
    pub(super) fn subject(&self) -> Reference {
        let Self { patient, device, is_of_device, .. } = self;
        match patient.filter(|_| !is_of_device) {
            Some(patient) => Reference::to("Patient", patient),
            None => Reference::to("Device", device),
        }
    }
}
