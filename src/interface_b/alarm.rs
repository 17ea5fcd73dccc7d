//! The PCD-04 messages of the demonstration.

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// One report of an alarm of a pulse oximeter whose pulse rate is above its limit, as PCD-04
/// (IHE PCD TF vol. 2, 3.4).
#[derive(Debug, Clone)]
pub struct Alarm<'a> {
    /// EUI-64 of the device.
    pub device: &'a str,
    /// MSH-10.
    pub control_id: &'a str,
    /// OBR-3: one number for all reports of the alarm.
    pub number: &'a str,
    /// The time of the report.
    pub at: Timestamp,
    /// What is reported.
    pub phase: Phase,
    /// Pulse rate in beats per minute.
    pub pulse: u8,
}

/// The phase of an alarm (68481 MDC_ATTR_EVENT_PHASE).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It begins.
    Start,
    /// It goes on.
    Continue,
    /// It is over.
    End,
}

impl Phase {
    /// The value of the facet.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Continue => "continue",
            Self::End => "end",
        }
    }
}

impl Alarm<'_> {
    /// The message, without MLLP framing.
    #[must_use]
    pub fn to_message(&self) -> Bytes {
        let Self { device, control_id, number, phase, pulse, .. } = self;
        let at = self.at.to_zoned_datetime(TimeZone::UTC).strftime("%Y%m%d%H%M%S+0000");
        let state = if *phase == Phase::End { "inactive" } else { "active" };
        let phase = phase.as_str();
        // OBR-29 names the alarm in every report but the first.
        let parent = if phase == "start" {
            String::new()
        } else {
            format!("{}^{number}&DEMO&{device}&EUI-64", "|".repeat(22))
        };
        let segments = [
            format!(
                r"MSH|^~\&|DEMO^{device}^EUI-64|DEMO|||{at}||ORU^R40^ORU_R40|{control_id}|P|2.6|||AL|NE||UNICODE UTF-8|||IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.4.1^ISO"
            ),
            "PID|||DEMO-0001^^^Demo Hospital^PI||Patient^Imaginary^^^^^L".to_owned(),
            "PV1||I|Demo^Ward^1".to_owned(),
            format!(
                "OBR|1|{number}^DEMO^{device}^EUI-64|{number}^DEMO^{device}^EUI-64|196616^MDC_EVT_ALARM^MDC|||{at}{parent}"
            ),
            format!(
                "OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.1.1.149530.1|196648^MDC_EVT_HI^MDC|||H~PH~SP|||R|||{at}||||{device}^^{device}^EUI-64"
            ),
            format!(
                "OBX|2|NM|149530^MDC_PULS_OXIM_PULS_RATE^MDC|1.1.1.149530.2|{pulse}|264864^MDC_DIM_BEAT_PER_MIN^MDC|50-120||||R|||{at}"
            ),
            format!("OBX|3|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.1.1.149530.3|{phase}||||||R"),
            format!("OBX|4|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.1.1.149530.4|{state}||||||R"),
            "OBX|5|ST|68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC|1.1.1.149530.5|enabled||||||R".to_owned(),
            "OBX|6|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC|1.1.1.149530.6|PH||||||R".to_owned(),
            "OBX|7|ST|68485^MDC_ATTR_ALERT_TYPE^MDC|1.1.1.149530.7|SP||||||R".to_owned(),
        ];
        let mut message = segments.join("\r");
        message.push('\r');
        Bytes::from(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Message;
    use crate::pcd::Transaction;

    #[test]
    fn an_alarm_is_a_pcd_04_message_in_each_phase() {
        for phase in [Phase::Start, Phase::Continue, Phase::End] {
            let at = Timestamp::UNIX_EPOCH;
            let alarm =
                Alarm { device: "00A037FFFE000001", control_id: "1", number: "A1", at, phase, pulse: 165 };
            let message = alarm.to_message();
            let message = Message::parse(&message).unwrap();
            assert_eq!(Transaction::of(&message), Some(Transaction::Pcd04), "{phase:?}");
        }
    }
}
