//! Vital signs that move like vital signs: each patient has a state of rest, around which slow waves and a
//! little noise move the values, and an episode takes them beyond the limits of an alarm and back.

use std::f64::consts::TAU;

use super::noise::{between, fraction};

/// One set of vital signs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct VitalSigns {
    /// Beats per minute.
    pub(super) heart_rate: f64,
    /// Percent.
    pub(super) saturation: f64,
    /// Breaths per minute.
    pub(super) respiration: f64,
    /// mmHg.
    pub(super) systolic: f64,
    /// mmHg.
    pub(super) diastolic: f64,
    /// Degrees Celsius.
    pub(super) temperature: f64,
}

/// What an episode does, from 0 (nothing) to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Strain {
    pub(super) tachycardia: f64,
    pub(super) desaturation: f64,
}

impl VitalSigns {
    /// Those of a patient at a time in seconds.
    pub(super) fn at(patient: u64, seconds: f64, strain: Strain) -> Self {
        // Two waves without a common period, of minutes, and noise that changes each second.
        let second = seconds.max(0.0) as u64;
        let wave = |stream: u64, amplitude: f64| {
            let (slow, fast) =
                (between(patient, stream, 240.0, 420.0), between(patient, stream + 1, 50.0, 90.0));
            let phase = TAU * fraction(patient, stream + 2, 0);
            let noise = fraction(patient, stream + 3, second) - 0.5;
            amplitude
                * (0.6 * (TAU * seconds / slow + phase).sin()
                    + 0.25 * (TAU * seconds / fast).sin()
                    + 0.3 * noise)
        };
        let Strain { tachycardia, desaturation } = strain;
        let heart_rate =
            between(patient, 10, 58.0, 88.0) + wave(11, 6.0) + 75.0 * tachycardia + 15.0 * desaturation;
        let saturation = (between(patient, 20, 95.5, 99.0) + wave(21, 1.0) - 13.0 * desaturation).min(100.0);
        let respiration =
            between(patient, 30, 12.0, 18.0) + wave(31, 2.0) + 14.0 * (tachycardia + desaturation);
        let systolic = between(patient, 40, 108.0, 136.0) + wave(41, 6.0) - 18.0 * tachycardia;
        let diastolic = (systolic * between(patient, 50, 0.58, 0.68) + wave(51, 2.0)).min(systolic - 20.0);
        let temperature = between(patient, 60, 36.3, 37.6) + wave(61, 0.1);
        Self { heart_rate, saturation, respiration, systolic, diastolic, temperature }
    }

    /// mmHg: a third of the way from the diastolic to the systolic pressure.
    pub(super) fn mean(&self) -> f64 {
        self.diastolic + (self.systolic - self.diastolic) / 3.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(patient: u64) -> Vec<VitalSigns> {
        (0..3600).map(|second| VitalSigns::at(patient, f64::from(second), Strain::default())).collect()
    }

    #[test]
    fn values_at_rest_stay_within_limits_and_move_in_small_steps() {
        for patient in 0..50 {
            let all = hour(patient);
            for signs in &all {
                assert!((50.0..=100.0).contains(&signs.heart_rate), "{signs:?}");
                assert!((94.0..=100.0).contains(&signs.saturation), "{signs:?}");
                assert!((8.0..=22.0).contains(&signs.respiration), "{signs:?}");
                assert!(signs.diastolic + 20.0 <= signs.systolic && signs.systolic < 145.0, "{signs:?}");
                assert!((36.0..=38.0).contains(&signs.temperature), "{signs:?}");
                assert!(signs.diastolic < signs.mean() && signs.mean() < signs.systolic);
            }
            for pair in all.windows(2) {
                assert!((pair[0].heart_rate - pair[1].heart_rate).abs() < 3.0, "{pair:?}");
                assert!((pair[0].temperature - pair[1].temperature).abs() < 0.1, "{pair:?}");
            }
            let rates = all.iter().map(|signs| signs.heart_rate.round() as i64);
            assert!(rates.clone().max().unwrap() - rates.min().unwrap() >= 4, "they move");
        }
        assert_ne!(hour(1)[0], hour(2)[0], "patients differ");
    }

    #[test]
    fn an_episode_passes_the_limits_of_its_alarm() {
        for patient in 0..50 {
            let at = |tachycardia, desaturation| {
                VitalSigns::at(patient, 60.0, Strain { tachycardia, desaturation })
            };
            assert!(at(0.9, 0.0).heart_rate > 115.0);
            assert!(at(0.0, 0.9).saturation < 90.0);
            assert!(at(0.9, 0.0).respiration > 21.0);
        }
    }
}
