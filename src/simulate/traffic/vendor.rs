//! The shapes of messages of vendors, as real messages of theirs have them. The values are our own.

use super::equipment::Equipment;

/// Whose messages the simulated ones are shaped like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Vendor {
    /// The IHE PCD Technical Framework alone.
    #[default]
    Framework,
    /// B. Braun: infusion pumps behind a server; alarms name their source and have no containment.
    BBraun,
    /// Philips: MSH-3 without an identity, a type in containment segments, values with OBX-11 X.
    Philips,
    /// GE: units of UCUM, the monitor named in each value, an order of SNOMED CT.
    Ge,
    /// Dräger: a heartbeat by its time of confirmation.
    Draeger,
    /// Mindray: an order of SNOMED CT, alarms as text with OBX-11 F.
    Mindray,
}

/// A unit of measurement, in MDC and in UCUM.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit(pub(super) &'static str, pub(super) &'static str);

impl Unit {
    pub(super) const BEATS: Self = Self("264864^MDC_DIM_BEAT_PER_MIN^MDC", "{beat}/min^{beat}/min^UCUM");
    pub(super) const BREATHS: Self = Self("264928^MDC_DIM_RESP_PER_MIN^MDC", "/min^/min^UCUM");
    pub(super) const PERCENT: Self = Self("262688^MDC_DIM_PERCENT^MDC", "%^%^UCUM");
    pub(super) const MMHG: Self = Self("266016^MDC_DIM_MMHG^MDC", "mm[Hg]^mm[Hg]^UCUM");
    pub(super) const DEGREES: Self = Self("268192^MDC_DIM_DEGC^MDC", "Cel^Cel^UCUM");
    pub(super) const ML: Self = Self("263762^MDC_DIM_MILLI_L^MDC", "mL^mL^UCUM");
    pub(super) const ML_PER_HOUR: Self = Self("265266^MDC_DIM_MILLI_L_PER_HR^MDC", "mL/h^mL/h^UCUM");
    pub(super) const ML_PER_MINUTE: Self = Self("265234^MDC_DIM_MILLI_L_PER_MIN^MDC", "mL/min^mL/min^UCUM");
    pub(super) const CM_H2O: Self = Self("266048^MDC_DIM_CM_H2O^MDC", "cm[H2O]^cm[H2O]^UCUM");
    pub(super) const MINUTES: Self = Self("264352^MDC_DIM_MIN^MDC", "min^min^UCUM");
    pub(super) const MICROVOLTS: Self = Self("266419^MDC_DIM_MICRO_VOLT^MDC", "uV^uV^UCUM");
    pub(super) const HERTZ: Self = Self("264640^MDC_DIM_HZ^MDC", "Hz^Hz^UCUM");
}

impl Vendor {
    /// OBX-6.
    pub(super) const fn unit(self, unit: Unit) -> &'static str {
        match self {
            Self::Ge => unit.1,
            _ => unit.0,
        }
    }

    /// MSH-3 and MSH-4.
    pub(super) fn application(self, sender: &str) -> String {
        match self {
            Self::Framework => format!("SIM^{sender}^EUI-64|SIMULATED"),
            Self::BBraun => format!("PAT_DEVICE_SIM_BBRAUN^{sender}^EUI-64|SIM_BBRAUN"),
            Self::Philips => "PAT_DEVICE_SIM_PHILIPS|SimPhilips".to_owned(),
            Self::Ge => format!("SIM_GE_Gateway^{sender}^EUI-64|Sim GE"),
            Self::Draeger => format!("SIM_DRAEGER^{sender}^EUI-64|SIM_DRAEGER"),
            Self::Mindray => format!("SIM_MINDRAY_EGATEWAY^{sender}^EUI-64|SIM_MINDRAY"),
        }
    }

    /// MSH-18 to MSH-20.
    pub(super) const fn character_set(self) -> &'static str {
        match self {
            Self::Philips => "8859/1|EN^English^ISO639|",
            Self::BBraun => "ASCII|EN^English^ISO639|",
            _ => "UNICODE UTF-8||",
        }
    }

    /// OBR-4 of values, from the term of the device.
    pub(super) fn service(self, device: &str) -> String {
        match self {
            Self::Ge | Self::Mindray => "182777000^monitoring of patient^SCT".to_owned(),
            _ => device.to_owned(),
        }
    }

    /// OBX-2 of containment segments.
    pub(super) const fn containment_type(self) -> &'static str {
        match self {
            Self::Philips => "ST",
            _ => "",
        }
    }

    /// OBX-11 of values.
    pub(super) const fn value_status(self) -> &'static str {
        match self {
            Self::Philips => "X",
            _ => "R",
        }
    }

    /// OBX-11 of the facets of alarms.
    pub(super) const fn alarm_status(self) -> &'static str {
        match self {
            Self::BBraun | Self::Mindray => "F",
            _ => "R",
        }
    }

    /// OBX-18 of the device, and of each value.
    pub(super) fn named(self, equipment: &Equipment) -> (String, String) {
        let id = &equipment.id;
        match self {
            Self::Ge => (String::new(), format!("{id}^SIM_GE^{id}^EUI-64")),
            Self::Mindray => (String::new(), format!("{id}^SIM_MINDRAY^{id}^EUI-64")),
            Self::BBraun => (format!("P{:04}^^{id}^EUI-64", equipment.number % 10_000), String::new()),
            _ => (format!("{id}^^{id}^EUI-64"), String::new()),
        }
    }
}
