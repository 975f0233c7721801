//! Poly1305 for texts of a few bytes: what tells whether a box is whole.
//!
//! The crate for cryptography gets ready for much, and wipes all of that: for a frame of twenty bytes that costs more than the sums. Here all lies in
//! registers, in words of 64 bits, and no branch or place in memory depends on a key or a text, but on its length. Tests compare this with the crate.

/// Bytes of a key: what is multiplied by, and what is added at last.
const KEY_BYTES: usize = 32;
/// Bytes that go into the sum at once, and that come out of it.
const BLOCK_BYTES: usize = 16;
/// Of the two words of a key's first half, the bits that count.
const CLAMP: (u64, u64) = (0x0fff_fffc_0fff_ffff, 0x0fff_fffc_0fff_fffc);

/// The product of two words.
#[inline(always)]
const fn times(a: u64, b: u64) -> u128 {
    a as u128 * b as u128
}

/// The two halves of a number.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "both halves are taken apart on purpose")]
const fn halves(number: u128) -> (u64, u64) {
    (number as u64, (number >> 64) as u64)
}

/// What tells whether `text` is whole, by the key of this one text.
#[inline]
pub(super) fn mac(key: &[u8; KEY_BYTES], text: &[u8]) -> [u8; BLOCK_BYTES] {
    let number = |half: Option<&[u8; BLOCK_BYTES]>| u128::from_le_bytes(half.copied().unwrap_or_default());
    let (factor, added) = (number(key.first_chunk()), number(key.last_chunk()));
    let (r0, r1) = halves(factor);
    let mut sum = Sum { r0: r0 & CLAMP.0, r1: r1 & CLAMP.1, h0: 0, h1: 0, h2: 0 };
    let (blocks, rest) = text.as_chunks::<BLOCK_BYTES>();
    for block in blocks {
        sum.add(u128::from_le_bytes(*block), 1);
    }
    if !rest.is_empty() {
        // Behind the last byte comes a one.
        let mut block = [0; BLOCK_BYTES];
        for (place, byte) in block.iter_mut().zip(rest.iter().chain(&[1])) {
            *place = *byte;
        }
        sum.add(u128::from_le_bytes(block), 0);
    }
    sum.rest().wrapping_add(added).to_le_bytes()
}

/// The sum so far, modulo 2^130 - 5, the lowest word first, and what it is multiplied by with every block.
struct Sum {
    r0: u64,
    r1: u64,
    h0: u64,
    h1: u64,
    /// The bits from 2^128 on, and a few more.
    h2: u64,
}

impl Sum {
    /// Adds a block, with `one` at 2^128, and multiplies.
    #[inline(always)]
    const fn add(&mut self, block: u128, one: u64) {
        let (b0, b1) = halves(block);
        let (h0, carry) = self.h0.overflowing_add(b0);
        let (h1, over) = halves(self.h1 as u128 + b1 as u128 + carry as u128);
        let h2 = self.h2 + over + one;
        // The last two bits of `r1` are none, so that a quarter of five of it is whole: what lies from 2^130 on comes back times five.
        let s1 = self.r1 + (self.r1 >> 2);
        let low = times(h0, self.r0) + times(h1, s1);
        let high = times(h0, self.r1) + times(h1, self.r0) + (h2 * s1) as u128;
        let (h0, over) = halves(low);
        let (h1, over) = halves(high + over as u128);
        let h2 = h2 * self.r0 + over;
        // The same again for what has become of it.
        let back = (h2 & !3) + (h2 >> 2);
        let (h0, carry) = h0.overflowing_add(back);
        let (h1, carry) = h1.overflowing_add(carry as u64);
        (self.h0, self.h1, self.h2) = (h0, h1, (h2 & 3) + carry as u64);
    }

    /// The lowest 128 bits of what is left modulo 2^130 - 5.
    #[inline(always)]
    const fn rest(&self) -> u128 {
        let (h0, carry) = self.h0.overflowing_add(5);
        let (h1, carry) = self.h1.overflowing_add(carry as u64);
        // Whether it is 2^130 - 5 or more, as all bits or none: then that is taken off.
        let mask = ((self.h2 + carry as u64) >> 2 & 1).wrapping_neg();
        let (h0, h1) = (self.h0 & !mask | h0 & mask, self.h1 & !mask | h1 & mask);
        h0 as u128 | (h1 as u128) << 64
    }
}

#[cfg(test)]
mod tests {
    use dryoc::classic::crypto_onetimeauth::crypto_onetimeauth;

    use super::*;

    fn of_the_crate(key: &[u8; KEY_BYTES], text: &[u8]) -> [u8; BLOCK_BYTES] {
        let mut mac = [0; BLOCK_BYTES];
        crypto_onetimeauth(&mut mac, text, key);
        mac
    }

    #[test]
    fn every_length_is_told_as_the_crate_tells_it() {
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            state.to_be_bytes()[0]
        };
        for len in 0..=300 {
            for fill in [None, Some(0xff), Some(0)] {
                let text: Vec<u8> = (0..len).map(|_| fill.unwrap_or_else(&mut random)).collect();
                let by_chance = core::array::from_fn(|_| random());
                for key in [by_chance, [0xff; KEY_BYTES], [0; KEY_BYTES]] {
                    assert_eq!(mac(&key, &text), of_the_crate(&key, &text), "{len} bytes");
                }
            }
        }
    }

    #[test]
    fn sums_next_to_the_modulus_wrap_where_they_must() {
        // Small factors bring the sum next to multiples of the modulus, on either side of it.
        let mut ends = vec![[0; BLOCK_BYTES], [0xff; BLOCK_BYTES]];
        for low in (0..=16).chain(0xf0..=0xff) {
            let mut block = [0xff; BLOCK_BYTES];
            block[0] = low;
            ends.push(block);
            block = [0; BLOCK_BYTES];
            block[0] = low;
            ends.push(block);
        }
        for factor in [1, 2, 4, 5] {
            for added in [0, 0xff] {
                let mut key = [added; KEY_BYTES];
                key[..BLOCK_BYTES].fill(0);
                key[0] = factor;
                for first in &ends {
                    assert_eq!(mac(&key, first), of_the_crate(&key, first));
                    for second in &ends {
                        for third in [[0; BLOCK_BYTES], [0xff; BLOCK_BYTES]] {
                            let text = [*first, *second, third].concat();
                            for text in [&text[..], &text[..2 * BLOCK_BYTES], &text[..BLOCK_BYTES + 7]] {
                                assert_eq!(mac(&key, text), of_the_crate(&key, text), "{factor} {text:?}");
                            }
                        }
                    }
                }
            }
        }
    }
}
