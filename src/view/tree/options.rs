//! How the content of a message is shown.

use jiff::tz::TimeZone;

/// How the content of a message is shown.
#[derive(Debug, Clone)]
pub struct TreeOptions {
    /// Also what identifies the patient (PHI), and documents.
    pub with_patient: bool,
    /// Long values as a whole.
    pub full: bool,
    /// The zone in which times are shown.
    pub zone: TimeZone,
    /// The zone of times in messages that state none.
    pub assumed_zone: TimeZone,
}

impl Default for TreeOptions {
    fn default() -> Self {
        let utc = TimeZone::UTC;
        Self { with_patient: false, full: false, zone: utc.clone(), assumed_zone: utc }
    }
}
