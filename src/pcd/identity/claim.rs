//! One claim of a message about a device.

use super::device_identity::DeviceIdentity;
use super::name_bytes::{NameBytes, name_bytes};
use crate::hl7::Location;

/// One claim of a message about its sender or the measuring equipment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The role of the identity.
    pub place: Place,
    /// The location in the message.
    pub location: Location,
    /// The identity.
    pub identity: DeviceIdentity,
    /// A name as it is written: devices may have names that differ only in case.
    pub written: Option<Box<str>>,
    /// The bytes of a name that are not all ASCII, or select sets by ISO 2022: readers with another decoder
    /// see another name in them.
    pub encoded: Option<NameBytes>,
}

/// The fields in which a message names devices.
///
/// OBR-2, OBR-29, MSH-5 and PID name other parties and are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// MSH-3.
    SendingApplication,
    /// MSH-4, where some senders write the value of MSH-3.
    SendingFacility,
    /// OBR-3.
    Filler,
    /// OBX-18.
    Equipment,
    /// PRT-10, PRT-16 and PRT-20 (HL7 2.7 and later).
    Participation,
    /// OBX-5 of MDC_ATTR_SYS_ID.
    SystemId,
}

impl Place {
    /// The stable name in the audit trail.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::SendingApplication => "sending-application",
            Self::SendingFacility => "sending-facility",
            Self::Filler => "filler",
            Self::Equipment => "equipment",
            Self::Participation => "participation",
            Self::SystemId => "system-id",
        }
    }
}

impl Place {
    /// Whether the field names the equipment that a message is about, and not who sends it.
    #[must_use]
    pub const fn is_equipment(self) -> bool {
        matches!(self, Self::Equipment | Self::Participation | Self::SystemId)
    }
}

impl Claim {
    /// Whether it is the universal identifier of an application, MSH-3.2, or what another reader may take for
    /// one. Unless it is an EUI-64 it is most often that of a product, and no device.
    #[must_use]
    pub fn is_universal_id(&self) -> bool {
        let is_typed = matches!(&self.identity, DeviceIdentity::Named { kind, .. } if !kind.is_empty());
        self.place == Place::SendingApplication && (is_typed || self.location.component == Some(2))
    }

    /// A claim of an identity that is written like this.
    pub(super) fn new(place: Place, location: Location, identity: DeviceIdentity, written: &str) -> Self {
        let is_name = matches!(identity, DeviceIdentity::Named { .. });
        let written = is_name.then(|| written.trim().into());
        Self { place, location, identity, written, encoded: None }
    }

    /// The claim of a name with these bytes.
    pub(super) fn encoded(self, bytes: &[u8]) -> Self {
        Self { encoded: name_bytes(bytes), ..self }
    }
}
