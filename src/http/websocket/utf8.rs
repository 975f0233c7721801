//! Text in pieces that may end within a letter.

/// Checks a text as it comes, and says so at the first byte that no UTF-8 can have there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Check {
    /// The beginning of a letter.
    held: [u8; 4],
    len: u8,
}

impl Check {
    /// Whether the text is one so far, with this piece.
    #[must_use]
    pub fn push(&mut self, piece: &[u8]) -> bool {
        let mut rest = piece;
        while self.len > 0 {
            let Some((byte, behind)) = rest.split_first() else { return true };
            if let Some(place) = self.held.get_mut(usize::from(self.len)) {
                *place = *byte;
            }
            (self.len, rest) = (self.len + 1, behind);
            match core::str::from_utf8(self.held.get(..usize::from(self.len)).unwrap_or_default()) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_some() => return false,
                Err(_) => {}
            }
        }
        let Err(error) = core::str::from_utf8(rest) else { return true };
        let begun = rest.get(error.valid_up_to()..).unwrap_or_default();
        self.held.iter_mut().zip(begun).for_each(|(place, byte)| *place = *byte);
        self.len = u8::try_from(begun.len()).unwrap_or(u8::MAX);
        error.error_len().is_none()
    }

    /// Whether the text may end here.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes are read before the check refuses; none if it never does.
    fn refused_at(bytes: &[u8], step: usize) -> Option<usize> {
        let mut check = Check::default();
        let mut pieces = bytes.chunks(step).enumerate();
        let refused = pieces.find_map(|(n, piece)| (!check.push(piece)).then_some(n * step));
        refused.or_else(|| (!check.is_whole()).then_some(bytes.len()))
    }

    #[test]
    fn texts_are_the_same_at_every_split() {
        let text = "aäß€𝄞\u{0}\u{10ffff}\u{800}z".as_bytes();
        for step in 1..=text.len() {
            assert_eq!(refused_at(text, step), None, "{step}");
        }
        for cut in 0..text.len() {
            let is_whole = core::str::from_utf8(&text[..cut]).is_ok();
            assert_eq!(refused_at(&text[..cut], 1).is_none(), is_whole, "{cut}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused_at_its_first_wrong_byte() {
        for (bytes, at) in [
            (&b"ab\x80"[..], 2),
            (b"\xc0\x80", 0),
            (b"\xe0\x80\x80", 1),
            (b"\xed\xa0\x80", 1),
            (b"\xf4\x90\x80\x80", 1),
            (b"\xf5", 0),
            (b"\xe2\x82a", 2),
            (b"\xf0\x9d\x84\xc3", 3),
        ] {
            assert_eq!(refused_at(bytes, 1), Some(at), "{bytes:?}");
            assert!((1..=bytes.len()).all(|step| refused_at(bytes, step).is_some()), "{bytes:?}");
        }
    }
}
