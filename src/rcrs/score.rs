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
        f64::from(self.living) * (-5.0 * (1.0 - self.health as f64 / whole)).exp()
    }
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
    fn the_living_count_less_for_health_that_was_lost() {
        assert!((of(&[10_000; 7]) - 7.0).abs() < 1e-12);
        assert!((of(&[10_000, 0]) - (-2.5_f64).exp()).abs() < 1e-12);
        assert!((of(&[5000, 5000]) - 2.0 * (-2.5_f64).exp()).abs() < 1e-12);
        assert!([of(&[]), of(&[0, 0])].iter().all(|score| score.abs() < 1e-12));
    }
}
