//! The letters of XML: which are allowed, which are white space, what references stand for, and what a name may be made of.

use memchr::memchr_iter;

use super::defect::Defect;
use crate::limits::C2SIM_NAME_BYTES_MAX;

pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

/// The four characters XML calls white space.
pub(super) const fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

/// The same of a byte.
pub(super) const fn is_space_byte(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Whether `text` is nothing but white space.
pub(super) fn is_blank(text: &str) -> bool {
    text.bytes().all(is_space_byte)
}

/// How many lines end in `bytes`.
pub(super) fn lines(bytes: &[u8]) -> usize {
    memchr_iter(b'\n', bytes).count()
}

/// The part of `bytes` that is UTF-8 text of allowed characters, without a byte order mark, and what is wrong behind it.
pub(super) fn readable(bytes: &[u8]) -> (&str, Option<Defect>) {
    let (text, defect) = match core::str::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            (core::str::from_utf8(good).unwrap_or_default(), Some(Defect::NotUtf8))
        }
    };
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    match first_forbidden(text) {
        None => (text, defect),
        Some(at) => (text.get(..at).unwrap_or_default(), Some(Defect::ForbiddenCharacter)),
    }
}

/// Where the first character stands that XML forbids. Sixteen bytes are looked over at once: nearly all have no candidate.
pub(super) fn first_forbidden(text: &str) -> Option<usize> {
    let (blocks, rest) = text.as_bytes().as_chunks::<16>();
    for (n, block) in blocks.iter().enumerate() {
        if is_plain(u128::from_le_bytes(*block)) {
            continue;
        }
        for (half, word) in block.as_chunks::<8>().0.iter().enumerate() {
            let bytes = u64::from_le_bytes(*word);
            // Of those that have one, nearly all have the end of a line in them, and nothing else.
            if may_have_suspect(bytes)
                && has_suspect(bytes)
                && let Some(at) = first_forbidden_of(text, 16 * n + 8 * half, word)
            {
                return Some(at);
            }
        }
    }
    first_forbidden_of(text, text.len() - rest.len(), rest)
}

/// The same among these bytes, which stand at `at` of the text.
fn first_forbidden_of(text: &str, at: usize, bytes: &[u8]) -> Option<usize> {
    let noncharacter = |rest: &str| rest.starts_with(['\u{fffe}', '\u{ffff}']);
    let is_forbidden = |n: usize, byte: u8| byte < b' ' || text.get(at + n..).is_some_and(noncharacter);
    bytes.iter().enumerate().find(|(n, byte)| is_suspect(**byte) && is_forbidden(*n, **byte)).map(|(n, _)| at + n)
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// Whether all of the sixteen bytes are ASCII, and none a control character, line ends and tabs included. Some may be so and not seem it.
const fn is_plain(block: u128) -> bool {
    const SPACES: u128 = u128::from_le_bytes([b' '; 16]);
    (block.wrapping_sub(SPACES) | block) & u128::from_le_bytes([0x80; 16]) == 0
}

/// Whether one of the eight bytes may be a control character, line ends and tabs included, or 0xEF. The first such byte is found for certain;
/// which one it is does not show.
const fn may_have_suspect(word: u64) -> bool {
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let marked = word ^ (ONES * 0xef);
    (control | (marked.wrapping_sub(ONES) & !marked)) & HIGH != 0
}

/// Whether [`is_suspect`] is true of one of the eight bytes.
const fn has_suspect(word: u64) -> bool {
    let control = zeros(word & (ONES * 0xe0));
    let spaces = zeros(word ^ (ONES * 0x09)) | zeros(word ^ (ONES * 0x0a)) | zeros(word ^ (ONES * 0x0d));
    (control & !spaces) | zeros(word ^ (ONES * 0xef)) != 0
}

/// The highest bit of each of the eight bytes that is zero, and nothing else.
const fn zeros(word: u64) -> u64 {
    const LOW: u64 = !HIGH;
    // No carry leaves its byte.
    !(((word & LOW) + LOW) | word | LOW)
}

/// Whether a forbidden character may start with this byte: a control character, or 0xEF, which U+FFFE and U+FFFF start with.
const fn is_suspect(byte: u8) -> bool {
    ((byte < b' ') & (byte != b'\t') & (byte != b'\n') & (byte != b'\r')) | (byte == 0xef)
}

/// Whether XML allows the character.
pub(super) const fn is_allowed(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// The character that `&name;` stands for: one of the five entities or a character reference.
pub(super) fn resolve(name: &str) -> Option<char> {
    match name {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "apos" => return Some('\''),
        "quot" => return Some('"'),
        _ => {}
    }
    let digits = name.strip_prefix('#')?;
    let (digits, radix) = match digits.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (digits, 10),
    };
    // from_str_radix would take a sign.
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let letter = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)?;
    is_allowed(letter).then_some(letter)
}

/// Splits a qualified name into prefix (empty without one) and local name.
pub(super) fn split_name(name: &str) -> (&str, &str) {
    let colon = name.bytes().position(|byte| byte == b':');
    let parts = colon.and_then(|at| Some((name.get(..at)?, name.get(at + 1..)?)));
    parts.unwrap_or(("", name))
}

const fn starts_name(letter: char) -> bool {
    matches!(letter,
        'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

const fn continues_name(letter: char) -> bool {
    matches!(letter, '0'..='9' | '-' | '.' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
        || starts_name(letter)
}

/// What a byte may be in a name: the letters of ASCII are decided by it.
const STARTS: u8 = 1;
const CONTINUES: u8 = 2;
/// The byte ends a piece of text, or has to be looked at in it.
const MARKS: u8 = 4;
#[expect(clippy::indexing_slicing, reason = "a constant that would not compile")]
const LETTERS: [u8; 256] = {
    let mut letters = [0; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        letters[byte as usize] = match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => STARTS | CONTINUES,
            b'0'..=b'9' | b'-' | b'.' => CONTINUES,
            b'<' | b'&' | b'>' => MARKS,
            _ => 0,
        };
        byte += 1;
    }
    letters
};

fn kind_of(byte: u8) -> u8 {
    LETTERS.get(usize::from(byte)).copied().unwrap_or(0)
}

/// Checks a qualified name (at most one colon, between two proper names) and splits it into prefix (empty without one) and local name.
pub(super) fn check_name(name: &str) -> Result<(&str, &str), Defect> {
    if name.len() > C2SIM_NAME_BYTES_MAX {
        return Err(Defect::NameTooLong);
    }
    // Nearly all are without a prefix, and ASCII.
    if is_ascii_name(name) {
        return Ok(("", name));
    }
    let (prefix, local) = split_name(name);
    let prefixed = local.len() < name.len();
    if is_plain_name(local) && (!prefixed || is_plain_name(prefix)) {
        Ok((prefix, local))
    } else {
        Err(Defect::Malformed)
    }
}

fn is_ascii_name(name: &str) -> bool {
    !name.is_empty() && ascii_name(name.as_bytes()) == name.len()
}

/// How many bytes at the beginning are a name in ASCII without a prefix; none if they cannot begin one.
#[inline]
pub(super) fn ascii_name(bytes: &[u8]) -> usize {
    if bytes.first().is_none_or(|first| kind_of(*first) & STARTS == 0) {
        return 0;
    }
    // Most are made of nothing but letters.
    let mut len = 0;
    while let Some(word) = bytes.get(len..).and_then(|rest| rest.first_chunk::<8>()) {
        let letters = first_letters(u64::from_le_bytes(*word));
        len += letters;
        if letters < 8 {
            break;
        }
    }
    while bytes.get(len).is_some_and(|byte| kind_of(*byte) & CONTINUES != 0) {
        len += 1;
    }
    len
}

/// How many of the eight bytes, from the first on, are letters of ASCII.
const fn first_letters(word: u64) -> usize {
    let lower = (word | (ONES * 0x20)) & !HIGH;
    // No carry leaves its byte.
    let (from_a, behind_z) = (lower + ONES * 0x1f, lower + ONES * 0x05);
    let others = (!from_a | behind_z | word) & HIGH;
    others.trailing_zeros() as usize / 8
}

/// Where the first `<`, `&` or `>` is.
#[inline]
pub(super) fn first_mark(bytes: &[u8]) -> Option<usize> {
    // Of `<` and `>` one bit is different.
    let marks = |word| first_zero((word | (ONES * 0x02)) ^ (ONES * 0x3e)) | first_zero(word ^ (ONES * 0x26));
    first_by(bytes, marks, |byte| kind_of(byte) & MARKS != 0)
}

/// Where the first byte stands for which `is_wanted`, of which `first` finds the first of a word for certain by its highest bit. It is nearly
/// always near, so that a word of eight bytes at a time is quicker than more of them.
#[inline(always)]
fn first_by(bytes: &[u8], first: impl Fn(u64) -> u64, is_wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let found = first(u64::from_le_bytes(*word)) & HIGH;
        if found != 0 {
            return Some(8 * n + found.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|byte| is_wanted(*byte))?;
    Some(bytes.len() - rest.len() + at)
}

/// The highest bit of the first byte that is zero, for certain; what stands in other bits means nothing.
#[inline(always)]
const fn first_zero(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word
}

/// Whether `name` is a name without colon.
fn is_plain_name(name: &str) -> bool {
    let mut letters = name.chars();
    is_ascii_name(name) || (letters.next().is_some_and(starts_name) && letters.all(continues_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_characters_are_found_in_every_place_of_a_block() {
        for before in 0..140 {
            let text = format!("{}\u{b}", "x".repeat(before));
            assert_eq!(first_forbidden(&text), Some(before));
            let text = format!("{}\u{fffe}", "\u{ef}".repeat(before));
            assert_eq!(first_forbidden(&text), Some(2 * before));
            assert_eq!(first_forbidden(&"\u{fffd}\t\r\n".repeat(before)), None);
        }
    }

    #[test]
    fn a_word_has_a_suspect_if_one_of_its_bytes_is_one() {
        for place in 0..8 {
            for byte in 0..=u8::MAX {
                for around in [b' ', b'\n', 0x7f, 0xf0, 0x80] {
                    let mut word = [around; 8];
                    word[place] = byte;
                    let has = word.iter().any(|byte| is_suspect(*byte));
                    assert_eq!(has_suspect(u64::from_le_bytes(word)), has, "{word:?}");
                    assert!(!has || may_have_suspect(u64::from_le_bytes(word)), "{word:?}");
                }
            }
        }
    }

    #[test]
    fn a_name_at_the_beginning_is_the_one_that_is_checked() {
        for text in ["a", "A-b.9_>", "", ">", "9a", "-a", "a:b>", "a b", "n\u{e9}", "_", "a<"] {
            let len = ascii_name(text.as_bytes());
            let name = text.get(..len).unwrap();
            assert_eq!(check_name(name).is_ok(), len > 0, "{text}");
            let longer = text.get(..=len).filter(|longer| longer.len() > len && !longer.ends_with(':'));
            assert!(longer.is_none_or(|longer| check_name(longer).is_err()), "{text}");
        }
        assert_eq!(ascii_name(&[b'a'; 1000]), 1000);
        assert_eq!([first_mark(b"ab&<"), first_mark(b">"), first_mark(b"]]")], [Some(2), Some(0), None]);
    }

    #[test]
    fn what_is_found_by_words_is_what_is_found_byte_by_byte() {
        for (place, around) in (0..20).flat_map(|place| [b'a', b'Z', b'_', b' ', b'4'].map(|around| (place, around))) {
            for byte in 0..=u8::MAX {
                for len in [place + 1, 20, 31] {
                    let mut bytes = vec![around; len];
                    bytes[place] = byte;
                    let mark = bytes.iter().position(|byte| b"<&>".contains(byte));
                    assert_eq!(first_mark(&bytes), mark, "{bytes:?}");
                    let named = bytes.iter().take_while(|byte| kind_of(**byte) & CONTINUES != 0).count();
                    let named = if kind_of(bytes[0]) & STARTS != 0 { named } else { 0 };
                    assert_eq!(ascii_name(&bytes), named, "{bytes:?}");
                    if let Ok(text) = core::str::from_utf8(&bytes) {
                        let forbidden = text.char_indices().find(|(_, letter)| !is_allowed(*letter)).map(|(at, _)| at);
                        assert_eq!(first_forbidden(text), forbidden, "{text:?}");
                    }
                }
            }
        }
    }
}
