//! Salsa20/20 for frames of a few bytes: four blocks of a keystream at once.
//!
//! Of the 24 bytes of a nonce the first 16 are the same for every message that goes one way, so the key that HSalsa20 makes of them is made
//! once. The crate for cryptography makes it anew for every box, which costs more than the box where that is small. And four blocks, worked
//! through side by side in the lanes of a vector, cost little more than one. Tests compare all this with the crate.

use wide::u32x4;
use zeroize::Zeroize;

use crate::store::wipe;

/// Bytes of a block.
pub(super) const BLOCK_BYTES: usize = 64;
/// Blocks that are made at once.
pub(super) const LANES: usize = 4;

/// A block of a keystream.
pub(super) type Block = [u8; BLOCK_BYTES];

/// Blocks that were made at once, which are wiped where they lie.
struct Made([Block; LANES]);

impl Drop for Made {
    #[inline(always)]
    fn drop(&mut self) {
        wipe(self.0.as_flattened_mut());
    }
}

/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// Which block: the number of the nonce, and that of the block.
#[derive(Clone, Copy)]
struct Place {
    /// The last eight bytes of the nonce, as they are written: the higher ones first.
    nonce: u64,
    block: u32,
}

/// The same word of four blocks.
type Word = u32x4;

/// The sum of two words, turned left by `BY`.
#[inline(always)]
fn turned<const BY: u32>(one: Word, other: Word) -> Word {
    let sum = one + other;
    sum << BY | sum >> (u32::BITS - BY)
}

macro_rules! quarter_round {
    ($a:ident, $b:ident, $c:ident, $d:ident) => {
        $b ^= turned::<7>($a, $d);
        $c ^= turned::<9>($b, $a);
        $d ^= turned::<13>($c, $b);
        $a ^= turned::<18>($d, $c);
    };
}

/// The words of the last eight bytes of a nonce.
#[inline(always)]
const fn words_of(nonce: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = nonce.to_be_bytes();
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// Four blocks of the keystream of `key`.
#[inline(never)]
fn four(key: &[u32; 8], places: [Place; LANES]) -> Made {
    let [c0, c1, c2, c3] = CONSTANTS.map(Word::splat);
    let [k0, k1, k2, k3, k4, k5, k6, k7] = key.map(Word::splat);
    let [one, two, three, four] = places;
    let each = |word: fn(Place) -> u32| Word::new([word(one), word(two), word(three), word(four)]);
    let low = each(|place| words_of(place.nonce).0);
    let high = each(|place| words_of(place.nonce).1);
    let number = each(|place| place.block);
    let (mut a, mut b, mut c, mut d) = (c0, k0, k1, k2);
    let (mut e, mut f, mut g, mut h) = (k3, c1, low, high);
    let (mut i, mut j, mut k, mut l) = (number, Word::splat(0), c2, k4);
    let (mut m, mut n, mut o, mut p) = (k5, k6, k7, c3);
    for _ in 0..10 {
        quarter_round!(a, e, i, m);
        quarter_round!(f, j, n, b);
        quarter_round!(k, o, c, g);
        quarter_round!(p, d, h, l);
        quarter_round!(a, b, c, d);
        quarter_round!(f, g, h, e);
        quarter_round!(k, l, i, j);
        quarter_round!(p, m, n, o);
    }
    // Of each of four words all lanes, turned into of each lane four words.
    let [a, b, c, d] = Word::transpose([a + c0, b + k0, c + k1, d + k2]);
    let [e, f, g, h] = Word::transpose([e + k3, f + c1, g + low, h + high]);
    let [i, j, k, l] = Word::transpose([i + number, j, k + c2, l + k4]);
    let [m, n, o, p] = Word::transpose([m + k5, n + k6, o + k7, p + c3]);
    Made([written([a, e, i, m]), written([b, f, j, n]), written([c, g, k, o]), written([d, h, l, p])])
}

/// A block by its words.
#[inline(always)]
fn written([one, two, three, four]: [Word; 4]) -> Block {
    let mut out = [0; BLOCK_BYTES];
    if let [a, b, c, d] = out.as_chunks_mut().0 {
        [*a, *b, *c, *d] = [bytes(one), bytes(two), bytes(three), bytes(four)];
    }
    out
}

/// Four words as they are written. Each is named, so that nothing is left to go round in.
#[inline(always)]
const fn bytes(words: Word) -> [u8; 4 * LANES] {
    let [one, two, three, four] = words.to_array();
    let ([a, b, c, d], [e, f, g, h]) = (one.to_le_bytes(), two.to_le_bytes());
    let ([i, j, k, l], [m, n, o, p]) = (three.to_le_bytes(), four.to_le_bytes());
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

/// The keystream of one direction, whose messages come under one number after the other: while some blocks are made, first blocks of the
/// numbers to come are made in the lanes that are left.
pub(super) struct Keystream {
    key: [u32; 8],
    /// Of each number its first block, at its rest by the number of lanes.
    ahead: [(u64, Block); LANES],
}

impl Drop for Keystream {
    fn drop(&mut self) {
        self.key.zeroize();
        self.ahead.iter_mut().for_each(|(_, block)| block.zeroize());
    }
}

/// A number that no message has.
const NONE: u64 = u64::MAX;

impl Keystream {
    pub(super) fn new(key: &[u8]) -> Box<Self> {
        let mut made = Box::new(Self { key: [0; 8], ahead: [(NONE, [0; BLOCK_BYTES]); LANES] });
        for (word, bytes) in made.key.iter_mut().zip(key.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        made
    }

    /// The first block of a number.
    #[inline(always)]
    pub(super) fn first(&mut self, n: u64) -> Block {
        match self.known(n) {
            Some(block) => block,
            None => {
                let Made([first, ..]) = &self.made(n, 0, 1);
                *first
            }
        }
    }

    /// The first block of a number, and so many behind it, three at most.
    pub(super) fn blocks(&mut self, n: u64, behind: usize) -> (Block, [Block; LANES]) {
        match self.known(n) {
            Some(first) => (first, self.made(n, 1, behind).0),
            None => {
                let Made([first, one, two, three]) = &self.made(n, 0, behind + 1);
                (*first, [*one, *two, *three, [0; BLOCK_BYTES]])
            }
        }
    }

    /// So many blocks of a number from this one on. In the other lanes, first blocks of the next numbers.
    fn made(&mut self, n: u64, from: u32, count: usize) -> Made {
        let mut asked = (from..).take(count).map(|block| Place { nonce: n, block });
        let mut to_come = (1..=LANES as u64).map(|ahead| Place { nonce: n.wrapping_add(ahead), block: 0 });
        let unknown = |place: &Place| {
            let slot = usize::try_from(place.nonce % LANES as u64).ok();
            slot.and_then(|slot| self.ahead.get(slot)).is_none_or(|(number, _)| *number != place.nonce)
        };
        let none = Place { nonce: NONE, block: 0 };
        let places = core::array::from_fn(|_| asked.next().or_else(|| to_come.find(unknown)).unwrap_or(none));
        let made = four(&self.key, places);
        for (place, block) in places.iter().zip(&made.0).skip(count).filter(|(place, _)| place.nonce != NONE) {
            *self.slot(place.nonce) = (place.nonce, *block);
        }
        made
    }

    #[inline(always)]
    fn known(&mut self, n: u64) -> Option<Block> {
        let (number, block) = self.slot(n);
        (*number == n).then_some(*block)
    }

    #[inline(always)]
    const fn slot(&mut self, n: u64) -> &mut (u64, Block) {
        let [a, b, c, d] = &mut self.ahead;
        match n % LANES as u64 {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        }
    }
}
