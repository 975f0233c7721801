//! What the operating system knows of this process.

use crate::hub::vitals::Vitals;

/// Bytes of a page, and ticks of a second, as Linux counts them for programs on all machines that this one is built for.
const PAGE_BYTES: u64 = 4096;
const TICKS_PER_SECOND: u64 = 100;

/// Reads it, where there is a `/proc`.
pub(super) fn read() -> Option<Vitals> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let resident = statm.split(' ').nth(1)?.parse::<u64>().ok()?;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program may have blanks and brackets in it.
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks = |n: usize| fields.split(' ').nth(n)?.parse::<u64>().ok();
    let cpu = ticks(11)? + ticks(12)?;
    // Newer kernels tell the number as a size; to count them would take longer than a turn may.
    let descriptors = std::fs::metadata("/proc/self/fd").ok().map(|folder| folder.len()).filter(|count| *count > 0);
    Some(Vitals { resident_bytes: resident * PAGE_BYTES, cpu_ms: cpu * 1000 / TICKS_PER_SECOND, descriptors })
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_in_memory() {
        let vitals = read().unwrap();
        assert!(vitals.resident_bytes > 100_000, "{vitals:?}");
        assert!(vitals.descriptors.is_none_or(|count| count >= 3), "{vitals:?}");
    }
}
