//! Events that are what an operator does.

use super::{EnrolmentEvent, Event, SettledBy};

impl Event {
    /// Whether an operator does what the event is about, which must not be done without its row.
    pub(crate) const fn is_by_operator(&self) -> bool {
        matches!(
            self,
            Self::ClockConfirmed { .. }
                | Self::DeviceAdded { .. }
                | Self::DeviceChanged { .. }
                | Self::DeviceSuspended { .. }
                | Self::DeviceResumed { .. }
                | Self::DeviceRemoved { .. }
                | Self::DeviceMerged { .. }
                | Self::DeviceLearningStarted { .. }
                | Self::DeviceLearningEnded { .. }
                | Self::DeviceIdentitiesForgotten { .. }
                | Self::SouthboundQueued { .. }
                | Self::SouthboundSettled {
                    basis: SettledBy::Operator { .. } | SettledBy::Removal { .. },
                    ..
                }
                | Self::MessageReconsidered { .. }
                | Self::MessageViewed { .. }
                | Self::MessagesSearched { .. }
                | Self::ContentRefused { .. }
                | Self::ClientsChanged(_)
                | Self::SubscriptionsChanged(_)
                | Self::Enrolment(EnrolmentEvent::Changed(_))
                | Self::MessagesExported { .. }
                | Self::PersonLoggedIn { .. }
                | Self::PersonLoggedOut { .. }
                | Self::StoreCopied { .. }
                | Self::IndexRebuilt { .. }
                | Self::PatientsLinked(_)
                | Self::AuditExported { .. }
                | Self::AuditVerified { .. }
                | Self::AuditEndAccepted { .. }
                | Self::AuditFaultAccepted { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::fixtures::every_event;

    #[test]
    fn an_event_with_an_actor_is_what_an_operator_does() {
        for event in every_event() {
            let has_actor = event.details().contains(r#""actor":"#);
            assert_eq!(event.is_by_operator(), has_actor, "{}", event.name());
        }
    }
}
