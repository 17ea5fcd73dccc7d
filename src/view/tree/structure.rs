//! The segments of a message by what they belong to.

use crate::hl7::Message;
use crate::pcd::{Alert, Containment, Notes, Patients, Placement, Transaction, is_about_patient};

/// The alerts, observations and other segments of a message.
pub(super) struct Structure<'m> {
    pub(super) transaction: Option<Transaction>,
    pub(super) notes: Notes<'m>,
    pub(super) placement: Placement<'m>,
    pub(super) alerts: Vec<Alert<'m>>,
    pub(super) trees: Vec<Containment<'m>>,
    pub(super) patients: Patients,
    /// Whether the first tree is about the patient (HL7 2.7: OBX behind PID, before the first OBR).
    pub(super) has_patient_tree: bool,
}

impl<'m> Structure<'m> {
    pub(super) fn of(message: &'m Message<'_>) -> Self {
        let (transaction, trees) = (Transaction::of(message), Containment::all_of(message));
        let is_alert = matches!(transaction, Some(Transaction::Pcd04 | Transaction::Pcd05));
        let alerts = if is_alert { Alert::all_of(message) } else { Vec::new() };
        // Where no request follows, these are the results of a sender that writes no OBR, and what has an
        // alert in it is no patient.
        let is_first_before_others = trees.len() > 1
            && trees.first().is_some_and(|tree| tree.begin().is_none())
            && !alerts.iter().any(|alert| alert.position == 0);
        let first = message.segments().find(|segment| is_about_patient(segment) || segment.is(b"OBX"));
        Self {
            transaction,
            alerts,
            notes: Notes::of(message),
            patients: Patients::of(message),
            placement: Placement::of(message),
            has_patient_tree: is_first_before_others && first.is_some_and(|first| is_about_patient(&first)),
            trees,
        }
    }

    /// The observations about the patient.
    pub(super) fn patient_tree(&self) -> Option<&Containment<'m>> {
        self.trees.first().filter(|_| self.has_patient_tree)
    }
}
