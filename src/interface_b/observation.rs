//! The PCD-01 messages of the demonstration.

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// One set of measurements of a pulse oximeter, as PCD-01 (IHE PCD TF vol. 2, 3.1).
#[derive(Debug, Clone)]
pub struct Observation<'a> {
    /// EUI-64 of the sender: the device, or its gateway.
    pub sender: &'a str,
    /// EUI-64 of the device that took the measurement.
    pub equipment: &'a str,
    /// MSH-10.
    pub control_id: &'a str,
    /// The time of the measurement.
    pub at: Timestamp,
    /// Oxygen saturation in percent.
    pub saturation: u8,
    /// Pulse rate in beats per minute.
    pub pulse: u8,
}

impl Observation<'_> {
    /// The message, without MLLP framing.
    #[must_use]
    pub fn to_message(&self) -> Bytes {
        let Self { sender, equipment, control_id, saturation, pulse, .. } = self;
        let at = self.at.to_zoned_datetime(TimeZone::UTC).strftime("%Y%m%d%H%M%S+0000");
        // OBX-8 is empty and OBX-11 is R, as from a real device. MSH-15 and MSH-16 request an accept
        // acknowledgement only.
        let segments = [
            format!(
                r"MSH|^~\&|DEMO^{sender}^EUI-64|DEMO|||{at}||ORU^R01^ORU_R01|{control_id}|P|2.6|||AL|NE||UNICODE UTF-8|||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"
            ),
            "PID|||DEMO-0001^^^Demo Hospital^PI||Patient^Imaginary^^^^^L".to_owned(),
            "PV1||I|Demo^Ward^1".to_owned(),
            format!(
                "OBR|1||{control_id}^DEMO^{sender}^EUI-64|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||{at}"
            ),
            format!(
                "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||{equipment}^^{equipment}^EUI-64"
            ),
            "OBX|2||69642^MDC_DEV_ANALY_SAT_O2_VMD^MDC|1.1.0.0|||||||X".to_owned(),
            "OBX|3||69643^MDC_DEV_ANALY_SAT_O2_CHAN^MDC|1.1.1.0|||||||X".to_owned(),
            format!(
                "OBX|4|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.150456|{saturation}|262688^MDC_DIM_PERCENT^MDC|||||R|||{at}"
            ),
            format!(
                "OBX|5|NM|149530^MDC_PULS_OXIM_PULS_RATE^MDC|1.1.1.149530|{pulse}|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||R|||{at}"
            ),
        ];
        let mut message = segments.join("\r");
        message.push('\r');
        Bytes::from(message)
    }
}
