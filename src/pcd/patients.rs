//! The patients of a message, where it has several.

use crate::hl7::{Message, Segment};

/// Which patient each segment of a message is of: HL7 lets a result have several, each of which begins with
/// PID.
#[derive(Debug, Default)]
pub struct Patients {
    /// The positions of the PID segments with which another patient begins.
    begins: Vec<usize>,
}

impl Patients {
    /// The patients of a message: PID with the numbers (PID-3) of the one before it is the same again, or
    /// without numbers with the name.
    #[must_use]
    pub fn of(message: &Message<'_>) -> Self {
        let mut begins = Vec::new();
        let mut before: Option<Segment<'_>> = None;
        let all = message.segments().enumerate();
        for (position, pid) in all.filter(|(_, segment)| segment.id().eq_ignore_ascii_case(b"PID")) {
            let is_same = |before: Segment<'_>| {
                let numbers = pid.field(3);
                let named = |segment: Segment<'_>| segment.field(5).trimmed().to_vec();
                before.field(3).trimmed() == numbers.trimmed()
                    && (!numbers.is_empty() || named(before) == named(pid))
            };
            if before.is_none_or(|before| !is_same(before)) {
                begins.push(position);
            }
            before = Some(pid);
        }
        Self { begins }
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.begins.len()
    }

    /// The number of the patient of a segment, from 1, where there are several; `None` before the first one.
    #[must_use]
    pub fn number_at(&self, position: usize) -> Option<usize> {
        let number = self.begins.partition_point(|begin| *begin <= position);
        (self.count() > 1 && number > 0).then_some(number)
    }

    /// The number of the patient of a request, by the position of its OBR among those of the message, from 0:
    /// observations before the first OBR are a request too.
    #[must_use]
    pub fn number_of_request(&self, message: &Message<'_>, request: usize) -> Option<usize> {
        let mut is_open = false;
        let mut begins = message.segments().enumerate().filter(|(_, segment)| {
            let begins = segment.is(b"OBR") || segment.is(b"OBX") && !is_open;
            is_open |= begins;
            begins
        });
        begins.nth(request).and_then(|(position, _)| self.number_at(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_segment_is_of_the_patient_before_it() {
        let text =
            "MSH|^~\\&|A||||2026||ORU^R01|1|P|2.6\rPID|||1\rOBR|1\rOBX|1\rPID|||2\rOBR|2\rPID|||2\rOBR|3\r";
        let message = Message::parse(text.as_bytes()).unwrap();
        let patients = Patients::of(&message);
        assert_eq!(patients.count(), 2, "the second again is no third one");
        let of = |request| patients.number_of_request(&message, request);
        assert_eq!([of(0), of(1), of(2), of(3)], [Some(1), Some(2), Some(2), None]);
        let unnumbered = Message::parse(b"MSH|^~\\&|A\rPID|||||A^B\rPID|||||A^B\rPID|||||C^D\r").unwrap();
        assert_eq!(Patients::of(&unnumbered).count(), 2, "by their names");
        let one = text.replace("|||2", "|||1");
        let message = Message::parse(one.as_bytes()).unwrap();
        let patients = Patients::of(&message);
        assert_eq!((patients.count(), patients.number_at(2)), (1, None));
    }
}
