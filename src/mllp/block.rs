//! The bytes that delimit frames (MLLP release 1, 2.3).

/// Start block: vertical tab.
pub(crate) const VT: u8 = 0x0B;
/// First byte of the end block: file separator.
pub(crate) const FS: u8 = 0x1C;
/// Second byte of the end block: carriage return.
pub(crate) const CR: u8 = 0x0D;
/// Some senders write a line feed after the carriage return, or instead of it.
pub(super) const LF: u8 = 0x0A;
