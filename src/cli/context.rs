//! What the commands that ask the store have in common.

use std::io;

use super::{Exit, Failure, Output};
use crate::store::{ClientsConflict, Store, StoreError};

/// Says which risks the store has that are not accepted.
///
/// # Errors
/// When stderr cannot be written.
pub(super) fn warn_of_risks(store: &Store, output: Output) -> io::Result<()> {
    let risks = store.unaccepted_risks();
    risks.iter().try_for_each(|risk| {
        output.warn(&format!(
            "the store can lose, hide or change messages: {}; it is read as it is, and nothing is written \
             (docs/reference/store.md, \"Risks of the store\")",
            risks.described(risk)
        ))
    })
}

/// How a command ends when the store did not do what it was asked. What an operator has to change first
/// ends as a configuration that cannot be used: trying again does not help.
pub(crate) fn failed(error: StoreError) -> Failure {
    let exit = match &error {
        StoreError::Clients(ClientsConflict::LastCertificate) => Exit::Refused,
        other => exit(other),
    };
    Failure::new(exit, error)
}

const fn exit(error: &StoreError) -> Exit {
    if is_of_configuration(error) {
        Exit::Config
    } else if is_final(error) {
        Exit::Failed
    } else {
        Exit::Unavailable
    }
}

/// Whether the configuration, or the store that it names, has to be changed.
const fn is_of_configuration(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Url
            | StoreError::Environment(_)
            | StoreError::Password { .. }
            | StoreError::Missing(_)
            | StoreError::Gone { .. }
            | StoreError::Foreign(_)
            | StoreError::Outdated { .. }
            | StoreError::Newer { .. }
            | StoreError::Altered(_)
            | StoreError::Unrecorded { .. }
            | StoreError::Diverged(_)
            | StoreError::OtherSchema { .. }
            | StoreError::TooLarge(_)
    )
}

/// Whether the same command fails again, whatever becomes of the store.
const fn is_final(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Schema(_)
            | StoreError::Corrupt { .. }
            | StoreError::Refused(_)
            | StoreError::Backup { .. }
            | StoreError::BackupOnServer
            | StoreError::Sign(_)
            | StoreError::DeviceExists(_)
            | StoreError::DeviceEnforced(_)
            | StoreError::Clients(_)
            | StoreError::Enrolment(_)
            | StoreError::IdentityNotSeen(_)
            | StoreError::DeviceSpelled { .. }
            | StoreError::AlreadyWaiting(_)
            | StoreError::ControlIdUsed(_)
            | StoreError::DeviceUnknown(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_faults_and_wrong_configuration_have_their_own_exit_codes() {
        assert_eq!(failed(StoreError::Url).exit, Exit::Config);
        assert_eq!(failed(StoreError::Closed).exit, Exit::Unavailable);
        assert_eq!(failed(StoreError::DeviceUnknown("A".parse().unwrap())).exit, Exit::Failed);
    }
}
