//! The content of a message: the device tree with its values, and the facets of an alert.

mod alert;
mod excerpt;
mod fields;
mod further;
mod model;
mod observations;
mod options;
mod others;
mod patient;
mod reader;
mod requests;
mod result_status;
mod structure;
mod time;

pub use excerpt::Excerpt;
pub use model::{
    AlertFacets, AlsoStated, DoubtedFacet, Node, OtherField, OtherSegment, Patient, Request, Tree,
};
pub use options::TreeOptions;

use self::reader::Reader;
use self::structure::Structure;
use self::time::Times;
use crate::hl7::Message;
use crate::pcd::{KnownPatient, Transaction, names_patient};
use crate::view::sentence::{not_current, not_production};

impl Tree {
    /// The content of `message`.
    #[must_use]
    pub fn new(message: &Message<'_>, options: &TreeOptions) -> Self {
        let characters = message.text_encoding();
        // The patient may stand behind what is shown.
        let known_patient = if options.with_patient {
            KnownPatient::default()
        } else {
            KnownPatient::of(message, characters)
        };
        let names_patient = names_patient(message);
        let excerpt = Excerpt::of(message);
        let beginning = excerpt.map(|excerpt| excerpt.message(message));
        let message = beginning.as_ref().unwrap_or(message);
        let header = message.header();
        let times = Times { sender: header.zone(), options };
        let reader = Reader { characters, options, times, known_patient };
        let mut structure = Structure::of(message);
        if excerpt.is_some() {
            // What is not shown may say something else of an alarm.
            structure.alerts.clear();
        }
        let requests = reader.requests(message, &structure);
        let mut patients = reader.patients(message, &structure).into_iter();
        let nodes = || requests.iter().flat_map(|request| &request.observations);
        Self {
            transaction: structure.transaction.map(Transaction::label),
            message_type: reader.of_header(header.message_type_field()),
            control_id: reader.untrimmed(header.control_id()),
            sent: reader.sent_time(header.timestamp()),
            sent_shown: reader.time(header.timestamp()),
            from: reader.whole(header.sending_application()),
            segments: message.segments().map(|segment| reader.name(&segment)).collect(),
            not_shown: reader.not_shown(message),
            other_segments: reader.listed(&structure.placement.loose, &structure.notes),
            patient: patients.next(),
            further_patients: patients.collect(),
            patients: Some(structure.patients.count()).filter(|count| *count > 1),
            names_patient,
            excerpt,
            processing_id: reader.whole(header.processing_id()),
            not_production: not_production(&header),
            not_current: not_current(&header),
            not_clinical: nodes().any(|node| node.not_clinical),
            withdrawn: nodes().filter(|node| node.is_withdrawn).count(),
            requests,
        }
    }
}

#[cfg(test)]
mod tests;
