//! The types that can be read.

/// A type of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are those of FHIR")]
pub enum ResourceType {
    Device,
    DeviceMetric,
    Observation,
    Patient,
}

impl ResourceType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Device, Self::DeviceMetric, Self::Observation, Self::Patient];

    /// Its name in FHIR.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "Device",
            Self::DeviceMetric => "DeviceMetric",
            Self::Observation => "Observation",
            Self::Patient => "Patient",
        }
    }

    /// The type with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// The type of what a reference (`TYPE/ID`) refers to.
    #[must_use]
    pub fn of_reference(reference: &str) -> Option<Self> {
        Self::named(reference.split_once('/')?.0)
    }
}
