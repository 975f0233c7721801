//! How times are distributed: as bars for people, and as percentiles in the text form of HdrHistogram, which its plotters read.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;

use super::super::failure::{Failure, in_words};
use super::figures::{grouped, micros, real};
use super::histogram::Histogram;
use super::options::Options;

/// Bars from the shortest time to the longest.
const BARS: i32 = 12;
/// Letters of the longest bar.
const BAR: u64 = 48;
/// Lines of percentiles for each halving of what is left above them, as HdrHistogram has them where nothing is said.
const TICKS: f64 = 5.0;

/// Whether the file of percentiles can be written, before anything is measured.
pub(super) fn check(options: &Options) -> Result<(), Failure> {
    if options.percentiles.is_empty() {
        return Ok(());
    }
    File::options()
        .append(true)
        .create(true)
        .open(&options.percentiles)
        .map(drop)
        .map_err(|error| told(options, &error))
}

/// Writes the file of percentiles, where one is wanted.
pub(super) fn write(options: &Options, times: &Histogram) -> Result<(), Failure> {
    if options.percentiles.is_empty() {
        return Ok(());
    }
    let written = File::create(&options.percentiles).and_then(|mut file| file.write_all(percentiles(times).as_bytes()));
    written.map_err(|error| told(options, &error))
}

fn told(options: &Options, error: &std::io::Error) -> Failure {
    Failure::usage(format!("--percentiles {}: {}", options.percentiles, in_words(error)))
}

/// The value that so many values do not exceed, and how many those are.
fn at(runs: &[(u64, u64)], rank: u64) -> (u64, u64) {
    let mut seen = 0;
    for (value, count) in runs {
        seen += count;
        if seen >= rank {
            return (*value, seen);
        }
    }
    (runs.last().map_or(0, |(value, _)| *value), seen)
}

/// Percentiles in microseconds, of values in nanoseconds.
fn percentiles(times: &Histogram) -> String {
    let runs: Vec<(u64, u64)> = times.runs().collect();
    let total = times.count();
    let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut put = |line: std::fmt::Arguments<'_>| {
        let written = text.write_fmt(line);
        debug_assert!(written.is_ok(), "a String takes everything");
    };
    let mut level = 0.0_f64;
    // How many times what is left above them has been halved, as a power of two.
    let mut halves = 2.0;
    loop {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a count below 2^53")]
        let rank = ((level * real(total)).ceil() as u64).max(1);
        let (value, seen) = at(&runs, rank);
        if total == 0 || seen >= total {
            put(format_args!("{:>12.3} {:>2.12} {total:>10}\n", micros(times.max()), 1.0));
            break;
        }
        put(format_args!("{:>12.3} {level:>2.12} {seen:>10} {:>14.2}\n", micros(value), 1.0 / (1.0 - level)));
        while 1.0 / (1.0 - level) >= halves {
            halves *= 2.0;
        }
        level += 1.0 / (TICKS * halves);
    }
    let mean = micros(times.mean());
    // The middle of a part stands for all in it.
    let middle = |value: u64| micros(value - value / (2 * Histogram::PARTS));
    let spread = runs.iter().map(|(value, count)| (middle(*value) - mean).powi(2) * real(*count)).sum::<f64>();
    let deviation = (spread / real(total.max(1))).sqrt();
    put(format_args!("#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]\n"));
    put(format_args!("#[Max     = {:>12.3}, Total count    = {total:>12}]\n", micros(times.max())));
    put(format_args!("#[Buckets = {:>12}, SubBuckets     = {:>12}]\n", Histogram::OCTAVES, Histogram::PARTS));
    text
}

/// How many times longer each of the [`BARS`] is, so that all of them are so many times longer; at least once.
fn twelfth_root(all: f64) -> f64 {
    let (mut low, mut high) = (1.0, all.max(1.0));
    // Halved until two floats are left of it.
    for _ in 0..128 {
        let middle = f64::midpoint(low, high);
        if middle.powi(BARS) < all {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// A line for each of a dozen ranges from the shortest time to the longest, each as many times longer than the one before.
pub(super) fn bars(times: &Histogram) -> String {
    let runs: Vec<(u64, u64)> = times.runs().collect();
    let (Some((least, _)), Some((most, _))) = (runs.first(), runs.last()) else { return String::new() };
    let least = micros(*least).max(0.001);
    let step = twelfth_root(micros(*most) / least).max(1.001);
    let mut ranges = vec![0; 1];
    let mut end = least;
    for (value, count) in &runs {
        // A value at the edge belongs to the range below it, whatever rounding says.
        while micros(*value) > end * step * 1.000_001 && ranges.len() < BARS.unsigned_abs() as usize {
            end *= step;
            ranges.push(0);
        }
        if let Some(range) = ranges.last_mut() {
            *range += count;
        }
    }
    let highest = ranges.iter().copied().max().unwrap_or(0).max(1);
    let mut text = String::new();
    let mut from = least;
    for count in ranges {
        let letters = (count * BAR).div_ceil(highest);
        let bar = "#".repeat(usize::try_from(letters).unwrap_or(0));
        let to = from * step;
        let written = writeln!(text, "{from:>12.1} to {to:>10.1} us  {bar:<48}  {}", grouped(count));
        debug_assert!(written.is_ok(), "a String takes everything");
        from = to;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thousand() -> Histogram {
        let mut times = Histogram::new();
        (1..=1000).for_each(|n| times.record(n * 1000));
        times
    }

    #[test]
    fn percentiles_rise_to_all_of_them() {
        let text = percentiles(&thousand());
        let lines: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|word| word.parse().unwrap()).collect())
            .collect();
        assert!(lines.len() > 30 && lines.is_sorted_by(|a, b| a[0] <= b[0] && a[1] <= b[1] && a[2] <= b[2]), "{text}");
        assert_eq!((lines[0].as_slice()[1], lines[0][2], lines[0][3]), (0.0, 1.0, 1.0));
        let half = lines.iter().find(|line| line[1] == 0.5).unwrap();
        assert!((500.0..=504.0).contains(&half[0]) && half[3] == 2.0, "{half:?}");
        assert_eq!(lines.last().unwrap(), &[1000.0, 1.0, 1000.0]);
        assert!(text.starts_with("       Value     Percentile TotalCount 1/(1-Percentile)\n\n"), "{text}");
        assert!(text.contains("#[Max     =     1000.000, Total count    =         1000]\n"), "{text}");
        assert!(text.contains(", StdDeviation   =      28"), "of numbers up to 1000: {text}");
        assert!(percentiles(&Histogram::new()).contains("       0.000 1.000000000000          0\n"));
    }

    #[test]
    fn bars_are_as_much_longer_each_as_all_of_them() {
        for all in [1.0, 1.5, 2.0, 4096.0, 1e6, 1e13] {
            assert!((twelfth_root(all).powi(12) / all - 1.0).abs() < 1e-14, "{all}");
        }
        assert_eq!((twelfth_root(4096.0), twelfth_root(0.5)), (2.0, 1.0));
    }

    #[test]
    fn bars_hold_every_value_and_are_short() {
        let text = bars(&thousand());
        let counts: Vec<u64> =
            text.lines().map(|line| line.rsplit("  ").next().unwrap().replace(' ', "").parse().unwrap()).collect();
        assert_eq!((counts.len(), counts.iter().sum::<u64>()), (12, 1000), "{text}");
        assert!(text.lines().all(|line| line.len() <= 100) && text.contains(&"#".repeat(48)), "{text}");
        assert_eq!(bars(&Histogram::new()), "");
        let mut one = Histogram::new();
        one.record(5000);
        assert_eq!(bars(&one).lines().count(), 1);
    }
}
