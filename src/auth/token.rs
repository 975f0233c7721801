//! Tokens: 32 bytes of chance in letters, of which only the hash is kept.

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// What every token begins with.
const PREFIX: &str = "it_";
/// What a hash is written behind.
const HASH_PREFIX: &str = "sha256:";
/// Letters of 32 bytes.
const LETTERS: usize = 43;

/// The token of 32 bytes of chance.
#[must_use]
pub fn token_of(chance: &[u8; 32]) -> String {
    let mut letters = [0; LETTERS];
    let written = URL_SAFE_NO_PAD.encode_slice(chance, &mut letters);
    debug_assert_eq!(written.ok(), Some(LETTERS), "so many letters hold 32 bytes");
    format!("{PREFIX}{}", core::str::from_utf8(&letters).unwrap_or_default())
}

/// What letters of base64 stand for, in either alphabet; nothing where they are none.
pub(super) fn decoded(alphabet: &GeneralPurpose, letters: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; letters.len()];
    let len = alphabet.decode_slice(letters, &mut bytes).ok()?;
    bytes.truncate(len);
    Some(bytes)
}

/// Whether a word has the shape of a token.
#[must_use]
pub fn is_token(word: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    word.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == LETTERS && rest.bytes().all(is_letter))
}

/// The hash of a token, of the whole text with what it begins with. It has chance enough for no more than that to be needed.
pub(super) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The hash of a token as a file has it.
#[must_use]
pub fn hash_of(token: &str) -> String {
    let digits: String = hash(token).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{HASH_PREFIX}{digits}")
}

/// Reads such a hash.
pub(super) fn read_hash(word: &str) -> Option<[u8; 32]> {
    let digits = word.strip_prefix(HASH_PREFIX)?;
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Whether two hashes are the same, in a time that does not tell where they differ.
pub(super) fn is_same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differs = a.iter().zip(b).fold(0, |differs, (a, b)| core::hint::black_box(differs | (a ^ b)));
    differs == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash() {
        let token = token_of(&[7; 32]);
        assert!(is_token(&token) && token.len() == 46);
        assert!(!is_token("it_") && !is_token(&token[3..]) && !is_token(&format!("{token}x")));
        assert!(!is_token(&token.replace('B', "=")));
        let hash_text = hash_of(&token);
        let read = read_hash(&hash_text).unwrap();
        assert!(is_same(&read, &hash(&token)) && !is_same(&read, &hash("x")));
        // As any other tool has it.
        assert_eq!(hash_of("abc"), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        for wrong in ["", "sha256:", &hash_text[..70], "sha1:00", &hash_text.replace(':', "_"), &token] {
            assert_eq!(read_hash(wrong), None, "{wrong}");
        }
    }
}
