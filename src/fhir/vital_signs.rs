//! Vital signs, which FHIR wants coded in LOINC as well (R4, profile `vitalsigns`).
//!
//! LOINC is copyright of Regenstrief Institute, Inc. and the LOINC Committee, and available at no cost under
//! the license at <https://loinc.org/license>.

use super::datatypes::Coding;

/// A vital sign of R4.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct VitalSign {
    /// The number in MDC.
    mdc: u32,
    /// The codes of LOINC with their names.
    loinc: &'static [(&'static str, &'static str)],
    /// The profile of R4; none for a part of one.
    pub(super) profile: Option<&'static str>,
    /// The units that the profile allows.
    pub(super) units: &'static [&'static str],
}

/// The vital sign with this number in MDC.
pub(super) fn find(mdc: u32) -> Option<&'static VitalSign> {
    VITAL_SIGNS.iter().find(|known| known.mdc == mdc)
}

/// The vital signs with this number in MDC, or with this code of LOINC.
pub(super) fn all_of(mdc: Option<u32>, loinc: Option<&str>) -> Vec<&'static VitalSign> {
    let has = |known: &&VitalSign| {
        mdc == Some(known.mdc) || loinc.is_some_and(|code| known.loinc.iter().any(|(own, _)| *own == code))
    };
    VITAL_SIGNS.iter().filter(has).collect()
}

impl VitalSign {
    /// The codes of LOINC.
    pub(super) fn codings(&self) -> impl Iterator<Item = Coding> {
        self.loinc.iter().map(|(code, name)| Coding::new(LOINC, *code, name))
    }
}

/// Source: the examples of the guides `hl7.fhir.uv.pocd` and `hl7.fhir.uv.phd`, and the vital signs profiles
/// of R4. 59408-5 and 8889-8 say that it is measured by pulse oximetry, as 150456 and 149530 do.
const VITAL_SIGNS: [VitalSign; 11] = [
    VitalSign {
        mdc: 147_842,
        loinc: HEART_RATE,
        profile: Some("http://hl7.org/fhir/StructureDefinition/heartrate"),
        units: &["/min"],
    },
    VitalSign {
        mdc: 149_530,
        loinc: &[("8867-4", "Heart rate"), ("8889-8", "Heart rate by Pulse oximetry")],
        profile: Some("http://hl7.org/fhir/StructureDefinition/heartrate"),
        units: &["/min"],
    },
    VitalSign {
        mdc: 150_456,
        loinc: &[
            ("2708-6", "Oxygen saturation in Arterial blood"),
            ("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
        ],
        profile: Some("http://hl7.org/fhir/StructureDefinition/oxygensat"),
        units: &["%"],
    },
    VitalSign {
        mdc: 150_020,
        loinc: &[("85354-9", "Blood pressure panel with all children optional")],
        profile: Some("http://hl7.org/fhir/StructureDefinition/bp"),
        units: &[],
    },
    VitalSign { mdc: 150_021, loinc: &[("8480-6", "Systolic blood pressure")], profile: None, units: MMHG },
    VitalSign { mdc: 150_022, loinc: &[("8462-4", "Diastolic blood pressure")], profile: None, units: MMHG },
    VitalSign { mdc: 150_023, loinc: &[("8478-0", "Mean blood pressure")], profile: None, units: MMHG },
    VitalSign {
        mdc: 151_562,
        loinc: &[("9279-1", "Respiratory rate")],
        profile: Some("http://hl7.org/fhir/StructureDefinition/resprate"),
        units: &["/min"],
    },
    VitalSign {
        mdc: 150_364,
        loinc: &[("8310-5", "Body temperature")],
        profile: Some("http://hl7.org/fhir/StructureDefinition/bodytemp"),
        units: &["Cel", "[degF]"],
    },
    VitalSign {
        mdc: 188_736,
        loinc: &[("29463-7", "Body weight")],
        profile: Some("http://hl7.org/fhir/StructureDefinition/bodyweight"),
        units: &["g", "kg", "[lb_av]"],
    },
    VitalSign {
        mdc: 188_740,
        loinc: &[("8302-2", "Body height")],
        profile: Some("http://hl7.org/fhir/StructureDefinition/bodyheight"),
        units: &["cm", "[in_i]"],
    },
];

/// The coding system of LOINC.
pub(super) const LOINC: &str = "http://loinc.org";

const HEART_RATE: &[(&str, &str)] = &[("8867-4", "Heart rate")];
const MMHG: &[&str] = &["mm[Hg]"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vital_sign_has_its_codes_of_loinc() {
        let codes =
            |mdc| -> Vec<_> { find(mdc).unwrap().codings().filter_map(|coding| coding.code).collect() };
        assert_eq!(codes(147_842), ["8867-4"]);
        assert_eq!(codes(149_530), ["8867-4", "8889-8"]);
        assert_eq!(codes(150_456), ["2708-6", "59408-5"]);
        assert_eq!(find(150_020).unwrap().profile, Some("http://hl7.org/fhir/StructureDefinition/bp"));
        // A temperature of anything is not that of the body.
        assert_eq!(find(150_344), None);
    }
}
