//! The requests of a message, with what stands under them.

use super::model::Request;
use super::reader::Reader;
use super::structure::Structure;
use crate::hl7::{Message, Segment};
use crate::pcd::{Containment, Notes};

impl Reader<'_> {
    pub(super) fn requests(&self, message: &Message<'_>, structure: &Structure<'_>) -> Vec<Request> {
        let segments: Vec<Segment<'_>> = message.segments().collect();
        let begin = |tree: &Containment<'_>| {
            let position = tree.begin()?;
            segments.get(position).map(|segment| (position, *segment))
        };
        // An alert counts the OBRs, and observations before the first one as one.
        let mut alert_position = 0;
        let mut requests = Vec::with_capacity(structure.trees.len());
        for (number, tree) in structure.trees.iter().enumerate() {
            let obr = begin(tree).filter(|(_, segment)| segment.is(b"OBR"));
            let may_have_alert = obr.is_some() || tree.begin().is_none();
            let position = Some(alert_position).filter(|_| may_have_alert);
            let own = structure.alerts.iter().filter(|alert| Some(alert.position) == position);
            alert_position += usize::from(may_have_alert);
            if number == 0 && structure.has_patient_tree {
                continue;
            }
            let mut own = own.map(|alert| self.alert(alert));
            let first = tree.begin().or_else(|| tree.nodes().first().map(|node| node.position));
            requests.push(Request {
                patient: first.and_then(|position| structure.patients.number_at(position)),
                segments: self.listed(structure.placement.of_tree(number), &structure.notes),
                alert: own.next(),
                further_alerts: own.collect(),
                observations: self.observations(tree, structure),
                ..self.request(obr, &structure.notes)
            });
        }
        requests
    }

    /// What OBR says; nothing without one.
    fn request(&self, obr: Option<(usize, Segment<'_>)>, notes: &Notes<'_>) -> Request {
        let Some((position, obr)) = obr else { return Request::default() };
        let field = |n| self.whole(obr.field(n));
        let service = self.term(obr.field(4));
        let is_shown = self.hidden_term(obr.field(4)).is_none();
        let further = self.further("OBR-4", "also the service", obr.field(4)).filter(|_| is_shown);
        let others = further.into_iter().chain(self.others(&obr, OBR_FIELDS));
        Request {
            service,
            filler: field(3),
            placer: field(2),
            parent: field(29),
            time: self.sent_time(obr.field(7)),
            end: self.sent_time(obr.field(8)),
            end_shown: self.time(obr.field(8)),
            time_shown: self.time(obr.field(7)),
            others: others.chain(self.note_fields(notes, position)).collect(),
            notes: self.notes(notes, position),
            ..Request::default()
        }
    }
}

/// The fields of OBR that have keys of their own. OBR-1 numbers the segments.
const OBR_FIELDS: &[usize] = &[1, 2, 3, 4, 7, 8, 29];
