//! The one filter of what the program prints and logs: no letter passes that a terminal would obey, or that turns the text around it.
//!
//! Names, addresses, documents and answers come from strangers. Each such letter is written as JSON writes it, so that a JSON document with
//! letters replaced in its strings is the same document.

use std::borrow::Cow;

/// Whether a letter is shown as a number: the control letters (C0, DEL, C1), and those that set the direction of writing.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn replaced(text: &str, is_kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_wrong = |letter: char| is_hidden(letter) && !is_kept(letter);
    if !text.contains(is_wrong) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            _ if !is_wrong(letter) => shown.push(letter),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            // All of them have four digits.
            _ => shown.push_str(&format!("\\u{:04x}", u32::from(letter))),
        }
    }
    Cow::Owned(shown)
}

/// `text` as a part of a line.
pub(in crate::cli) fn visible(text: &str) -> Cow<'_, str> {
    replaced(text, |_| false)
}

/// `text` of several lines.
pub(in crate::cli) fn visible_lines(text: &str) -> Cow<'_, str> {
    replaced(text, |letter| letter == '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_that_a_terminal_would_obey() {
        assert_eq!(visible("a\x1b[2Jb\nü\r\t\u{7f}"), "a\\u001b[2Jb\\nü\\r\\t\\u007f");
        assert_eq!(visible("\u{9b}31m"), "\\u009b31m", "C1 has an escape of its own");
        assert_eq!(visible_lines("a\u{1b}[1m\nb\n"), "a\\u001b[1m\nb\n");
        assert!(matches!(visible("plain ü ✓ \u{1f600}"), Cow::Borrowed(_)));
    }

    #[test]
    fn nothing_passes_that_turns_the_text_around_it() {
        let turning = ['\u{61c}', '\u{200e}', '\u{200f}'].into_iter();
        for letter in turning.chain('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            assert_eq!(visible(&format!("a{letter}b")), format!("a\\u{:04x}b", u32::from(letter)));
        }
        assert_eq!(visible("\u{2029}\u{202f}\u{2065}\u{206a}"), "\u{2029}\u{202f}\u{2065}\u{206a}", "their neighbours");
    }

    #[test]
    fn a_json_document_stays_the_same_document() {
        let all: String = (0..=0x2070).filter_map(char::from_u32).collect();
        let document = serde_json::json!({ all.as_str(): [all.as_str(), 1] });
        for text in [document.to_string(), format!("{document:#}")] {
            let shown = visible_lines(&text);
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), document);
            assert!(shown.chars().all(|letter| letter == '\n' || !is_hidden(letter)));
        }
    }
}
