//! Names of terms for people.

use std::fmt::{self, Write as _};

/// The name of a term, to be written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainName<'a> {
    /// A short name: `HR`.
    Short(&'static str),
    /// A reference id, written as words: `MDC_PRESS_CUFF_SYS` as `pressure cuff systolic`.
    Words(&'a str),
    /// A term that the table does not know, as it came.
    AsCame(&'a str),
}

impl fmt::Display for PlainName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(text) => f.write_str(text),
            Self::AsCame(text) => f.write_str(text),
            Self::Words(reference) => words(reference, f),
        }
    }
}

fn words(reference: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let own = reference.strip_prefix("MDC_").unwrap_or(reference);
    let kind = ["EVT_", "ATTR_", "DEV_"].into_iter().find_map(|kind| own.strip_prefix(kind));
    for (at, token) in kind.unwrap_or(own).split('_').enumerate() {
        if at > 0 {
            f.write_char(' ')?;
        }
        match WORDS.binary_search_by_key(&token, |(known, _)| known) {
            Ok(at) => f.write_str(WORDS.get(at).map_or(token, |(_, word)| word))?,
            // Abbreviations (ECG, VMD, PCA) and names of leads (V1) stay.
            Err(_) if token.len() <= 3 || token.bytes().any(|byte| byte.is_ascii_digit()) => {
                f.write_str(token)?
            }
            Err(_) => token.chars().try_for_each(|letter| f.write_char(letter.to_ascii_lowercase()))?,
        }
    }
    Ok(())
}

/// Abbreviations of ISO/IEEE 11073-10101 whose meaning is clear, sorted.
const WORDS: [(&str, &str); 145] = [
    ("ABNORM", "abnormal"),
    ("ABSENT", "absent"),
    ("AIR", "air"),
    ("ALV", "alveolar"),
    ("AMPL", "amplitude"),
    ("ANALY", "analyzer"),
    ("AND", "and"),
    ("AORT", "aortic"),
    ("ARRHY", "arrhythmia"),
    ("ART", "arterial"),
    ("ATR", "atrial"),
    ("AWAY", "airway"),
    ("AXIL", "axillary"),
    ("BATT", "battery"),
    ("BIGEM", "bigeminy"),
    ("BLD", "blood"),
    ("BLK", "block"),
    ("BRADY", "bradycardia"),
    ("CALIB", "calibration"),
    ("CARD", "cardiac"),
    ("CHAN", "channel"),
    ("CHK", "check"),
    ("CNT", "count"),
    ("COMM", "communication"),
    ("COMP", "complete"),
    ("CONC", "concentration"),
    ("CONN", "connected"),
    ("CONSUMP", "consumption"),
    ("CONT", "continuous"),
    ("CRAN", "cranial"),
    ("CURR", "current"),
    ("CYL", "cylinder"),
    ("DEADSP", "deadspace"),
    ("DEG", "degree"),
    ("DELIV", "delivered"),
    ("DEPL", "depleted"),
    ("DEPLET", "depleted"),
    ("DETEC", "detected"),
    ("DEV", "device"),
    ("DIA", "diastolic"),
    ("DIFF", "difference"),
    ("DISCONN", "disconnected"),
    ("DISTURB", "disturbed"),
    ("DYN", "dynamic"),
    ("ECT", "ectopic"),
    ("END", "end"),
    ("ERR", "error"),
    ("ESOPH", "esophageal"),
    ("EXCESS", "excess"),
    ("EXH", "exhausted"),
    ("EXP", "expiratory"),
    ("FAIL", "failed"),
    ("FIB", "fibrillation"),
    ("FLOW", "flow"),
    ("FLUT", "flutter"),
    ("FREQ", "frequency"),
    ("GASDLV", "gas-delivered"),
    ("GEN", "general"),
    ("GLU", "glucose"),
    ("GT", "greater than"),
    ("HB", "hemoglobin"),
    ("HI", "high"),
    ("INFUS", "infusion"),
    ("INOP", "inoperative"),
    ("INSP", "inspiratory"),
    ("INTERF", "interference"),
    ("INTERRUP", "interrupted"),
    ("INV", "invasive"),
    ("IRREG", "irregular"),
    ("JUNC", "junctional"),
    ("LEN", "length"),
    ("LIM", "limit"),
    ("LO", "low"),
    ("LOW", "low"),
    ("LT", "less than"),
    ("MALF", "malfunction"),
    ("MAX", "maximum"),
    ("MIN", "minimum"),
    ("MON", "monitor"),
    ("MSMT", "measurement"),
    ("MULTI", "multiple"),
    ("NEB", "nebulizer"),
    ("NEG", "negative"),
    ("NON", "non"),
    ("NONINV", "non-invasive"),
    ("NOT", "not"),
    ("NUM", "number"),
    ("OBSTRUC", "obstructed"),
    ("OCCL", "occlusion"),
    ("OF", "of"),
    ("OFF", "off"),
    ("OR", "or"),
    ("OVER", "over"),
    ("OXIM", "oximetry"),
    ("PACER", "pacemaker"),
    ("PARAM", "parameter"),
    ("PD", "period"),
    ("PHYSIO", "physiological"),
    ("PLETH", "pleth"),
    ("POS", "positive"),
    ("POSN", "position"),
    ("PRESS", "pressure"),
    ("PROB", "problem"),
    ("PROG", "program"),
    ("PT", "patient"),
    ("PULM", "pulmonary"),
    ("PULS", "pulse"),
    ("PWR", "power"),
    ("RATE", "rate"),
    ("RECT", "rectal"),
    ("REF", "reference"),
    ("REL", "relative"),
    ("REMAIN", "remaining"),
    ("RES", "resistance"),
    ("RESP", "respiratory"),
    ("RHY", "rhythm"),
    ("RUN", "run"),
    ("SAT", "saturation"),
    ("SEC", "second"),
    ("SENS", "sensitivity"),
    ("SET", "set"),
    ("SIG", "signal"),
    ("SPONT", "spontaneous"),
    ("STAT", "status"),
    ("SUM", "sum"),
    ("SUPP", "support"),
    ("SUST", "sustained"),
    ("TACHY", "tachycardia"),
    ("TBI", "to be infused"),
    ("TCUT", "transcutaneous"),
    ("TEMP", "temperature"),
    ("THRESH", "threshold"),
    ("TRIG", "trigger"),
    ("TTHOR", "transthoracic"),
    ("TYMP", "tympanic"),
    ("UMB", "umbilical"),
    ("UNAVAIL", "unavailable"),
    ("UNDEF", "undefined"),
    ("UNK", "unknown"),
    ("VASC", "vascular"),
    ("VEN", "venous"),
    ("VIOL", "violated"),
    ("VOL", "volume"),
    ("WARN", "warning"),
    ("XDUCR", "transducer"),
];
