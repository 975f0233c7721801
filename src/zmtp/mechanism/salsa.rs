//! One block of Salsa20/20 at a time, for frames of a few bytes.
//!
//! Of the 24 bytes of a nonce the first 16 are the same for every message that goes one way, so the key that HSalsa20 makes of them is made
//! once. The crate for cryptography makes it anew for every box, which costs more than the box where that is small. Tests compare both.

/// Words of a block.
const WORDS: usize = 16;
/// Bytes of a block.
pub(super) const BLOCK_BYTES: usize = 64;

/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

macro_rules! step {
    ($target:ident ^= $a:ident + $b:ident <<< $by:literal) => {
        $target ^= $a.wrapping_add($b).rotate_left($by);
    };
}

macro_rules! quarter_round {
    ($a:ident, $b:ident, $c:ident, $d:ident) => {
        step!($b ^= $a + $d <<< 7);
        step!($c ^= $b + $a <<< 9);
        step!($d ^= $c + $b <<< 13);
        step!($a ^= $d + $c <<< 18);
    };
}

/// The words of a key or of a nonce.
pub(super) fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut chunks = bytes.chunks_exact(4);
    core::array::from_fn(|_| {
        let chunk = chunks.next().and_then(|chunk| chunk.try_into().ok());
        u32::from_le_bytes(chunk.unwrap_or_default())
    })
}

/// Block `number` of the keystream of `key` under a nonce of eight bytes.
#[inline(never)]
pub(super) fn block(key: &[u32; 8], nonce: [u8; 8], number: u32) -> [u8; BLOCK_BYTES] {
    let [c0, c1, c2, c3] = CONSTANTS;
    let [k0, k1, k2, k3, k4, k5, k6, k7] = *key;
    let [n0, n1] = words(&nonce);
    let first: [u32; WORDS] = [c0, k0, k1, k2, k3, c1, n0, n1, number, 0, c2, k4, k5, k6, k7, c3];
    let [
        mut a,
        mut b,
        mut c,
        mut d,
        mut e,
        mut f,
        mut g,
        mut h,
        mut i,
        mut j,
        mut k,
        mut l,
        mut m,
        mut n,
        mut o,
        mut p,
    ] = first;
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
    let last = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p];
    let mut out = [0; BLOCK_BYTES];
    for ((place, word), first) in out.chunks_exact_mut(4).zip(last).zip(first) {
        place.copy_from_slice(&word.wrapping_add(first).to_le_bytes());
    }
    out
}
