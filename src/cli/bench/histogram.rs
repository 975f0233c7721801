//! A histogram of times with log-linear buckets: every octave is cut into the same number of equal parts, so the error of an
//! answer is bounded relative to its size, and recording is a shift and an addition.

use serde_json::{Value, json};

use super::figures::micros;

/// Parts of each octave; an answer is at most one part in so many above the truth.
const PARTS: u64 = 1 << PART_BITS;
const PART_BITS: u32 = 7;
/// Octaves above the first, which is exact. Values beyond (about 18 minutes in nanoseconds) count as the last bucket.
const OCTAVES: u64 = 33;

/// Counts of values, by size.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: Box<[u64]>,
    count: u64,
    sum: u128,
    max: u64,
}

/// The bucket of a value.
fn bucket(value: u64) -> usize {
    // The first octave, values below PARTS, has one bucket for each value.
    let octave = value.max(1).ilog2().saturating_sub(PART_BITS - 1);
    let place = if octave == 0 { value } else { u64::from(octave) * PARTS / 2 + (value >> octave) };
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// The largest value of a bucket.
fn last_of(bucket: usize) -> u64 {
    let place = u64::try_from(bucket).unwrap_or(u64::MAX);
    let octave = (place / (PARTS / 2)).saturating_sub(1);
    if octave == 0 {
        return place;
    }
    let part = place - octave * PARTS / 2;
    (part << octave) + ((1 << octave) - 1)
}

impl Histogram {
    /// Octaves above the first, and the parts of each.
    pub(super) const OCTAVES: u64 = OCTAVES;
    pub(super) const PARTS: u64 = PARTS;

    /// The values that there are, and how many of each: of a part of an octave the largest.
    pub(super) fn runs(&self) -> impl Iterator<Item = (u64, u64)> {
        let buckets = self.buckets.iter().enumerate().filter(|(_, count)| **count > 0);
        buckets.map(|(place, count)| (last_of(place).min(self.max), *count))
    }

    pub(super) fn new() -> Self {
        let buckets = usize::try_from((OCTAVES + 2) * PARTS / 2).unwrap_or(0);
        Self { buckets: vec![0; buckets].into_boxed_slice(), count: 0, sum: 0, max: 0 }
    }

    pub(super) fn record(&mut self, value: u64) {
        let last = self.buckets.len() - 1;
        if let Some(count) = self.buckets.get_mut(bucket(value).min(last)) {
            *count += 1;
        }
        self.count += 1;
        self.sum += u128::from(value);
        self.max = self.max.max(value);
    }

    /// Half of the values, nearly all of them, and all, in microseconds of values in nanoseconds.
    pub(super) fn spread(&self) -> Value {
        json!({"p50_us": micros(self.quantile(500)), "p99_us": micros(self.quantile(990)), "max_us": micros(self.max)})
    }

    /// The same as a line about `what`.
    pub(super) fn spread_line(&self, what: &str) -> String {
        format!(
            "{:>12.1} us p50 {:>12.1} us p99 {:>12.1} us max   {what}\n",
            micros(self.quantile(500)),
            micros(self.quantile(990)),
            micros(self.max)
        )
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) const fn max(&self) -> u64 {
        self.max
    }

    /// The average; zero of nothing.
    pub(super) fn mean(&self) -> u64 {
        u64::try_from(self.sum / u128::from(self.count.max(1))).unwrap_or(u64::MAX)
    }

    /// The value that `per_mille` of a thousand values do not exceed, at most 1/128 above the truth; zero of nothing.
    pub(super) fn quantile(&self, per_mille: u64) -> u64 {
        let rank = self.count.saturating_mul(per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (place, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return last_of(place).min(self.max);
            }
        }
        self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_and_the_error_is_bounded() {
        let mut last = 0;
        for power in 0..40 {
            for near in [0u64, 1, 2, 3, 77] {
                for value in [(1u64 << power) + near, ((1u64 << power) + near).saturating_sub(3)] {
                    let upper = last_of(bucket(value));
                    assert!(upper >= value, "{value}: {upper}");
                    assert!((upper - value) * PARTS <= 2 * value, "{value}: {upper}");
                    last = last.max(bucket(value));
                }
            }
        }
        assert!(last < Histogram::new().buckets.len());
    }

    #[test]
    fn buckets_follow_one_another_without_gap_or_overlap() {
        for place in 1..Histogram::new().buckets.len() {
            assert_eq!(bucket(last_of(place)), place);
            assert_eq!(bucket(last_of(place - 1) + 1), place);
        }
    }

    #[test]
    fn quantiles_agree_with_a_sorted_list() {
        let mut histogram = Histogram::new();
        let mut values = Vec::new();
        let mut state = 1u64;
        for _ in 0..10_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let value = (state >> 33) >> (state % 24);
            histogram.record(value);
            values.push(value);
        }
        values.sort_unstable();
        for per_mille in [1, 10, 500, 900, 990, 999, 1000] {
            let exact = values[(10 * usize::try_from(per_mille).unwrap()).max(1) - 1];
            let said = histogram.quantile(per_mille);
            assert!(said >= exact && (said - exact) * 64 <= exact, "{per_mille}: {said} for {exact}");
        }
        assert_eq!(histogram.max(), *values.last().unwrap());
        assert_eq!(u128::from(histogram.mean()), values.iter().map(|value| u128::from(*value)).sum::<u128>() / 10_000);
    }

    #[test]
    fn nothing_and_too_much_are_answered() {
        let mut histogram = Histogram::new();
        assert_eq!((histogram.quantile(500), histogram.mean(), histogram.max()), (0, 0, 0));
        histogram.record(u64::MAX);
        histogram.record(5);
        assert_eq!(histogram.count(), 2);
        assert_eq!(histogram.quantile(500), 5);
        assert!(histogram.quantile(1000) > 1 << 39, "beyond the last bucket is still large");
    }
}
