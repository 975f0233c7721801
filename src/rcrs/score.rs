//! How well a run goes, in one number.
//!
//! Owns [`Score`]. Must not know worlds: it is told the health of each civilian.

/// The score of the rescue league since 2021: the living civilians, less for the health that all of them have lost, which is
/// `living * exp(-5 * (1 - health / (10000 * civilians)))`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Civilians whose health is known.
    pub civilians: u32,
    /// Those of them who live.
    pub living: u32,
    /// The health of all, of which each had [`Score::WHOLE`].
    pub health: i64,
}

impl Score {
    /// Health of a civilian that has lost none.
    pub const WHOLE: i32 = 10_000;

    /// One more civilian, of this health.
    pub fn add(&mut self, hp: i32) {
        self.civilians += 1;
        self.living += u32::from(hp > 0);
        self.health += i64::from(hp);
    }

    /// One civilian of this health less.
    pub fn take(&mut self, hp: i32) {
        self.civilians = self.civilians.saturating_sub(1);
        self.living = self.living.saturating_sub(u32::from(hp > 0));
        self.health -= i64::from(hp);
    }

    /// The score; zero where there are no civilians.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the health of all is far below the integers that a float holds")]
    pub fn value(&self) -> f64 {
        if self.civilians == 0 {
            return 0.0;
        }
        let whole = f64::from(Self::WHOLE) * f64::from(self.civilians);
        f64::from(self.living) * exp(-5.0 * (1.0 - self.health as f64 / whole))
    }
}

/// The natural exponential function, within one unit in the last place; where it is below the smallest normal float, zero.
///
/// That of the system lies in a library of its own, of which a program that needs nothing else of it keeps a third of a mebibyte in memory.
fn exp(x: f64) -> f64 {
    // ln 2 in two parts, of which the first has so many zeros at its end that its multiples are exact (fdlibm).
    const LN_2: (f64, f64) = (6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10);
    if x.is_nan() || x > 709.0 {
        return x + f64::INFINITY;
    }
    if x < -708.0 {
        return 0.0;
    }
    // The power of two that is nearest: what remains is between -0.35 and 0.35.
    #[expect(clippy::cast_possible_truncation, reason = "x is between -708 and 709")]
    let twos = (x * std::f64::consts::LOG2_E + 0.5_f64.copysign(x)) as i32;
    let (high, low) = (x - f64::from(twos) * LN_2.0, f64::from(twos) * LN_2.1);
    let rest = high - low;
    let first = 1.0 + rest;
    // What the two roundings have taken.
    let lost = ((high - rest) - low) + ((1.0 - first) + rest);
    // The sum of rest^n / n! from its end; the next would be below the last place.
    let sum = (3..=14).rev().fold(0.0, |sum, n| (sum + 1.0) * rest / f64::from(n));
    let sum = first + (lost + rest * rest / 2.0 * (sum + 1.0));
    let power = f64::from_bits(u64::from((1023 + twos).unsigned_abs()) << 52);
    sum * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(healths: &[i32]) -> f64 {
        let mut score = Score::default();
        healths.iter().for_each(|hp| score.add(*hp));
        score.value()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "what it is held to")]
    fn the_living_count_less_for_health_that_was_lost() {
        assert!((of(&[10_000; 7]) - 7.0).abs() < 1e-12);
        assert!((of(&[10_000, 0]) - (-2.5_f64).exp()).abs() < 1e-12);
        assert!((of(&[5000, 5000]) - 2.0 * (-2.5_f64).exp()).abs() < 1e-12);
        assert!([of(&[]), of(&[0, 0])].iter().all(|score| score.abs() < 1e-12));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "what it is held to")]
    fn exp_is_that_of_the_system() {
        for n in -707_900..=708_900 {
            let x = f64::from(n) / 999.95;
            let (ours, theirs) = (exp(x), x.exp());
            assert!(ours.to_bits().abs_diff(theirs.to_bits()) <= 1, "exp({x}): {ours}, {theirs}");
        }
        assert_eq!((exp(0.0), exp(-709.0), exp(-f64::INFINITY)), (1.0, 0.0, 0.0));
        assert!(exp(f64::NAN).is_nan() && exp(710.0).is_infinite());
    }
}
