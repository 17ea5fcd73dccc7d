//! Simulated devices take orders and answer them (PCD-03, IHE PCD TF vol. 2, 3.3).

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;

use super::Counters;
use crate::hl7::{AcknowledgeAs, AcknowledgementRequest, Field, Header, Message, Outcome, Rejection};
use crate::interface_b::{Receiver, Reply};
use crate::model::{Clock, MessageId};

/// How pumps answer orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OrderPolicy {
    /// They accept each order: CA, then AA.
    #[default]
    Accept,
    /// They refuse each with 9007: the infuser is offline.
    Offline,
    /// They refuse each with 9015: the infuser did not answer.
    Timeout,
    /// Of five orders they accept three, and refuse one with 9007 and one with 9015.
    Mixed,
}

/// Takes what the platform sends to a device.
#[derive(Debug)]
pub(super) struct Orders {
    /// Whether it is for pumps: other devices take no infusion order.
    pub(super) is_of_pumps: bool,
    pub(super) policy: OrderPolicy,
    pub(super) counters: Arc<Counters>,
    pub(super) clock: Clock,
}

/// An error of the tables of PCD-03: its code, and what it means.
type OrderError = (&'static str, &'static str);

impl Receiver for Orders {
    fn receive(&self, message: Bytes) -> BoxFuture<'_, Reply> {
        Box::pin(std::future::ready(self.answer(&message)))
    }
}

impl Orders {
    fn answer(&self, message: &[u8]) -> Reply {
        let Ok(order) = Message::parse(message) else { return Reply::Accept };
        let header = order.header();
        if header.message_type().code != b"RGV" {
            self.counters.answered_order("accepted: not an infusion order");
            return Reply::Accept;
        }
        if !self.is_of_pumps {
            self.counters.answered_order("refused: no pump");
            return Reply::Refuse(Rejection::UnsupportedType);
        }
        let error = self.error(header.control_id().trimmed());
        self.counters.answered_order(match error {
            None => "accepted",
            Some((code, _)) => code,
        });
        let asked = AcknowledgementRequest::from_header(&header, AcknowledgeAs::AsAsked);
        let asked = asked.answers(Outcome::Accepted);
        let mut answers = Vec::new();
        if asked.accept.is_some() {
            answers.push(self.response(&header, "ACK^O15^ACK", "NE|NE", "CA", None));
        }
        if asked.application.is_some() {
            let code = if error.is_some() { "AR" } else { "AA" };
            answers.push(self.response(&header, "RRG^O16^RRG_O16", "NE|NE", code, error));
        }
        Reply::Messages(answers)
    }

    fn error(&self, control_id: &[u8]) -> Option<OrderError> {
        match self.policy {
            OrderPolicy::Accept => None,
            OrderPolicy::Offline => Some(OFFLINE),
            OrderPolicy::Timeout => Some(TIMEOUT),
            OrderPolicy::Mixed => {
                let sum = control_id.iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
                [None, None, None, Some(OFFLINE), Some(TIMEOUT)].get((sum % 5) as usize).copied().flatten()
            }
        }
    }

    fn response(
        &self,
        order: &Header<'_>,
        kind: &str,
        modes: &str,
        code: &str,
        error: Option<OrderError>,
    ) -> Bytes {
        let text = |field: Field<'_>| String::from_utf8_lossy(field.raw()).into_owned();
        let now = self.clock.now();
        let at = now.to_zoned_datetime(TimeZone::UTC).strftime("%Y%m%d%H%M%S+0000");
        let mut answer = format!(
            "MSH|^~\\&|{}|{}|{}|{}|{at}||{kind}|{}|{}|{}|||{modes}||{}\rMSA|{code}|{}\r",
            text(order.receiving_application()),
            text(order.receiving_facility()),
            text(order.sending_application()),
            text(order.sending_facility()),
            MessageId::at(now),
            text(order.processing_id()),
            text(order.version()),
            text(order.character_set()),
            text(order.control_id()),
        );
        if let Some((code, meaning)) = error {
            answer.push_str(&format!(
                "ERR|||207^Application internal error^HL70357|F|{code}^{meaning}^IHE PCD\r"
            ));
        }
        Bytes::from(answer)
    }
}

const OFFLINE: OrderError = ("9007", "Infuser is offline");
const TIMEOUT: OrderError = ("9015", "Infuser did not answer in time");

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(policy: OrderPolicy, message: &str) -> Vec<String> {
        let counters = Arc::new(Counters::default());
        let orders = Orders { is_of_pumps: true, policy, counters, clock: Clock::system() };
        match orders.answer(message.as_bytes()) {
            Reply::Messages(messages) => {
                messages.iter().map(|message| String::from_utf8(message.to_vec()).unwrap()).collect()
            }
            reply => panic!("{reply:?}"),
        }
    }

    fn order(modes: &str) -> String {
        format!("MSH|^~\\&|IOP|HOSPITAL|SIM|SIMULATED|20260101||RGV^O15^RGV_O15|7|P|2.6|||{modes}\rORC|RE\r")
    }

    #[test]
    fn an_order_is_accepted_and_then_answered_by_rrg() {
        let answers = answers(OrderPolicy::Accept, &order("AL|AL"));
        assert!(answers[0].contains("|ACK^O15^ACK|") && answers[0].ends_with("\rMSA|CA|7\r"), "{answers:?}");
        assert!(
            answers[1].contains("|RRG^O16^RRG_O16|") && answers[1].ends_with("\rMSA|AA|7\r"),
            "{answers:?}"
        );
        assert!(answers[1].starts_with("MSH|^~\\&|SIM|SIMULATED|IOP|HOSPITAL|"), "{answers:?}");
    }

    #[test]
    fn a_refusal_has_the_code_of_pcd_03_and_only_what_was_asked_for_is_sent() {
        for (policy, code) in [(OrderPolicy::Offline, "|9007^"), (OrderPolicy::Timeout, "|9015^")] {
            let answers = answers(policy, &order("AL|AL"));
            assert!(
                answers[1].contains("\rMSA|AR|7\rERR|||207^") && answers[1].contains(code),
                "{answers:?}"
            );
        }
        assert_eq!(answers(OrderPolicy::Offline, &order("AL|NE")).len(), 1);
        let original = answers(OrderPolicy::Accept, &order("|"));
        assert!(original.len() == 1 && original[0].contains("MSA|AA|7"), "{original:?}");
    }
}
