//! Messages of a monitor with 25 or with one observation, as bytes whose changing parts are written in place.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// In place of a control id in the frame that was made before.
const CONTROL_ID: &str = "N00000000000000X";
/// In place of the number of a patient.
const PATIENT: &str = "P0000000X";
/// In place of the time of the observations.
const TIME: &str = "19000101000000";
/// In place of a value.
const VALUE: &str = "000.0";

/// One frame, written again for each message.
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    control_id: Vec<usize>,
    patient: Vec<usize>,
    time: Vec<usize>,
    value: Vec<usize>,
}

impl Frame {
    /// Of the monitor `device`, with the first `observations` of [`METRICS`].
    pub(crate) fn new(device: &str, observations: usize) -> Self {
        let mut segments = vec![
            format!(
                r"MSH|^~\&|DEMO^{device}^EUI-64|DEMO|||{TIME}+0000||ORU^R01^ORU_R01|{CONTROL_ID}|P|2.6|||AL|NE||UNICODE UTF-8|||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"
            ),
            format!("PID|||{PATIENT}^^^Bench&1.2.3.4.5&ISO^PI||Patient^Imaginary^^^^^L"),
            "PV1||I|Bench^Ward^1".to_owned(),
            format!(
                "OBR|1||{CONTROL_ID}^DEMO^{device}^EUI-64|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||{TIME}+0000"
            ),
            format!(
                "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||{device}^^{device}^EUI-64"
            ),
            "OBX|2||69642^MDC_DEV_ANALY_SAT_O2_VMD^MDC|1.1.0.0|||||||X".to_owned(),
            "OBX|3||69643^MDC_DEV_ANALY_SAT_O2_CHAN^MDC|1.1.1.0|||||||X".to_owned(),
        ];
        for (index, (code, name, unit)) in METRICS.iter().take(observations).enumerate() {
            let number = index + 4;
            segments.push(format!("OBX|{number}|NM|{code}^{name}^MDC|1.1.1.{code}|{VALUE}|{unit}^MDC|||||R"));
        }
        let text = segments.join("\r");
        let at = |pattern: &str| text.match_indices(pattern).map(|(at, _)| at + 1).collect();
        let (control_id, patient, time, value) = (at(CONTROL_ID), at(PATIENT), at(TIME), at(VALUE));
        let bytes = [b"\x0B", text.as_bytes(), b"\r\x1C\r"].concat();
        Self { bytes, control_id, patient, time, value }
    }

    /// Makes it the message `number`. Returns its control id.
    pub(crate) fn write(&mut self, run: u32, number: u64, patient: u64, minute: u64) -> String {
        // No hexadecimal number of 16 digits: OBR-3.1 would be one as well, and taken for an EUI-64.
        let control_id = format!("N{run:05x}{number:010x}");
        let value = format!("{:05.1}", 60.0 + (number % 400) as f64 / 10.0);
        for (places, text) in [
            (&self.control_id, &control_id),
            (&self.patient, &patient_number(patient)),
            (&self.time, &time(minute)),
            (&self.value, &value),
        ] {
            for at in places {
                self.bytes[*at..*at + text.len()].copy_from_slice(text.as_bytes());
            }
        }
        control_id
    }
}

/// The identifier of a patient, in the namespace [`SYSTEM`].
pub(crate) fn patient_number(patient: u64) -> String {
    format!("P{patient:08}")
}

/// The system of the identifiers of patients.
pub(crate) const SYSTEM: &str = "urn:oid:1.2.3.4.5";

/// The time of a minute, as in HL7 v2 (`YYYYMMDDHHMMSS`).
fn time(minute: u64) -> String {
    at(minute).to_zoned_datetime(TimeZone::UTC).strftime("%Y%m%d%H%M%S").to_string()
}

/// The time of a minute, as in FHIR.
pub(crate) fn fhir_time(minute: u64) -> String {
    at(minute).to_string()
}

fn at(minute: u64) -> Timestamp {
    let began = Timestamp::from_second(1_780_000_000).expect("a time");
    began + SignedDuration::from_mins(i64::try_from(minute).expect("a minute"))
}

/// Code, reference identifier and unit in MDC (IEEE 11073-10101); the first is searched for.
pub(crate) const METRICS: [(u32, &str, &str); 25] = [
    (150_456, "MDC_PULS_OXIM_SAT_O2", "262688^MDC_DIM_PERCENT"),
    (149_530, "MDC_PULS_OXIM_PULS_RATE", "264864^MDC_DIM_BEAT_PER_MIN"),
    (147_842, "MDC_ECG_CARD_BEAT_RATE", "264864^MDC_DIM_BEAT_PER_MIN"),
    (151_562, "MDC_RESP_RATE", "264928^MDC_DIM_RESP_PER_MIN"),
    (150_344, "MDC_TEMP", "268192^MDC_DIM_DEGC"),
    (151_708, "MDC_CONC_AWAY_CO2_ET", "266016^MDC_DIM_MMHG"),
    (151_716, "MDC_CONC_AWAY_CO2_INSP", "266016^MDC_DIM_MMHG"),
    (151_908, "MDC_CONC_AWAY_O2", "262688^MDC_DIM_PERCENT"),
    (152_440, "MDC_CONC_AWAY_O2_ET", "262688^MDC_DIM_PERCENT"),
    (152_196, "MDC_CONC_AWAY_O2_INSP", "262688^MDC_DIM_PERCENT"),
    (131_841, "MDC_ECG_AMPL_ST_I", "266418^MDC_DIM_MILLI_VOLT"),
    (131_842, "MDC_ECG_AMPL_ST_II", "266418^MDC_DIM_MILLI_VOLT"),
    (131_901, "MDC_ECG_AMPL_ST_III", "266418^MDC_DIM_MILLI_VOLT"),
    (131_902, "MDC_ECG_AMPL_ST_AVR", "266418^MDC_DIM_MILLI_VOLT"),
    (131_903, "MDC_ECG_AMPL_ST_AVL", "266418^MDC_DIM_MILLI_VOLT"),
    (131_904, "MDC_ECG_AMPL_ST_AVF", "266418^MDC_DIM_MILLI_VOLT"),
    (131_843, "MDC_ECG_AMPL_ST_V1", "266418^MDC_DIM_MILLI_VOLT"),
    (131_844, "MDC_ECG_AMPL_ST_V2", "266418^MDC_DIM_MILLI_VOLT"),
    (131_845, "MDC_ECG_AMPL_ST_V3", "266418^MDC_DIM_MILLI_VOLT"),
    (131_846, "MDC_ECG_AMPL_ST_V4", "266418^MDC_DIM_MILLI_VOLT"),
    (131_847, "MDC_ECG_AMPL_ST_V5", "266418^MDC_DIM_MILLI_VOLT"),
    (131_848, "MDC_ECG_AMPL_ST_V6", "266418^MDC_DIM_MILLI_VOLT"),
    (151_792, "MDC_PRESS_AWAY", "266048^MDC_DIM_CM_H2O"),
    (151_804, "MDC_PRESS_AWAY_END_EXP_POS", "266048^MDC_DIM_CM_H2O"),
    (151_812, "MDC_PRESS_AWAY_EXP", "266048^MDC_DIM_CM_H2O"),
];
