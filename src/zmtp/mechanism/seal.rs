//! Keys and boxes: the one door to the crate that does the cryptography, so that another can take its place.
//!
//! What must be secret is wiped when it goes, and never shown, not even for debugging.

use core::fmt;
use std::sync::Arc;

use dryoc::classic::crypto_box::{
    crypto_box_beforenm, crypto_box_detached_afternm, crypto_box_detached_afternm_inplace, crypto_box_easy_afternm,
    crypto_box_open_detached_afternm, crypto_box_open_detached_afternm_inplace, crypto_box_open_easy_afternm,
};
use dryoc::classic::crypto_core::{crypto_core_hsalsa20, crypto_scalarmult};
use zeroize::{Zeroize, Zeroizing};

use super::poly;
use super::salsa::{self, Block, Keystream};
use crate::store::wipe;

/// Bytes of a key, public or secret.
pub const KEY_BYTES: usize = 32;
/// The point that public keys are multiples of (RFC 7748, 4.1).
const BASE: Public = {
    let mut base = [0; KEY_BYTES];
    base[0] = 9;
    base
};
/// Bytes that a box is longer than what is in it.
pub const MAC_BYTES: usize = 16;
/// Bytes of a nonce.
const NONCE_BYTES: usize = 24;
/// Boxes of more bytes are left to the crate, which then is the faster one. For these, as many blocks as are made at once are enough.
const SMALL_BYTES: usize = salsa::BLOCK_BYTES * salsa::LANES - KEY_BYTES;

/// Where chance comes from: fills what it is given.
pub type Chance<'a> = &'a mut dyn FnMut(&mut [u8]);

/// A public key.
pub type Public = [u8; KEY_BYTES];
/// A nonce.
pub type Nonce = [u8; NONCE_BYTES];
/// What tells whether a box is whole.
pub type Mac = [u8; MAC_BYTES];

/// A nonce of a name and a counter.
#[must_use]
pub fn counted(name: &[u8; 16], counter: [u8; 8]) -> Nonce {
    let mut nonce = [0; NONCE_BYTES];
    let (front, back) = nonce.split_at_mut(name.len());
    front.copy_from_slice(name);
    back.copy_from_slice(&counter);
    nonce
}

/// A nonce of a name and chance.
#[must_use]
pub fn chanced(name: &[u8; 8], chance: &[u8; 16]) -> Nonce {
    let mut nonce = [0; NONCE_BYTES];
    let (front, back) = nonce.split_at_mut(name.len());
    front.copy_from_slice(name);
    back.copy_from_slice(chance);
    nonce
}

/// Whether two things are the same, in a time that does not say where they differ.
#[must_use]
pub fn is_same(a: &[u8], b: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    a.ct_eq(b).into()
}

/// A key in a place of its own, which is wiped with the last that has it: what has it may be moved about without leaving a copy behind.
#[derive(Clone)]
struct Held(Arc<Zeroizing<[u8; KEY_BYTES]>>);

impl Held {
    /// One of these bytes, which are wiped.
    fn of(bytes: &mut [u8; KEY_BYTES]) -> Self {
        let mut held = Arc::new(Zeroizing::new([0; KEY_BYTES]));
        if let Some(place) = Arc::get_mut(&mut held) {
            place.copy_from_slice(bytes);
        }
        bytes.zeroize();
        Self(held)
    }
}

/// A secret key.
#[derive(Clone)]
pub struct Secret(Held);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// One of these bytes, which are wiped.
    pub fn of(bytes: &mut [u8; KEY_BYTES]) -> Self {
        Self(Held::of(bytes))
    }

    /// The key that others may know.
    ///
    /// By the same ladder as [`Secret::shared`]: what the crate has for the base point alone is faster by some twenty microseconds, and takes a thirtieth of
    /// the program for its tables.
    #[must_use]
    pub fn public(&self) -> Public {
        let mut public = [0; KEY_BYTES];
        let made = crypto_scalarmult(&mut public, &self.0.0, &BASE);
        debug_assert!(made.is_ok(), "no multiple of the base point is zero");
        public
    }

    /// What its owner and the owner of another key have in common, and nobody else. None where the other key is one of the few that make
    /// this the same for everybody.
    #[must_use]
    pub fn shared(&self, other: &Public) -> Option<Shared> {
        let mut key = crypto_box_beforenm(other, &self.0.0).ok()?;
        Some(Shared(Held::of(&mut key)))
    }
}

/// Both halves of a key.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The one that others may know.
    pub public: Public,
    /// The other one.
    pub secret: Secret,
}

impl KeyPair {
    /// The pair that this secret key is of.
    #[must_use]
    pub fn of(secret: Secret) -> Self {
        Self { public: secret.public(), secret }
    }
}

/// A key that two have in common.
#[derive(Clone)]
pub struct Shared(Held);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    /// Appends a box with `text` in it.
    pub fn seal(&self, nonce: &Nonce, text: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + MAC_BYTES + text.len(), 0);
        let place = out.get_mut(start..).unwrap_or_default();
        let sealed = crypto_box_easy_afternm(place, text, nonce, &self.0.0);
        debug_assert!(sealed.is_ok(), "a box has room for what is in it");
    }

    /// What is in a box; nothing if it has not been made with this key and this nonce.
    #[must_use]
    pub fn open(&self, nonce: &Nonce, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(vec![0; sealed.len().checked_sub(MAC_BYTES)?]);
        crypto_box_open_easy_afternm(&mut text, sealed, nonce, &self.0.0).ok()?;
        Some(text)
    }

    /// What seals or opens the messages of one direction, whose nonces begin with `name`.
    #[must_use]
    pub fn stream(&self, name: &'static [u8; 16]) -> Stream {
        let mut sub = Zeroizing::new([0; KEY_BYTES]);
        crypto_core_hsalsa20(&mut sub, name, &self.0.0, None);
        Stream { name, key: self.clone(), keystream: Keystream::new(&*sub) }
    }
}

/// One direction of messages.
pub struct Stream {
    name: &'static [u8; 16],
    key: Shared,
    /// Of what HSalsa20 makes of the key and the name. In a place of its own, as keys are.
    keystream: Box<Keystream>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

impl Stream {
    /// Seals `text` where it lies, under the number `n`.
    #[inline]
    pub fn seal(&mut self, n: u64, text: &mut [u8]) -> Mac {
        if text.len() > SMALL_BYTES {
            let mut mac = [0; MAC_BYTES];
            crypto_box_detached_afternm_inplace(text, &mut mac, &counted(self.name, n.to_be_bytes()), &self.key.0.0);
            return mac;
        }
        let blocks = Blocks::of(&mut self.keystream, n, text.len());
        blocks.mix(text);
        blocks.mac(text)
    }

    /// Seals `clear` into `text`, which is as long, under the number `n`: for texts that would not be copied as fast.
    pub fn seal_from(&self, n: u64, clear: &[u8], text: &mut [u8]) -> Mac {
        let mut mac = [0; MAC_BYTES];
        let nonce = counted(self.name, n.to_be_bytes());
        let sealed = crypto_box_detached_afternm(text, &mut mac, clear, &nonce, &self.key.0.0);
        debug_assert!(sealed.is_ok(), "there is as much room as there is text");
        mac
    }

    /// Opens what was sealed under the number `n` into `text`, which is as long; answers whether it was.
    #[inline]
    #[must_use]
    pub fn open(&mut self, n: u64, mac: &Mac, sealed: &[u8], text: &mut [u8]) -> bool {
        if sealed.len() > SMALL_BYTES {
            let nonce = counted(self.name, n.to_be_bytes());
            return crypto_box_open_detached_afternm(text, sealed, mac, &nonce, &self.key.0.0).is_ok();
        }
        let blocks = Blocks::of(&mut self.keystream, n, sealed.len());
        if text.len() != sealed.len() || !is_same_mac(&blocks.mac(sealed), mac) {
            return false;
        }
        text.copy_from_slice(sealed);
        blocks.mix(text);
        true
    }

    /// The same where it lies.
    #[must_use]
    pub fn open_in_place(&self, n: u64, mac: &Mac, sealed: &mut [u8]) -> bool {
        let nonce = counted(self.name, n.to_be_bytes());
        crypto_box_open_detached_afternm_inplace(sealed, mac, &nonce, &self.key.0.0).is_ok()
    }
}

/// What one small text is sealed with. It is wiped where it lies.
struct Blocks {
    /// The first half of it is the key of what tells whether the text is whole, the second half is for the beginning of the text.
    first: Block,
    /// For the rest, if there is one.
    behind: Option<[Block; salsa::LANES]>,
}

impl Drop for Blocks {
    #[inline(always)]
    fn drop(&mut self) {
        self.wipe();
    }
}

impl Blocks {
    #[inline(always)]
    fn of(keystream: &mut Keystream, n: u64, text: usize) -> Self {
        let behind = text.saturating_sub(KEY_BYTES).div_ceil(salsa::BLOCK_BYTES);
        if behind == 0 {
            return Self { first: keystream.first(n), behind: None };
        }
        let (first, behind) = keystream.blocks(n, behind);
        Self { first, behind: Some(behind) }
    }

    #[inline(always)]
    fn wipe(&mut self) {
        wipe(&mut self.first);
        if let Some(blocks) = &mut self.behind {
            wipe(blocks.as_flattened_mut());
        }
    }

    /// What tells whether a sealed text is whole.
    #[inline(always)]
    fn mac(&self, sealed: &[u8]) -> Mac {
        let [key, _] = self.halves();
        poly::mac(key, sealed)
    }

    #[inline(always)]
    fn halves(&self) -> [&[u8; KEY_BYTES]; 2] {
        const { assert!(2 * KEY_BYTES == salsa::BLOCK_BYTES, "a block has two halves") };
        match self.first.as_chunks().0 {
            [key, once] => [key, once],
            _ => [&[0; KEY_BYTES]; 2],
        }
    }

    #[inline(always)]
    fn mix(&self, text: &mut [u8]) {
        let (front, rest) = text.split_at_mut(text.len().min(KEY_BYTES));
        let [_, once] = self.halves();
        mix(front, once);
        if let Some(blocks) = &self.behind {
            mix(rest, blocks.as_flattened());
        }
    }
}

/// Mixes a text with a keystream that is at least as long, by words as far as there are any.
#[inline(always)]
fn mix(text: &mut [u8], key: &[u8]) {
    let (words, rest) = text.as_chunks_mut::<8>();
    let (keys, _) = key.as_chunks::<8>();
    for (word, key) in words.iter_mut().zip(keys) {
        *word = (u64::from_ne_bytes(*word) ^ u64::from_ne_bytes(*key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.get(8 * words.len()..).unwrap_or_default()) {
        *byte ^= key;
    }
}

/// As [`is_same`], as one number: byte by byte takes three hundred instructions more.
fn is_same_mac(a: &Mac, b: &Mac) -> bool {
    use subtle::ConstantTimeEq as _;
    u128::from_le_bytes(*a).ct_eq(&u128::from_le_bytes(*b)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_small_text_is_sealed_with_is_wiped() {
        for len in [1, KEY_BYTES, KEY_BYTES + 1, SMALL_BYTES] {
            let mut keystream = Keystream::new(&[7; KEY_BYTES]);
            let mut blocks = Blocks::of(&mut keystream, 5, len);
            assert!(blocks.first != [0; salsa::BLOCK_BYTES] && blocks.behind.is_some() == (len > KEY_BYTES));
            blocks.wipe();
            assert_eq!(blocks.first, [0; salsa::BLOCK_BYTES]);
            assert!(blocks.behind.as_ref().is_none_or(|blocks| *blocks == [[0; salsa::BLOCK_BYTES]; salsa::LANES]));
        }
    }
}
