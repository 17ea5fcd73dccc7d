//! The number of an alert.

use std::fmt;

use crate::hl7::{Component, Segment};
use crate::pcd::DeviceIdentity;

/// The number of an order or an alert and its assigner (data type EI), as a value that can be compared:
/// independent of the spelling of the identifier's type, and of whether it is a field or a component
/// (OBR-29.2).
///
/// The technical framework compares all four components. Here EI-4 counts only as far as it says how EI-3 is
/// written: devices spell the type differently in OBR-3 and OBR-29. EI-2 does count: gateways of SDC write a
/// counter in EI-1 and the alert in EI-2.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filler {
    /// EI-1.
    pub number: Vec<u8>,
    /// EI-2, when there is an EI-3 beside it.
    pub namespace: Vec<u8>,
    /// EI-3, or EI-2 without one, in comparable form.
    pub assigner: Vec<u8>,
}

impl Filler {
    /// OBR-3; `None` without a number.
    pub(super) fn of_request(request: Segment<'_>) -> Option<Self> {
        Self::read(request.field(3).repetitions().next()?.components())
    }

    /// `None` without a number.
    pub(super) fn read<'m>(mut parts: impl Iterator<Item = Component<'m>>) -> Option<Self> {
        let [number, name, assigner, kind] = std::array::from_fn(|_| parts.next());
        let number = number.filter(|number| !number.is_empty())?.text().into_owned();
        let text = |part: Option<Component<'_>>| {
            part.map(|part| String::from_utf8_lossy(&part.text()).into_owned()).unwrap_or_default()
        };
        let (namespace, assigner) = match assigner.filter(|assigner| !assigner.is_empty()) {
            Some(assigner) => (text(name), DeviceIdentity::new(&text(Some(assigner)), &text(kind))),
            None => (String::new(), DeviceIdentity::new(&text(name), "")),
        };
        let assigner = assigner.map(|it| it.to_string().into_bytes()).unwrap_or_default();
        Some(Self { number, namespace: namespace.trim().as_bytes().to_vec(), assigner })
    }
}

impl fmt::Display for Filler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.number))?;
        if self.assigner.is_empty() {
            return Ok(());
        }
        write!(f, " of {}", String::from_utf8_lossy(&self.assigner))
    }
}
