//! What a message is about.

use jiff::Timestamp;

use super::equipment::Equipment;
use super::vendor::Vendor;

/// What a message is about, besides what it reports.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// Whose shape it has.
    pub vendor: Vendor,
    /// EUI-64 of the device or gateway that sends it.
    pub sender: &'a str,
    /// The equipment that it is about.
    pub equipment: &'a Equipment,
    /// MSH-10.
    pub control_id: &'a str,
    /// The time by the clock of the device.
    pub at: Timestamp,
    /// The run: part of the numbers of alarms.
    pub run: &'a str,
}
