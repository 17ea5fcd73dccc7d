//! The segments that all simulated messages have.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Sending;
use super::vendor::Unit;

/// MSH-9 and MSH-21 of a transaction (IHE PCD TF vol. 2, B.1).
#[derive(Debug, Clone, Copy)]
pub(super) struct MessageKind {
    kind: &'static str,
    /// The name and the end of the OID of its profile.
    profile: (&'static str, &'static str),
}

impl MessageKind {
    pub(super) const DATA: Self = Self { kind: "ORU^R01^ORU_R01", profile: ("IHE_PCD_001", "1.1.1") };
    pub(super) const ALERT: Self = Self { kind: "ORU^R40^ORU_R40", profile: ("IHE_PCD_ACM_001", "1.4.1") };
    pub(super) const DOCUMENT: Self = Self { kind: "ORU^R01^ORU_R01", profile: ("IHE_PCD_009", "1.9.1") };
    pub(super) const INFUSION: Self = Self { kind: "ORU^R42^ORU_R01", profile: ("IHE_PCD_010", "4.10") };
    pub(super) const CONDITION: Self = Self { kind: "ORU^R01^ORU_R01", profile: ("IHE_PCD_015", "1.15.1") };
    pub(super) const HEARTBEAT: Self = Self { kind: "ORU^R40^ORU_R40", profile: ("IHE_PCD_053", "1.53.1") };
}

/// A message that grows by segments.
pub(super) struct Draft<'a> {
    sending: &'a Sending<'a>,
    text: String,
    observations: u32,
    requests: u32,
}

/// What an observation has besides its value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Details<'a> {
    /// OBX-7: the limits of its alarm.
    pub(super) range: &'a str,
    /// OBX-8 before TEST.
    pub(super) flags: &'a str,
    /// OBX-11; the vendor's of values when it is empty.
    pub(super) status: &'a str,
    /// Whether OBX-14 has the time.
    pub(super) is_timed: bool,
    /// OBX-18.
    pub(super) equipment: &'a str,
}

impl<'a> Draft<'a> {
    /// MSH, PID and PV1.
    pub(super) fn new(sending: &'a Sending<'a>, kind: MessageKind) -> Self {
        let mut draft = Self { sending, text: String::with_capacity(2048), observations: 0, requests: 0 };
        let Sending { vendor, sender, equipment, control_id, .. } = sending;
        let (application, characters) = (vendor.application(sender), vendor.character_set());
        let MessageKind { kind, profile: (profile, oid) } = kind;
        let at = draft.time();
        draft.segment(format_args!(
            r"MSH|^~\&|{application}|||{at}||{kind}|{control_id}|P|2.6|||AL|NE||{characters}|{profile}^IHE PCD^1.3.6.1.4.1.19376.1.6.{oid}^ISO"
        ));
        let patient = equipment.patient();
        draft.segment(format_args!(
            "PID|||{patient}^^^SIMULATED^PI||Simulated^Patient {}^^^^^L||19610101|U",
            equipment.bed()
        ));
        draft.segment(format_args!("PV1||I|SIMULATED^{}^1", equipment.bed()));
        draft
    }

    pub(super) fn segment(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = fmt::Write::write_fmt(&mut self.text, text);
        self.text.push('\r');
    }

    /// The time of the message.
    pub(super) fn time(&self) -> String {
        written(self.sending.at)
    }

    /// OBR; observations are counted again. `rest` is what follows OBR-7.
    pub(super) fn request(&mut self, filler: &str, service: &str, rest: &str) {
        self.requests += 1;
        self.observations = 0;
        let (number, at) = (self.requests, self.time());
        self.segment(format_args!("OBR|{number}|{filler}|{filler}|{service}|||{at}{rest}"));
    }

    /// A containment segment: a device, a virtual device or a channel (appendix B.8). The first one names
    /// the equipment.
    pub(super) fn contain(&mut self, term: &str, path: &str) {
        let kind = self.sending.vendor.containment_type();
        let equipment = match path {
            "1.0.0.0" => self.sending.vendor.named(self.sending.equipment).0,
            _ => String::new(),
        };
        self.observations += 1;
        let number = self.observations;
        self.segment(format_args!("OBX|{number}|{kind}|{term}|{path}|||||||X|||||||{equipment}"));
    }

    /// A measured number.
    pub(super) fn number(
        &mut self,
        term: &str,
        path: &str,
        value: impl fmt::Display,
        unit: Unit,
        range: &str,
    ) {
        let unit = self.sending.vendor.unit(unit);
        let details = Details { range, is_timed: true, ..Details::default() };
        self.observe("NM", term, path, value, unit, details);
    }

    /// A text or a code that is no number.
    pub(super) fn word(&mut self, kind: &str, term: &str, path: &str, value: impl fmt::Display) {
        self.observe(kind, term, path, value, "", Details::default());
    }

    /// An observation; OBX-8 marks it as a test.
    pub(super) fn observe(
        &mut self,
        kind: &str,
        term: &str,
        path: &str,
        value: impl fmt::Display,
        unit: &str,
        details: Details<'_>,
    ) {
        let vendor = self.sending.vendor;
        let Details { range, flags, status, is_timed, equipment } = details;
        let status = if status.is_empty() { vendor.value_status() } else { status };
        let at = if is_timed { self.time() } else { String::new() };
        let of_vendor = if equipment.is_empty() && kind == "NM" {
            vendor.named(self.sending.equipment).1
        } else {
            equipment.to_owned()
        };
        let separator = if flags.is_empty() { "" } else { "~" };
        self.observations += 1;
        let number = self.observations;
        self.segment(format_args!(
            "OBX|{number}|{kind}|{term}|{path}|{value}|{unit}|{range}|{flags}{separator}TEST|||{status}|||{at}||||{of_vendor}"
        ));
    }

    /// The message, without MLLP framing.
    pub(super) fn finish(self) -> Bytes {
        Bytes::from(self.text)
    }
}

/// A time of HL7 with its zone.
pub(super) fn written(at: Timestamp) -> String {
    at.to_zoned_datetime(TimeZone::UTC).strftime("%Y%m%d%H%M%S+0000").to_string()
}
