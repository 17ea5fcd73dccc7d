//! How an event ended.

/// EventOutcomeIndicator, DICOM PS3.15 A.5.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nominal.
    Success,
    /// A minor failure.
    Minor,
    /// A serious failure: the action was ended.
    Serious,
    /// A major failure: the reporting system is not available any more.
    Major,
}

impl Outcome {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Success => "0",
            Self::Minor => "4",
            Self::Serious => "8",
            Self::Major => "12",
        }
    }
}
