//! Why the last session of a device ended.

use crate::model::{Refusal, RefusalFacts};
use crate::store::{Contact, RefusedRoom, RefusedRow};

/// The lost authorization that ended the last session of a device, as a refusal of it.
pub(super) fn withdrawal(contact: &Contact) -> Option<RefusedRow> {
    let refusal = Refusal::from_code(&contact.ended_why).filter(|_| !contact.is_connected)?;
    let at = contact.disconnected_at?;
    Some(RefusedRow {
        room: RefusedRoom::Verified,
        who: contact.device.to_string(),
        device: Some(contact.device.clone()),
        refusal,
        node: contact.node.clone(),
        peer: contact.peer.clone(),
        first: at,
        last: at,
        count: 1,
        facts: RefusalFacts {
            certificate: Some(contact.certificate.clone()),
            name: Some(contact.device.to_string()),
            ..RefusalFacts::default()
        },
    })
}

/// Who ended the last session of a device, and why, in one clause. `None` while a session goes on, where
/// nothing is known of the end, and for a lost authorization.
pub(super) fn end_in_words(contact: &Contact) -> Option<&'static str> {
    let words = match contact.ended_why.as_str() {
        "peer-closed" => "the device closed it",
        "connection-lost" => "the connection broke",
        "idle-timeout" => "the platform ended it, because nothing came for `interface-a.idle-timeout`",
        "frame-timeout" => "the platform ended it in the middle of a message that did not go on",
        "frame-too-large" => "the platform ended it, because a message was larger than allowed",
        "frame-memory-limit" => "the platform ended it, because incomplete messages took too much memory",
        "not-framed" => "the platform ended it, because its bytes are no MLLP",
        "unreadable-message" => "the platform ended it, because a message was unreadable",
        "violations" => {
            "the platform ended it, because one message after the other named a device for which it may not speak"
        }
        "order-given-up" => {
            "the platform ended it, because an order on it was not answered in time and must not arrive later"
        }
        "shutdown" => "the platform was shut down",
        "fault" => "a fault of the platform ended it; please report it with the log",
        _ => return None,
    };
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::SessionEnd;
    use crate::fleet::fixtures::{at, contact};

    #[test]
    fn every_end_of_a_session_is_a_lost_authorization_or_has_words() {
        let ended = |why: SessionEnd| Contact { ended_why: why.code().to_owned(), ..contact("PUMP", 0) };
        for why in SessionEnd::ALL {
            let contact = ended(why);
            assert!(end_in_words(&contact).is_some() && withdrawal(&contact).is_none(), "{why:?}");
        }
        for refusal in Refusal::ALL {
            let contact = ended(SessionEnd::Withdrawn(refusal));
            let row = withdrawal(&contact).unwrap();
            assert_eq!((row.refusal, row.last, end_in_words(&contact)), (refusal, at(1), None));
            assert_eq!(withdrawal(&Contact { is_connected: true, ..contact }), None);
        }
    }
}
