//! The checksums packed files carry: CRC-32 (gzip, xz, 7z) and CRC-64 (xz).

/// A running checksum with that polynomial, its lowest power in the highest bit, which is set in every one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crc<const POLYNOMIAL: u64>(u64);

pub(super) type Crc32 = Crc<0xedb8_8320>;
pub(super) type Crc64 = Crc<0xc96c_5795_d787_0f42>;

impl<const POLYNOMIAL: u64> Crc<POLYNOMIAL> {
    /// What each byte does to the rest.
    const TABLE: [u64; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        let mut start = 0;
        while index < 256 {
            let mut value: u64 = start;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { value >> 1 ^ POLYNOMIAL } else { value >> 1 };
                bit += 1;
            }
            #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses a bad index")]
            {
                table[index] = value;
            }
            index += 1;
            start += 1;
        }
        table
    };

    /// All bits of the polynomial's width: what a checksum begins with, and what it is turned over with at its end.
    const ONES: u64 = u64::MAX >> POLYNOMIAL.leading_zeros();

    pub(super) const fn new() -> Self {
        Self(Self::ONES)
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let [low, ..] = self.0.to_le_bytes();
            let entry = Self::TABLE.get(usize::from(low ^ byte)).copied().unwrap_or_default();
            self.0 = self.0 >> 8 ^ entry;
        }
    }
}

impl Crc32 {
    pub(super) const fn value(self) -> u32 {
        let [a, b, c, d, ..] = (self.0 ^ Self::ONES).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    pub(super) fn of(bytes: &[u8]) -> u32 {
        let mut crc = Self::new();
        crc.add(bytes);
        crc.value()
    }
}

impl Crc64 {
    pub(super) const fn value(self) -> u64 {
        self.0 ^ Self::ONES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_have_their_well_known_values() {
        assert_eq!(Crc32::of(b"123456789"), 0xcbf4_3926);
        let mut crc = Crc64::new();
        crc.add(b"12345");
        crc.add(b"6789");
        assert_eq!(crc.value(), 0x995d_c9bb_df19_39fa);
        assert_eq!(Crc32::of(b""), 0);
    }
}
